"""Networks whose weights come from elsewhere, built without drawing any."""

import contextlib
import contextvars
from collections.abc import Iterator

_blank = contextvars.ContextVar("keras_gans_blank_weights", default=False)


@contextlib.contextmanager
def blank_weights() -> Iterator[None]:
    """A context in which the initializers of `keras_gans.layers` give zeros and draw nothing."""
    token = _blank.set(True)
    try:
        yield
    finally:
        _blank.reset(token)


def are_blank() -> bool:
    """Whether a network is being built within `blank_weights`."""
    return _blank.get()
