"""`keras-gans zoo list|show|load|push|export`: all but the last take no backend."""

import pathlib

from keras_gans.cli.flags import BACKEND, DEBUG, Command, Flag
from keras_gans.errors import printable
from keras_gans.typing import Any

WHERE = (
    Flag("path", "string", "a folder of entries to look in instead", value="FOLDER"),
    Flag(
        "url",
        "string",
        "the URL of a zoo to download from",
        shown="KERAS_GANS_ZOO_URL",
        value="URL",
    ),
    Flag(
        "cache_dir",
        "string",
        "folder of downloaded entries",
        shown="zoo in KERAS_GANS_HOME, else ~/.keras/keras_gans/zoo",
        value="FOLDER",
    ),
)


ENDINGS = {"saved_model": "", "keras": ".keras", "onnx": ".onnx", "litert": ".tflite"}


def _flags():
    return list(WHERE)


def _load_flags():
    out = Flag("out", "string", "folder to copy the entry into", "zoo", value="FOLDER")
    return [out, *WHERE]


def _export_flags():
    return [
        Flag(
            "format",
            "string",
            "saved_model (a folder that TensorFlow serves), or a file: keras, onnx, litert",
            "saved_model",
            value="NAME",
            choices=tuple(ENDINGS),
        ),
        Flag("out", "string", "what to write", shown="NAME, and the format's ending", value="PATH"),
        Flag("overwrite", "boolean", "replace what is at --out", False),
        *WHERE,
    ]


def where(values: Any) -> dict[str, Any]:
    """The arguments of `keras_gans.zoo` that the flags of `WHERE` stand for."""
    return {"path": values.path, "base_url": values.url, "cache_dir": values.cache_dir}


def run_list(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo list`."""
    from keras_gans import zoo
    from keras_gans.zoo import architectures, catalogue, store

    names = zoo.list(**where(values))
    damaged = False
    if not names:
        print("There are no entries here.")
    for name in names:
        folders = [values.path] if values.path else _local(values, store)
        folder = None if values.url else store.find(name, folders)
        if catalogue.is_architecture(name, **where(values)):
            text = architectures.summary(name)
            print(f"{name:<24} {'':<12} architecture only, no weights: {text}")
            continue
        if folder is None:
            print(f"{name:<24} (not downloaded: keras-gans zoo load {name})")
            continue
        try:
            card = store.EntryFolder(folder).card
        except (ValueError, OSError) as error:
            print(f"{name:<24} damaged: {printable(error)}")
            damaged = True
            continue
        size = sum(f["bytes"] for f in card["files"].values())
        made = card["architecture"]
        shape = "x".join(str(n) for n in made.get("output_shape") or made["image_shape"])
        print(f"{name:<24} {shape:<12} {size / 2**20:6.2f} MiB  {printable(card['summary'])}")
    return int(damaged)


def _local(values, store):
    return [store.packaged_folder(), store.cache_folder(values.cache_dir)]


def run_show(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo show`."""
    from keras_gans import zoo

    print(zoo.card(positional[0], **where(values)), end="")
    return 0


def run_load(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo load`."""
    from keras_gans import tasks
    from keras_gans.zoo import catalogue, store

    entry = store.EntryFolder(catalogue.locate(positional[0], **where(values)))
    target = store.copy_entry(entry, pathlib.Path(values.out))
    size = sum(f["bytes"] for f in entry.card["files"].values())
    files = len(entry.card["files"])
    print(f"Wrote {target}: {files} files, {size / 2**20:.2f} MiB; every SHA-256 is right.")
    print("Use it:")
    command = tasks.of_card(entry.card).command
    print(f"  keras-gans {command} {target} --out=grid.png")
    print(f'  keras_gans.zoo.load("{target.name}", path="{target.parent}")  # in Python')
    return 0


def run_export(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo export`."""
    from keras_gans.cli.startup import choose_backend

    choose_backend(values.backend)
    from keras_gans import tasks, zoo

    name = positional[0]
    entry = zoo.load(name, **where(values))
    out = zoo.export(
        entry,
        values.out or f"{entry.name}{ENDINGS[values.format]}",
        values.format,
        values.overwrite,
    )
    print(f"Wrote {out}.")
    task = tasks.of(entry)
    for line in _usage(values.format, str(out), task.verb, task.network(entry).inputs):
        print(line)
    return 0


def _push_flags():
    return [
        Flag("private", "boolean", "for a new repository: only its owner sees it", False),
        Flag("overwrite", "boolean", "replace the entry that is there", False),
        *WHERE,
    ]


def run_push(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo push`."""
    from keras_gans.zoo import catalogue, hub, store

    name, target = positional
    hub.parse(target)
    path = pathlib.Path(name)
    found = path if (path / store.CARD).is_file() else catalogue.locate(name, **where(values))
    print(f"Uploaded {hub.push(found.resolve(), target, values.private, values.overwrite)}.")
    return 0


def _usage(format, out, verb, inputs):
    """Lines of Python, after a first one of English, that use what was written as they stand."""
    if format == "keras":
        yield "Use it:"
        yield "  import keras, keras_gans"
        yield f"  network = keras.saving.load_model({out!r})"
        return
    given = {}
    for x in inputs:
        shape = ", ".join(str(n or 64) for n in (4, *x.shape[1:]))
        made = f"np.random.randn({shape})" if x.name == "latents" else f"np.zeros(({shape},))"
        given[x.name] = f'{made}.astype("{x.dtype}")'
    yield "Use it, without keras_gans:"
    yield f"  import numpy as np, {'onnxruntime' if format == 'onnx' else 'tensorflow as tf'}"
    yield f"  inputs = dict({', '.join(f'{name}={code}' for name, code in given.items())})"
    if format == "litert":
        yield f"  runner = tf.lite.Interpreter({out!r}).get_signature_runner()"
        yield "  (images,) = runner(**inputs).values()"
    elif format == "onnx":
        yield f"  (images,) = onnxruntime.InferenceSession({out!r}).run(None, inputs)"
    else:
        # Its functions end with it: it has to have a name.
        yield f"  served = tf.saved_model.load({out!r})"
        yield f"  images = served.{verb}(*inputs.values())"


COMMANDS = (
    Command(
        "zoo list",
        "names of the entries",
        "List the entries: name, size of the images, size of the files, what it is. Architectures "
        "without weights are marked, and so are damaged entries, with exit status 1.",
        _flags,
        ("keras-gans zoo list",),
        run_list,
        common=(DEBUG,),
    ),
    Command(
        "zoo show",
        "the card of an entry: data, licence, recipe, scores, limits",
        "Print the card of an entry as Markdown: data and licence, recipe, scores, limits, files.",
        _flags,
        ("keras-gans zoo show osgan_digits",),
        run_show,
        ("NAME",),
        (DEBUG,),
    ),
    Command(
        "zoo load",
        "check an entry and copy it (downloading it first where needed)",
        "Find an entry, download it where needed, check the SHA-256 of every file, and copy it to "
        "FOLDER/NAME.",
        _load_flags,
        ("keras-gans zoo load osgan_digits --out=my_zoo",),
        run_load,
        ("NAME",),
        (DEBUG,),
    ),
    Command(
        "zoo push",
        "upload an entry to the Hugging Face Hub",
        "Upload an entry, by its name or its folder, into a repository of the Hugging Face Hub, in "
        "one commit, from which hf://user/name loads it again. Log in first: hf auth login, or "
        "HF_TOKEN. It needs pip install 'keras_gans[hub]'.",
        _push_flags,
        ("keras-gans zoo push my_zoo/faces hf://user/faces --private",),
        run_push,
        ("NAME", "TARGET"),
        (DEBUG,),
    ),
    Command(
        "zoo export",
        "write an entry's generator as a SavedModel, a .keras file or ONNX",
        "Write the generator of an entry for serving, or the network that translates. The "
        "SavedModel has the signature generate (or translate), takes any batch, and needs "
        "TensorFlow alone to be loaded; so does ONNX with ONNX Runtime (to write it: pip install "
        "'keras_gans[onnx]'). LiteRT, for phones, is written with --backend=tensorflow.",
        _export_flags,
        (
            "keras-gans zoo export osgan_digits --out=served",
            "keras-gans zoo export osgan_digits --format=onnx",
        ),
        run_export,
        ("NAME",),
        (BACKEND, DEBUG),
    ),
)
