"""Scores of cards against NumPy and closed forms; publishing a run; an entry's scores again."""

import functools
import json
import math

import keras
import numpy as np
import pytest
from conftest import DATA, slow_module, slow_on

import keras_gans
from keras_gans import recipes, registry, zoo
from keras_gans.cli import main, publishing, zoo_score
from keras_gans.data import from_uint8
from keras_gans.metrics import kgnet
from keras_gans.metrics.kgnet import class_numbers
from keras_gans.metrics.neighbors import nearest_distances
from keras_gans.metrics.sources import task_of
from keras_gans.runs import fitting, timing
from keras_gans.runs.folder import WRITES
from keras_gans.zoo import comparison, scoring, store

pytestmark = slow_module("tensorflow", "jax")

LATENTS = {
    "data": {"name": "digits", "image_size": 8},
    "networks": {"name": "dcgan", "width": 8},
    "model": {"method": "osgan", "num_classes": 10, "latent_dim": 4, "ema": 0.5},
    "schedule": {"steps": 5, "batch_size": 512},
    "evaluation": {"samples": 0},
}
CARD = {
    "name": "tiny_digits",
    "summary": "Digits of 8x8 pixels after five steps.",
    "data": {"name": "digits", "licence": "CC BY 4.0"},
    "limits": ["Hardly trained."],
}
FEW = 100
# Fewer than of a card.
PARTS = {"train": "train[:400]", "test": "train[400:500]"}


@pytest.fixture(scope="module")
def network():
    return kgnet()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Statistics of real images that these tests share, and no one else."""
    folder = tmp_path_factory.getbasetemp() / "scoring"
    monkeypatch.setenv("KERAS_GANS_HOME", str(folder))


@pytest.fixture
def short(monkeypatch):
    """Fewer digits in both parts."""
    monkeypatch.setitem(registry.get("data set", "digits").about, "splits", PARTS)


def features(network, images):
    return network(images).features.astype("float64")


def frechet(a, b):
    """The closed form, by the eigenvalues of the product of the covariances."""
    (m1, c1), (m2, c2) = ((x.mean(0), np.cov(x, rowvar=False, bias=False)) for x in (a, b))
    root = np.sqrt(np.maximum(np.linalg.eigvals(c1 @ c2).real, 0)).sum()
    return ((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * root


def nearest(a, b):
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min(1)


def value(found, name):
    return found[name]["value"]


# Generators of latents


class Memory:
    """A "generator" that returns the training images."""

    num_classes = 10

    def __init__(self, images):
        self.images = images
        self.generator, _ = keras_gans.networks.dcgan(32, 1, 8, latent_dim=4)

    def generate(self, count, seed, labels):
        return self.images[:count]


def test_memorized_images_are_no_farther_than_nothing_and_not_new(network, short):
    images, labels = keras_gans.data.load_arrays("digits", image_size=32)
    recipe = {**LATENTS, "data": {"name": "digits", "image_size": 32}}
    found = zoo.score(Memory(images), recipe, samples=400, progress=False)
    assert value(found, "fd_kgnet") == pytest.approx(0, abs=1e-4)
    assert value(found, "novelty_kgnet") == pytest.approx(0, abs=1e-3)
    for share in ("precision", "recall", "coverage"):  # of an image in a set that has it
        assert value(found, f"{share}_kgnet") == 1
    train, test = (features(network, x) for x in (images[:400], images[400:500]))
    assert value(found, "fd_kgnet, held-out real") == pytest.approx(frechet(train, test), rel=1e-3)
    constant = np.repeat(features(network, images[:400].mean(0, keepdims=True)), 400, axis=0)
    assert value(found, "fd_kgnet, mean image") == pytest.approx(frechet(train, constant), rel=1e-3)
    # kgnet's last ten logits are the digits; the classes come in turn.
    seen = network(images[:400]).logits.argmax(1) - 14
    in_turn = np.mean(seen == np.arange(400) % 10)
    assert value(found, "accuracy_kgnet") == pytest.approx(in_turn, abs=1e-3)
    of_test = np.mean(network(images[400:500]).logits.argmax(1) - 14 == labels[400:500])
    assert value(found, "accuracy_kgnet, held-out real") == pytest.approx(of_test)
    assert in_turn < np.mean(seen == labels[:400])  # the digits are sorted in parts only
    assert found["fd_kgnet"]["samples"] == 400
    assert found["fd_kgnet, held-out real"]["samples"] == 100
    assert "train[:400]" in found["fd_kgnet"]["protocol"]


def test_beside_held_out_images_novelty_looks_at_the_training_ones(network, short, tmp_path):
    images, _ = keras_gans.data.load_arrays("digits", image_size=32)
    recipe = recipes.load({**LATENTS, "data": {"name": "digits", "image_size": 32}})
    compared = comparison.compare(Memory(images), recipe, split=PARTS["test"], samples=400)
    found = compared.measurement(("fd", "novelty"), cache_dir=tmp_path).of(compared.source)
    train, test = (features(network, x) for x in (images[:400], images[400:500]))
    assert found["fd"] == pytest.approx(frechet(test, train), rel=1e-3)
    assert found["novelty"] == pytest.approx(0, abs=1e-3)
    assert "train[:400]" in found["novelty"].protocol
    assert "train[400:500]" in found["fd"].protocol


def test_the_nearest_training_image_is_that_of_a_loop(network, short):
    images, _ = keras_gans.data.load_arrays("digits", image_size=32)
    random = np.random.default_rng(0)
    noisy = np.clip(images[200:203] + random.normal(0, 0.1, images[200:203].shape), -1, 1)
    recipe = {**LATENTS, "data": {"name": "digits", "image_size": 32}}
    found = zoo.nearest(Memory(noisy.astype("float32")), recipe, count=3, progress=False)
    assert found.shape == (6, 32, 32, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[:3], noisy, atol=1e-6)
    train = features(network, images[:400])
    for seen, neighbor in zip(features(network, found[:3]), found[3:], strict=True):
        distances = [np.linalg.norm(seen - x) for x in train]
        np.testing.assert_allclose(neighbor, images[np.argmin(distances)], atol=1e-6)


def test_scores_of_a_generator_equal_numpy(network, short):
    model = recipes.build_model(LATENTS, channels=1)
    for v in model.generator.trainable_variables:
        v.assign(3.0 * v)
    model.ema_generator.set_weights(model.generator.get_weights())
    found = zoo.score(model, LATENTS, samples=150, seed=7, progress=False)
    images, _ = keras_gans.data.load_arrays("digits", image_size=8)
    train, test = (features(network, x) for x in (images[:400], images[400:500]))

    def fakes(source):
        return features(network, source.generate(150, seed=7))

    fake = fakes(model)
    assert value(found, "fd_kgnet") == pytest.approx(frechet(train, fake), rel=1e-3)
    new = nearest(fake, train).mean() / nearest(test, train).mean()
    assert value(found, "novelty_kgnet") == pytest.approx(new, rel=1e-3)
    blank = keras_gans.models.Sampler(recipes.build_model(LATENTS, channels=1).generator)
    untrained = frechet(train, fakes(blank))
    assert value(found, "fd_kgnet, untrained") == pytest.approx(untrained, rel=1e-3)
    for other in ("untrained", "mean image"):
        factor = value(found, f"fd_kgnet, {other}") / value(found, "fd_kgnet")
        assert value(found, f"fd_kgnet, {other} / generator") == pytest.approx(factor, rel=2e-3)


def test_scores_that_cannot_be_measured():
    entry = zoo.load("osgan_digits")
    with pytest.raises(ValueError, match="samples is 1; expected an integer of 2 or more"):
        zoo.score(entry, samples=1)
    with pytest.raises(ValueError, match="Sampler has no recipe.*pass recipe="):
        zoo.score(keras_gans.models.Sampler(entry.generator))
    with pytest.raises(ValueError, match="names no data"):
        zoo.score(entry, {**LATENTS, "data": {}})


def test_classes_that_kgnet_knows():
    assert class_numbers("emoji_styles/64", ["twemoji", "noto"]).tolist() == [11, 10]
    assert class_numbers("emoji_styles/64", ["smileys", "flags"]) is None
    assert class_numbers("emoji_styles/64", None) is None
    assert class_numbers("photos", ["noto"]) is None


def test_nearest_in_parts():
    a, b = (np.random.default_rng(n).standard_normal((250, 5)) for n in (0, 1))
    np.testing.assert_allclose(nearest_distances(a, b, block=64), nearest(a, b), rtol=1e-9)


def test_scores_without_a_value_are_left_out():
    kept = scoring.stated({"a": (1.23456789, np.int64(3), "p"), "b": (math.inf, 3, "p")})
    assert kept == {"a": {"value": 1.23457, "samples": 3, "protocol": "p"}}
    assert json.dumps(kept)


# Translators


def digits():
    return keras_gans.data.load_arrays("digits", image_size=16, dtype="uint8")


def measured(monkeypatch, source, parts, untrained, class_names=None, samples=FEW):
    """The scores of a translator on arrays: parts "train" and "test" of (images, second)."""

    def read(recipe, split, data_dir, dtype):
        assert recipe["data"]["name"] == "digits" and dtype == "uint8"
        return (*parts["train" if split == "train[:1500]" else "test"], class_names)

    monkeypatch.setattr(comparison, "read_arrays", read)
    monkeypatch.setattr(recipes, "build_model", lambda recipe, channels: untrained)
    recipe = {"data": {"name": "digits"}}
    assert task_of(source) == "images"
    return zoo.score(source, recipe, samples=samples, progress=False, cache_dir=False)


def test_scores_of_pairs_equal_numpy(monkeypatch, network):
    images, _ = digits()
    colors = np.concatenate([images, 255 - images, images // 2], axis=-1)
    parts = {"train": (images[:400], colors[:400]), "test": (images[400:450], colors[400:450])}

    def model(seed):
        networks = keras_gans.networks.pix2pix(
            16, channels=3, in_channels=1, width=4, d_layers=1, seed=seed
        )
        return keras_gans.models.decouple(keras_gans.models.Pix2Pix(*networks))

    source, untrained = model(0), model(1)
    found = measured(monkeypatch, source, parts, untrained)
    inputs, targets = (from_uint8(x).astype("float64") for x in parts["test"])
    made = source.panels(inputs.astype("float32"))
    mean = from_uint8(colors[:400]).mean(axis=0, keepdims=True, dtype="float64")
    rows = {
        "": np.clip(made["output"], -1, 1),
        ", reconstruction": np.clip(made["reconstruction"], -1, 1),
        ", untrained": np.clip(untrained.translate(inputs.astype("float32")), -1, 1),
        ", mean image": np.repeat(mean, 50, axis=0),
        ", input copied": np.repeat(inputs, 3, axis=-1),
    }
    train = features(network, colors[:400])
    for row, images in rows.items():
        error = (images - targets) ** 2
        ratio = np.mean(10 * np.log10(4 / error.mean(axis=(1, 2, 3))))
        fake = features(network, images.astype("float32"))
        assert value(found, "l1" + row) == pytest.approx(np.abs(images - targets).mean(), rel=1e-4)
        assert value(found, "psnr" + row) == pytest.approx(ratio, rel=1e-4)
        assert value(found, "fd_kgnet" + row) == pytest.approx(frechet(train, fake), rel=1e-3)
    real = features(network, colors[400:450])
    assert value(found, "fd_kgnet, held-out real") == pytest.approx(frechet(train, real), rel=1e-3)
    fake = features(network, rows[""].astype("float32"))
    new = nearest(fake, train).mean() / nearest(real, train).mean()
    assert value(found, "novelty_kgnet") == pytest.approx(new, rel=1e-3)
    factor = value(found, "l1, input copied") / value(found, "l1")
    assert value(found, "l1, input copied / output") == pytest.approx(factor, rel=1e-4)
    assert all(found[name]["samples"] == 50 for name in found)


def test_scores_of_reconstructions(monkeypatch):
    images, _ = digits()
    parts = {"train": (images[:300], None), "test": (images[300:900], None)}

    def model(seed):
        networks = keras_gans.networks.encoder_decoder(16, 1, width=4, seed=seed)
        return keras_gans.models.DecoupledGAN(*networks)

    source = model(0)
    found = measured(monkeypatch, source, parts, model(1), samples=40)
    assert not any("input copied" in name for name in found)
    # Evenly spread over the data, which may be sorted.
    chosen = from_uint8(images[300:900][::15])
    made = source.panels(chosen)
    for row, part in (("", "output"), (", reconstruction", "reconstruction")):
        wanted = np.abs(np.clip(made[part], -1, 1) - chosen).mean(dtype="float64")
        assert value(found, "l1" + row) == pytest.approx(wanted, rel=1e-5)
        assert found["novelty_kgnet" + row]["samples"] == 40


class ToRealImages:
    """A "translator" to digits that answers with training images of the domain."""

    num_domains = 3

    def __init__(self, images, labels):
        self.of = [from_uint8(images[labels == d]) for d in range(self.num_domains)]

    def translate(self, images, domain=None):
        assert len(domain) == len(images)
        return np.stack([self.of[d][i % len(self.of[d])] for i, d in enumerate(domain)])


def test_scores_of_domains_equal_numpy(monkeypatch, network):
    images, labels = digits()
    images, labels = images[labels < 3], labels[labels < 3]
    parts = {"train": (images[:200], labels[:200]), "test": (images[200:320], labels[200:320])}
    source = ToRealImages(images[:200], labels[:200])
    blank = ToRealImages(255 - images, labels)
    found = measured(monkeypatch, source, parts, blank, ["0", "1", "2"], samples=60)
    inputs, own = images[200:320:2], labels[200:320:2]
    hits, distances, copies = [], [], []
    every = source.translate(np.tile(inputs, (3, 1, 1, 1)), np.repeat(np.arange(3), 60))
    for d in range(3):
        made = every[60 * d : 60 * d + 60]
        real = features(network, images[:200][labels[:200] == d])
        hits.append(network(made).logits.argmax(1) == 14 + d)
        distances.append(frechet(real, features(network, made)))
        copies.append(frechet(real, features(network, inputs)))
    stayed = source.translate(inputs, own.astype("int32"))
    assert value(found, "accuracy_kgnet") == pytest.approx(np.mean(hits), rel=1e-5)
    assert found["accuracy_kgnet"]["samples"] == 180
    assert value(found, "intra_fd_kgnet") == pytest.approx(np.mean(distances), rel=1e-3)
    assert value(found, "intra_fd_kgnet, input copied") == pytest.approx(np.mean(copies), rel=1e-3)
    assert value(found, "novelty_kgnet") == pytest.approx(0, abs=1e-3)
    wanted = np.abs(stayed - from_uint8(inputs)).mean(dtype="float64")
    assert value(found, "l1, own domain") == pytest.approx(wanted, rel=1e-5)
    assert found["l1, own domain"]["samples"] == 60
    seen = network(inputs).logits.argmax(1) - 14
    copied = value(found, "accuracy_kgnet, input copied")
    wanted = np.mean((seen >= 0) & (seen < 3)) / 3
    assert copied == pytest.approx(wanted, rel=1e-5) and copied <= 1 / 3
    right = np.mean(seen == own)
    assert value(found, "accuracy_kgnet, held-out real") == pytest.approx(right, rel=1e-5)
    assert value(found, "intra_fd_kgnet, untrained / output") > 1
    # Classes that kgnet does not know are not judged.
    found = measured(monkeypatch, source, parts, blank, ["a", "b", "c"], samples=10)
    assert not any(name.startswith("accuracy") for name in found)


# The card in a recipe


@pytest.mark.parametrize(
    "change, message",
    [
        ({"summry": "x"}, "'summry' in the recipe's card section (did you mean 'summary'?)"),
        ({"scores": {}}, "Unknown key 'scores' in the recipe's card section"),
        ({"name": None}, "card.name is None; expected the name of a zoo entry"),
        ({"name": "a/b"}, "card.name is 'a/b'; expected the name"),
        ({"summary": None}, "card.summary is None; expected one sentence"),
        ({"data": {"name": "digits"}}, "card.data.licence is missing"),
        ({"data": {**CARD["data"], "author": "x"}}, "Unknown key 'author'"),
        ({"discriminator": "no"}, "card.discriminator is 'no'; expected true or false"),
    ],
)
def test_cards_of_recipes_that_are_refused(change, message):
    with pytest.raises(ValueError) as error:
        recipes.load({**LATENTS, "card": {**CARD, **change}})
    assert message in str(error.value)


def test_a_recipe_keeps_its_card(tmp_path):
    recipe = recipes.load({**LATENTS, "card": {**CARD, "discriminator": False}})
    recipes.save(recipe, tmp_path / "r.yaml")
    assert recipes.load(tmp_path / "r.yaml") == recipe
    assert recipe.stated_card == {k: v for k, v in CARD.items() if k != "name"}
    assert "card" not in recipes.dumps(recipes.load(LATENTS)).partition("\ndata:")[2]


# run.json


class Stepped:
    images_per_step = 32

    def __init__(self, steps):
        self.steps_done = steps


def test_the_time_of_a_run_adds_up_over_its_slices(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(timing.time, "monotonic", lambda: clock[0])
    recipe = recipes.load(LATENTS)

    def part(goes_on, *steps):
        file = timing.RunFile(tmp_path, goes_on)
        file.begin()
        for done in steps:
            clock[0] += 10
            file.write(Stepped(done))
        clock[0] += 1000  # until the next one; or what a kill lost
        return file

    part(False, 5, 10)
    assert timing.read(tmp_path)["seconds"] == 20 and not timing.is_finished(tmp_path, recipe)
    file = part(True, 15)
    content = timing.read(tmp_path)
    assert content["seconds"] == 30 and content["steps"] == 15
    assert content["images_per_second"] == 15 * 32 / 30 and len(content["hardware"]) == 1
    backend = keras.backend.backend()
    assert content["backend"] == backend and set(content["versions"]) >= {backend, "keras"}
    clock[0] = 200.0
    file = timing.RunFile(tmp_path, True)
    file.begin()
    file.write(Stepped(15))  # nothing left to train
    assert timing.read(tmp_path)["seconds"] == 30
    timing.finish(tmp_path, recipe)
    assert timing.read(tmp_path)["seconds"] == 30
    (tmp_path / "model.keras").touch()
    assert timing.is_finished(tmp_path, recipe)
    assert not timing.is_finished(tmp_path, {**recipe, "schedule": {"epochs": 9}})
    card = timing.of_card(tmp_path)
    assert card["seconds"] == 30 and "CPU: " in card["hardware"] and backend in card["hardware"]
    # A run whose beginning left no time: unknown, not short.
    (tmp_path / timing.NAME).unlink()
    part(True, 20)
    assert timing.read(tmp_path)["seconds"] is None and "seconds" not in timing.of_card(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        *({"steps": v} for v in ("abc", [1], None, -1, True)),
        *({"seconds": v} for v in ("long", [1], -5)),
        *({"hardware": v} for v in (5, None, [3])),
        {"finished": ["steps"]},
    ],
)
def test_a_damaged_run_file_is_as_none(change, tmp_path):
    good = {"seconds": 3, "steps": 4, "hardware": ["a"], "finished": {"steps": 4, "epochs": None}}
    path = tmp_path / timing.NAME
    path.write_text(json.dumps({**good, "of_a_later_version": {}}))
    assert timing.steps_done(tmp_path) == 4 and timing.of_card(tmp_path)["seconds"] == 3
    path.write_text(json.dumps({**good, **change}))
    assert timing.read(tmp_path) == {} == timing.of_card(tmp_path)
    assert timing.steps_done(tmp_path) == 0
    path.write_text("[" * 10**5)
    assert timing.read(tmp_path) == {}


def test_a_history_of_other_columns_is_written_anew(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("a,b\n1,2\n")
    file = fitting.HistoryFile(path)
    file.read_step = lambda: 7
    file.on_epoch_end(0, {"d_loss": 0.5})
    assert path.read_text().split() == ["epoch,step,d_loss", "1,7,0.5"]


def test_hardware_is_named():
    assert timing.hardware("NVIDIA H100", "torch 2.8") == "GPU: NVIDIA H100; torch 2.8"
    assert keras_gans.training.backend.gpu() is None  # tests see no GPU
    assert timing.hardware(None, "jax 0.4").startswith("CPU: ")


# The commands


@pytest.fixture
def cli(capsys, monkeypatch):
    """Run a command line in this process, with few samples: (exit status, stdout, stderr)."""
    monkeypatch.setattr(zoo, "score", functools.partial(scoring.score, samples=FEW))
    monkeypatch.setitem(registry.get("data set", "digits").about, "splits", PARTS)

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.main([str(a) for a in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return run


@slow_on("tensorflow", "jax")
def test_evaluate_score_and_card_say_the_same(capsys, tmp_path):
    line = ["evaluate", "osgan_digits", "--baselines", f"--out={tmp_path}"]
    line += ["--metrics=fd,prdc,novelty,diversity,accuracy"]
    with pytest.raises(SystemExit) as left:
        main.main(line)
    assert not left.value.code, capsys.readouterr().err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    (measured,) = found["measurements"]
    evaluated = {score["name"]: score for score in measured["scores"].values()}
    for source, scores in found["baselines"].items():
        evaluated |= {f"{score['name']}, {source}": score for score in scores.values()}
    entry = zoo.load("osgan_digits")
    scores, card = zoo.score(entry, progress=False), entry.metadata["scores"]
    factors = {name for name in scores if " / " in name}
    own = {name for name in card if "(pixels)" not in name}
    assert set(evaluated) == set(scores) - factors and own == set(scores) >= factors
    for name, score in scores.items():
        assert card[name]["protocol"] == score["protocol"]
        assert card[name]["samples"] == score["samples"]
        assert card[name]["value"] == pytest.approx(score["value"], rel=1e-4, abs=1e-4)
        if name not in factors:
            same = evaluated[name]
            assert same["value"] == pytest.approx(score["value"], rel=1e-4, abs=1e-4)
            assert (same["protocol"], same["n_fake"]) == (score["protocol"], score["samples"])


@pytest.mark.slow
def test_one_command_trains_scores_and_publishes(cli, tmp_path, monkeypatch):
    recipes.save({**LATENTS, "card": CARD}, tmp_path / "r.yaml")
    run, shop = tmp_path / "run", tmp_path / "zoo"
    line = ["train", f"--recipe={tmp_path / 'r.yaml'}", f"--out={run}", f"--publish={shop}"]
    # In two slices: the entry is published at the end.
    status, text, _ = cli(*line, "--minutes=0")
    assert status == 0 and f"--publish={shop} --minutes=0 --resume" in text and not shop.exists()
    first = timing.read(run)
    assert first["steps"] == 1 and first["finished"] is None
    status, text, err = cli(*line, "--resume")
    assert status == 0, err
    assert "Published" in text and "fd_kgnet, untrained / generator" in text
    last = timing.read(run)
    assert last["steps"] == 5 and last["seconds"] > first["seconds"]
    assert {p.name for p in run.iterdir()} <= set(WRITES)

    entry = zoo.load("tiny_digits", path=shop)
    card = entry.metadata
    for key in ("seconds", "images_per_second"):
        assert card[key] == last[key] > 0
    assert card["hardware"] == last["hardware"][0] and card["steps"] == 5
    assert {"samples.png", "nearest.png"} <= set(card["files"])
    assert card["limits"] == CARD["limits"] and card["data"] == CARD["data"]
    model = keras.saving.load_model(run / "model.keras")
    assert card["scores"] == scoring.score(model, LATENTS, samples=FEW, progress=False)
    # The entry's own recipe publishes again.
    again = shop / "tiny_digits" / "recipe.yaml"
    assert recipes.load(again)["card"] == CARD

    # Scores from elsewhere stay when a card is measured anew.
    folder = shop / "tiny_digits"
    old = {"fd_kgnet": 1e3, "novelty": 7.0, "novelty_kgnet, elsewhere": 1.0, "liked": 0.5}
    store.write_card(folder, {**card, "scores": old})
    line_of_update = ("zoo", "score", "tiny_digits", f"--samples={FEW}", "--update")
    assert "--path" in cli(*line_of_update)[2]
    assert cli(*line_of_update, f"--path={shop}")[0] == 0
    updated = zoo.load("tiny_digits", path=shop)  # compares all checksums
    assert updated.metadata["scores"].pop("liked") == 0.5
    assert updated.metadata["scores"].pop("novelty") == 7.0  # nothing measures it under this name
    assert list(updated.metadata["scores"]) == list(card["scores"])
    for score, found in updated.metadata["scores"].items():
        # The entry's kernels are float16.
        assert found["value"] == pytest.approx(card["scores"][score]["value"], rel=0.01, abs=0.01)
    text = (folder / "README.md").read_text()
    assert "| liked | 0.5 |" in text and "(nearest.png)" in text
    assert store.read_index(shop)["tiny_digits"] == store.EntryFolder(folder).card_digest
    store.write_card(folder, {**store.EntryFolder(folder).card, "scores": card["scores"]})

    status, text, _ = cli("zoo", "score", "tiny_digits", f"--path={shop}", f"--samples={FEW}")
    assert status == 0 and f"All {len(card['scores'])} scores are within 5%" in text
    check = ["zoo", "score", "tiny_digits", f"--path={shop}", "--check"]
    assert cli(*check, "--samples=50")[0] == 1

    # Finished: scored and published without a step, and only where that is asked for.
    monkeypatch.setattr(fitting, "fit", None)
    monkeypatch.setattr(recipes, "build", None)
    before = (shop / "tiny_digits" / "card.json").read_bytes()
    status, _, err = cli(*line, "--resume")
    assert status == 2 and "tiny_digits exists: --republish replaces it" in err
    assert (shop / "tiny_digits" / "card.json").read_bytes() == before
    recipe = recipes.load(tmp_path / "r.yaml").changed({"card.summary": "Another text."})
    recipes.save(recipe, tmp_path / "r.yaml")
    status, text, err = cli(*line, "--resume", "--republish")
    assert status == 0 and "nothing left to train" in text, err
    again = store.EntryFolder(shop / "tiny_digits").card
    assert again["summary"] == "Another text." and again["seconds"] == last["seconds"]
    assert again["scores"] == card["scores"]


def test_what_cannot_be_published_is_told_before_training(cli, tmp_path):
    recipes.save({**LATENTS, "card": CARD}, tmp_path / "card.yaml")
    recipes.save(LATENTS, tmp_path / "none.yaml")
    np.save(tmp_path / "all.npy", np.zeros((600, 8, 8, 1), "uint8"))
    held = {"name": str(tmp_path / "all.npy"), "image_size": 8}
    model = {"method": "osgan", "latent_dim": 4}
    own = {**LATENTS, "data": held, "model": model, "card": {**CARD, "name": "own"}}
    recipes.save(own, tmp_path / "own.yaml")
    parts = {f"x_{split}": np.zeros((64, 8, 8, 1), "uint8") for split in ("train", "test")}
    np.savez(tmp_path / "both.npz", **parts)
    own["data"] = {**held, "name": str(tmp_path / "both.npz")}
    recipes.save(own, tmp_path / "both.yaml")
    (tmp_path / "zoo" / "tiny_digits").mkdir(parents=True)
    shop, out = f"--publish={tmp_path / 'zoo'}", f"--out={tmp_path / 'run'}"
    for line, message in (
        (["none.yaml", shop], "wants a recipe with a card section"),
        (["card.yaml", shop], "tiny_digits exists: --republish"),
        (["card.yaml", "--republish"], "--republish goes with --publish"),
        (["own.yaml", shop], "--publish scores with held-out images: "),
        (["both.yaml", shop, "--split=test[:64]"], "the recipe trains on them: train on another"),
        (["card.yaml", shop, "--dataset=cifar10"], "wants a recipe with a card section"),
    ):
        status, _, err = cli("train", f"--recipe={tmp_path / line[0]}", *line[1:], out)
        assert status == 2 and message in err and err.count("\n") == 1
        assert not (tmp_path / "run").exists()
    publishing.check(recipes.load(LATENTS), None, False)
    status, _, err = cli("zoo", "score", "lga_cifar10")
    assert status == 2 and "Say where the entry's data lies with --data_dir=DIR." in err


def test_a_longer_run_is_not_finished_before_its_model_is_written(cli, tmp_path, monkeypatch):
    recipes.save(LATENTS, tmp_path / "r.yaml")
    line = ["train", f"--recipe={tmp_path / 'r.yaml'}", f"--out={tmp_path / 'run'}"]
    assert cli(*line, "--steps=1")[0] == 0
    recipe = recipes.load(tmp_path / "run" / "recipe.yaml")
    assert timing.is_finished(tmp_path / "run", recipe)

    def killed(*_):
        raise OSError("killed")

    # model.keras is that of the first step now.
    monkeypatch.setattr(fitting, "write_results", killed)
    assert cli(*line, "--steps=4", "--resume")[0] == 2
    longer = {**recipe, "schedule": {**recipe["schedule"], "steps": 4}}
    assert timing.read(tmp_path / "run")["steps"] == 4
    assert not timing.is_finished(tmp_path / "run", longer)


def test_networks_of_a_file_resume(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = recipes.build_model(LATENTS, 1)
    zoo.publish(model, "tiny", {k: CARD[k] for k in ("summary", "data")}, "shop", saved_model=False)
    line = ["train", "--recipe=shop/tiny/recipe.yaml", "--dataset=digits", "--image_size=8"]
    line += ["--batch_size=512", "--steps=1", "--num_samples=0", "--num_classes=10", "--out=run"]
    assert cli(*line)[0] == 0
    status, text, err = cli(*line, "--resume")
    assert status == 0 and "Resuming" in text, err


def test_scores_beside_a_card():
    def entry(number, protocol="p", samples=10):
        return {"value": number, "samples": samples, "protocol": protocol}

    card = {"fd": entry(2.0), "accuracy": entry(0.01), "novelty": entry(1.0, "other"), "old": 3}
    card["few"] = entry(1.0, samples=5)
    found = {"fd": entry(2.08), "accuracy": entry(0.012), "novelty": entry(1.0), "new": entry(1)}
    found["few"] = entry(1.0)
    rows, off, compared = zoo_score.compare(card, found)
    said = {row[0]: row[3] for row in rows[1:]}
    assert said["fd"] == "4.00%" and off == ["novelty", "few"] and compared == 2
    assert said["novelty"] == "another protocol" and said["old"] == ""
    assert said["few"] == "another number of samples" and said["new"] == "not on the card"
    _, off, _ = zoo_score.compare(card, {"fd": entry(2.2), "accuracy": entry(0.02)})
    assert off == ["fd", "accuracy"]
    _, off, _ = zoo_score.compare({"fd": entry(math.nan)}, {"fd": entry(2.0)})
    assert off == ["fd"]
    for bad in ({"samples": 3}, "2.0", entry("2.0")):
        with pytest.raises(ValueError, match="of its score 'fd' .*: no number"):
            zoo_score.compare({"fd": bad}, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", store.names_in(store.packaged_folder()))
def test_every_entry_reaches_the_scores_of_its_card(capsys, name):
    data = zoo.load(name).recipe["data"]["name"]
    if data != "digits" and not DATA.is_dir():
        pytest.skip("the offline datasets (../shared/tfds) are not here")
    folder = [] if data == "digits" else [f"--data_dir={DATA}"]
    with pytest.raises(SystemExit) as left:
        main.main(["zoo", "score", name, "--check", *folder])
    assert not left.value.code, capsys.readouterr().out
