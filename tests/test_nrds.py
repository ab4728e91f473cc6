"""NRDS against a NumPy re-implementation, hand-computed areas, and the toy example of the paper."""

import json
import re

import keras
import numpy as np
import pytest
from conftest import images, slow_module, slow_on
from PIL import Image

from keras_gans import plots
from keras_gans.cli import main
from keras_gans.data import to_uint8
from keras_gans.metrics.nrds import _default_network, nrds, summarize

pytestmark = slow_module("tensorflow", "jax")


def toy(seed, count=100):
    """Fig. 6 of the paper: unit normals at the origin (real), (0.5, 0) and (1.5, 0)."""
    rng = np.random.default_rng(seed)
    real, near, far = (rng.normal((x, 0), 1, (count, 2)) for x in (0, 0.5, 1.5))
    return real, {"near": near, "far": far}


def reference(real, fakes, epochs, batch_size, weights, seed):
    """The released protocol for the perceptron in float64 NumPy, gradients by hand."""
    params = [np.asarray(w, "float64") for w in weights]
    union = np.concatenate(list(fakes.values()))
    m, v = [[np.zeros_like(p) for p in params] for _ in range(2)]
    step, curves = 0, {name: [] for name in fakes}

    def forward(x):
        kept = []
        for i in range(0, 6, 2):
            kept.append(x)
            x = x @ params[i] + params[i + 1]
            x = np.maximum(x, 0) if i < 4 else x
        return x, kept

    for epoch in range(epochs):
        rng = np.random.default_rng((seed, epoch, 1))
        orders = rng.permutation(len(real)), rng.permutation(len(union))
        for i in range(min(len(real), len(union)) // batch_size):
            grads = [np.zeros_like(p) for p in params]
            # BCE of the real batch and BCE of the fake batch, each a mean, added up and halved.
            for data, order, label in zip((real, union), orders, (1, 0), strict=True):
                scores, kept = forward(data[order[i * batch_size : (i + 1) * batch_size]])
                g = (1 / (1 + np.exp(-scores)) - label) / batch_size / 2
                for j in (4, 2, 0):
                    grads[j] += kept[j // 2].T @ g
                    grads[j + 1] += g.sum(axis=0)
                    g = (g @ params[j].T) * (kept[j // 2] > 0)
            step += 1
            for k, g in enumerate(grads):
                m[k] = 0.5 * m[k] + 0.5 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                rate = 2e-4 * np.sqrt(1 - 0.999**step) / (1 - 0.5**step)
                params[k] = params[k] - rate * m[k] / (np.sqrt(v[k]) + 1e-7)
        for name, x in fakes.items():
            curves[name].append(np.mean(1 / (1 + np.exp(-forward(x)[0]))))
    return {name: np.array(curve) for name, curve in curves.items()}


def test_training_is_the_released_protocol():
    real, fakes = toy(3, 40)
    weights = _default_network((2,), 5).get_weights()
    assert [w.shape for w in weights] == [(2, 32), (32,), (32, 32), (32,), (32, 1), (1,)]
    result = nrds(real, fakes, epochs=12, seed=5, batch_size=7)
    wanted = reference(real, fakes, 12, 7, weights, 5)
    for name in fakes:
        np.testing.assert_allclose(result.curves[name], wanted[name], rtol=2e-5)
    # Training moved the outputs by far more than that.
    assert abs(wanted["far"][0] - wanted["far"][-1]) > 0.01


def test_areas_by_hand():
    curves = {"a": np.array([1.0, 0.5, 0.25]), "b": np.array([0.5, 0.25, 0.0])}
    result = summarize(curves, np.ones(3), {})
    # (1 + .5)/2 + (.5 + .25)/2 and (.5 + .25)/2 + (.25 + 0)/2
    assert result.areas == {"a": 1.125, "b": 0.5}
    assert result.scores["a"] == pytest.approx(9 / 13, abs=1e-15)
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-15)
    assert result.ranking == ["a", "b"]


def test_settings_and_table_say_what_was_measured():
    real, fakes = toy(0, 30)
    result = nrds(real, fakes, epochs=2, seed=4, num=20)
    settings = result.settings
    assert settings["real"] == 20 and settings["fakes"] == {"near": 20, "far": 20}
    assert settings["epochs"] == 2 and settings["seed"] == 4
    assert settings["batch_size"] == 2 and settings["steps_per_epoch"] == 10
    assert settings["parameters"] == 2 * 32 + 32 + 32 * 32 + 32 + 32 + 1
    assert [len(c) for c in (*result.curves.values(), result.real_curve)] == [2, 2, 2]
    shown = dict(re.findall(r"^(\w+) +(0\.\d{4})", result.table(), re.M))
    assert shown == {name: f"{score:.4f}" for name, score in result.scores.items()}
    assert json.loads(json.dumps(result.to_dict()))["areas"] == result.areas


def test_the_same_seed_repeats_and_another_does_not():
    real, fakes = toy(1, 20)
    first, second, other = (nrds(real, fakes, epochs=3, seed=s).scores for s in (2, 2, 3))
    assert first == second and first != other


def test_identical_models_share_equally():
    real, _ = toy(1, 40)
    fakes = real[:20] + 0.1
    scores = nrds(real, {"a": fakes, "b": fakes.copy(), "real": fakes.copy()}, epochs=3).scores
    np.testing.assert_allclose(list(scores.values()), 1 / 3, rtol=1e-6)


@slow_on("torch", "tensorflow")
def test_toy_of_figure_6():
    check_toy([0])


@pytest.mark.slow
def test_toy_of_figure_6_over_seeds():
    near = check_toy(range(8))
    assert 0.59 <= np.mean(near) <= 0.65


def check_toy(seeds):
    near = []
    for seed in seeds:
        result = nrds(*toy(seed), epochs=300, seed=seed)
        near.append(result.scores["near"])
        assert result.ranking[0] == "near" and 0.55 <= near[-1] <= 0.70
        assert 120 <= result.areas["near"] <= 160 and 60 <= result.areas["far"] <= 120
    return near


def test_images_of_any_form_give_the_same_scores():
    real = images(24, 12, 3, seed=0)
    rng = np.random.default_rng(1)
    near = np.clip(real[::-1] + 0.2 * rng.standard_normal(real.shape), -1, 1)
    far = 0.3 * real - 0.5
    sets = [to_uint8(x) for x in (real, near, far)]
    floats = [x / np.float32(127.5) - np.float32(1) for x in sets]
    results = [
        nrds(x[0], {"near": x[1], "far": x[2]}, epochs=6, seed=1, batch_size=8)
        for x in (sets, floats)
    ]
    assert results[0].ranking[0] == "near"
    for name in ("near", "far"):
        np.testing.assert_allclose(results[0].curves[name], results[1].curves[name], rtol=1e-4)
    assert results[0].settings["sample_shape"] == [12, 12, 3]


@slow_on("jax")
def test_samples_beyond_one_batch_are_all_counted():
    real, fakes = toy(2, 300)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    result = nrds(real, fakes, epochs=2, batch_size=300, network=network)
    for name, x in {**fakes, "real": real}.items():
        curve = result.real_curve if name == "real" else result.curves[name]
        scores = x @ network.get_weights()[0] + network.get_weights()[1]
        np.testing.assert_allclose(curve[-1], np.mean(1 / (1 + np.exp(-scores))), rtol=1e-5)
    assert result.settings["network"] == network.name


def broken(**changes):
    real, fakes = toy(0, 20)
    return {"real": real, "fakes": fakes, "epochs": 2, **changes}


@pytest.mark.parametrize(
    "arguments, said",
    [
        (broken(fakes={"a": np.zeros((20, 2))}), "2 or more"),
        (broken(fakes=[np.zeros((20, 2))] * 2), "dictionary"),
        (broken(fakes={"a": np.zeros((20, 2)), "b": np.zeros((20, 3))}), r"fakes\['b'\].*\(3,\)"),
        (broken(fakes={"a": np.zeros((20, 2)), "b": np.zeros((19, 2))}), "num=19"),
        (
            broken(fakes={"a": np.zeros((9, 2)), "b": np.zeros((9, 2))}),
            "9 samples; expected 10 or more",
        ),
        (broken(real=np.full((20, 2), np.nan)), "40 NaN"),
        (broken(real=np.full((20, 2), "a")), "numbers"),
        (broken(real=np.zeros((20, 8, 8, 3), "uint8")), r"\(8, 8, 3\)"),
        (broken(real=np.full((20, 8, 8, 3), 7.0)), "from 7 to 7"),
        (broken(epochs=1), "epochs is 1"),
        (broken(epochs=2.5), "epochs is 2.5"),
        (broken(batch_size=21), "batch_size is 21"),
        (broken(num=21), "num is 21"),
        (broken(num=3), "num is 3"),
        (broken(seed=-1), "seed is -1"),
        (broken(network="mlp"), "network is 'mlp'; expected a keras.Model"),
    ],
)
def test_what_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said) as error:
        nrds(**arguments)
    assert "\n" not in str(error.value)


def test_curves_of_zero_are_refused():
    with pytest.raises(ValueError, match="sum to 0"):
        summarize({"a": np.zeros(3), "b": np.zeros(3)}, np.ones(3), {})


# The command


def run(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main.main(["nrds", *map(str, arguments)])
    return left.value.code or 0, *capsys.readouterr()


def test_command_on_folders_and_arrays(tmp_path, capsys):
    real = to_uint8(images(20, 10, 1, seed=0))
    for name, x in (("real", real), ("near", real[::-1]), ("far", real // 2)):
        (tmp_path / name).mkdir()
        for i, image in enumerate(x):
            Image.fromarray(image[..., 0]).save(tmp_path / name / f"{i:02d}.png")
        np.savez(tmp_path / f"{name}.npz", images=x)
    scores = []
    for ending in ("", ".npz"):
        out = tmp_path / f"out{ending}"
        status, said, _ = run(
            capsys,
            f"--real={tmp_path}/real{ending}",
            f"--fake=near={tmp_path}/near{ending}",
            *("--fake", f"far={tmp_path}/far{ending}"),
            *("--epochs=3", "--seed=1", "--image_size=8", f"--out={out}"),
        )
        assert status == 0 and "20 real samples against 20 of near, 20 of far." in said
        content = json.loads((out / "nrds.json").read_text())
        scores.append(content["scores"])
        for name, score in content["scores"].items():
            assert re.search(rf"^{name} +{score:.4f} ", said, re.M)
        assert content["settings"]["sample_shape"] == [8, 8, 1]
        assert len(content["curves"]["far"]) == 3
        assert Image.open(out / "nrds.png").size == (960, 600)
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


def test_command_on_vectors(tmp_path, capsys):
    real, fakes = toy(0, 20)
    for name, x in {"real": real, **fakes}.items():
        np.save(tmp_path / f"{name}.npy", x)
    flags = [f"--fake={name}={tmp_path}/{name}.npy" for name in fakes]
    flags += [f"--real={tmp_path}/real.npy", "--epochs=2", f"--out={tmp_path}"]
    assert run(capsys, *flags)[0] == 0
    scores = json.loads((tmp_path / "nrds.json").read_text())["scores"]
    assert scores == pytest.approx(nrds(real, fakes, epochs=2).scores, rel=1e-6)


@pytest.mark.parametrize(
    "flags, said",
    [
        ([], "--real is missing"),
        (["--real=x"], "--fake names 0"),
        (["--real=x", "--fake=a=b"], "--fake names 1"),
        (["--real=x", "--fake=a"], "NAME=DIR"),
        (["--real=x", "--fake=a=b", "--fake=a=c"], "'a' twice"),
        (["--real=nowhere", "--fake=a=b", "--fake=b=c"], "There is no nowhere"),
    ],
)
def test_command_refuses_in_one_line(flags, said, capsys):
    status, _, error = run(capsys, *flags)
    assert status == 2 and said in error and error.count("\n") == 1


def test_help_teaches(capsys):
    status, said, _ = run(capsys, "--help")
    assert (
        status == 0
        and "--fake=NAME=DIR" in said
        and "highest is the best" in " ".join(said.split())
    )


# Plots


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def colored(picture, color):
    """Where a picture has a color, as (rows, columns)."""
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return np.nonzero(np.abs(picture - wanted).max(axis=-1) < 12)


def test_curves_lie_where_their_values_are(tmp_path):
    path = tmp_path / "deep" / "plot.png"
    curves = {"up": np.linspace(0, 1, 11), "flat": np.full(11, 0.25)}
    plots.line_plot(curves, path, title="t", x_label="x", y_label="y", y_range=(0, 1))
    picture = pixels(path)
    assert picture.shape == (600, 960, 3)
    ink_rows, ink_columns = colored(picture, plots._INK)
    axis = ink_columns[ink_rows == np.bincount(ink_rows).argmax()]
    axis = axis[axis > 80]  # the number 0.0 stands to its left
    rows, columns = colored(picture, plots.COLORS[0])
    inside = columns <= axis.max()
    # A straight line over the whole of the axes: up and to the right.
    slope, _ = np.polyfit(columns[inside], rows[inside], 1)
    height = rows[inside].max() - rows[inside].min()
    assert slope == pytest.approx(-height / np.ptp(columns[inside]), rel=0.02)
    assert np.ptp(columns[inside]) == pytest.approx(np.ptp(axis), rel=0.02)
    flat_rows, flat_columns = colored(picture, plots.COLORS[1])
    flat = np.median(flat_rows[flat_columns < columns[inside].max()])
    assert (rows[inside].max() - flat) / height == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    "low, high, texts",
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (1, 300, ["50", "100", "150", "200", "250", "300"]),
        (-1e-7, 1e-7, ["-1.0e-07", "-5.0e-08", "0", "5.0e-08", "1.0e-07"]),
        (9999, 10001, ["9999.0", "9999.5", "10000.0", "10000.5", "10001.0"]),
    ],
)
def test_ticks(low, high, texts):
    values, shown = plots.ticks(low, high, 7)
    assert shown == texts
    np.testing.assert_allclose(values, [float(t) for t in texts])
    assert low - 1e-12 <= values[0] and values[-1] <= high + 1e-12


@pytest.mark.parametrize("form", ["line", "points", "both"])
def test_gaps_dashes_and_labels_are_drawn(tmp_path, form):
    many = {f"curve {i} with a name that is much too long": [i, np.nan, i + 1] for i in range(20)}
    pair = {"pair": ([3, 2, 1], [1, 2, 3])}
    plots.line_plot(
        {**many, **pair}, tmp_path / "a.png", form=form, point_labels={"pair": ["1", None, "3"]}
    )
    assert len(colored(pixels(tmp_path / "a.png"), plots.COLORS[2])[0])


@pytest.mark.parametrize(
    "arguments, said",
    [
        (({"a": [1, 2]}, "a.jpg"), "does not end in .png"),
        (({"a": [np.nan]}, "a.png"), "nothing to draw"),
        (({}, "a.png"), "nothing to draw"),
        (({"a": ([1, 2], [1])}, "a.png"), "shape"),
    ],
)
def test_plots_refuse_in_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said) as error:
        plots.line_plot(*arguments)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
