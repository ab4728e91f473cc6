"""The examples of decoupled learning: tables, pictures, and runs that go on after a kill."""

import importlib
import json
import pathlib
import re
import sys

import numpy as np
import pytest
from conftest import images, slow_module
from PIL import Image

import keras_gans

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
SMALL = ["--steps=2", "--width=2", "--image_size=16", "--nrds_epochs=2", "--batch_size=4"]

# Dozens of small models; their steps are tested elsewhere on each backend.
pytestmark = slow_module("jax", "tensorflow")


@pytest.fixture
def example(monkeypatch):
    """An example as a module, by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module
    for name in ("comparing", "decoupled_weights", "pix2pix_pairs", "caae_labels"):
        sys.modules.pop(name, None)


@pytest.fixture
def weights(example, monkeypatch):
    """decoupled_weights on random images, with two of its weights."""
    module = example("decoupled_weights")

    def load(options, split, batch_size, shuffle):
        x = images(12, 16, 3, seed=len(split))
        return keras_gans.data.ArrayDataset(x, batch_size=batch_size, shuffle=shuffle)

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "WEIGHTS", (0.01, 1.0))
    return module


def test_table_3_and_a_killed_run_that_goes_on(weights, monkeypatch, tmp_path):
    flags = [*SMALL, "--tables=3", "--images=12", "--rows=2", "--steps=3"]
    scores = weights.main([*flags, f"--out={tmp_path / 'whole'}"])
    assert set(scores) == {"3"}
    for rows in scores.values():
        assert len(rows) == 4
        assert sum(row["nrds"] for row in rows.values()) == pytest.approx(1)
    text = (tmp_path / "whole" / "table.md").read_text()
    values = [scores["3"][f"ED+GAN {w:g}"]["nrds"] for w in (0.01, 1.0)]
    assert f"| ED+GAN | {values[0]:.4f} | {values[1]:.4f} |" in text
    assert f"| {np.mean(values):.4f} | {abs(values[0] - values[1]) / 2:.4f} |" in text
    assert Image.open(tmp_path / "whole" / "fig8.png").size == (5 * 18 + 2, 2 * 18 + 2)
    assert (tmp_path / "whole" / "table3.png").exists()

    # Killed in the third model's second step, then the same line again.
    comparing = sys.modules["comparing"]
    stop, models = comparing.StopAt.on_train_batch_end, []

    class Killed(Exception):
        pass

    def killed(self, batch, logs=None):
        models.append(self.model) if self.model not in models else None
        stop(self, batch, logs)
        if len(models) == 3 and self.model.steps_done == 2:
            raise Killed

    run = comparing.run
    monkeypatch.setattr(weights, "run", lambda *a: run(*a, every=1))
    again = [*flags, f"--out={tmp_path / 'killed'}"]
    with monkeypatch.context() as patch:
        patch.setattr(comparing.StopAt, "on_train_batch_end", killed)
        with pytest.raises(Killed):
            weights.main(again)
    done = sorted(p.parent.name for p in (tmp_path / "killed").glob("*/panels.npz"))
    assert done == ["none_decoupled_0.01", "none_decoupled_1"]
    resumed = weights.main(again)
    for table, rows in scores.items():
        for name, row in rows.items():
            assert resumed[table][name]["nrds"] == pytest.approx(row["nrds"], abs=1e-3)
            assert resumed[table][name]["l1"] == pytest.approx(row["l1"], abs=1e-4)
    assert not list((tmp_path / "killed" / "none_coupled_0.01" / "backup").iterdir())
    with pytest.raises(ValueError, match="other settings"):
        weights.main([*flags, "--width=4", f"--out={tmp_path / 'killed'}"])


@pytest.mark.slow
def test_table_4(example, monkeypatch, tmp_path):
    module = example("pix2pix_pairs")
    pairs = [(images(8, 16, 1), images(8, 16, 3)), (images(12, 16, 1, 2), images(12, 16, 3, 3))]
    monkeypatch.setattr(module, "load", lambda options: pairs)
    rows = module.main([*SMALL, "--d_layers=1", "--rows=2", f"--out={tmp_path}"])
    assert list(rows) == ["ED+GAN 1:1", "ED+GAN 100:1", "ED+GAN 1000:1", "ED//GAN"]
    assert sum(row["nrds"] for row in rows.values()) == pytest.approx(1)
    # input, three weights, reconstruction, residual, output, target
    assert Image.open(tmp_path / "fig10.png").size == (8 * 18 + 2, 2 * 18 + 2)
    stored = np.load(tmp_path / "decoupled" / "panels.npz")
    total = stored["reconstruction"] + stored["residual"]
    np.testing.assert_allclose(stored["output"], total, atol=1e-6)
    assert "| ED//GAN |" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_table_5(example, monkeypatch, tmp_path):
    module = example("caae_labels")
    flags = [*SMALL, "--dataset=digits", "--bins=3", "--images=12", "--rows=2"]
    load = module.load

    def few(options):
        x, y, held, held_y = load(options)
        return x[:20], np.arange(20, dtype="int32") % 3, held, held_y

    options = module.parse(flags)
    _, labels, held_out, held_labels = load(options)
    assert held_out.shape == (12, 16, 16, 1)
    assert np.bincount(np.concatenate([labels, held_labels])).tolist() == [599, 599, 599]
    monkeypatch.setattr(module, "load", few)
    rows = module.main([*flags, f"--out={tmp_path}"])
    assert list(rows) == ["ED+GAN 1:0.0001", "ED+GAN 1:0.01", "ED+GAN 1:1", "ED//GAN"]
    assert Image.open(tmp_path / "decoupled" / "labels.png").size == (4 * 18 + 2, 2 * 18 + 2)
    assert "real images of the label" in (tmp_path / "table.md").read_text()
    settings = json.loads((tmp_path / "decoupled" / "settings.json").read_text())
    assert settings["label"] == "thickness" and settings["weight"] is None


def test_the_defaults_of_caae_learn_from_sparse_ink(example):
    """Without a norm, L1 turns all codes to one corner and the tanh to black within 40 steps."""
    module = example("caae_labels")
    rng = np.random.default_rng(0)
    bars = -np.ones((100, 16, 16, 1), "float32")
    labels = rng.integers(0, 2, 100).astype("int32")
    for bar, label, place in zip(bars, labels, rng.integers(1, 12, 100), strict=True):
        bar[2:14, place : place + 1 + label] = 1
    spreads = {}
    for norm in (None, "none"):
        flags = ["--image_size=16", "--width=4", *([f"--norm={norm}"] if norm else [])]
        model = module.make_model(1e-4, 2, module.parse(flags))
        data = keras_gans.data.ArrayDataset(bars, labels, 25, seed=0)
        model.fit(data, epochs=20, verbose=0)
        spreads[norm] = model.translate(bars, labels).std(axis=0).mean()
    # The bars' own spread is about 0.5.
    assert spreads[None] > 0.1
    assert spreads["none"] < 0.01


def test_thickness_of_bars(example):
    module = example("caae_labels")
    bars = -np.ones((3, 32, 32, 1), "float32")
    for i, width in enumerate((2, 4, 8)):
        bars[i, 4:28, 8 : 8 + width] = 1
    found = module.thickness(bars)
    assert found == pytest.approx([2, 4, 8], rel=0.35)
    assert (np.diff(found) > 1).all()


def test_the_code_of_the_page_on_decoupled_learning(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = (EXAMPLES.parent / "docs" / "decoupled.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = {"__name__": "page"}
    exec(compile("\n".join(code), "page", "exec"), names)
    assert list(names["panels"]) == ["input", "reconstruction", "residual", "output"]
    assert names["drawn"].shape == (4, 32, 32, 1)
    assert Image.open(tmp_path / "fig4" / "001.png").size == (4 * 34 + 2, 8 * 34 + 2)
    assert names["decoupled"].steps_done == 2


@pytest.mark.slow
def test_reconstruction_of_a_tfds_set(example, tfds_dir, tmp_path):
    module = example("decoupled_reconstruction")
    flags = ["--datasets=emoji_styles/64", f"--data_dir={tfds_dir}", f"--out={tmp_path}"]
    module.main([*flags, "--steps=4", "--width=2", "--every=2", "--rows=2", "--batch_size=4"])
    folder = tmp_path / "emoji_styles_64"
    assert Image.open(folder / "fig4.png").size == (4 * 66 + 2, 2 * 66 + 2)
    assert sorted(p.name for p in (folder / "steps").iterdir()) == ["000002.png", "000004.png"]
    assert (folder / "model.keras").exists()
