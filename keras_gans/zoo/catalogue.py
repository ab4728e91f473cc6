"""Finding entries: those that came with the library, a folder, the user's cache, a base URL."""

import os
import pathlib
import warnings

from keras_gans import registry, tasks
from keras_gans.errors import quote
from keras_gans.files import locked, replacing
from keras_gans.typing import Any, PathLike
from keras_gans.zoo import architectures, cards, download, hub, store

ZOO_URL = "KERAS_GANS_ZOO_URL"


def list_entries(
    path: PathLike | None = None,
    cache_dir: PathLike | None = None,
    base_url: str | None = None,
    trained_only: bool = False,
) -> list[str]:
    """Names of the entries that can be loaded.

    Those of paper size on ImageNet are architectures only: there are no weights to ship, and
    `load(name, weights=None)` builds them. `keras-gans zoo list` says which they are.

    Args:
        path: folder of entries to list instead, such as the one handed to `publish`.
        cache_dir: folder of downloaded entries; by default `zoo` in `KERAS_GANS_HOME`, else
            `~/.keras/keras_gans/zoo`.
        base_url: URL of a zoo, whose entries are listed instead.
        trained_only: bool, whether to leave out the architectures.

    Returns:
        Sorted list of strings.

    Raises:
        OSError: the URL cannot be read.

    Example:

    >>> "osgan_digits" in keras_gans.zoo.list()
    True
    """
    if path is not None:
        return store.names_in(path)
    if base_url is not None:
        return sorted(download.remote_index(base_url))
    folders = (store.packaged_folder(), store.cache_folder(cache_dir))
    names = {name for folder in folders for name in store.names_in(folder)}
    if not trained_only:
        names |= set(architectures.ARCHITECTURES)
    url = os.environ.get(ZOO_URL)
    return sorted(names | set(download.remote_index(url)) if url else names)


def load(
    name: str,
    training: bool = False,
    cache_dir: PathLike | None = None,
    base_url: str | None = None,
    path: PathLike | None = None,
    weights: str | None = "trained",
) -> Any:
    """Load a trained entry, or build an architecture.

    An entry of a model with a generator makes images (`generate`), one of a model that translates
    makes images of images (`translate`).

    Looked for are, in this order: the entries that came with the library, the user's cache, and
    the URL in `KERAS_GANS_ZOO_URL`, from which it is downloaded into the cache. The SHA-256 of
    every file is checked before it is opened, and nothing is ever unpickled. The name of a retired
    entry loads its successor, with a `FutureWarning`.

    `hf://user/name` is an entry on the Hugging Face Hub, `hf://user/name@revision` a branch, a tag
    or a commit of it; these need the extra `keras_gans[hub]`.

    Args:
        name: name of the entry.
        training: bool, whether to load the discriminators (and a reconstructor) as well and leave
            the networks trainable.
        cache_dir: folder of downloaded entries; by default `zoo` in `KERAS_GANS_HOME`, else
            `~/.keras/keras_gans/zoo`.
        base_url: http(s):// or file:// URL of a zoo to take the entry from.
        path: folder of entries to take it from, such as the one handed to `publish`.
        weights: "trained", or None for networks with initial weights, the discriminator included.

    Returns:
        `keras_gans.zoo.ZooEntry`, or `keras_gans.zoo.ZooTranslator` for images of images; of an
        architecture, with `weights=None`, a `keras_gans.zoo.ZooArchitecture`.

    Raises:
        ValueError: an unknown name, with the nearest ones; a damaged entry; `training=True` of an
            entry without a discriminator; the weights of an architecture, with what to do.
        OSError: a URL cannot be read, or the cache cannot be written.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> entry.generate(4, seed=0).shape
    (4, 32, 32, 1)
    """
    from keras_gans.zoo.kinds.noise import ZooArchitecture

    if weights not in ("trained", None):
        raise ValueError(f'weights is {weights!r}; "trained" or None is wanted.')
    if weights is None and is_architecture(name, cache_dir, base_url, path):
        return ZooArchitecture(name)
    return open_folder(locate(name, cache_dir, base_url, path), training, weights=weights)


def open_folder(
    folder: PathLike,
    training: bool = False,
    name: str | None = None,
    weights: str | None = "trained",
) -> Any:
    """The entry in a folder, of the class of its kind; arguments as in `load`.

    Raises:
        ValueError: a damaged entry, or one of a kind that this version does not know.
    """
    from keras_gans.recipes import configs
    from keras_gans.zoo.entry import CONFIG

    files = store.EntryFolder(folder, name)
    config = configs.read_config(files.read(CONFIG), f"{CONFIG} of zoo entry {files.name!r}")
    task = tasks.of_kind(config.get("kind"))
    if task is None:
        raise ValueError(
            f"Zoo entry {files.name!r} is of the kind {config.get('kind')!r}, which this version "
            "of keras_gans does not know: install the version that the entry was made for."
        )
    entry_class = registry.get("entry", task.name).value.entry_class
    return entry_class(folder, training, name, weights)


def card(
    name: str,
    cache_dir: PathLike | None = None,
    base_url: str | None = None,
    path: PathLike | None = None,
) -> str:
    """The card of an entry, Markdown text rendered from its metadata.

    Args:
        name, cache_dir, base_url, path: as in `keras_gans.zoo.load`.

    Raises:
        ValueError: an unknown name, with the nearest ones, or a damaged card.

    Example:

    >>> print(keras_gans.zoo.card("osgan_digits").splitlines()[0])
    # osgan_digits
    """
    if is_architecture(name, cache_dir, base_url, path):
        return architectures.card(name)
    folder = locate(name, cache_dir, base_url, path)
    return cards.render(store.EntryFolder(folder).card)


def locate(
    name: str,
    cache_dir: PathLike | None = None,
    base_url: str | None = None,
    path: PathLike | None = None,
) -> pathlib.Path:
    """The folder of an entry, downloaded where it has to be; arguments as in `load`."""
    if hub.is_hub(name):
        if path is not None or base_url is not None:
            raise ValueError(f"{quote(name)} says where it is: leave path and base_url out.")
        return hub.fetch(name, store.cache_folder(cache_dir))
    store.check_name(name)
    if path is not None:
        found = store.find(name, [path]) or _successor(name, [path])
        if found is None:
            raise store.unknown(name, store.names_in(path), path)
        return found
    cache = store.cache_folder(cache_dir)
    if base_url is None:
        folders = [store.packaged_folder(), cache]
        found = store.find(name, folders) or _successor(name, folders)
        if found is not None:
            return found
        if is_architecture(name, cache_dir):
            raise architectures.without_weights(name)
        base_url = os.environ.get(ZOO_URL)
    if base_url:
        return download.fetch(name, base_url, cache)
    raise store.unknown(name, list_entries(cache_dir=cache_dir), f"the zoo and its cache {cache}")


def _successor(name, folders):
    """The folder of the entry whose card says that it replaces the retired `name`, or None."""
    for folder in folders:
        for other in store.names_in(folder):
            try:
                entry = store.EntryFolder(pathlib.Path(folder) / other)
                replaces = entry.card.get("replaces") or ()
            except (ValueError, OSError):
                continue  # a damaged one is told when it is asked for itself
            if name in replaces:
                warnings.warn(
                    f"The zoo entry {name!r} was retired; this is its successor, {other!r}. Load "
                    "that: the old name goes with the next version.",
                    FutureWarning,
                    stacklevel=4,
                )
                return entry.path
    return None


def is_architecture(
    name: str,
    cache_dir: PathLike | None = None,
    base_url: str | None = None,
    path: PathLike | None = None,
) -> bool:
    """Whether a name stands for an architecture here: no entry has taken it."""
    if name not in architectures.ARCHITECTURES or path is not None or base_url is not None:
        return False
    if store.find(name, [store.packaged_folder(), store.cache_folder(cache_dir)]) is not None:
        return False
    url = os.environ.get(ZOO_URL)
    return not url or name not in download.remote_index(url)


def write_index(path: PathLike) -> None:
    """Write `index.json` of a folder of entries: what a server of that folder has to offer.

    `publish` does it; needed after removing an entry by hand.

    Args:
        path: folder of entries.
    """
    with _index_lock(path):
        _write_index(pathlib.Path(path))


def put_in_place(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Move the complete folder of an entry to its place, and write the index, one at a time."""
    with _index_lock(target.parent):
        store.move_into_place(folder, target)
        _write_index(target.parent)


def _index_lock(path):
    # The others take a moment, as this one does.
    return locked(pathlib.Path(path) / store.INDEX, f"writing the index of {path}", wait=60)


def _write_index(path):
    with replacing(path / store.INDEX) as temporary:
        pathlib.Path(temporary).write_text(store.index_of(path), encoding="utf-8")
