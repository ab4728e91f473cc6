"""Words for error messages and warnings."""

import difflib
import reprlib
import unicodedata
import warnings
from collections.abc import Callable, Iterable

from keras_gans.typing import Any


def nearest(name: object, known: Iterable[Any]) -> str:
    """`", did you mean 'a' or 'b'?"`-style hint for an unknown name, or an empty string."""
    text = name if isinstance(name, str) else quote(name)
    found = difflib.get_close_matches(text[:80], [str(k) for k in known], n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(f) for f in found)}?)" if found else ""


def former_names(module: str, **renamed: Any) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has renamed things: the former names work, and warn.

    Args:
        module: `__name__` of the module.
        **renamed: former name -> the class or function, which has a `__name__`.
    """

    def __getattr__(name):
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = renamed[name].__name__
        text = f"{module}.{name} is now {module}.{now}; the former name goes with the next version."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return renamed[name]

    return __getattr__


class _Short(reprlib.Repr):
    """`repr` of a few characters, whatever it is of: aliases of aliases, 20,000 keys, 10**9999."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 2, 80, 80
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 4

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write integers of more than 4,300 digits.
        bits = x.bit_length()
        return repr(x) if bits < 128 else f"an integer of {bits} bits"


_SHORT = _Short()
# Joiners within emoji and within words; no terminal obeys them.
_HARMLESS = "\u200c\u200d"


def quote(value: object) -> str:
    r"""A value as an error message quotes it: short, in one line, without control characters.

    Example:

    >>> quote("\x1b[2J" + "a" * 1000)
    "'\\x1b[2Jaaa...aaa'"
    """
    return printable(_SHORT.repr(value))


def printable(text: object, keep: str = "") -> str:
    r"""Text from outside, such as a card's, as a terminal may show it.

    Characters that terminals obey (escapes, line ends, marks that turn the direction of writing)
    are written out, as `\x1b`.

    Args:
        text: string, or what `str` makes one of.
        keep: such characters that are kept, "\n" where lines are wanted.
    """
    return "".join(c if c in keep or not _obeyed(c) else _written(c) for c in str(text))


def _obeyed(character):
    kind = unicodedata.category(character)
    return character not in _HARMLESS and (kind in ("Zl", "Zp") or kind[0] == "C")


def _written(character):
    return character.encode("unicode_escape").decode("ascii")
