"""Studies: rows x seeds of one file, what they are trained with, and what their report says."""

import csv
import json
import math
import os
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import yaml
from conftest import slow_module
from PIL import Image

from keras_gans import recipes, studies
from keras_gans.cli import main
from keras_gans.cli import study as study_command
from keras_gans.studies import form, report, training

pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = {
    "title": "Momentum | digits",
    "question": "Does momentum help?",
    "recipe": "osgan_digits",
    "changes": {"data.image_size": 8, "networks.width": 8, "model.latent_dim": 4},
    "rows": {"without": {"optimizers.*.beta_1": 0.0}, "with": {}},
    "seeds": [0, 1],
    "budget": {"steps": 2},
    "measure": {"metrics": ["diversity"], "every": 1, "samples": 20},
    "baseline": "with",
}


def result(value, seed=0, state="done", points=(1, 2)):
    scores = {"fd": value}
    return {
        "state": state,
        "reason": "a loss is NaN" if state == "failed" else None,
        "steps": 2,
        "seconds": 61.0,
        "hardware": ["CPU: 1 core"],
        "scores": scores,
        "names": {"fd": "fd_kgnet"},
        "lower": {"fd": True},
        "points": [
            {"step": i, "images": 10 * i, "seconds": 1.0 * i, "scores": scores} for i in points
        ],
    }


@pytest.fixture
def content():
    return {
        "title": "A <study>",
        "question": None,
        "baseline": "b",
        "rows": ["a", "b", "c", "d"],
        "seeds": [0, 1, 2],
        "budget": {"steps": 2},
        "measure": {"metrics": ["fd"], "samples": 20},
        "results": {
            "a": {"0": result(1.0), "1": result(2.0), "2": result(6.0)},
            "b": {"0": result(2.0), "1": result(4.0), "2": result(7.0)},
            "c": {"0": result(1.0), "1": result(5.0), "2": result(None, state="failed")},
        },
    }


def test_mean_spread_and_paired_difference_by_hand():
    assert studies.summarize([1.0, 2.0, 6.0, math.nan]) == (3.0, pytest.approx(7**0.5), 3)
    assert studies.summarize([4.0]) == (4.0, None, 1) and studies.summarize([math.nan]) is None
    # Of three differences 27 draws: the lowest and the highest mean are 1 of 27 each, more than
    # 2.5%, so the interval spans them.
    found = studies.paired_difference({0: 1.0, 1: 2.0, 2: 6.0}, {0: 2.0, 1: 4.0, 2: 7.0, 3: 0.0})
    assert found == (pytest.approx(-4 / 3), -2.0, -1.0, 3) and found.told_apart
    # At both ends, with differences that all differ.
    for sign in (1, -1):
        row = {0: sign * 8.5, 1: sign * -0.5, 2: sign * -1.25}
        found = studies.paired_difference(row, dict.fromkeys(row, 0.0))
        assert (found.low, found.high) == (min(row.values()), max(row.values()))
    found = studies.paired_difference({0: 1.0, 1: 5.0, 2: math.nan}, {0: 2.0, 1: 4.0, 2: 7.0})
    assert found == (0.0, -1.0, 1.0, 2) and not found.told_apart
    assert studies.paired_difference({0: 1.0}, {0: 3.0}) == (-2.0, None, None, 1)
    assert studies.paired_difference({0: 1.0}, {1: 3.0}) is None


def test_the_bootstrap_of_many_seeds_is_near_the_normal_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(1, 2, 400)
    found = studies.paired_difference(dict(enumerate(values)), dict.fromkeys(range(400), 0.0))
    half = 1.96 * values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_table_says_mean_spread_difference_and_what_failed(content, tmp_path):
    written = report.write(content, tmp_path)
    text = (tmp_path / "table.md").read_text()
    lines = [
        [c.strip() for c in x.strip("|").split("|")] for x in text.splitlines() if x[:1] == "|"
    ]
    assert lines[0] == ["row", "fd_kgnet ↓", "minus b", "steps", "training"]
    assert lines[2] == ["a", "3 ± 2.6 (3)", "-1.33 [-2, -1]", "2", "1 min 1 s"]
    assert lines[3][1:3] == ["4.333 ± 2.5 (3)", ""]
    assert lines[4][1:3] == ["3 ± 2.8 (2)", "+0 [-1, +1], not told apart"]
    assert lines[5] == ["d", "", "", "", "not trained yet"]
    assert "- c: 1 of 3 failed; seed 2: a loss is NaN" in text
    with open(tmp_path / "table.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [r["row"] for r in rows] == ["a", "b", "c", "d"] and rows[0]["score"] == "fd"
    assert (float(rows[0]["mean"]), rows[0]["n"]) == (3.0, "3")
    assert (float(rows[0]["difference_low"]), rows[1]["difference_low"]) == (-2.0, "")
    page = (tmp_path / "index.html").read_text()
    assert "A &lt;study&gt;" in page and "<script" not in page and 'src="fd.png"' in page
    assert Image.open(tmp_path / "fd.png").size == (960, 600)
    assert {p.name for p in written} == {p.name for p in tmp_path.iterdir()}


def test_nrds_of_a_seed_is_the_mean_over_its_classifiers(content):
    content["nrds"] = {"0": {"0": {"a": 0.2, "b": 0.8}, "1": {"a": 0.4, "b": 0.6}}}
    values = report.values_of(content)["nrds"]
    assert values == {"a": {0: pytest.approx(0.3)}, "b": {0: pytest.approx(0.7)}}


def test_rows_grids_seeds_and_budgets():
    study = studies.Study({**TINY, "grid": {"model.ema": [0.5, 0.9]}, "baseline": None})
    assert list(study.rows) == [
        "without, ema 0.5",
        "without, ema 0.9",
        "with, ema 0.5",
        "with, ema 0.9",
    ]
    cell = study.cells[5]
    assert (cell.row, cell.seed, cell.folder) == ("without, ema 0.9", 1, "without_ema_0.9/seed-1")
    assert cell.recipe.seed == 1 and cell.recipe.model["ema"] == 0.9
    assert {o["beta_1"] for o in cell.recipe.optimizers.values()} == {0.0}
    # Images are those of D's updates as well; another row, another method.
    rows = {"a": {}, "b": {"recipe": "gan_digits", "model.d_steps": 3}}
    study = studies.Study({**TINY, "rows": rows, "budget": {"images": 1000}, "baseline": "a"})
    sizes = {n: r.schedule["batch_size"] for n, r in study.rows.items()}
    assert study.rows["a"].schedule["steps"] == math.ceil(1000 / sizes["a"])
    assert study.rows["b"].schedule["steps"] == math.ceil(1000 / (3 * sizes["b"]))
    assert study.rows["b"].model["method"] == "gan"
    with pytest.raises(ValueError, match="no seed 7; it has 0, 1"):
        study.only(seeds=[7])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": {}}, "rows is {}"),
        ({"seeds": [0, 0]}, "seeds: one stands there twice"),
        ({"budget": {"steps": 1, "images": 9}}, "budget: give one of steps, images and seconds"),
        ({"budget": {"steps": 1e30}}, "budget.steps is 1e+30"),
        ({"baseline": "wiht"}, "baseline is 'wiht' (did you mean 'with'"),
        ({"rows": {"a": {"networks.widht": 3}}, "baseline": "a"}, "Row 'a': Unknown key 'widht'"),
        ({"metrics": ["fd"]}, "Unknown key 'metrics' in a study"),
        ({"measure": {"metrics": ["fdd"]}}, "Unknown metric 'fdd'"),
        ({"measure": {"metrics": ["mean_iou"]}}, "mean_iou needs a judge: give measure.judge"),
        ({"recipe": "osgan_digit"}, "There is no recipe 'osgan_digit'"),
    ],
)
def test_a_wrong_study_is_one_line(change, says, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**TINY, **change}, sort_keys=False))
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        studies.load(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_study_from_the_command_line(tmp_path, capsys, monkeypatch):
    """Trains, is killed between and within trainings, goes on to the same table; rows are added."""
    path, out = tmp_path / "study.yaml", tmp_path / "out"
    nrds = {**TINY["measure"], "nrds": {"samples": 16, "epochs": 2}}
    path.write_text(yaml.safe_dump({**TINY, "measure": nrds}, sort_keys=False))

    def run(*more):
        with pytest.raises(SystemExit) as left:
            main.main(["study", str(path), f"--out={out}", *more])
        return left.value.code or 0, *capsys.readouterr()

    # Killed in the second training, behind its first measurement.
    measured, count = training.Curve.measure, []

    def killed(self):
        scores = measured(self)
        count.append(scores)
        if len(count) == 4:
            raise KeyboardInterrupt
        return scores

    monkeypatch.setattr(training.Curve, "measure", killed)
    status, _, err = run()
    assert status == 130 and f"Continue with:\n  keras-gans study {path}" in err
    monkeypatch.undo()
    status, said, _ = run()
    assert status == 0 and "[2 of 4] with, seed 0" in said and "[1 of 4]" not in said
    first = json.loads((out / "study.json").read_text())
    assert first["results"]["without"]["0"]["steps"] == 2
    points = first["results"]["with"]["0"]["points"]
    assert [p["step"] for p in points] == [1, 2]
    assert sum(first["nrds"]["0"]["0"].values()) == pytest.approx(1)
    table = (out / "table.md").read_text()
    assert "| without |" in table and "not told apart" in table
    assert Image.open(out / "contact.png").size[0] >= 8 * 8

    # The same without an interruption.
    again = tmp_path / "again"
    with pytest.raises(SystemExit):
        main.main(["study", str(path), f"--out={again}", "--seeds=0", "--rows=with"])
    fresh = json.loads((again / "study.json").read_text())["results"]["with"]["0"]
    assert fresh["scores"] == pytest.approx(first["results"]["with"]["0"]["scores"], rel=1e-4)

    # A seed is added, the report alone is written again, other settings are refused.
    path.write_text(yaml.safe_dump({**TINY, "measure": nrds, "seeds": [0, 1, 2]}, sort_keys=False))
    status, said, _ = run("--rows=with")
    assert status == 0 and "[3 of 3] with, seed 2" in said
    (out / "table.md").unlink()
    assert run("--report")[0] == 0 and "| with | " in (out / "table.md").read_text()
    path.write_text(
        yaml.safe_dump({**TINY, "measure": nrds, "budget": {"steps": 3}}, sort_keys=False)
    )
    status, _, err = run()
    assert status == 2 and "has another budget" in err and err.count("\n") == 1
    other = {**TINY, "measure": nrds, "rows": {"with": {"networks.width": 16}, "b": {}}}
    path.write_text(yaml.safe_dump(other, sort_keys=False))
    status, _, err = run()
    assert status == 2 and "networks.width = 8, and now it would be 16" in err


@pytest.mark.slow
def test_a_study_killed_at_random_ends_in_the_same_table(tmp_path):
    """Two processes share it; both are killed with SIGKILL again and again."""
    path, random = tmp_path / "study.yaml", np.random.default_rng()
    content = {**TINY, "budget": {"steps": 150}, "measure": {**TINY["measure"], "every": 50}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(out):
        line = [sys.executable, "-m", "keras_gans.cli", "study", str(path), f"--out={out}"]
        return subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait() == 0
    kills = 0
    for _ in range(20):
        processes = [start(tmp_path / "killed") for _ in range(2)]
        time.sleep(random.uniform(5, 25))
        alive = [p for p in processes if p.poll() is None]
        for process in alive:
            process.kill()
        kills += len(alive)
        for process in processes:
            process.wait()
        if not alive:
            break
    assert start(tmp_path / "killed").wait() == 0 and kills
    whole, killed = (
        json.loads((tmp_path / name / "study.json").read_text())["results"]
        for name in ("whole", "killed")
    )
    for row, seeds in whole.items():
        for seed, expected in seeds.items():
            found = killed[row][seed]
            assert found["steps"] == expected["steps"] == 150
            assert found["scores"] == pytest.approx(expected["scores"], rel=1e-4)
            assert [p["step"] for p in found["points"]] == [50, 100, 150]


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(study_command, "_THREADS", ("OMP_OURS", "OMP_TOLD"))
    monkeypatch.setattr(study_command.os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setenv("OMP_TOLD", "5")
    monkeypatch.setenv("OMP_OURS", "")  # so that it is taken back afterwards
    del os.environ["OMP_OURS"]
    study_command._share_cores(1)
    assert "OMP_OURS" not in os.environ
    study_command._share_cores(3)
    assert (os.environ["OMP_OURS"], os.environ["OMP_TOLD"]) == ("2", "5")


def test_workers_are_started_without_workers_of_their_own(monkeypatch):
    lines = []
    monkeypatch.setattr(study_command.subprocess, "Popen", lambda line, **_: lines.append(line))
    monkeypatch.setattr(study_command.time, "sleep", lambda _: None)
    for given in (["--workers=2"], ["--workers", "2"]):
        with study_command._others(2, ["study", "f.yaml", *given, "--out", "o"]):
            pass
    assert [line[3:] for line in lines] == [["study", "f.yaml", "--out", "o"]] * 2


def test_only_what_a_training_did_itself_is_its_failure(tmp_path, monkeypatch):
    """Memory that another process had is none: the same line tries again."""

    def full(*_, **__):
        raise RuntimeError("CUDA out of memory")

    study = studies.Study({**TINY, "rows": {"fine": {}}, "seeds": [0], "baseline": "fine"})
    monkeypatch.setattr(training.fitting, "fit", full)
    with pytest.raises(RuntimeError, match="out of memory"):
        training.run(study, tmp_path, tell=lambda line: None)
    assert not list(tmp_path.glob("*/*/result.json"))


def test_images_are_those_that_d_learns_from():
    """R3GAN's G has real images of its own, which its paper does not count."""
    budget = {"budget": {"images": 64}, "seeds": [0], "baseline": None}
    rows = {"a": {}, "b": {"model.method": "r3gan", "model.objective": "relativistic"}}
    study = studies.Study({**TINY, **budget, "rows": rows})
    size = study.rows["a"].schedule["batch_size"]
    assert [study.images_per_step(r) for r in study.rows.values()] == [size, size]
    assert [r.schedule["steps"] for r in study.rows.values()] == [math.ceil(64 / size)] * 2
    with pytest.raises(ValueError, match="give one of steps, images and seconds"):
        studies.Study({**TINY, "budget": {"steps": None}})


def test_a_diverged_training_stays_in_the_table(tmp_path):
    rows = {"fine": {}, "diverges": {"optimizers.*.learning_rate": 1e30}}
    study = studies.Study({**TINY, "rows": rows, "seeds": [0], "baseline": "fine"})
    assert training.run(study, tmp_path, tell=lambda line: None) is None
    content = report.collect(study, tmp_path)
    report.write(content, tmp_path)
    found = content["results"]["diverges"]["0"]
    assert found["state"] == "failed" and found["reason"]
    assert set(found["scores"].values()) == {None}  # NaN in JSON
    assert "diverges: 1 of 1 failed; seed 0: " in (tmp_path / "table.md").read_text()


def test_a_budget_in_seconds_leaves_measuring_out(tmp_path, monkeypatch):
    """Training takes as long as told, however long its measurements take."""
    clock = [0.0]
    for module in (training, training.timing):
        monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    measured = training.Measurement.of
    stepped = training.SecondsLimit.on_train_batch_end

    def slow(self, *args, **kwargs):
        clock[0] += 1000
        return measured(self, *args, **kwargs)

    def step(self, *args, **kwargs):
        clock[0] += 1
        return stepped(self, *args, **kwargs)

    monkeypatch.setattr(training.Measurement, "of", slow)
    monkeypatch.setattr(training.SecondsLimit, "on_train_batch_end", step)
    content = {**TINY, "rows": {"with": {}}, "seeds": [0], "budget": {"seconds": 3}}
    study = studies.Study(content)
    assert training.run(study, tmp_path, tell=lambda line: None) is None
    found = report.collect(study, tmp_path)["results"]["with"]["0"]
    assert (found["steps"], found["seconds"]) == (3, 3.0)


# Not below results/, where each cell keeps the recipe that it was trained with.
OF_PAPERS = sorted([*(ROOT / "studies").glob("*.yaml"), *(ROOT / "studies/paper").glob("*.yaml")])
named = pytest.mark.parametrize(
    "path", OF_PAPERS, ids=lambda p: p.relative_to(ROOT / "studies").as_posix()
)


@named
def test_the_studies_of_the_papers_are_valid(path):
    study = studies.load(path)
    assert study.form.question and all(isinstance(r, recipes.Recipe) for r in study.rows.values())


@pytest.mark.slow
@named
def test_a_row_of_each_study_trains_two_steps(path, tfds_dir, tmp_path):
    content = form.read(path).model_dump(exclude_unset=True)
    measure = {**content["measure"], "samples": 16, "every": None, "nrds": None}
    batch = {**content.get("changes", {}), "schedule.batch_size": 2}
    content |= {"budget": {"steps": 2}, "measure": measure, "changes": batch, "seeds": [0]}
    study = studies.Study(content, tfds_dir, path.parent)
    assert training.run(study, tmp_path, study.cells[:1], tell=lambda line: None) is None
    found = training.read_json(tmp_path / study.cells[0].folder / training.RESULT)
    assert (found["state"], found["steps"]) == ("done", 2)
    assert all(math.isfinite(v) for v in found["scores"].values())


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="there a study has one process")
def test_a_study_on_two_devices(tmp_path):
    path, found = tmp_path / "study.yaml", {}
    content = {**TINY, "changes": {**TINY["changes"], "schedule.batch_size": 64}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    for count in ("1", "2"):
        line = [sys.executable, "-m", "keras_gans.cli", "study", str(path), "--seeds=0"]
        line += ["--rows=with", f"--out={tmp_path / count}", f"--devices={count}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
        subprocess.run(line, env=environment, check=True)
        content = json.loads((tmp_path / count / "study.json").read_text())
        found[count] = content["results"]["with"]["0"]["scores"]["diversity"]
    assert found["2"] == pytest.approx(found["1"], rel=1e-4)
