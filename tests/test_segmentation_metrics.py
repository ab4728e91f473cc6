"""Mean IoU and pixel accuracy by a judge, and what they are measured beside."""

import json
import pathlib

import keras
import numpy as np
import pytest
from conftest import load_script, slow_on

from keras_gans import metrics, models, networks, recipes
from keras_gans.metrics import sources
from keras_gans.zoo import comparison

CLASSES = 3
SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "examples" / "train_judge.py"


def color_judge(size=(4, 6), name="colors_4"):
    """Sees the class of the brightest channel."""
    x = keras.Input((*size, CLASSES))
    return keras.Model(x, keras.layers.Activation("linear")(x), name=name)


@pytest.fixture
def judge():
    return metrics.Judge(color_judge(), batch_size=2)


def painted(seen):
    """Images in which `color_judge` sees these classes."""
    return np.where(seen[..., None] == np.arange(CLASSES), 1.0, -1.0).astype("float32")


def by_hand(maps, seen):
    """IoU and accuracy of each class, a pixel at a time; None where there is none."""
    iou, accuracy, hits, known = [], [], 0, 0
    for c in range(CLASSES):
        both = either = own = 0
        for truth, said in zip(maps.ravel(), seen.ravel(), strict=True):
            if truth >= CLASSES:
                continue
            both += truth == c and said == c
            either += truth == c or said == c
            own += truth == c
        iou.append(both / either if either else None)
        accuracy.append(both / own if own else None)
        hits, known = hits + both, known + own
    there = [x for x in iou if x is not None]
    return sum(there) / len(there), iou, hits / known, accuracy


def close(found, wanted):
    return [x is None for x in found] == [x is None for x in wanted] and np.allclose(
        [x for x in found if x is not None], [x for x in wanted if x is not None], atol=1e-4
    )


@pytest.mark.parametrize("known", [3, 2])
def test_scores_are_those_of_a_loop_over_pixels(judge, known):
    random = np.random.default_rng(0)
    maps = random.choice([*range(known), CLASSES, 255], (5, 4, 6))
    seen = np.where(random.random(maps.shape) < 0.6, maps, random.integers(0, known, maps.shape))
    seen = np.where(seen >= CLASSES, 0, seen)
    mean, iou, share, accuracy = by_hand(maps, seen)
    m, p = metrics.MeanIoU(judge), metrics.PixelAccuracy(judge)
    for metric in (m, p):
        metric.update_state(maps[:2], painted(seen[:2]))
        other = type(metric)(judge)
        other.update_state(maps[2:], painted(seen[2:]))
        metric.merge(other)
    assert float(m.result()) == pytest.approx(mean, abs=1e-12)
    assert close(m.result().details["iou"], iou)
    assert (m.result().details["iou"][2] is None) == (known == 2)
    assert float(p.result()) == pytest.approx(share, abs=1e-12)
    assert close(p.result().details["accuracy"], accuracy)
    assert (m.name, p.name) == ("mean_iou_colors_4", "pixel_accuracy_colors_4")
    said = m.result()
    assert said.details["judge"] == "colors_4, 4x6" and said.details["ids"] == CLASSES
    assert said.n_fake == 5 and said.checksum == judge.checksum
    assert "through colors_4 at 4x6, ids 0 to 2" in said.protocol


def test_a_perfect_generator_a_blind_one_and_uint8(judge):
    maps = np.array([[[0, 0, 1, 1, 2, 2]] * 4])
    for seen, iou in ((maps, 1.0), (np.zeros_like(maps), 1 / 9)):
        metric = metrics.MeanIoU(judge)
        metric.update_state(maps, np.rint(127.5 * (painted(seen) + 1)).astype("uint8"))
        assert float(metric.result()) == pytest.approx(iou)


def test_what_is_wrong_is_said_in_a_line(judge, tmp_path):
    maps, images = np.zeros((1, 4, 6), int), painted(np.zeros((1, 4, 6), int))
    metric = metrics.MeanIoU(judge)
    cases = [
        (lambda: metrics.MeanIoU(), "mean_iou needs a judge"),
        (lambda: metric.result(), "0 generated images; 1 or more"),
        (lambda: metric.update_state(maps, images[:, :2]), "sees images of 4x6 with 3"),
        (lambda: metric.update_state(maps[:, :2], images), "maps are 2x6, and the images 4x6"),
        (lambda: metric.update_state(maps / 1.0, images), "maps are float64; expected integers"),
        (lambda: metric.update_state(maps.repeat(2, 0), images), "got 2 maps and 1 images"),
        (lambda: metric.update_fake(images), "needs label maps"),
        (lambda: metrics.Judge(keras.Sequential()), "has inputs and outputs"),
        (lambda: metrics.Measurement(None, ["mean_iou"]), "mean_iou needs a judge"),
    ]
    for call, text in cases:
        with pytest.raises(ValueError, match=text) as caught:
            call()
        assert "\n" not in str(caught.value)
    nothing = metrics.PixelAccuracy(judge)
    nothing.update_state(maps + CLASSES, images)
    with pytest.raises(ValueError, match="no pixel of the maps has a class"):
        nothing.result()
    with pytest.raises(FileNotFoundError, match="There is no judge .*train_judge.py"):
        metrics.Judge(tmp_path / "none.keras")
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="bad.keras holds no Keras model") as caught:
        metrics.Judge(tmp_path / "bad.keras")
    assert "\n" not in str(caught.value)


def test_a_measurement_asks_the_judge_once_a_batch(judge, tmp_path):
    asked, seen_by = [], judge.model.predict_on_batch
    judge.model.predict_on_batch = lambda x: asked.append(len(x)) or seen_by(x)
    maps = np.random.default_rng(0).integers(0, CLASSES, (3, 4, 6))
    names = ["mean_iou", "pixel_accuracy", "psnr"]
    measurement = metrics.Measurement(None, names, "none", samples=3, judge=judge)
    targets = painted(maps)
    source = sources.Pictures(painted(maps[:, ::-1]), targets=targets, maps=maps)
    scores = measurement.of(source)
    assert sum(asked) == 3 and list(scores) == names
    mean, _, share, _ = by_hand(maps, maps[:, ::-1])
    assert float(scores["mean_iou"]) == pytest.approx(mean)
    assert float(scores["pixel_accuracy"]) == pytest.approx(share)
    assert not measurement.lower_is_better("mean_iou")
    # The file gives the same.
    color_judge().save(tmp_path / "judge.keras")
    again = metrics.Measurement(None, names, "none", samples=3, judge=tmp_path / "judge.keras")
    assert again.of(source) == scores and again.names["mean_iou"] == "mean_iou_colors_4"
    with pytest.raises(ValueError, match="needs maps beside the images"):
        measurement.of(sources.Pictures(painted(maps), targets=targets))


@slow_on("jax", "tensorflow")
def test_ceiling_and_floor_of_a_model_of_maps():
    """Held-out real images and mean colors are sources like any other."""
    recipe = recipes.load("spade_digits").changed(
        {"networks.width": 1, "networks.hidden": 2, "networks.d_width": 2}
    )
    model = models.SPADE(*networks.spade(32, 1, 11, width=1, hidden=2, d_width=2))
    x = keras.Input((32, 32, 1))
    ink = keras.layers.Concatenate()([-x, x, *[x - 1] * 9])  # paper, and a digit "0" everywhere
    judge = keras.Model(x, ink, name="ink_32")
    compared = comparison.compare(model, recipe, samples=20, judge=judge)
    assert compared.serves("mean_iou")
    measured = compared.measurement(["mean_iou", "pixel_accuracy"])
    found = {}
    for source, names in [(compared.source, ["mean_iou"]), *compared.others()]:
        if "mean_iou" in names:
            found[source.name] = measured.of(source)["pixel_accuracy"]
    assert set(found) == {
        "images of maps", "untrained", "mean image", "mean colors", "held-out real"
    }  # fmt: skip
    # By hand: of real digits the paper is seen, and the ink of the class 1.
    images, maps = compared.test
    seen = np.where(images[..., 0] / 127.5 - 1 > 0, 1, 0)
    assert float(found["held-out real"]) == pytest.approx((seen == maps).mean())
    assert not comparison.compare(model, recipe, samples=20).serves("mean_iou")
    with pytest.raises(ValueError, match="colors_4 tells 3 classes apart, and the maps have 11"):
        comparison.compare(model, recipe, judge=color_judge())


@slow_on("jax", "tensorflow")
def test_evaluate_with_a_judge(cli, tmp_path):
    recipe = {"networks.width": 1, "networks.hidden": 2, "networks.d_width": 2}
    model = models.SPADE(*networks.spade(32, 1, 11, width=1, hidden=2, d_width=2))
    model.compile()
    model.save(tmp_path / "model.keras")
    recipes.load("spade_digits").changed(recipe).save(tmp_path / "recipe.yaml")
    x = keras.Input((32, 32, 1))
    judge = keras.Model(x, keras.layers.Concatenate()([-x, x, *[x - 1] * 9]), name="ink_32")
    judge.save(tmp_path / "judge.keras")
    flags = [f"--judge={tmp_path / 'judge.keras'}", "--samples=8", f"--out={tmp_path / 'out'}"]
    named = "--metrics=mean_iou,pixel_accuracy"
    status, said, _ = cli("evaluate", tmp_path / "model.keras", named, "--baselines", *flags)
    assert status == 0 and "mean_iou_ink_32, held-out real" in said
    assert "pixel_accuracy_ink_32, mean colors" in said
    scores = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert "mean_iou_ink_32" in json.dumps(scores)
    status, _, err = cli("evaluate", tmp_path / "model.keras", named, *flags[1:])
    assert status == 2 and "mean_iou needs a judge" in err and err.count("\n") == 1


@slow_on("jax", "tensorflow")
def test_the_example_trains_a_judge_on_real_images(tmp_path, capsys):
    script = load_script(SCRIPT)
    out = tmp_path / "judge.keras"
    script.main(
        [
            "--split=train[:96]", "--test_split=train[1600:1640]", "--num_classes=11",
            "--image_size=16", "--epochs=2", "--width=4", f"--out={out}",
        ]
    )  # fmt: skip
    judge = metrics.Judge(out)
    assert (judge.name, judge.size, judge.num_classes) == ("digits_16", (16, 16), 11)
    said = capsys.readouterr().out
    assert "mean_iou_digits_16 on train[1600:1640]: 0." in said and "11 classes" in said
