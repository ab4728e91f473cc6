"""A measurement in several processes of this machine: each makes a part of the images."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from keras_gans.cli import processes
from keras_gans.files import replacing
from keras_gans.typing import Any

_PART = "KERAS_GANS_PART"  # of another process: RANK/COUNT/FOLDER
_GPUS = "CUDA_VISIBLE_DEVICES"
_ERROR = "keras-gans: error: "


class Part:
    """This process's part of every source of images that is measured.

    Args:
        rank: integer, of this process; the first one collects what all have seen.
        count: integer, the processes.
        folder: where the others leave what they have seen.
        others: the others, `subprocess.Popen`; empty in one of them.
    """

    def __init__(self, rank: int = 0, count: int = 1, folder: str = "", others: Sequence[Any] = ()):
        self.rank = rank
        self.count = count
        self.folder: pathlib.Path = pathlib.Path(folder)
        self.others: Sequence[Any] = others
        self.taken: int = 0  # sources, in the order that all processes share

    @property
    def first(self) -> bool:
        """Whether this process tells the scores."""
        return self.rank == 0

    def scores(
        self, measurement: Any, source: Any, truncation: float, progress: Any, only: Sequence[str]
    ) -> dict[str, Any] | None:
        """`Measurement.of`, of which each process takes a part; None but in the first one."""
        if self.count == 1:
            return measurement.of(source, truncation, progress, only)
        total = getattr(source, "count", measurement.samples)
        start, stop = (total * i // self.count for i in (self.rank, self.rank + 1))
        measurement.suite.reset_fake()
        told = progress and (lambda done: progress(done * total // (stop - start)))
        measurement.take(source, truncation, told, only, start, stop)
        number, self.taken = self.taken, self.taken + 1
        metrics = [m for m in measurement.suite.metrics if "fake" in m.sides]
        if not self.first:
            for i, metric in enumerate(metrics):
                with replacing(self._file(number, self.rank, i), suffix=".npz") as temporary:
                    metric.save(temporary, ("fake",))
            return None
        for rank in range(1, self.count):
            for i, metric in enumerate(metrics):
                path = self._file(number, rank, i)
                self._wait(path, rank)
                metric.load(path)
                path.unlink()
        return measurement.result(only)

    def _file(self, number, rank, metric):
        return self.folder / f"{number}_{rank}_{metric}.npz"

    def _wait(self, path, rank):
        while not path.is_file():
            other = self.others[rank - 1]
            if other.poll() is not None and not path.is_file():
                text = self.folder.joinpath(f"{rank}.txt").read_text(errors="replace")
                lines = [x for x in text.splitlines() if x.strip()] or ["it says nothing."]
                raise RuntimeError(
                    f"Process {rank + 1} of {self.count} ended: {lines[-1].removeprefix(_ERROR)}"
                )
            time.sleep(0.02)


@contextlib.contextmanager
def shared(count: int | None, arguments: Sequence[str]) -> Iterator[Part]:
    """Context of a command that `count` processes run, each on a device of its own.

    Before the backend is imported: each process sees one GPU.

    Args:
        count: integer, or None for all devices of this machine.
        arguments: of the command line, which the other processes run, too.

    Yields:
        The `Part` of this process.

    Raises:
        ValueError: there are fewer devices.
    """
    if _PART in os.environ:
        processes.end_with_parent()
        rank, number, folder = os.environ[_PART].split("/", 2)
        with open(os.devnull, "w", encoding="utf-8") as nothing:
            with contextlib.redirect_stdout(nothing):
                yield Part(int(rank), int(number), folder)
        return
    gpus = _gpus()
    if count != 1:
        from keras_gans.training.backend.counting import check_devices

        hint = None if gpus else "without a GPU each process wants a core of the CPU"
        check_devices(count, len(gpus) or max(2, os.cpu_count() or 1), hint)
        count = count or len(gpus) or 1
    if count == 1:
        yield Part()
        return
    with tempfile.TemporaryDirectory(prefix="keras_gans_") as folder:
        others = []
        try:
            for rank in range(1, count):
                environment = {**os.environ, _PART: f"{rank}/{count}/{folder}"}
                environment |= {_GPUS: gpus[rank]} if gpus else {}
                others.append(_started(rank, folder, arguments, environment))
            if gpus:
                os.environ[_GPUS] = gpus[0]
            yield Part(0, count, folder, others)
        finally:
            for other in others:
                other.kill()
                other.wait()
                other.stdin.close()


def _started(rank, folder, arguments, environment):
    with open(pathlib.Path(folder, f"{rank}.txt"), "w", encoding="utf-8") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "keras_gans.cli", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C comes to the first one, which ends the others
        )


def _gpus():
    """What `CUDA_VISIBLE_DEVICES` says of each GPU; an empty list where there is none."""
    if _GPUS in os.environ:
        return [x for x in os.environ[_GPUS].split(",") if x.strip() not in ("", "-1")]
    there = pathlib.Path("/proc/driver/nvidia/gpus")
    return [str(i) for i in range(len(list(there.iterdir())))] if there.is_dir() else []
