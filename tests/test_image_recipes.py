"""Recipes for methods that learn from images: their parts, their data, packed data, the runs."""

import json

import keras
import numpy as np
import pytest
from conftest import slow_module, slow_on, to_numpy

from keras_gans import data, models, networks, recipes
from keras_gans import registry as names
from keras_gans.cli import main
from keras_gans.data import packing
from keras_gans.recipes import reading, vocabulary
from keras_gans.runs import opening, watching
from keras_gans.runs import weights as parts

pytestmark = slow_module("tensorflow", "jax")

NAMES = ["thick", "thin"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A packed data set of pictures in two styles of five things, in a folder."""
    folder = tmp_path_factory.mktemp("packed")
    rng = np.random.default_rng(0)
    arrays, splits = {}, {"train": 10, "test": 6}
    for split, n in splits.items():
        arrays[f"image_{split}"] = rng.integers(0, 256, (n, 16, 16, 3), "uint8")
        arrays[f"style_{split}"] = np.arange(n, dtype="int32") % 2
        # Every thing in both styles; the second style in another order.
        things = [
            f"{split}{i // 2}" if i % 2 else f"{split}{(i // 2 + 1) % (n // 2)}" for i in range(n)
        ]
        arrays[f"thing_{split}"] = np.array(things)
    about = {
        "format": packing.FORMAT,
        "name": "pictures/16",
        "features": {
            "image": {"kind": "image"},
            "style": {"kind": "label", "names": NAMES},
            "thing": {"kind": "text"},
        },
        "image": "image",
        "label": "style",
        "splits": splits,
    }
    path = folder / "pictures" / "16.npz"
    path.parent.mkdir()
    np.savez_compressed(path, **arrays, packed=np.array(json.dumps(about)))
    return folder, arrays


def recipe_of(folder, method, network, of_data=(), of_networks=(), of_model=()):
    recipe = {
        "data": {"name": "pictures/16", "image_size": 16, "data_dir": str(folder), **dict(of_data)},
        "networks": {"name": network, "width": 2, **dict(of_networks)},
        "model": {"method": method, **dict(of_model)},
        "schedule": {"steps": 3, "batch_size": 2, "seed": 3},
    }
    return recipes.load(recipe)


PAIRS = {"source": "thick", "target": "thin", "key": "thing"}
DOMAINS = {"num_domains": 2, "d_width": 2, "blocks": 1}
METHODS = {
    "coupled_gan": ("encoder_decoder", {}, {}, {"adversarial_weight": 0.5}),
    "decoupled_gan": ("encoder_decoder", {}, {"latent_dim": 5}, {}),
    "pix2pix": ("pix2pix", PAIRS, {"d_layers": 1}, {"reconstruction_weight": 7.0}),
    "decoupled_pix2pix": ("pix2pix", PAIRS, {"d_layers": 1}, {}),
    "caae": ("caae", {}, {"num_classes": 2}, {"code_weight": 0.5}),
    "decoupled_caae": ("caae", {}, {"num_classes": 2}, {}),
    "asymmetric_gan": (
        "asymmetric",
        {},
        DOMAINS,
        {"ema": 0.9, "term_weights": {"ms_ssim": 0.0}, "sharing": "partial"},
    ),
}


def test_every_method_but_one_has_a_recipe():
    without = {n for n, x in names.all("method").items() if x.preset is None}
    assert without == {"supervised_asymmetric_gan"}
    made = {"freeze_lowest", "patch_discriminator", "unet", "vgg19_features"}
    assert set(networks.__all__) - set(names.names("network")) == made
    with pytest.raises(ValueError, match="has no recipe.*docs/asymmetric.md"):
        recipes.load({"model": {"method": "supervised_asymmetric_gan"}})


@pytest.mark.parametrize("method", METHODS)
def test_a_recipe_builds_what_its_words_say(packed, method):
    network, of_data, of_networks, of_model = METHODS[method]
    recipe = recipe_of(packed[0], method, network, of_data, of_networks, of_model)
    model = recipes.build_model(recipe, channels=3)
    assert names.of(model).name == method and model.seed == 3
    for key, value in of_model.items():
        found = getattr(model, key)
        assert {k: found[k] for k in value} == value if isinstance(value, dict) else found == value
    # By hand.
    builder, cls = getattr(networks, network), type(model)
    own = {k: v for k, v in of_networks.items()}
    built = {n.name: n for n in builder(16, 3, width=2, seed=3, **own)}
    if method == "decoupled_pix2pix":
        by_hand = models.decouple(models.Pix2Pix(**built, seed=3), seed=4)
    else:
        by_hand = cls(**{k: built[k] for k in vocabulary.needed(cls)}, seed=3, **of_model)
    assert list(by_hand.players) == list(model.players)
    for a, b in zip(by_hand.weights, model.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def test_batches_are_the_data_set_s(packed):
    folder, arrays = packed
    recipe = recipe_of(folder, "asymmetric_gan", "asymmetric", {"augment": ["flip"]}, DOMAINS)
    found = recipes.build_data(recipe)
    wanted = data.ArrayDataset(
        arrays["image_train"], arrays["style_train"], 2, seed=3, augment=["flip"]
    )
    assert list(found.class_names) == NAMES
    for (x, y), (u, v) in zip(found, wanted, strict=True):
        np.testing.assert_allclose(to_numpy(x), u, atol=1e-6)
        np.testing.assert_array_equal(to_numpy(y), v)
    unlabeled = recipes.build_data(recipe_of(folder, "coupled_gan", "encoder_decoder"))
    assert len(next(iter(unlabeled)).shape) == 4
    # The released objective takes five batches for D in a step, as its default says.
    released = {**recipe, "model": {"method": "asymmetric_gan", "objective": "wasserstein_gp"}}
    assert next(iter(recipes.build_data(released)))[0].shape[0] == 10


def test_pairs_are_found_by_what_they_show(packed):
    folder, arrays = packed
    recipe = recipe_of(folder, "pix2pix", "pix2pix", PAIRS, {"d_layers": 1})
    inputs, targets, names = recipes.read_arrays(recipe, dtype="uint8")
    thick, thin = arrays["image_train"][0::2], arrays["image_train"][1::2]
    np.testing.assert_array_equal(targets, thin)
    # Thing i is thin at place i, and thick at place i - 1.
    np.testing.assert_array_equal(inputs, np.roll(thick, 1, axis=0))
    assert names is None
    batch = recipes.build_data(recipe)[0]
    assert [x.shape for x in batch] == [(2, 16, 16, 3)] * 2
    lines = {"source": "outline", "target": "thin"}
    outline = recipe_of(folder, "pix2pix", "pix2pix", lines, {"d_layers": 1})
    assert recipes.build_model(outline, 3).generator.input_shape == (None, 16, 16, 1)
    (held_out,), of_them = reading.examples_of(recipe, 8)
    assert held_out.shape == of_them.shape == (3, 16, 16, 3)
    np.testing.assert_allclose(of_them, data.from_uint8(arrays["image_test"][1::2]), atol=1e-6)


@pytest.mark.parametrize(
    "method, network, of_data, of_networks, message",
    [
        ("pix2pix", "pix2pix", {}, {}, "learns from pairs.*add source and target"),
        ("pix2pix", "pix2pix", {"source": "outline"}, {}, "data.target is missing: add"),
        ("pix2pix", "pix2pix", {"target": "thin"}, {}, "data.source is missing: add"),
        ("pix2pix", "pix2pix", {**PAIRS, "name": "digits"}, {}, "made of.*and digits is neither"),
        ("coupled_gan", "encoder_decoder", PAIRS, {}, "coupled_gan learns from single images"),
        ("coupled_gan", "dcgan", {}, {}, "needs the networks encoder.*there is no encoder"),
        ("caae", "caae", {}, {"num_classes": 3}, "has 3 classes, and pictures/16 has 2"),
        ("caae", "caae", {"labels": "stile"}, {"num_classes": 2}, "no label 'stile'.*'style'"),
    ],
)
def test_parts_that_do_not_fit(packed, method, network, of_data, of_networks, message):
    with pytest.raises(ValueError, match=message):
        recipes.build(recipe_of(packed[0], method, network, of_data, of_networks))


def test_labels_that_the_networks_do_not_know(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), "uint8")
    np.savez(tmp_path / "five.npz", images=images, labels=np.arange(12) % 5)
    own = {"name": str(tmp_path / "five.npz"), "data_dir": None}
    recipe = recipe_of(tmp_path, "caae", "caae", own, {"num_classes": 4})
    with pytest.raises(ValueError, match="labels up to 4, and the networks know 4 of them, 0 to 3"):
        recipes.build(recipe)
    recipes.build(recipe_of(tmp_path, "caae", "caae", own, {"num_classes": 5}))


def test_unknown_keys_are_named():
    with pytest.raises(ValueError, match="'sourse'.*did you mean 'source'"):
        recipes.load({"data": {"name": "x", "sourse": "a", "target": "b"}})
    with pytest.raises(ValueError, match="Unknown key 'latent_dim' in the recipe's model section"):
        recipes.load({"model": {"method": "coupled_gan", "latent_dim": 3}})


# Packed data


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda b: b[: len(b) // 2], "not a readable array file"),
        (lambda b: b"hello", "not a readable array file"),
    ],
)
def test_damaged_packs(packed, tmp_path, damage, message):
    (tmp_path / "pictures").mkdir()
    whole = (packed[0] / "pictures" / "16.npz").read_bytes()
    (tmp_path / "pictures" / "16.npz").write_bytes(damage(whole))
    recipe = recipe_of(tmp_path, "coupled_gan", "encoder_decoder")
    with pytest.raises(ValueError, match=message):
        recipes.read_arrays(recipe)
    pairs = recipe_of(tmp_path, "pix2pix", "pix2pix", PAIRS)
    with pytest.raises(ValueError, match="is not a packed data set.*keras-gans pack"):
        recipes.read_arrays(pairs)


def repacked(packed, folder, about=(), **changed):
    """A packed data set as in `packed`, some of its description and arrays changed."""
    path = folder / "pictures" / "16.npz"
    path.parent.mkdir(exist_ok=True)
    with np.load(packed[0] / "pictures" / "16.npz") as file:
        arrays = {key: file[key] for key in file.files} | changed
    arrays["packed"] = np.array(json.dumps({**json.loads(str(arrays["packed"])), **dict(about)}))
    np.savez(path, **arrays)
    return recipe_of(folder, "caae", "caae", {}, {"num_classes": 2})


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("image_train", lambda x: x[:5], r"damaged \(uint8 of shape \(5, 16, 16, 3\) where 10"),
        ("image_train", lambda x: np.full(x.shape, np.nan), r"damaged \(float64 of shape"),
        ("image_train", lambda x: x[..., :2], r"damaged \(uint8 of shape \(10, 16, 16, 2\)"),
        ("style_train", lambda x: x[:3], r"damaged \(int32 of shape \(3,\)"),
        ("style_train", lambda x: x + 1, "labels beyond the 2 names"),
        ("style_train", lambda x: x / 2, r"damaged \(float64 of shape"),
        ("style_train", lambda x: x - 1, "The labels in .* run from -1 to 0"),
    ],
)
def test_arrays_that_a_pack_did_not_announce(packed, tmp_path, name, change, message):
    recipe = repacked(packed, tmp_path, **{name: change(packed[1][name])})
    with pytest.raises(ValueError, match=message):
        recipes.read_arrays(recipe)


@pytest.mark.parametrize(
    "about",
    [{"splits": {"train": "ten"}}, {"splits": {"train": -3}}, {"image": "style"}, {"label": "no"}],
)
def test_descriptions_that_do_not_hold_together(packed, tmp_path, about):
    with pytest.raises(ValueError, match="is not a packed data set.*keras-gans pack"):
        recipes.read_arrays(repacked(packed, tmp_path, about))


def test_images_without_a_label_pair_with_none(packed, tmp_path):
    labels = packed[1]["style_train"].copy()
    labels[4:6] = -1
    repacked(packed, tmp_path, style_train=labels)
    with pytest.raises(ValueError, match="2 images of 'thick' and 'thin' have no partner"):
        data.load_pairs("pictures/16", **PAIRS, data_dir=tmp_path)


def test_a_folder_goes_before_a_pack_of_its_name(packed, tmp_path):
    repacked(packed, tmp_path)
    picture = np.full((1, 8, 8, 3), 0.5, "float32")
    data.save_grid(picture, tmp_path / "pictures" / "16" / "a.png", pad=0)
    recipe = recipe_of(tmp_path, "coupled_gan", "encoder_decoder")
    assert len(recipes.read_arrays(recipe)[0]) == 1


def test_what_pack_refuses_and_finds_again(packed, tfds_dir, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with pytest.raises((ValueError, FileNotFoundError), match="pictures/16"):
        data.pack("pictures/16", tmp_path, data_dir=packed[0])  # packed already
    with pytest.raises(ValueError, match="num is -1; expected 1 or more"):
        data.pack("facades_mini", tmp_path, tfds_dir, num=-1)
    version = str(tfds.builder("facades_mini", data_dir=tfds_dir).version)
    data.pack(f"facades_mini:{version}", tmp_path, tfds_dir, image_size=16, num=2)
    pair = {"source": "input_image", "target": "real_image", "data_dir": tmp_path}
    for name in ("facades_mini", f"facades_mini:{version}"):
        assert data.load_pairs(name, **pair)[0].shape == (2, 16, 16, 3)


def test_parts_of_a_pack(packed):
    folder, arrays = packed
    recipe = recipe_of(folder, "caae", "caae", {}, {"num_classes": 2})
    for split, part in (
        ("test", slice(None)),
        ("test[2:4]", slice(2, 4)),
        ("test[:50%]", slice(3)),
    ):
        images, labels, names = recipes.read_arrays(recipe, split, dtype="uint8")
        np.testing.assert_array_equal(images, arrays["image_test"][part])
        np.testing.assert_array_equal(labels, arrays["style_test"][part])
        assert names == NAMES
    with pytest.raises(ValueError, match="no split 'validation'; its splits: test, train"):
        recipes.read_arrays(recipe, "validation")


def test_a_packed_data_set_is_the_data_set(tfds_dir, tmp_path, capsys):
    pytest.importorskip("tensorflow_datasets")
    line = ["pack", "facades_mini", f"--data_dir={tfds_dir}", f"--out={tmp_path}", "--num=4"]
    assert main.run(line) == 0
    assert "facades_mini.npz" in capsys.readouterr().out
    for split in ("train", "test"):
        pairs = [
            data.load_pairs("facades_mini", "input_image", "real_image", split=part, data_dir=where)
            for where, part in ((tmp_path, split), (tfds_dir, f"{split}[:4]"))
        ]
        for a, b in zip(*pairs, strict=True):
            assert a.shape == (4, 256, 256, 3)
            np.testing.assert_array_equal(a, b)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        main.run(line)
    with pytest.raises(ValueError, match="choose with image_key="):
        data.load_arrays(tmp_path / "facades_mini.npz")
    with pytest.raises(ValueError, match="Unknown data set 'no_such_data'"):
        data.pack("no_such_data", tmp_path, tfds_dir)


# Runs


@slow_on("tensorflow", "jax")
@pytest.mark.parametrize(
    "method", ["decoupled_pix2pix", pytest.param("asymmetric_gan", marks=pytest.mark.slow)]
)
def test_a_run_is_resumed_and_drawn(packed, tmp_path, capsys, method):
    network, of_data, of_networks, of_model = METHODS[method]
    recipe = recipe_of(packed[0], method, network, of_data, of_networks, of_model)
    recipes.save(recipe, tmp_path / "recipe.yaml")
    line = ["train", f"--recipe={tmp_path / 'recipe.yaml'}", f"--out={tmp_path / 'run'}"]
    assert main.run([*line, "--steps=1"]) == 0
    assert main.run([*line, "--resume", "--minutes=0"]) == 0  # longer; a step, and a pause
    assert main.run([*line, "--resume"]) == 0
    assert main.run([*line, "--resume"]) == 0  # finished: nothing is left to train
    said = capsys.readouterr().out
    assert "keras-gans translate" in said and "Resuming" in said
    # One run, uninterrupted.
    assert main.run([*line[:2], f"--out={tmp_path / 'whole'}"]) == 0
    files = [tmp_path / name / "model.keras" for name in ("run", "whole")]
    found = [keras.saving.load_model(path) for path in files]
    for a, b in zip(*(m.weights for m in found), strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), atol=1e-5)
    assert (tmp_path / "run" / "samples.png").stat().st_size > 1000


# A discriminator of another builder


def test_a_discriminator_of_another_builder():
    recipe = {
        "data": {"name": "cifar10", "image_size": 32, "channels": 3},
        "networks": {
            "name": "biggan",
            "width": 2,
            "head": "inr",
            "discriminator": {"name": "dcgan", "width": 8, "d_norm": "group", "d_head": "omni"},
        },
        "model": {"method": "omni_inr_gan", "num_classes": 10, "latent_dim": 6},
    }
    model = recipes.build_model(recipe)
    g, _ = networks.biggan(32, 3, width=2, head="inr", num_classes=10, latent_dim=6)
    _, d = networks.dcgan(
        32, 3, width=8, d_norm="group", d_head="omni", num_classes=10, latent_dim=6
    )
    assert model.discriminator.output_shape == (None, 12)
    for wanted, found in ((g, model.generator), (d, model.discriminator)):
        for a, b in zip(wanted.weights, found.weights, strict=True):
            np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
    for other, message in (
        ("dcgan", "a mapping with the name of another builder"),
        ({"name": "dcgam"}, "Unknown networks 'dcgam'"),
        ({"name": "dcgan", "weidth": 3}, "Unknown key 'weidth' in the recipe's networks.discr"),
    ):
        bad = {**recipe, "networks": {**recipe["networks"], "discriminator": other}}
        with pytest.raises(ValueError, match=message):
            recipes.load(bad)


def test_dcgan_with_scores_of_all_classes():
    for head, scores in (("omni", 12), ("acgan", 11), ("imacgan", 12), ("multi_hinge", 11), (7, 7)):
        _, d = networks.dcgan(16, 1, width=8, num_classes=10, d_head=head)
        assert d.output_shape == (None, scores) and len(d.inputs) == 1
    assert len(networks.dcgan(16, 1, width=8, num_classes=10)[1].inputs) == 2
    with pytest.raises(ValueError, match="which scores classes: give num_classes"):
        networks.dcgan(16, 1, width=8, d_head="omni")
    with pytest.raises(ValueError, match="Unknown d_head 'omny'.*did you mean 'omni'"):
        networks.dcgan(16, 1, width=8, num_classes=10, d_head="omny")


# Weights in small files


@pytest.mark.parametrize("method", ["caae", "asymmetric_gan"])
def test_weights_come_home_in_small_files(packed, tmp_path, method):
    network, of_data, of_networks, of_model = METHODS[method]
    recipe = recipe_of(packed[0], method, network, of_data, of_networks, of_model)
    model, _ = recipes.build(recipe)
    random = np.random.default_rng(0)
    for v in model.weights:  # as after a step, which takes a minute to compile on JAX
        v.assign(random.normal(0, 0.1, tuple(v.shape)))
    model.optimizer.iterations.assign(1)
    recipes.save(recipe, tmp_path / "recipe.yaml")
    count = parts.write(model, tmp_path, limit=2000)
    files = sorted((tmp_path / "weights").glob("*.npz"))
    assert len(files) == count > 5
    sizes = [sum(x.nbytes for x in np.load(path).values()) for path in files]
    assert max(sizes) <= 2000
    found = opening.open_source(str(tmp_path), "translate")
    assert found.steps_done == 1
    for name, wanted in parts.networks_of(model).items():
        for a, b in zip(wanted.weights, parts.networks_of(found)[name].weights, strict=True):
            np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
    assert ("ema_translator" in parts.networks_of(found)) == (method == "asymmetric_gan")
    # Fewer files replace them; one that is flipped, or gone, is named.
    assert parts.write(model, tmp_path) == 1
    assert [p.name for p in (tmp_path / "weights").glob("*.npz")] == ["000.npz"]
    data = bytearray((tmp_path / "weights" / "000.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "weights" / "000.npz").write_bytes(data)
    with pytest.raises(ValueError, match="000.npz does not have the SHA-256"):
        parts.read(tmp_path)
    (tmp_path / "weights" / "000.npz").unlink()
    with pytest.raises(ValueError, match="000.npz is missing: copy it"):
        parts.read(tmp_path)
    index = json.loads((tmp_path / "weights" / "index.json").read_text())
    for change in ({"steps": "1"}, {"steps": -1}, {"channels": 2**40}, {"channels": None}):
        (tmp_path / "weights" / "index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(ValueError, match=f"index.json: {next(iter(change))} is "):
            parts.read(tmp_path)


@pytest.mark.parametrize(
    "count, changes, said",
    [
        (999, {}, "Otherwise: model: {augment: ada}, or --init=ENTRY"),
        (999, {"model.augment": "ada"}, "(ada). Otherwise: --init=ENTRY"),
        (3, {"model.augment": None}, "3 images are few. The discriminator is shown them as they"),
        (1000, {}, None),
    ],
)
def test_few_images_are_told(count, changes, said):
    recipe = recipes.load("osgan_images").changed({"data.name": "x", **changes})
    model = models.OSGAN(*networks.dcgan(8, 1, 4, latent_dim=4))
    images = data.ArrayDataset(np.zeros((count, 8, 8, 1), "float32"), batch_size=2)
    told = watching.word_on_few_images(model, recipe, images)
    assert (said is None) == (told is None)
    assert said is None or said in told
    pairs = models.Pix2Pix(*networks.pix2pix(16, width=2, d_layers=1))
    assert watching.word_on_few_images(pairs, recipe, images) is None


def test_a_step_of_several_batches_says_how_large_they_may_be(packed):
    """The method's name and the batch of one update, as the flag has it."""
    recipe = recipe_of(packed[0], "gan", "dcgan", of_model={"d_steps": 3})
    with pytest.raises(ValueError) as error:
        recipes.build_data(recipe.changed({"schedule.batch_size": 4}))
    assert "A step of gan takes 3 batches of 4 images" in str(error.value)
    assert "has only 10: choose --batch_size=3 or less" in str(error.value)
    recipes.build_data(recipe.changed({"schedule.batch_size": 3}))


@pytest.mark.parametrize(("epochs", "freq"), [(1, "epoch"), (200, "epoch"), (201, 4), (2000, 20)])
def test_a_run_is_looked_at_about_200_times(packed, tmp_path, epochs, freq):
    """With a hundred photos an epoch is a step or two, and there are thousands of them."""
    recipe = recipe_of(packed[0], "gan", "dcgan")
    model = recipes.build_model(recipe, channels=3)
    images = data.ArrayDataset(np.zeros((4, 16, 16, 3), "float32"), batch_size=2)  # two steps
    looks = watching.callbacks_of(model, recipe, images, tmp_path, epochs)
    assert [look.freq for look in looks[:2]] == [freq, freq] and looks[2].sample_freq == freq
