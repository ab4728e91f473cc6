"""Signals that end a command: Ctrl-C, SIGTERM of a scheduler, SIGHUP of a terminal that closes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from keras_gans.typing import Any


def interrupt(*_: Any) -> NoReturn:
    """Signal handler: every signal ends a command as Ctrl-C does."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def handling(handler: Callable[..., Any]) -> Iterator[None]:
    """The signals go to `handler` within the block; SIGHUP not where it is ignored, by `nohup`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        signals.append(hangup)
    previous = {s: signal.signal(s, handler) for s in signals}
    try:
        yield
    finally:
        for s, handler in previous.items():
            signal.signal(s, signal.SIG_DFL if handler is None else handler)
