"""Entries on the Hugging Face Hub: `hf://user/name`, with a revision `hf://user/name@revision`.

A repository there holds one entry, its files as they are in a folder; `README.md` begins with the
header that the hub reads, and is stored without it.
"""

import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
from typing import NamedTuple

from keras_gans import tasks
from keras_gans.errors import quote
from keras_gans.files import locked
from keras_gans.typing import Any, PathLike
from keras_gans.validation import Form, parse_json
from keras_gans.zoo import cards, store

PREFIX = "hf://"
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HEADER = re.compile(rb"---\n.*?\n---\n\n", re.DOTALL)
_MOST = 16 * 2**20  # bytes of a card
_WAIT = 600  # seconds for another process that downloads the same entry
# What the hub calls licences that cards of this zoo name.
_LICENCES = {
    "cc by 4.0": "cc-by-4.0",
    "cc0 1.0": "cc0-1.0",
    "mit": "mit",
    "apache 2.0": "apache-2.0",
}


class Place(NamedTuple):
    """A repository of the hub, and one of its branches, tags or commits, or None for "main"."""

    repository: str
    revision: str | None


def is_hub(name: Any) -> bool:
    """Whether a name is one of the hub."""
    return isinstance(name, str) and name.startswith(PREFIX)


def parse(name: str) -> Place:
    """The parts of `hf://user/name@revision`.

    Raises:
        ValueError: a name of another form.

    Example:

    >>> from keras_gans.zoo import hub
    >>> hub.parse("hf://someone/faces@v2")
    Place(repository='someone/faces', revision='v2')
    """
    found = _NAME.fullmatch(name)
    if not found or ".." in name:
        raise ValueError(
            f"{quote(name)} is no name on the hub; expected hf://user/name, or "
            "hf://user/name@revision."
        )
    return Place(*found.groups())


def fetch(name: str, cache: PathLike) -> pathlib.Path:
    """Download an entry of the hub unless the cache has that commit; returns its folder.

    The revision is resolved to a commit first, and everything is taken from that. The card says the
    size and the SHA-256 of each file, which are compared before anything else opens it.

    Args:
        name: `hf://user/name`, or with `@revision`: a branch, a tag or a commit.
        cache: folder to download into. A whole commit that is there takes no network.

    Raises:
        ValueError: no such repository, revision or entry; files that are not as the card says.
        OSError: the hub cannot be read.
        ImportError: `huggingface_hub` is missing.
    """
    place = parse(name)
    folder = pathlib.Path(cache) / "hub" / place.repository
    if place.revision and _COMMIT.fullmatch(place.revision):
        held = _held(folder / place.revision)
        if held is not None:
            return held
    api = _api()
    with _one_line(name):
        info = api.model_info(place.repository, revision=place.revision, files_metadata=True)
    commit, sizes = str(info.sha), {x.rfilename: x.size for x in info.siblings or []}
    if not _COMMIT.fullmatch(commit):
        raise ValueError(f"{name}: the hub names the commit {quote(commit)}.")
    target = folder / commit
    with locked(target, f"downloading {name} into {cache}", wait=_WAIT):
        return _held(target) or _download(api, name, place.repository, commit, sizes, target)


def _held(folder):
    """The folder of the whole entry in that of a commit, or None."""
    with contextlib.suppress(ValueError, OSError):
        (name,) = store.names_in(folder)
        entry = store.EntryFolder(store.find(name, [folder]), name)
        entry.verify()
        return entry.path
    return None


def _download(api, name, repository, commit, sizes, target):
    def get(file, most):
        what = f"{name}: {file}"
        if file not in sizes:
            raise ValueError(f"{what} is missing: the repository holds no zoo entry.")
        if sizes[file] is None or sizes[file] > most:
            raise ValueError(f"{what} has {sizes[file]} bytes; {most:,} at most are expected.")
        with _one_line(name):
            api.hf_hub_download(repository, file, revision=commit, local_dir=folder)
        return folder / file

    with store.new_folder(target.parent, f"{commit}.part") as folder:
        data = get(store.CARD, _MOST).read_bytes()
        wanted = get(store.CARD_SUM, 2**10).read_text("ascii", "replace").split()
        store.check_digest(store.digest(data), (wanted or [""])[0], f"{name}: {store.CARD}")
        stated = parse_json(data, Form, f"{name}: {store.CARD} is not the card of a zoo entry")
        own = store.check_name(stated.get("name"))
        for file, facts in store.parse_card(data, own, name)["files"].items():
            path = get(file, facts["bytes"] + (2**16 if file == cards.README else 0))
            if file == cards.README:
                path.write_bytes(_HEADER.sub(b"", path.read_bytes(), count=1))
            store.check_digest(store.digest_of_file(path), facts["sha256"], f"{name}: {file}")
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes
        target.mkdir(parents=True, exist_ok=True)
        store.move_into_place(folder, target / own)
    return target / own


def push(
    entry: Any,
    name: str,
    private: bool = False,
    overwrite: bool = False,
    message: str | None = None,
) -> str:
    """Upload an entry to the hub, in one commit.

    The repository is made where it is missing. Who may write there, the client of the hub asks the
    token in `HF_TOKEN`, or of `hf auth login`.

    Args:
        entry: a loaded entry, or the folder of one; its files are compared with its card first.
        name: `hf://user/name`, or `hf://user/name@branch`.
        private: bool, whether a new repository is for its owner alone.
        overwrite: bool, whether an entry that is there may be replaced; files of the former one go.
        message: of the commit.

    Returns:
        `hf://user/name@commit`: what was uploaded, which stays what it is.

    Raises:
        FileExistsError: the repository holds an entry, and `overwrite` is False.
        ValueError, OSError: a damaged entry; a hub that cannot be reached, or refuses.
        ImportError: `huggingface_hub` is missing.
    """
    place, api = parse(name), _api()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    files = store.EntryFolder(getattr(entry, "folder", entry), getattr(entry, "name", None))
    files.verify()
    own = [store.CARD, store.CARD_SUM, *files.card["files"]]
    with _one_line(name):
        api.create_repo(place.repository, private=private or None, exist_ok=True)
        if place.revision:
            api.create_branch(place.repository, branch=place.revision, exist_ok=True)
    former = _files(api, name, place)
    _check_free(name, former, overwrite)
    header = _header(files.card).encode()
    content = {n: str(files.path / n) for n in own}
    content[cards.README] = header + (files.path / cards.README).read_bytes()
    operations = [CommitOperationAdd(n, x) for n, x in content.items()]
    stale = sorted(set(former) - set(own) - {".gitattributes"})
    operations += [CommitOperationDelete(n) for n in stale]
    with _one_line(name):
        done = api.create_commit(
            place.repository,
            operations,
            commit_message=message or f"{files.name}, keras_gans {files.card['version']}",
            revision=place.revision,
        )
    return f"{PREFIX}{place.repository}@{done.oid}"


def check(name: str, overwrite: bool) -> None:
    """Raise what `push` would raise of a repository, before there is anything to upload."""
    place, api = parse(name), _api()
    from huggingface_hub import errors

    with contextlib.suppress(errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        _check_free(name, _files(api, name, place, missing=True), overwrite)


def _files(api, name, place, missing=False):
    """Names of the files of a repository; with `missing` the client's own errors of what is not."""
    from huggingface_hub import errors

    passed = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) if missing else ()
    with _one_line(name, passed):
        info = api.model_info(place.repository, revision=place.revision)
    return [x.rfilename for x in info.siblings or []]


def _check_free(name, files, overwrite):
    if store.CARD in files and not overwrite:
        raise FileExistsError(
            f"{name} holds an entry: replace it with overwrite=True (a flag, too)."
        )


def _header(card):
    """The lines before a model card that the hub reads: what it is, and under what terms."""
    licence = str(card["data"]["licence"])
    known = _LICENCES.get(licence.lower().replace("-", " "))
    facts = {"library_name": "keras", "pipeline_tag": tasks.of_card(card).pipeline}
    facts |= {"license": known or "other"} | ({} if known else {"license_name": licence[:80]})
    facts |= {"tags": ["keras_gans", "gan", card["architecture"]["method"]]}
    # Every JSON text is YAML.
    lines = [f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in facts.items()]
    return "\n".join(["---", *lines, "---", "", ""])


def _api():
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ImportError(
            "Names of the hub, hf://, need huggingface_hub: pip install 'keras_gans[hub]'."
        )
    from huggingface_hub import HfApi

    # The client reads it when it is imported, which may have been before.
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="keras_gans")


@contextlib.contextmanager
def _one_line(name, passed=()):
    """Errors of the client as one line that names the entry."""
    from huggingface_hub import errors

    try:
        yield
    except passed:
        raise
    except errors.GatedRepoError:
        raise ValueError(f"{name} is gated: ask for access on its page, and log in.") from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"There is no {name} on the hub, or it is private and you are not logged in (HF_TOKEN)."
        ) from None
    except errors.RevisionNotFoundError:
        raise ValueError(f"{name}: the repository has no such revision.") from None
    except errors.EntryNotFoundError as error:
        raise ValueError(f"{name}: {_first(error)}") from None
    except Exception as error:  # of the client's HTTP library, which is another in each version
        raise OSError(f"Could not read or write {name} on the hub ({_first(error)}).") from None


def _first(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
