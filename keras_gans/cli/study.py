"""`keras-gans study`: train the rows and seeds of a study's file, and report them."""

import contextlib
import os
import pathlib
import shlex
import subprocess
import sys
import time

from keras_gans.cli import devices, startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any

_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def _flags():
    return [
        Flag("out", "string", "folder of the study", shown="runs/FILE", value="DIR"),
        Flag("data_dir", "string", "where the data lies", shown="the recipe's", value="DIR"),
        Flag("rows", "string", "train these rows only, separated by ';'", value="NAMES"),
        Flag("seeds", "string", "train these seeds only, such as 0,1", value="LIST"),
        Flag("minutes", "float", "pause after so long; the same line goes on"),
        Flag("workers", "integer", "processes that train at the same time", 1, value="N"),
        devices.flag(),
        Flag("report", "boolean", "write the report again from study.json, without training"),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    (file,) = positional
    file = pathlib.Path(file)
    out = pathlib.Path(values.out or pathlib.Path("runs") / file.stem)
    for name, least in (("workers", 1), ("minutes", 0)):
        if values[name].value is not None and values[name].value < least:
            raise ValueError(f"--{name} is {values[name].value}; expected {least} or more.")
    count = devices.count(values.devices)
    _share_cores(values.workers)
    backend = startup.choose_backend(values.backend)
    from keras_gans import studies
    from keras_gans.runs import stopping
    from keras_gans.studies import report, training

    if values.report:
        content = training.read_json(out / report.STUDY)
        if content is None:
            raise FileNotFoundError(f"There is no {out / report.STUDY}: train the study first.")
        return _tell(report.write(content, out), out)
    study = studies.load(file, values.data_dir)
    seeds = None if values.seeds is None else _integers(values.seeds)
    rows = None if values.rows is None else [r.strip() for r in values.rows.split(";")]
    cells = study.only(rows, seeds)
    training.check_settings(study, out)
    _say(f"{study.form.title}: {len(cells)} trainings in {out}, {backend} backend.")
    try:
        with stopping.handling(stopping.interrupt), _others(values.workers, arguments) as others:
            with devices.used(count):
                ended = training.run(study, out, cells, values.minutes, _say)
            if ended == "interrupted":
                raise KeyboardInterrupt
            for process in others:
                process.wait()
    except KeyboardInterrupt:
        line = shlex.join(["keras-gans", *arguments])
        print(f"\nPaused, nothing is lost. Continue with:\n  {line}", file=sys.stderr)
        return 130
    content = report.collect(study, out)
    if content["results"]:
        _tell(report.write(content, out), out)
    left = sum(not training.is_done(out, cell) for cell in cells)
    if left:
        print(f"{left} of {len(cells)} trainings are left: the same line goes on.")
    return 0


def _share_cores(workers):
    """Give each process its share of the cores, unless the environment says how many threads.

    Two processes of PyTorch with two threads each trained on two cores at a fifteenth of the speed:
    threads that wait for each other spin.
    """
    if workers > 1:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        for name in _THREADS:
            os.environ.setdefault(name, str(max(1, (cores or 1) // workers)))


def _say(line):
    print(line, flush=True)


@contextlib.contextmanager
def _others(workers, arguments):
    """The other processes of `--workers`, each of which takes trainings that nobody is at."""
    flag = ("--workers", "-workers")
    plain = [
        a
        for before, a in zip(["", *arguments], arguments, strict=False)
        if not a.startswith(flag) and before not in flag  # "--workers=2" and "--workers 2"
    ]
    line = [sys.executable, "-m", "keras_gans.cli", *plain]
    others = []
    try:
        for _ in range(workers - 1):
            others.append(subprocess.Popen(line, stdout=subprocess.DEVNULL))
            time.sleep(0.5)  # so that they do not begin with the same one
        yield others
    except BaseException:
        for process in others:
            process.terminate()
        for process in others:
            process.wait()  # until it has backed up
        raise


def _integers(text):
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--seeds is {text!r}; expected integers, such as 0,1,2.") from None


def _tell(paths, out):
    from keras_gans.studies import report

    print("\n" + (out / report.TABLE).read_text(encoding="utf-8"))
    print(f"Wrote {', '.join(p.name for p in paths)} to {out}.")
    return 0


COMMAND = Command(
    "study",
    "compare rows x seeds of one file, with spread",
    "Train every row of a study with every seed, one after the other, measure them alike, and "
    "write a table with mean, spread and paired differences, curves, a contact sheet and one page "
    "(index.html). FILE is a YAML file as in studies/. A study that was stopped in any way, even "
    "killed, goes on with the same line; rows and seeds may be added to a finished one. Several "
    "processes may work on one study.",
    _flags,
    (
        "keras-gans study studies/one_stage.yaml --data_dir=DIR",
        "keras-gans study studies/one_stage.yaml --data_dir=DIR --minutes=60",
        "keras-gans study studies/one_stage.yaml --report",
    ),
    run,
    ("FILE",),
)
