"""Losses per pixel, label maps as data, and what SPADE makes of them."""

import functools
import pathlib
import shutil

import keras
import numpy as np
import pytest
from conftest import load_script, relative, slow_on, to_numpy
from keras import ops
from PIL import Image

from keras_gans import data, losses, models, networks, recipes
from keras_gans.recipes import reading
from keras_gans.training import vjp

CLASSES, IGNORE = 3, "class_scores"
SMALL = {"num_classes": CLASSES, "width": 1, "hidden": 3, "d_width": 2, "d_layers": 1}


def reference(scores, maps, role, ignore):
    """Eq. 5 in float64, a pixel at a time; the mean over all pixels of an image."""
    count, h, w, _ = scores.shape
    found = np.zeros((count, h, w))
    rows, columns = (np.arange(n) * m // n for n, m in zip((h, w), maps.shape[1:], strict=True))
    for b, y, x in np.ndindex(count, h, w):
        s, c = scores[b, y, x].astype("float64"), maps[b, rows[y], columns[x]]
        positive = {CLASSES + 1} if role == "fake" else {CLASSES}
        positive |= {c} if role != "fake" and c < CLASSES else set()
        counted = set(range(CLASSES + 2))
        if c >= CLASSES and ignore == "class_scores":
            counted = {CLASSES, CLASSES + 1}
        if c >= CLASSES and ignore == "pixels":
            counted = set()
        for chosen, sign in ((counted - positive, 1), (counted & positive, -1)):
            found[b, y, x] += np.logaddexp.reduce([0.0, *(sign * s[k] for k in chosen)])
    return found.mean(axis=(1, 2))


@pytest.mark.parametrize("ignore", ["class_scores", "pixels", None])
def test_the_omni_loss_of_every_pixel(ignore):
    random = np.random.default_rng(0)
    scores = (3 * random.normal(size=(3, 3, 5, CLASSES + 2))).astype("float32")
    scores[0] *= 3000  # up to 1e4 and more
    maps = random.integers(0, CLASSES + 2, (3, 12, 10)).astype("int32")
    maps[2] = 255  # no pixel has a class
    objective = losses.PixelOmni(ignore=ignore).given(maps)
    real, fake = (reference(scores, maps, role, ignore) for role in ("real", "fake"))
    of_d = to_numpy(objective.discriminator.call(scores, scores))
    np.testing.assert_allclose(of_d, real + fake, rtol=1e-5, atol=1e-6)
    of_g = to_numpy(objective.generator.call(scores, scores))
    np.testing.assert_allclose(of_g, reference(scores, maps, "generator", ignore), rtol=1e-5)
    assert np.isfinite(of_g).all() and (of_g[2] == 0) == (ignore == "pixels")


def test_the_cross_entropy_weighs_rare_classes():
    random = np.random.default_rng(0)
    scores = random.normal(size=(2, 6, 6, CLASSES + 2)).astype("float32")
    maps = random.choice([0, 0, 0, 1, 9], (2, 6, 6)).astype("int32")  # no 2 nor 3; 9 is no class
    x = scores.astype("float64")
    log = x - np.log(np.exp(x).sum(-1, keepdims=True))
    counts = [(maps == c).sum() for c in range(CLASSES + 1)]
    wanted = np.zeros(maps.shape)
    for c in (0, 1):
        wanted[maps == c] = -log[maps == c, c + 1] * maps.size / (2 * counts[c])
    objective = losses.PixelCrossEntropy().given(maps)
    of_g = to_numpy(objective.generator.call(scores, scores))
    np.testing.assert_allclose(of_g, wanted.mean((1, 2)), rtol=1e-5)
    of_d = to_numpy(objective.discriminator.call(scores, scores))
    np.testing.assert_allclose(of_d, wanted.mean((1, 2)) - log[..., 0].mean((1, 2)), rtol=1e-5)
    nothing = losses.PixelCrossEntropy().given(np.full((2, 6, 6), 9))
    assert (to_numpy(nothing.generator.call(scores, scores)) == 0).all()


def batch(size=32, count=2):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (count, size, size, 3)).astype("float32")
    return images, random.integers(0, CLASSES + 1, (count, size, size)).astype("int32")


def model_of(objective="omni", network=None, **options):
    g, d = networks.spade(32, d_head=objective, **{**SMALL, **(network or {})})
    model = models.SPADE(g, d, objective=objective, **options)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=keras.backend.backend() == "tensorflow")
    return model


@slow_on("jax")
def variables(model, player):
    return [to_numpy(v) for v in model.player_variables(player)]


@slow_on("tensorflow", "jax")
def test_in_one_stage_the_generator_moves_as_in_two():
    """Both see the same networks; D alone meets other fakes."""
    images, maps = batch()
    steps, of_d = [], []
    for one_stage in (False, True):
        model = model_of(one_stage=one_stage)
        before = [variables(model, player) for player in ("generator", "discriminator")]
        model.fit(images, maps, batch_size=2, shuffle=False, verbose=0)
        after = [variables(model, player) for player in ("generator", "discriminator")]
        moved = [
            [a - b for a, b in zip(x, y, strict=True)] for x, y in zip(after, before, strict=True)
        ]
        steps.append(moved[0])
        of_d.append(moved[1])
    assert relative(*steps) < 1e-4
    assert 1e-6 < relative(*of_d) < 0.5


@slow_on("tensorflow", "jax")
def test_oasis_with_labelmix_and_noise():
    model = model_of("oasis", {"d": "unet", "d_layers": 2, "noise": 3}, label_mix=10.0)
    images, maps = batch()
    logs = model.fit(images, maps, batch_size=2, verbose=0).history
    assert {"label_mix", "adversarial"} <= set(logs) and "feature_matching" not in logs
    assert all(np.isfinite(v).all() for v in logs.values())
    two = model.synthesize(maps, samples=2, seed=1)
    assert two.shape == (2, 2, 32, 32, 3) and np.abs(two[:, 0] - two[:, 1]).max() > 0
    alone = model.synthesize(maps[:1], samples=2, seed=1)
    np.testing.assert_allclose(two[:1], alone, rtol=0, atol=1e-6)
    old = model.synthesize(maps, seed=4)
    same = model.repaint(maps, np.zeros((32, 32), bool), seed=4, new_seed=5)
    np.testing.assert_allclose(same, old, atol=1e-6)
    whole = model.repaint(maps, np.ones((32, 32), bool), seed=4, new_seed=5)
    np.testing.assert_allclose(whole, model.synthesize(maps, seed=5), atol=1e-6)
    assert np.abs(model.repaint(maps, 1, seed=4) - old).max() > 0


def cross_entropy(scores, maps, role):
    """OASIS's, of each image in float64; classes are weighed by their pixels in the batch."""
    x = scores.astype("float64")
    x = x - x.max(-1, keepdims=True)
    log = x - np.log(np.exp(x).sum(-1, keepdims=True))
    if role == "fake":
        return -log[..., 0].mean(axis=(1, 2))
    counts = np.array([(maps == c).sum() for c in range(CLASSES)])
    found = np.zeros(maps.shape)
    for b, y, x in np.ndindex(*maps.shape):
        c = maps[b, y, x]
        if c < CLASSES:
            found[b, y, x] = -log[b, y, x, c + 1] * maps.size / ((counts > 0).sum() * counts[c])
    return found.mean(axis=(1, 2))


@pytest.mark.parametrize("name", ["omni", "oasis"])
def test_gradients_of_the_losses_at_full_resolution(name):
    """Of every score, by the formulas; ignored pixels and absent classes are among them."""
    random = np.random.default_rng(1)
    maps = random.choice([0, 0, 0, 2, CLASSES], (2, 5, 4)).astype("int32")
    size = (2, 5, 4, CLASSES + (2 if name == "omni" else 1))
    real, fake = (random.normal(size=size).astype("float32") for _ in range(2))
    objective = losses.PixelOmni() if name == "omni" else losses.PixelCrossEntropy()
    loss = objective.given(maps).discriminator
    _, pull = vjp(
        lambda x, y: loss.call(x, y), (), [ops.convert_to_tensor(x) for x in (real, fake)]
    )
    found = [to_numpy(x) for x in pull(ops.ones(2), wrt="inputs")[1]]
    for got, scores, role in zip(found, (real, fake), ("real", "fake"), strict=True):
        wanted = np.zeros(size)
        for b, y, x in np.ndindex(*maps.shape):
            s, c = scores[b, y, x].astype("float64"), maps[b, y, x]
            if name == "omni":
                positive = {CLASSES + 1} if role == "fake" else {CLASSES, c} - {CLASSES + 1}
                counted = set(range(CLASSES + 2)) if c < CLASSES else {CLASSES, CLASSES + 1}
                for chosen, sign in ((counted - positive, 1), (counted & positive, -1)):
                    chosen = sorted(chosen)
                    powers = np.exp(sign * s[chosen])
                    wanted[b, y, x, chosen] = sign * powers / (1 + powers.sum())
            elif role == "fake" or c < CLASSES:
                share = np.exp(s) / np.exp(s).sum()
                share[0 if role == "fake" else c + 1] -= 1
                weight = 1 if role == "fake" else maps.size / (2 * (maps == c).sum())
                wanted[b, y, x] = weight * share
        np.testing.assert_allclose(got, wanted / 20, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="a compiled step shows no scores")
@pytest.mark.parametrize("objective", ["omni", "oasis"])
def test_the_losses_of_a_step_with_a_u_net_and_labelmix(objective):
    """What a step logs is what float64 makes of the scores that D gave in it."""
    model = model_of(objective, {"d": "unet", "d_layers": 2, "noise": 3}, label_mix=4.0)
    (images, maps), judge, seen = batch(), model.judge, []
    draws = np.array([[1, 0, 1, 0], [0, 1, 1, 0]])
    mask = np.take_along_axis(draws, maps.reshape(2, -1), 1).reshape(*maps.shape, 1)
    model._draw_mask = lambda maps: ops.convert_to_tensor(mask.astype("float32"))

    def watched(fake, real, *beside):
        made, told = judge(fake, real, *beside)
        both = [None if x is None else to_numpy(x[0][-1]) for x in (made, told)]
        seen.append((to_numpy(fake), *both))
        return made, told

    model.judge = watched
    logs = model.fit(images, maps, batch_size=2, shuffle=False, verbose=0).history
    (_, of_g, _), (fake, made, real), (mixed, of_mixed, _) = seen
    np.testing.assert_allclose(mixed, np.where(mask, images, fake), atol=1e-6)
    loss = cross_entropy if objective == "oasis" else functools.partial(reference, ignore=IGNORE)
    assert logs["adversarial"][0] == pytest.approx(loss(of_g, maps, "generator").mean(), rel=1e-5)
    gap = (mask * real + (1.0 - mask) * made - of_mixed.astype("float64")) ** 2
    of_d = loss(real, maps, "real").mean() + loss(made, maps, "fake").mean()
    assert logs["label_mix"][0] == pytest.approx(gap.mean(), rel=1e-4)
    assert logs["d_loss"][0] == pytest.approx(of_d + 4.0 * gap.mean(), rel=1e-5)


def test_a_mask_takes_classes_whole():
    maps = np.array([[[0, 1, 2, 7]], [[0, 0, 7, 1]]])
    mask = to_numpy(losses.label_mix(maps, np.array([[1, 0, 1, 0], [0, 1, 0, 1]]), 3))[..., 0]
    np.testing.assert_array_equal(mask, [[[1, 0, 1, 0]], [[0, 0, 1, 1]]])


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda m: m.astype("float32"), "maps are float32; expected integers"),
        (lambda m: m[:, :16], "maps are 16x32, and the images 32x32"),
        (lambda m: np.where(m == 1, 7, m), r"maps have the index 7 \(map 0, row"),
        (lambda m: m[0], r"maps\[None\]"),
    ],
)
def test_maps_that_do_not_fit_are_said_in_a_line(change, text):
    model, (images, maps) = model_of(), batch()
    with pytest.raises(ValueError, match=text) as error:
        model.synthesize(change(maps))
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError):
        model.fit(images, change(maps), batch_size=2, verbose=0)


def test_networks_and_losses_that_do_not_fit():
    g, d = networks.spade(32, d_head="hinge", **SMALL)
    with pytest.raises(ValueError, match="1 scores .* needs 5"):
        models.SPADE(g, d)
    _, omni = networks.spade(32, **SMALL)
    with pytest.raises(ValueError, match='5 scores at a place.*d_head="hinge"'):
        models.SPADE(g, omni, objective="hinge")
    with pytest.raises(ValueError, match='label_mix mixes scores at full.*d="unet"'):
        models.SPADE(g, omni, label_mix=1.0)
    with pytest.raises(ValueError, match="no latents to draw anew"):
        models.SPADE(g, omni).repaint(batch()[1], 1)
    with pytest.raises(ValueError, match="ignore is 'all'"):
        models.SPADE(g, omni, ignore="all")


@pytest.fixture
def folder(tmp_path):
    """Four images of noise and their maps: palette files with the indices 0 to 3, and 255."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, 12, 16, 3)).astype("uint8")
    maps = random.choice([0, 1, 2, 255], (4, 12, 16)).astype("uint8")
    for kind in ("photos", "labels", "colors"):
        (tmp_path / "train" / kind).mkdir(parents=True)
    table = np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]], "uint8")
    for i, (image, labels) in enumerate(zip(images, maps, strict=True)):
        Image.fromarray(image).save(tmp_path / "train" / "photos" / f"{i}.png")
        drawn = Image.fromarray(labels)
        drawn.putpalette(list(range(255, -1, -1)) * 3)
        drawn.save(tmp_path / "train" / "labels" / f"{i}.png")
        Image.fromarray(table[labels % 3]).save(tmp_path / "train" / "colors" / f"{i}.png")
    return tmp_path, images, maps


def test_a_folder_of_images_and_maps(folder):
    path, images, maps = folder
    options = {"images": "photos", "dtype": "uint8"}
    found = data.load_label_maps(path, "labels", ignore_label=255, **options)
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], np.where(maps == 255, 3, maps))
    assert found[1].dtype == np.int32
    table = {0: (9, 0, 0), 1: (0, 9, 0), 2: (0, 0, 9)}
    colored = data.load_label_maps(path, "colors", colors=table, **options)[1]
    np.testing.assert_array_equal(colored, maps % 3)
    small = data.load_label_maps(path, "labels", ignore_label=255, image_size=(6, 8), **options)
    assert small[0].shape == (4, 6, 8, 3) and set(np.unique(small[1])) <= {0, 1, 2, 3}
    parts = [f"train[{part}]" for part in (":50%", "50%:")]
    parts = [data.load_label_maps(path, "labels", split=s, **options)[0] for s in parts]
    assert [len(part) for part in parts] == [2, 2]
    # Not the first ones: the parts are mixed, and whole together.
    assert sorted(images.tolist()) == sorted(np.concatenate(parts).tolist())
    assert (parts[0] != images[:2]).any()
    both = data.load_label_maps(path, "labels", instances="labels", num_classes=256, **options)
    np.testing.assert_array_equal(both.instances, maps)


def test_bad_folders_are_said_in_a_line(folder):
    path, *_ = folder
    for changes, text in (
        ({"maps": "labels"}, "has the index 255; with num_classes=3, 0 to 2"),
        ({"maps": "colors"}, "colors .RGB., and no indices"),
        ({"maps": "colors", "colors": [(9, 0, 0), (0, 9, 0)]}, r"has the color \(0, 0, 9\)"),
        ({"maps": "nothing"}, "has no folder 'nothing'"),
    ):
        options = {"num_classes": 3} if changes["maps"] == "labels" else {}
        with pytest.raises(ValueError, match=text):
            data.load_label_maps(path, images="photos", **changes, **options)
    (path / "train" / "labels" / "2.png").rename(path / "train" / "labels" / "two.png")
    with pytest.raises(ValueError, match="do not pair: labels/two, photos/2 have no partner"):
        data.load_label_maps(path, "labels", images="photos")


def test_a_folder_without_held_out_maps_shows_its_own(folder):
    path, images, _ = folder
    with pytest.raises(ValueError, match="has no split 'test' of 'photos'; it has train/colors"):
        data.load_label_maps(path, "labels", images="photos", split="test")
    of_data = {"name": str(path), "images": "photos", "maps": "labels", "ignore_label": 255}
    spade = {"networks": {"name": "spade", "num_classes": 3}, "model": {"method": "spade"}}
    recipe = recipes.load({"data": of_data, **spade})
    (maps,), shown = reading.maps_of(recipe, 2)
    assert maps.shape == (2, 12, 16)
    np.testing.assert_array_equal(data.to_uint8(shown), images[[0, 2]])


def test_the_example_of_a_judge_needs_no_test_part(folder, tmp_path, monkeypatch, capsys):
    script = load_script(pathlib.Path(__file__).parent.parent / "examples" / "train_judge.py")
    path, images, maps = folder
    trained, asked = [], []

    def train(images, maps, num_classes, *_, **__):
        trained.append((images, maps, num_classes))
        return script.unet(12, images.shape[-1], num_classes, 1, "tiny")

    def load(name, *arguments, load=data.load_label_maps, **kwargs):
        asked.append((kwargs["split"], kwargs["num_classes"]))
        return load(name, *arguments, images="photos" if name == str(path) else "image", **kwargs)

    monkeypatch.setattr(script, "train", train)
    monkeypatch.setattr(data, "load_label_maps", load)
    line = [f"--dataset={path}", "--maps=labels", "--image_size=12", "--ignore_label=255"]
    line.append(f"--out={tmp_path / 'judge.keras'}")
    script.main(line)
    said = capsys.readouterr().out
    assert "has no split 'test'" in said and " on test: " not in said and "3 classes" in said
    assert trained[0][2] == 3 and set(np.unique(trained[0][1])) == {0, 1, 2, 3}
    # The held-out maps are of as many classes, though they hold fewer.
    shutil.copytree(path / "train", path / "test")
    for i in range(4):
        Image.fromarray(np.zeros((12, 16), "uint8")).save(path / "test" / "labels" / f"{i}.png")
    asked.clear()
    script.main(line)
    assert asked[-1] == ("test", 3) and " on test: " in capsys.readouterr().out
    script.main([f"--out={tmp_path / 'judge.keras'}", "--image_size=12"])
    assert len(trained[-1][0]) == 1500 and asked[-1] == ("train[1500:]", 11)


def test_an_image_and_its_map_move_together():
    images = np.random.default_rng(0).integers(0, 250, (8, 16, 16, 1)).astype("uint8")
    ids = images[..., 0].astype("int32")
    made = data.LabelMapDataset(images, ids, ids, batch_size=4, augment=("flip", "crop"))
    moved = 0
    for pictures, maps, instances in made:
        np.testing.assert_array_equal(data.to_uint8(pictures)[..., 0], maps)
        np.testing.assert_array_equal(maps, instances)
        moved += sum(not (m == ids).all(axis=(1, 2)).any() for m in maps)
    assert moved >= 4


def test_maps_of_a_data_set_of_examples(tfds_dir):
    pytest.importorskip("tensorflow_datasets")
    images, maps = data.load_label_maps(
        "avatar_expressions", "segmentation", image_size=64, split="test[:4]", num_classes=10,
        data_dir=tfds_dir,
    )  # fmt: skip
    assert images.shape == (4, 64, 64, 3) and maps.shape == (4, 64, 64)
    assert maps.dtype == np.int32 and {0, 1, 4} <= set(np.unique(maps)) <= set(range(10))
    with pytest.raises(ValueError, match="no feature 'segmentatio' .did you mean"):
        data.load_label_maps("avatar_expressions", "segmentatio", data_dir=tfds_dir)
