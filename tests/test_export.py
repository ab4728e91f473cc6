"""Generators of the zoo in formats for serving."""

import http.server
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request

import keras
import numpy as np
import pytest
from conftest import slow_on

import keras_gans
from keras_gans import tasks, zoo
from keras_gans.cli.main import run

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def entry():
    return zoo.load("osgan_digits")


@slow_on("jax")
def test_a_saved_model_generates_without_this_library(entry, tmp_path):
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="from the torch backend: write another"):
            zoo.export(entry, tmp_path / "served")
        return
    out = zoo.export(entry, tmp_path / "served")
    latents = np.random.default_rng(3).standard_normal((5, 64)).astype("float32")
    np.savez(tmp_path / "inputs.npz", latents=latents)
    program = """
        import sys
        import numpy as np
        import tensorflow as tf

        latents = np.load("inputs.npz")["latents"]
        served = tf.saved_model.load("served")
        images = served.generate(latents, np.arange(5, dtype="int32"))
        named = served.signatures["generate"](
            latents=tf.constant(latents), labels=tf.range(5, dtype=tf.int32)
        )
        np.savez("images.npz", images=images, named=next(iter(named.values())))
        assert not any(m.startswith("keras_gans") for m in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=300)
    wanted = entry.images_of(latents, np.arange(5))
    with np.load(tmp_path / "images.npz") as found:
        for name in ("images", "named"):
            np.testing.assert_allclose(found[name], wanted, atol=1e-5)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        zoo.export(entry, out)


@slow_on("jax")
def test_a_keras_file_gives_the_same_images(entry, tmp_path):
    out = zoo.export("osgan_digits", tmp_path / "digits.keras", "keras")
    generator = keras.saving.load_model(out)
    latents = np.random.default_rng(3).standard_normal((5, 64)).astype("float32")
    images = keras.ops.convert_to_numpy(generator([latents, np.arange(5)], training=False))
    np.testing.assert_allclose(images, entry.images_of(latents, np.arange(5)), atol=1e-6)


def test_the_command_and_its_refusals(entry, tmp_path, capsys):
    out = tmp_path / "digits.keras"
    assert run(["zoo", "export", "osgan_digits", "--format=keras", f"--out={out}"]) == 0
    assert str(out) in capsys.readouterr().out and out.is_file()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        run(["zoo", "export", "osgan_digits", "--format=keras", f"--out={out}"])
    with pytest.raises(ValueError, match="--format is 'kera' .did you mean 'keras'"):
        run(["zoo", "export", "osgan_digits", "--format=kera"])
    with pytest.raises(ValueError, match="Unknown format 'h5'"):
        zoo.export(entry, out, "h5")


def test_the_cache_keeps_what_was_built(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path))
    # The entry's own SavedModel needs no backend that writes one.
    assert zoo.export(entry) == entry.folder / "saved_model"
    made = zoo.export(entry, format="keras")
    assert made.parent == tmp_path / "exported" and made.name.startswith("osgan_digits-")
    before = made.stat().st_mtime_ns
    assert zoo.export("osgan_digits", format="keras") == made
    # Not the entry that others will ask for.
    for changed in ({"weights": None}, {"training": True}):
        for format in ("keras", "saved_model"):
            with pytest.raises(ValueError, match="loaded for training or without weights"):
                zoo.export(zoo.load("osgan_digits", **changed), format=format, overwrite=True)
    assert made.stat().st_mtime_ns == before
    assert zoo.export(entry, format="keras", overwrite=True) == made
    assert made.stat().st_mtime_ns > before


def printed_program(arguments, capsys, kept):
    """What an export prints to use it by, run as it stands in another process; the arrays kept."""
    assert run(["zoo", "export", *arguments]) == 0
    lines = capsys.readouterr().out.split("Use it", 1)[1].splitlines()[1:]
    keep = f"np.savez({str(kept)!r}, images, *inputs.values())"
    program = "\n".join([*map(str.strip, lines), keep])
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    with np.load(kept) as found:
        return list(found.values())


@pytest.mark.skipif(BACKEND == "torch", reason="Keras cannot write a SavedModel from torch")
@slow_on("jax")
@pytest.mark.parametrize(
    "name", ["osgan_digits", pytest.param("pix2pix_avatars_128", marks=pytest.mark.slow)]
)
def test_the_printed_lines_of_a_saved_model_work(name, tmp_path, capsys):
    arguments = [name, f"--out={tmp_path / 'it is'}"]
    images, *inputs = printed_program(arguments, capsys, tmp_path / "made.npz")
    loaded = zoo.load(name)
    wanted = (loaded.images_of if name == "osgan_digits" else loaded.translate)(*inputs)
    np.testing.assert_allclose(images, wanted, atol=1e-5)


def onnx_images(path, inputs):
    """The images of an ONNX file, by ONNX Runtime."""
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    return session.run(None, inputs)[0]


def needs_onnx(test):
    for name in ("onnx", "onnxruntime", *keras_gans.training.backend.ONNX_PACKAGES):
        missing = importlib.util.find_spec(name) is None
        test = pytest.mark.skipif(missing, reason=f"{name} is missing: pip install .[onnx]")(test)
    # Another backend writes it for JAX, in a process that takes long to start.
    return slow_on("jax")(test)


QUICK = ("osgan_digits", "pix2pix_avatars_128")
ENTRIES = [n for n in zoo.list() if not zoo.catalogue.is_architecture(n)]


def served(entry):
    """Random inputs of an entry's network, one and three of them, and what Keras makes of each."""
    network, random = tasks.of(entry).network(entry), np.random.default_rng(0)
    for count in (1, 3):
        inputs = {}
        for x in network.inputs:
            shape = (count, *x.shape[1:])
            whole = "int" in x.dtype
            value = random.integers(0, 3, shape) if whole else random.uniform(-1, 1, shape)
            inputs[x.name] = value.astype(x.dtype)
        made = network(list(inputs.values()) if len(inputs) > 1 else inputs["".join(inputs)])
        made = made["output"] if isinstance(made, dict) else made
        yield inputs, keras.ops.convert_to_numpy(made)


@needs_onnx
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in ENTRIES]
)
def test_onnx_gives_the_same_images(name, tmp_path):
    entry = zoo.load(name)
    path = zoo.export(entry, tmp_path / "made.onnx", "onnx")
    for inputs, wanted in served(entry):
        np.testing.assert_allclose(onnx_images(path, inputs), wanted, atol=1e-4)


@needs_onnx
def test_onnx_of_a_loaded_model_is_of_its_average(tmp_path):
    g, d = keras_gans.networks.dcgan(8, channels=1, width=4, latent_dim=4)
    model = keras_gans.models.GAN(g, d, ema=0.9)
    model.ema_generator.set_weights([w + 0.1 for w in g.get_weights()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.export(tmp_path / "model.onnx", format="onnx")
    z = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    made = onnx_images(tmp_path / "model.onnx", {"latents": z})
    np.testing.assert_allclose(made, model.images_of(z), atol=1e-5)
    assert np.abs(made - keras.ops.convert_to_numpy(g(z))).max() > 1e-3


@needs_onnx
def test_a_model_that_translates_is_exported(tmp_path):
    networks = keras_gans.networks.pix2pix(image_size=32, channels=1, width=4, d_layers=2)
    model = keras_gans.models.Pix2Pix(*networks)
    model.export(tmp_path / "model.onnx", format="onnx")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype("float32")
    made = onnx_images(tmp_path / "model.onnx", {"images": images})
    np.testing.assert_allclose(made, model.translate(images), atol=1e-5)


@needs_onnx
def test_the_printed_lines_of_onnx_work(entry, tmp_path, capsys):
    arguments = ["osgan_digits", "--format=onnx", f"--out={tmp_path / 'it is.onnx'}"]
    images, *inputs = printed_program(arguments, capsys, tmp_path / "made.npz")
    np.testing.assert_allclose(images, entry.images_of(*inputs), atol=1e-5)


def test_onnx_that_cannot_be_written_is_one_line(entry, tmp_path, monkeypatch):
    out = tmp_path / "x.onnx"
    said = r"needs onnx.*: pip install 'keras_gans\[onnx\]'"
    if BACKEND == "jax":
        said = r"For jax another backend writes ONNX, which needs torch and onnx, or tensorflow and"
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=said):
            zoo.export(entry, out, "onnx")
    monkeypatch.setattr(keras_gans.training.backend, "ONNX_PACKAGES", ("numpy",))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        g, d = keras_gans.networks.dcgan(8, channels=1, width=4, latent_dim=4)
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="ONNX is written of float32 networks"):
        keras_gans.models.GAN(g, d).export(out, format="onnx")
    assert not out.exists()


@pytest.fixture
def conditional(tmp_path):
    """An entry of three classes, tiny."""
    g, d = keras_gans.networks.dcgan(8, channels=1, width=4, latent_dim=4, num_classes=3)
    card = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
    model = keras_gans.models.GAN(g, d, num_classes=3)
    zoo.publish(model, "three", card, tmp_path / "zoo", saved_model=False)
    return zoo.load("three", path=tmp_path / "zoo")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="these are written from TensorFlow")
def test_a_saved_model_makes_pictures_of_a_seed(conditional, tmp_path):
    import tensorflow as tf

    served = tf.saved_model.load(str(zoo.export(conditional, tmp_path / "served")))
    pictures, generate = served.signatures["pictures"], served.signatures["generate"]

    def made(seed, labels, truncation):
        given = {"seed": tf.constant(seed), "truncation": tf.constant(truncation)}
        return next(iter(pictures(labels=tf.constant(labels), **given).values())).numpy()

    # The noise that TensorFlow says it draws, through the signature of latents.
    labels = [0, 2, 1, 1, 0]
    latents = 0.5 * tf.random.stateless_normal((5, 4), [7, 0])
    wanted = next(iter(generate(latents=latents, labels=tf.constant(labels)).values()))
    found = made(7, labels, 0.5)
    assert found.shape == (5, 8, 8, 1) and found.dtype == np.uint8
    off = found.astype(int) - keras_gans.data.to_uint8(wanted)
    assert np.abs(off).max() <= 1
    for other in ((8, labels, 0.5), (7, [1, 2, 1, 1, 0], 0.5), (7, labels, 1.0)):
        assert (made(*other) != found).any()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="these are written from TensorFlow")
def test_without_classes_pictures_are_counted(tmp_path):
    import tensorflow as tf

    g, d = keras_gans.networks.dcgan(8, channels=1, width=4, latent_dim=4)
    zoo.exporting.write_saved_model(tasks.get("noise"), g, tmp_path / "served")
    pictures = tf.saved_model.load(str(tmp_path / "served")).signatures["pictures"]
    given = {"seed": tf.constant(1), "truncation": tf.constant(1.0)}
    (made,) = pictures(count=tf.constant(6), **given).values()
    z = tf.random.stateless_normal((6, 4), [1, 0])
    wanted = keras_gans.data.to_uint8(keras.ops.convert_to_numpy(g(z)))
    assert np.abs(made.numpy().astype(int) - wanted).max() <= 1


@pytest.mark.skipif(BACKEND != "tensorflow", reason="these are written from TensorFlow")
def test_the_server_of_the_page_answers_as_tensorflow_serving(conditional, tmp_path):
    import tensorflow as tf

    text = (pathlib.Path(__file__).parent.parent / "docs" / "serving.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = {}
    exec(code, names)
    served = tf.saved_model.load(str(zoo.export(conditional, tmp_path / "served")))
    names["Predict"].model = served
    names["Predict"].log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), names["Predict"])
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def asked(**body):
        url = f"http://127.0.0.1:{server.server_port}/v1/models/digits:predict"
        try:
            with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    inputs = {"seed": 3, "labels": [0, 2], "truncation": 0.7}
    found = asked(signature_name="pictures", inputs=inputs)["outputs"]
    given = {n: tf.constant(x) for n, x in inputs.items()}
    (wanted,) = served.signatures["pictures"](**given).values()
    np.testing.assert_array_equal(np.array(found, "uint8"), wanted)
    z = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    inputs = {"latents": z.tolist(), "labels": [1, 2]}
    found = asked(signature_name="generate", inputs=inputs)["outputs"]
    np.testing.assert_allclose(found, conditional.images_of(z, [1, 2]), atol=1e-5)
    assert "error" in asked(signature_name="pictures", inputs={"seed": "three"})
    server.shutdown()
    server.server_close()


LITERT = [pytest.param(n, marks=pytest.mark.slow) for n in ENTRIES]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [None, *LITERT])
def test_litert_gives_the_same_images(name, conditional, tmp_path):
    entry = conditional if name is None else zoo.load(name)
    out = tmp_path / "made.tflite"
    if BACKEND != "tensorflow":
        with pytest.raises(ValueError, match="LiteRT is written from the TensorFlow backend"):
            zoo.export(entry, out, "litert")
        return
    import tensorflow as tf

    runner = tf.lite.Interpreter(str(zoo.export(entry, out, "litert"))).get_signature_runner()
    for inputs, wanted in served(entry):
        (found,) = runner(**inputs).values()
        np.testing.assert_allclose(found, wanted, atol=1e-4)
