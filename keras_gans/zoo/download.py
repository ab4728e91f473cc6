"""Fetching an entry from a base URL into the user's cache, checked before it becomes visible."""

import contextlib
import http.client
import io
import pathlib
import time
import urllib.parse
import urllib.request

from keras_gans.files import locked
from keras_gans.typing import PathLike
from keras_gans.zoo import store

_TIMEOUT = 60  # seconds without a byte, and on top of what the slowest link takes
_SLOWEST = 2**15  # bytes a second: a server that keeps a download alive for ever has an end
_WAIT = 600  # seconds for another process that downloads the same entry
_MOST = 16 * 2**20  # bytes of an index or a card


def remote_index(base_url: str) -> dict[str, str]:
    """Name -> SHA-256 of the card, as the zoo at `base_url` lists its entries."""
    url = _url(base_url, store.INDEX)
    return store.parse_index(_get(url, _MOST), url)


def fetch(name: str, base_url: str, cache: PathLike) -> pathlib.Path:
    """Download an entry unless the cache has it; returns its folder.

    The index at the URL names the SHA-256 of the entry's card, and the card those of its files. The
    index that comes with this library has the last word on entries it knows.

    Args:
        name: name of the entry.
        base_url: http(s):// or file:// URL of a folder of entries.
        cache: folder to download into.

    Raises:
        ValueError: unknown name; a file that differs from its checksum; another scheme.
        OSError: the URL cannot be read, or the cache cannot be written.
    """
    store.check_name(name)
    index = remote_index(base_url)
    if name not in index:
        raise store.unknown(name, sorted(index), base_url)
    pinned = store.read_index(store.packaged_folder()).get(name, index[name])
    store.check_digest(index[name], pinned, f"The card of {name!r} that {base_url} lists")
    target = pathlib.Path(cache) / name
    held = _held(name, cache, pinned)
    if held is not None:
        return held
    with locked(target, f"downloading {name} into {cache}", wait=_WAIT):
        # Another process may have downloaded it meanwhile.
        return _held(name, cache, pinned) or _download(name, base_url, target, pinned)


def _held(name, cache, wanted):
    """The folder of a whole entry in the cache; a damaged one is no reason to stop: None."""
    held = store.find(name, [cache])
    with contextlib.suppress(ValueError, OSError):
        if held is not None and (entry := store.EntryFolder(held, name)).card_digest == wanted:
            entry.verify()
            return held
    return None


def _download(name, base_url, target, wanted):
    url = _url(base_url, name, store.CARD)
    data = _get(url, _MOST)
    store.check_digest(store.digest(data), wanted, url)
    card = store.parse_card(data, name, url)
    with store.new_folder(target.parent, name) as temporary:
        for path, facts in card["files"].items():
            url = _url(base_url, name, path)
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            with open(temporary / path, "wb") as file:
                _stream(url, facts["bytes"], file)
            store.check_digest(store.digest_of_file(temporary / path), facts["sha256"], url)
        (temporary / store.CARD).write_bytes(data)
        (temporary / store.CARD_SUM).write_text(f"{wanted}  {store.CARD}\n")
        store.move_into_place(temporary, target)
    return target


def _url(base_url, *parts):
    scheme = urllib.parse.urlsplit(base_url).scheme
    if scheme not in ("http", "https", "file"):
        raise ValueError(
            f"{base_url!r} is no URL of a zoo: http://, https:// or file:// is wanted (for a "
            "folder on this machine, use path=FOLDER)."
        )
    return "/".join([base_url.rstrip("/"), *(urllib.parse.quote(p) for p in parts)])


def _get(url, most):
    """The content of a URL, of at most `most` bytes."""
    content = io.BytesIO()
    _stream(url, most, content)
    return content.getvalue()


def _stream(url, most, file):
    """Write the content of a URL, of at most `most` bytes, into a file as it comes."""
    end = time.monotonic() + _TIMEOUT + most / _SLOWEST
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            while data := response.read1(2**16):
                if file.tell() + len(data) > most:
                    raise ValueError(f"{url} is longer than the {most} bytes it should have.")
                if time.monotonic() > end:
                    raise TimeoutError(f"slower than {_SLOWEST:,} bytes a second")
                file.write(data)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise OSError(f"Could not read {url} ({reason}).") from None
