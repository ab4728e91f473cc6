"""Where zoo entries lie, and reading their files only after their SHA-256 has been compared."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Sequence

from keras_gans.errors import nearest, printable, quote
from keras_gans.files import locked, remove_leftovers, temporary_name, user_folder
from keras_gans.recipes.card import NAME, check_name
from keras_gans.typing import Any, PathLike
from keras_gans.validation import Form, check, parse_json
from keras_gans.zoo import forms

CARD = "card.json"
CARD_SUM = "card.json.sha256"
INDEX = "index.json"
FORMAT = 1


def packaged_folder() -> pathlib.Path:
    """The folder of the entries that came with this library."""
    here = pathlib.Path(__file__).resolve().parent
    installed = here / "entries"
    # In a clone, and so in an editable install too, the entries are the top-level folder `zoo`.
    return installed if installed.is_dir() else here.parents[1] / "zoo"


def cache_folder(cache_dir: PathLike | None = None) -> pathlib.Path:
    """The folder of downloaded entries: `cache_dir`, or `zoo` in `keras_gans.files.user_folder`."""
    return user_folder() / "zoo" if cache_dir is None else pathlib.Path(cache_dir)


def names_in(folder: PathLike) -> list[str]:
    """Sorted names of the entries in a folder; none where there is no such folder."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    # The version that is being replaced, or that a killed process left: read where it lies.
    return sorted(
        {
            name
            for card in [*folder.glob(f"*/{CARD}"), *folder.glob(f".*.previous/{CARD}")]
            if NAME.match(name := _entry_name(card.parent))
        }
    )


def find(name: str, folders: Iterable[PathLike]) -> pathlib.Path | None:
    """The folder of an entry, or None."""
    for folder in folders:
        entry = pathlib.Path(folder) / check_name(name)
        for place in (entry, _previous(entry), entry):  # it may be moved back in between
            if (place / CARD).is_file():
                return place
    return None


def unknown(name: str, known: Sequence[str], where: object) -> ValueError:
    """The error for an entry that is nowhere."""
    listed = f"there are {', '.join(known)}" if known else "there are none"
    return ValueError(
        f"Unknown zoo entry {quote(name)}{nearest(name, known)}; {listed} in {where}."
    )


def digest(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def check_digest(found: str, wanted: Any, what: object) -> None:
    """Raise `ValueError` where two digests differ."""
    if found != wanted:
        raise ValueError(
            f"{what} does not have the SHA-256 it should have ({found[:12]}... instead of "
            f"{str(wanted)[:12]}...): it is damaged or was changed; get the entry again."
        )


def check_size(found: int, wanted: int, what: object) -> None:
    """Raise `ValueError` where a file has not the size that its card says."""
    if found != wanted:
        raise ValueError(
            f"{what} has {found:,} bytes, and its card says {wanted:,} (and another SHA-256): it "
            "is damaged or was changed; get the entry again."
        )


def parse_card(data: bytes, name: str, what: object) -> dict[str, Any]:
    """The metadata in the bytes of a card, which has the form of a card of its kind."""
    card = parse_json(data, Form, f"{what} is not the card of a zoo entry")
    if card.get("name") != name:
        raise ValueError(f"{what} is the card of {quote(card.get('name'))}, not of {name!r}.")
    version = card.get("format")
    if version != FORMAT or isinstance(version, bool):
        raise ValueError(
            f"{what} has format {quote(version)}, this version of keras_gans reads format "
            f"{FORMAT}: install the version that the entry was made for."
        )
    made = card.get("architecture")
    kind = made.get("kind") if isinstance(made, dict) else None
    known = isinstance(kind, str | None) and kind in forms.CARDS
    form = forms.CARDS[kind] if known else forms.Card
    check(form, card, f"{what} is not the card of a zoo entry", others=True)
    outside = [path for path in card["files"] if not _inside(path)]
    if outside:
        raise ValueError(
            f"{what} is not the card of a zoo entry: it names the file {quote(outside[0])}, which "
            "is no path within the entry."
        )
    return card


class EntryFolder:
    """An entry's folder. No file's content is used before its SHA-256 has been compared.

    Args:
        path: the folder, named like its entry.

    Attributes:
        name: name of the entry.
        card_digest: the SHA-256 of its card.
        card: its metadata, checked when it is first asked for.

    Raises:
        ValueError: the card is damaged; with `card`, `read` and `verify`, it is not a card.
    """

    def __init__(self, path: PathLike, name: str | None = None):
        self.path: pathlib.Path = pathlib.Path(path)
        self.name: str = name or _entry_name(self.path)
        data = _read(self.path / CARD, self.path)
        wanted = _read(self.path / CARD_SUM, self.path).decode("ascii", "replace").split()
        wanted = wanted[0] if wanted else ""
        check_digest(digest(data), wanted, self._what(CARD))
        self.card_digest: str = wanted
        self._card_bytes: bytes = data

    @functools.cached_property
    def card(self) -> dict[str, Any]:
        """The entry's metadata, read from the bytes that the checksum was compared with."""
        card = parse_card(self._card_bytes, self.name, self._what(CARD))
        for name, facts in card["files"].items():
            # What is missing is told on use.
            if (self.path / name).is_file():
                check_size((self.path / name).stat().st_size, facts["bytes"], self._what(name))
        return card

    def read(self, name: str) -> bytes:
        """The bytes of one of the entry's files."""
        if name not in self.card["files"]:
            raise ValueError(f"Zoo entry {self.name!r} has no file {name!r}.")
        data = _read(self.path / name, self.path)
        self._check(name, digest(data))
        return data

    def verify(self) -> None:
        """Compare every file with the card."""
        for name in self.card["files"]:
            if not (self.path / name).is_file():
                raise _missing(self.path / name, self.path)
            self._check(name, digest_of_file(self.path / name))

    def _check(self, name, found):
        check_digest(found, self.card["files"][name]["sha256"], self._what(name))

    def _what(self, name):
        return f"{name} of zoo entry {self.name!r} ({self.path})"


def write_card(folder: pathlib.Path, card: dict[str, Any]) -> None:
    """Write a card and its checksum into an entry's folder; the last files to be written."""
    data = (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode()
    (folder / CARD).write_bytes(data)
    # The form that `sha256sum -c` reads.
    (folder / CARD_SUM).write_text(f"{digest(data)}  {CARD}\n")


def describe_files(folder: pathlib.Path, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """What a card says of the files in a folder: path -> SHA-256 and size."""
    paths = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {
        p: {"sha256": digest_of_file(folder / p), "bytes": (folder / p).stat().st_size}
        for p in paths
        if p not in leave_out
    }


def read_index(folder: PathLike) -> dict[str, str]:
    """The index of a folder of entries, name -> SHA-256 of its card; empty where there is none."""
    path = pathlib.Path(folder) / INDEX
    return parse_index(path.read_bytes(), path) if path.is_file() else {}


def parse_index(data: bytes, what: object) -> dict[str, str]:
    """Name -> SHA-256 of the card, from the bytes of an index."""
    entries = parse_json(data, forms.Index, f"{what} is not the index of a zoo")["entries"]
    try:
        return {check_name(name): entry["card_sha256"] for name, entry in entries.items()}
    except ValueError as error:
        raise ValueError(f"{what} is not the index of a zoo: {error}") from None


def index_of(folder: PathLike) -> str:
    """The content of the index of a folder of entries, as text."""
    cards = {name: EntryFolder(find(name, [folder]), name) for name in names_in(folder)}
    entries = {
        name: {"card_sha256": entry.card_digest, "summary": entry.card.get("summary", "")}
        for name, entry in cards.items()
    }
    return json.dumps({"format": FORMAT, "entries": entries}, indent=1, ensure_ascii=False) + "\n"


def copy_entry(entry: EntryFolder, destination: PathLike) -> pathlib.Path:
    """A checked copy of an entry under `destination`; returns its folder."""
    destination = pathlib.Path(destination)
    target = destination / entry.name
    with locked(target, f"writing {target}"), new_folder(destination, entry.name) as temporary:
        if target.exists():
            raise FileExistsError(f"{target} exists: choose another folder, or remove it first.")
        for name in [CARD, CARD_SUM, *entry.card["files"]]:
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.path / name, temporary / name)
        EntryFolder(temporary, entry.name).verify()
        move_into_place(temporary, target)
    return target


class new_folder:
    """Context manager: a temporary folder in `parent`, removed unless it was moved away.

    Those that killed processes left for the same name are removed first.
    """

    def __init__(self, parent: PathLike, name: str):
        self.parent: pathlib.Path = pathlib.Path(parent)
        self.name: str = name

    def __enter__(self) -> pathlib.Path:
        self.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.parent / self.name)
        self.path: pathlib.Path = self.parent / temporary_name(self.name)
        self.path.mkdir()
        return self.path

    def __exit__(self, *exception: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def move_into_place(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Move a complete folder to `target`; what was there stays whole until the move is done."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as f:
                os.fsync(f.fileno())
    previous = _previous(target)
    while True:
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
            # A process that dies behind this line leaves `previous`, which `find` reads.
            with contextlib.suppress(FileNotFoundError):  # another process moved it
                os.replace(target, previous)
        try:
            os.replace(folder, target)
            break
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                continue  # another process was faster: its version is replaced
            if previous.exists() and not target.exists():
                os.replace(previous, target)
            raise
    shutil.rmtree(previous, ignore_errors=True)


def _previous(entry):
    return entry.with_name(f".{entry.name}.previous")


def _entry_name(folder):
    """The name of the entry in a folder, which may be the one of its `_previous` version."""
    name = folder.name
    return name[1 : -len(".previous")] if name[:1] == "." and name.endswith(".previous") else name


def _inside(path):
    parts = pathlib.PurePosixPath(path).parts
    return (
        bool(parts)
        and not path.startswith("/")
        and not {"..", "."} & set(parts)
        and not set("\\:") & set(path)
        and printable(path) == path
    )


def _read(path, entry):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _missing(path, entry) from None


def _missing(path, entry):
    return FileNotFoundError(
        f"Zoo entry {entry.name!r} has no {path.relative_to(entry)} ({entry}): it is incomplete; "
        "get the entry again."
    )
