"""Words for error messages."""

import difflib
from collections.abc import Iterable

from keras_gans.typing import Any


def nearest(name: object, known: Iterable[Any]) -> str:
    """`", did you mean 'a' or 'b'?"`-style hint for an unknown name, or an empty string."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(f) for f in found)}?)" if found else ""
