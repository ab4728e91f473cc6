"""One command in several processes: each trains on its part of a batch, the first one writes."""

import collections
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from keras_gans.runs import stopping
from keras_gans.typing import Any

_ERROR = b"keras-gans: error: "
_PAUSED = 130
_PARENT = "KERAS_GANS_PARENT"  # set where a parent holds the other end of stdin
_LINES = 100  # of what the others say, at most
_GRACE = 20.0  # seconds for the others, once a process has ended


@contextlib.contextmanager
def joined() -> Iterator[bool]:
    """Context in which the processes that were launched work together.

    Yields:
        Whether this is the first one. The others print nothing, and do not write.
    """
    from keras_gans.training import backend

    if os.environ.pop(_PARENT, None):
        end_with_parent()
    with backend.joined(), contextlib.ExitStack() as stack:
        first = backend.process()[0] == 0
        if not first:
            nothing = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nothing))
        yield first


def launched() -> bool:
    """Whether this is one of several processes of a run, however they were started."""
    from keras_gans.training import backend

    return backend.launched()


def alone() -> Any:
    """A context for what one of the processes does by itself."""
    from keras_gans.training import backend

    return backend.alone()


def agreed(whether: bool) -> bool:
    """Whether it is so in one of the processes; waits for all of them."""
    from keras_gans.training import backend

    return bool(backend.agreed(int(whether)))


def end_with_parent() -> None:
    """End this process as soon as the one that holds the other end of its stdin is gone."""

    def wait():
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class _Process:
    """One of the processes; its errors are kept, so that one of them is told, once."""

    def __init__(self, rank: int, arguments: list[str], environment: dict[str, str]):
        self.rank = rank
        self.errors: list[bytes] = []
        self.unheard: collections.deque[bytes] = collections.deque(maxlen=_LINES)
        self.running: Any = subprocess.Popen(
            [sys.executable, "-m", "keras_gans.cli", *arguments],
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank), _PARENT: "1"},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C comes to the parent, which hands it on
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.running.stderr:
            if line.startswith(_ERROR):
                self.errors.append(line)
            elif self.rank == 0:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
            else:
                self.unheard.append(line)

    def tell(self) -> None:
        """Say what went wrong here: its error, or what it said besides."""
        sys.stderr.buffer.writelines(self.errors[-1:] or self.unheard)

    def signal(self, number: int) -> None:
        """Hand a signal on."""
        with contextlib.suppress(ProcessLookupError):
            self.running.send_signal(number)

    def end(self) -> None:
        """End it, if it runs still, and read what it said."""
        self.running.kill()
        self.running.wait()
        self.running.stdin.close()
        self._reader.join(timeout=5)


def launch(count: int, arguments: list[str], command: str) -> int:
    """Run a command line in `count` processes of this machine.

    When one ends, the others have some seconds to do the same, and are killed then: nothing is
    lost by that but the steps behind the last backup.

    Args:
        count: integer, the processes.
        arguments: list of strings, of the command line.
        command: the line that continues the run.

    Returns:
        The exit status: that of the process that failed first, or 0.

    Raises:
        RuntimeError: a process was killed.
    """
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
    }
    sys.stdout.flush()
    processes = [_Process(rank, arguments, environment) for rank in range(count)]
    try:
        with stopping.handling(lambda number, _: [p.signal(number) for p in processes]):
            failed = _wait(processes)
    finally:
        for process in processes:
            process.end()
    if failed is None:
        return 0
    status = failed.running.returncode
    if status >= 0:
        failed.tell()
    else:
        raise RuntimeError(
            f"Process {failed.rank + 1} of {count} was ended by signal {-status}, and the others "
            f"with it. Continue with: {command}"
        )
    return status if status > 0 else 1


def _wait(processes):
    """Wait for the end of all; returns the process that failed first, or None."""
    failed, deadline = None, None
    while True:
        ended = [p for p in processes if p.running.poll() is not None]
        # One that is paused, or that is the end of another one's, has not failed by itself.
        bad = [p for p in ended if p.running.returncode not in (0, _PAUSED)]
        bad.sort(key=lambda p: (p.running.returncode >= 0, p.rank))
        failed = failed or next(iter(bad), None)
        if len(ended) == len(processes):
            return failed or next((p for p in processes if p.running.returncode), None)
        if failed and deadline is None:
            deadline = time.monotonic() + _GRACE
        if deadline is not None and (time.monotonic() > deadline or failed.running.returncode < 0):
            return failed
        time.sleep(0.05)
