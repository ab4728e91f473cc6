"""The zoo: what is published is what is loaded, and nothing damaged is ever opened."""

import contextlib
import functools
import http.server
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import zipfile

import keras
import numpy as np
import pytest
from conftest import slow_module

import keras_gans
from keras_gans import recipes, zoo
from keras_gans.recipes import card as statements
from keras_gans.zoo import cards, catalogue, download, publishing, store, weights

BACKEND = keras.backend.backend()
pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
CARD = {
    "summary": "Untrained networks, for tests.",
    "data": {"name": "noise", "licence": "CC0", "images": 1797, "attribution": "nobody"},
    "hardware": "2 cores",
    "seconds": 75,
    "scores": {"confident": {"value": 0.91234, "samples": 1000, "protocol": "judge"}, "fd": 3},
    "limits": ["It was never trained."],
}


def make_model(num=0):
    """A compiled OSGAN whose weights, averages and moving statistics are all different."""
    g, d = keras_gans.networks.dcgan(image_size=8, channels=1, width=8, latent_dim=4)
    model = keras_gans.models.OSGAN(g, d, objective="hinge", ema=0.9, seed=3)
    model.compile({"generator": keras.optimizers.Adam(3e-4, beta_1=0.5), "discriminator": "sgd"})
    rng = np.random.default_rng(num)
    for network in (model.generator, model.ema_generator, model.discriminator):
        for v in network.weights:
            noise = rng.uniform(0.5, 1.5, tuple(v.shape))
            if "moving" not in v.path and len(v.shape) > 1:
                noise = 0.3 * rng.standard_normal(tuple(v.shape))
            v.assign(noise.astype("float32"))
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def shop(model, tmp_path_factory):
    """A folder of one entry, `tiny`; not to be changed."""
    path = tmp_path_factory.mktemp("shop")
    zoo.publish(model, "tiny", CARD, path=path)
    return path


@pytest.fixture
def copy(shop, tmp_path):
    """A copy of it, to be changed."""
    return pathlib.Path(shutil.copytree(shop, tmp_path / "copy"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """No entries but those of the test: no packaged ones, an empty cache, no URL."""
    monkeypatch.setattr(store, "packaged_folder", lambda: tmp_path / "none")
    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(catalogue.ZOO_URL, raising=False)
    return tmp_path / "home" / "zoo"


@contextlib.contextmanager
def serving(folder):
    """Serve a folder on 127.0.0.1; gives the URL and the list of the paths asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def half(network):
    """The weights as an entry keeps them, from the rule in words: kernels in float16."""
    arrays = [keras.ops.convert_to_numpy(v) for v in network.weights]
    return [a.astype("float16").astype("float32") if a.ndim > 1 else a for a in arrays]


def test_the_loaded_entry_makes_the_models_images(model, shop):
    entry = zoo.load("tiny", path=shop)
    reference = make_model()
    reference.ema_generator.set_weights(half(model.ema_generator))
    wanted = reference.generate(6, seed=5)
    np.testing.assert_allclose(entry.generate(6, seed=5), wanted, atol=1e-6)
    # The average, not the generator in training, and not far from full precision.
    assert np.abs(model.generator.predict(np.ones((2, 4)), verbose=0)).max() > 0
    assert np.abs(wanted - model.generate(6, seed=5)).max() < 5e-3
    reference.generator.set_weights(half(model.generator))
    in_training = reference.generator.predict(
        np.random.default_rng(5).standard_normal((6, 4)).astype("float32"), verbose=0
    )
    assert np.abs(np.asarray(in_training) - wanted).max() > 0.1
    assert entry.verify() < 1e-4
    assert {v.dtype for v in entry.generator.weights} == {"float32"}
    assert not entry.generator.trainable


def test_the_discriminator_ships(model, shop, tmp_path):
    entry = zoo.load("tiny", path=shop, training=True)
    images = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype("float32")
    reference = make_model()
    reference.discriminator.set_weights(half(model.discriminator))
    wanted = np.asarray(reference.discriminator.predict(images, verbose=0))
    assert np.ptp(wanted) > 0.01
    found = np.asarray(entry.discriminator.predict(images, verbose=0))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert entry.discriminator.trainable_variables and entry.generator.trainable_variables
    with pytest.raises(ValueError, match="training=True"):
        _ = zoo.load("tiny", path=shop).discriminator
    zoo.publish(model, "half", CARD, path=tmp_path, discriminator=False, saved_model=False)
    assert not (tmp_path / "half" / "discriminator.npz").exists()
    with pytest.raises(ValueError, match="ships no discriminator"):
        zoo.load("half", path=tmp_path, training=True)


def test_full_precision(model, tmp_path):
    zoo.publish(model, "full", CARD, path=tmp_path, half=False, saved_model=False)
    images = zoo.load("full", path=tmp_path).generate(4, seed=1)
    np.testing.assert_allclose(images, model.generate(4, seed=1), atol=1e-6)


@pytest.mark.parametrize(
    "value, dtype",
    [
        (np.full((2, 2), 1.0 / 3, "float32"), "float16"),
        (np.full((3,), 1.0 / 3, "float32"), "float32"),  # a bias, a norm
        (np.full((2, 2), 1e-7, "float32"), "float32"),  # float16 would keep one digit
        (np.full((2, 2), 1e5, "float32"), "float32"),  # and this not at all
        (np.full((2, 2), 7, "int32"), "int32"),
    ],
)
def test_precision_of_stored_weights(value, dtype):
    assert weights.stored(value).dtype == dtype
    np.testing.assert_allclose(weights.stored(value).astype("float64"), value, rtol=1e-3)


def test_every_file_is_checked(copy, monkeypatch):
    files = [p for p in (copy / "tiny").rglob("*") if p.is_file()]
    assert {"card.json", "card.json.sha256", "README.md", "generator.npz"} <= {
        p.name for p in files
    }
    for path in files:
        good = path.read_bytes()
        at = len(good) // 2
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ValueError, match="tiny.*SHA-256") as error:
            zoo.load("tiny", path=copy)
        assert "\n" not in str(error.value)
        path.write_bytes(good)
    zoo.load("tiny", path=copy)


def test_a_damaged_file_is_not_opened(copy, monkeypatch):
    path = copy / "tiny" / "generator.npz"
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    opened = []
    monkeypatch.setattr(np, "load", lambda *a, **k: opened.append(a))
    with pytest.raises(ValueError, match="generator.npz of zoo entry 'tiny'"):
        zoo.load("tiny", path=copy)
    assert not opened


def test_an_incomplete_entry(copy):
    (copy / "tiny" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="config.json.*incomplete"):
        zoo.load("tiny", path=copy)


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return pathlib.Path.touch, (self.mark,)


def test_pickles_are_refused_whatever_their_checksum(copy, tmp_path):
    arrays = {"0000/kernel": np.array([Bomb(tmp_path / "mark")], dtype=object)}
    np.savez(copy / "tiny" / "generator.npz", allow_pickle=True, **arrays)
    rewrite(copy / "tiny")
    with pytest.raises(ValueError, match="not a file of weights"):
        zoo.load("tiny", path=copy)
    assert not (tmp_path / "mark").exists()


def rewrite(folder, **changes):
    """Make the checksums of an entry right again."""
    card = {**json.loads((folder / store.CARD).read_text()), **changes}
    if "files" not in changes:
        card["files"] = store.describe_files(folder, (store.CARD, store.CARD_SUM))
    store.write_card(folder, card)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "", "c:d"])
def test_cards_cannot_point_outside(copy, path):
    file = {"sha256": "0" * 64, "bytes": 1}
    rewrite(copy / "tiny", files={path: file})
    with pytest.raises(ValueError, match="not the card"):
        zoo.load("tiny", path=copy)


def test_foreign_cards(copy):
    (copy / "tiny").rename(copy / "other")
    with pytest.raises(ValueError, match="card of 'tiny', not of 'other'"):
        zoo.load("other", path=copy)
    rewrite(copy / "other", name="other", format=99)
    with pytest.raises(ValueError, match="format 99"):
        zoo.load("other", path=copy)


@pytest.mark.parametrize("name", ["../tiny", "a/b", "a\\b", ".hidden", "", "..", "a b", None])
def test_names_that_are_no_names(shop, model, name):
    with pytest.raises(ValueError, match="cannot name a zoo entry"):
        zoo.load(name, path=shop)
    with pytest.raises(ValueError, match="cannot name a zoo entry"):
        zoo.publish(model, name, CARD, path=shop)


def test_unknown_names(shop, elsewhere):
    with pytest.raises(ValueError, match=r"'tinny' \(did you mean 'tiny'\?\); there are tiny"):
        zoo.load("tinny", path=shop)
    with pytest.raises(ValueError, match="'tiny'; there are biggan_imagenet_128, "):
        zoo.load("tiny")
    assert zoo.list(trained_only=True) == [] and zoo.list(path=shop) == ["tiny"]


def test_the_name_of_a_retired_entry_loads_its_successor(model, tmp_path, elsewhere, monkeypatch):
    zoo.publish(model, "new", {**CARD, "replaces": ["old", "oldest"]}, path=tmp_path / "shop")
    labels = {} if model.num_classes is None else {"labels": 1}
    wanted = zoo.load("new", path=tmp_path / "shop").generate(2, seed=3, **labels)
    with pytest.warns(FutureWarning, match="'old' was retired; this is its successor, 'new'"):
        entry = zoo.load("old", path=tmp_path / "shop")
    assert entry.name == "new"
    np.testing.assert_array_equal(entry.generate(2, seed=3, **labels), wanted)
    monkeypatch.setattr(store, "packaged_folder", lambda: tmp_path / "shop")
    with pytest.warns(FutureWarning, match="'oldest' was retired"):
        assert zoo.card("oldest").startswith("# new\n")
    assert zoo.list(trained_only=True) == ["new"]
    (tmp_path / "shop" / "damaged").mkdir()
    (tmp_path / "shop" / "damaged" / store.CARD).write_text("null")
    with pytest.raises(ValueError, match="Unknown zoo entry 'olde'"):
        zoo.load("olde")
    zoo.publish(model, "plain", {**CARD, "replaces": None}, path=tmp_path / "plain")
    with pytest.raises(ValueError, match="Unknown zoo entry 'olde'"):
        zoo.load("olde", path=tmp_path / "plain")


# Publishing


def test_publishing_replaces_in_one_move(copy, monkeypatch):
    before = zoo.load("tiny", path=copy).generator.get_weights()
    other = make_model(1)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        zoo.publish(other, "tiny", CARD, path=copy)

    def fail(*args):
        raise OSError("No space left on device")

    for name in ("_finish", "describe_files", "move_into_place"):
        where = publishing if hasattr(publishing, name) else store
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fail)
            with pytest.raises(OSError, match="No space"):
                zoo.publish(other, "tiny", CARD, path=copy, overwrite=True, saved_model=False)
        after = zoo.load("tiny", path=copy).generator.get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(after, before, strict=True))
        assert sorted(p.name for p in copy.iterdir()) == ["index.json", "tiny"]
    zoo.publish(other, "tiny", CARD, path=copy, overwrite=True, saved_model=False)
    after = zoo.load("tiny", path=copy)
    assert np.abs(after.generator.get_weights()[0] - before[0]).max() > 0.01
    assert after.verify() < 1e-4
    assert sorted(p.name for p in copy.iterdir()) == ["index.json", "tiny"]


def test_a_move_that_fails_halfway(copy, monkeypatch):
    replace = os.replace
    moved = []

    def second_fails(a, b):
        moved.append(b)
        if len(moved) == 2:
            raise OSError("Input/output error")
        replace(a, b)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OSError, match="Input/output"):
        zoo.publish(make_model(1), "tiny", CARD, path=copy, overwrite=True, saved_model=False)
    assert zoo.load("tiny", path=copy).verify() < 1e-4


@pytest.mark.parametrize("ask", [zoo.load, zoo.card, lambda name, path: zoo.list(path)])
def test_a_publication_killed_between_two_moves(copy, ask):
    (copy / "tiny").rename(copy / ".tiny.previous")
    ask("tiny", path=copy)
    assert zoo.list(path=copy) == ["tiny"] and zoo.load("tiny", path=copy).verify() < 1e-4


class Scaled(keras.layers.Layer):
    """Multiplies by a factor; its configuration leaves the factor out."""

    factor = 1.0

    def call(self, x):
        return x * self.factor


def with_layer(layer):
    x = keras.Input((4,))
    images = keras.layers.Reshape((2, 2, 1))(layer(keras.layers.Dense(4, "tanh")(x)))
    d = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    return keras_gans.models.GAN(keras.Model(x, images), d)


def test_models_that_others_could_not_load(tmp_path):
    with pytest.raises(ValueError, match="Scaled, which is neither a layer of Keras nor of"):
        zoo.publish(with_layer(Scaled()), "a", CARD, path=tmp_path)
    with pytest.raises(ValueError, match="Lambda, which is neither"):
        zoo.publish(with_layer(keras.layers.Lambda(lambda x: x)), "a", CARD, path=tmp_path)
    with pytest.raises(ValueError, match="no training method"):
        zoo.publish(keras.Sequential(), "a", CARD, path=tmp_path)
    assert not any(tmp_path.iterdir())


def test_configurations_that_leave_something_out(tmp_path):
    register = keras.saving.register_keras_serializable(package="keras_gans", name="TestScaled")
    layer = register(Scaled)()
    model = with_layer(layer)
    zoo.publish(model, "good", CARD, path=tmp_path, saved_model=False)
    layer.factor = 0.5
    model = with_layer(layer)
    with pytest.raises(ValueError, match="configuration leaves something out"):
        zoo.publish(model, "bad", CARD, path=tmp_path, saved_model=False)
    assert zoo.list(path=tmp_path) == ["good"]


def test_configurations_are_checked_when_loading(copy):
    path = copy / "tiny" / "config.json"
    config = json.loads(path.read_text())
    layer = {"class_name": "run", "module": "subprocess", "registered_name": None, "config": {}}
    config["networks"]["generator"]["config"]["config"]["layers"][1] = layer
    path.write_text(json.dumps(config))
    rewrite(copy / "tiny")
    with pytest.raises(ValueError, match="subprocess.run, which is neither"):
        zoo.load("tiny", path=copy)


def test_weights_of_another_network(copy):
    arrays = dict(np.load(copy / "tiny" / "generator.npz"))
    first = sorted(arrays)[0]
    np.savez(copy / "tiny" / "generator.npz", **{**arrays, first: arrays[first][:-1]})
    rewrite(copy / "tiny")
    with pytest.raises(ValueError, match="belongs to another network"):
        zoo.load("tiny", path=copy)
    np.savez(copy / "tiny" / "generator.npz", **{first: arrays[first]})
    rewrite(copy / "tiny")
    with pytest.raises(ValueError, match=r"holds 1 arrays, the network has \d+"):
        zoo.load("tiny", path=copy)


def test_saved_model(model, shop, tmp_path):
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="SavedModel from the torch backend"):
            zoo.publish(model, "a", CARD, path=tmp_path, saved_model=True)
        assert zoo.list(path=tmp_path) == []
        return
    tf = pytest.importorskip("tensorflow")
    assert (shop / "tiny" / "saved_model").exists() == (BACKEND == "tensorflow")
    made = zoo.publish(model, "a", CARD, path=tmp_path, saved_model=True) / "saved_model"
    # Git keeps no empty folder, such as `assets`.
    folder = tmp_path / "saved_model"
    for path in made.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    entry = zoo.load("a", path=tmp_path)
    latents = np.random.default_rng(2).standard_normal((5, 4)).astype("float32")
    served = tf.saved_model.load(str(folder))
    images = served.serve(latents).numpy()
    np.testing.assert_allclose(images, entry.images_of(latents), atol=1e-5)


# Cards


def test_the_card_says_what_the_metadata_says(shop, model):
    text = zoo.card("tiny", path=shop)
    assert text == (shop / "tiny" / "README.md").read_text(encoding="utf-8")
    assert text == zoo.load("tiny", path=shop).card
    parameters = sum(int(np.prod(v.shape)) for v in model.generator.weights)
    sha = store.digest((shop / "tiny" / "generator.npz").read_bytes())
    for part in (
        "# tiny\n",
        f"Generator: {parameters:,} parameters",
        "8 x 8 x 1",
        "Licence: CC0",
        "Images: 1,797",
        "Time: 1 min 15 s",
        "| confident | 0.9123 | 1,000 | judge |",
        "- It was never trained.",
        "Steps: 0",
        sha,
    ):
        assert part in text
    assert (shop / "tiny" / "samples.png").stat().st_size > 100


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"summary": ""}, "summary is ''; expected one sentence"),
        ({"data": None}, "data is None; expected a mapping with a name and a licence"),
        ({"data": "digits"}, "data is 'digits'; expected a mapping with a name"),
        ({"data": {"name": "digits"}}, "data.licence is missing"),
        ({"data": {"name": "digits", "license": "BSD"}}, "'license' .*did you mean 'licence'"),
        ({"hardwear": "GPU"}, "'hardwear' .*did you mean 'hardware'"),
        ({"scores": {"fid": {"valeu": 3}}}, "'valeu' .*did you mean 'value'"),
        ({"replaces": "other"}, "replaces is 'other'; expected a list"),
        ({"replaces": ["../other"]}, "replaces is .*'../other'"),
    ],
)
def test_cards_that_say_too_little(model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        zoo.publish(model, "a", {**CARD, **changes}, path=tmp_path)
    assert not any(tmp_path.iterdir())


def test_every_known_key_is_rendered():
    card = {
        **{key: f"the {key}" for key in statements.Stated.model_fields},
        "name": "a",
        "replaces": ["an older one"],
        "data": {
            key: 12345 if key == "images" else f"its {key}"
            for key in statements.OfData.model_fields
        },
        "scores": {"fid": {"value": 3.25, "samples": 7, "protocol": "its protocol"}},
        "seconds": 4000,
        "images_per_second": 50,
        "architecture": {
            "method": "GAN",
            "networks": {"generator": {"parameters": 1234567, "weights": False}},
            "image_shape": [2, 3, 1],
            "latent_dim": 5,
            "num_classes": 10,
            "precision": "float32",
        },
        "recipe": {},
        "steps": None,
        "version": "1.2.3",
        "backend": "jax",
        "files": {"f": {"sha256": "00ff", "bytes": 1048576}},
    }
    text = cards.render(card)
    values = ["the summary", "the hardware", "the limits", "the notes", "12,345", "1 h 6 min 40 s"]
    values += [
        f"its {key}" for key in (*statements.OfData.model_fields, "protocol") if key != "images"
    ]
    values += ["| 3.25 | 7 |", "50 images", "1,234,567", "not in this entry", "10 classes", "1.2.3"]
    values += ["`00ff`", "1,048,576", "labels=0", "Steps: not stated", "an older one"]
    assert [value for value in values if value not in text] == []


# Recipes of entries


def test_the_recipe_rebuilds_the_method(model, shop):
    path = shop / "tiny" / "recipe.yaml"
    assert recipes.load(path)["model"] == zoo.load("tiny", path=shop).recipe["model"]
    rebuilt = recipes.build_model(path)
    assert type(rebuilt) is type(model) and rebuilt.seed == 3 and rebuilt.ema == 0.9
    assert rebuilt.objective.name == "hinge"
    shapes = [tuple(v.shape) for v in rebuilt.weights]
    assert shapes == [tuple(v.shape) for v in model.weights]
    players = rebuilt.optimizer.players
    assert float(players["generator"].learning_rate) == pytest.approx(3e-4)
    assert players["generator"].beta_1 == 0.5
    assert isinstance(players["discriminator"], keras.optimizers.SGD)


def test_a_given_recipe_is_kept_without_paths_of_this_machine(model, tmp_path):
    recipe = recipes.load("osgan_digits").changed({"data.data_dir": str(tmp_path)})
    zoo.publish(model, "a", CARD, path=tmp_path / "zoo", recipe=recipe, saved_model=False)
    kept = recipes.load(tmp_path / "zoo" / "a" / "recipe.yaml")
    assert kept == recipes.load("osgan_digits")
    for file in (tmp_path / "zoo").rglob("*"):
        assert file.is_dir() or str(tmp_path).encode() not in file.read_bytes()


# Cache and download


def test_downloading(shop, elsewhere, tmp_path, monkeypatch):
    with serving(shop) as (url, asked):
        assert zoo.list(base_url=url) == ["tiny"]
        with pytest.raises(ValueError, match="'tinny' .did you mean 'tiny'"):
            zoo.load("tinny", base_url=url)
        entry = zoo.load("tiny", base_url=url)
        assert entry.folder == elsewhere / "tiny"
        assert entry.verify() < 1e-4
        asked.clear()
        zoo.load("tiny", base_url=url)
        assert asked == ["/index.json"]
        assert (
            zoo.load("tiny", base_url=url + "/", cache_dir=tmp_path / "c").folder.parts[-2] == "c"
        )
        monkeypatch.setenv(catalogue.ZOO_URL, url)
        shutil.rmtree(elsewhere)
        assert zoo.list(trained_only=True) == ["tiny"]
        zoo.load("tiny")
    # From the cache, without the server.
    monkeypatch.delenv(catalogue.ZOO_URL)
    assert zoo.load("tiny").folder == elsewhere / "tiny" and zoo.list(trained_only=True) == ["tiny"]
    with pytest.raises(OSError, match="Could not read .*index.json") as error:
        zoo.load("tiny", base_url=url)
    assert "\n" not in str(error.value)


def test_urls(shop, elsewhere):
    entry = zoo.load("tiny", base_url=shop.as_uri())
    assert entry.folder == elsewhere / "tiny" and entry.verify() < 1e-4
    with pytest.raises(ValueError, match="http://, https:// or file://"):
        zoo.load("tiny", base_url="ftp://127.0.0.1/zoo")
    with pytest.raises(ValueError, match="path=FOLDER"):
        zoo.load("tiny", base_url=str(shop))


@pytest.mark.parametrize("name", ["generator.npz", "card.json", "README.md"])
@pytest.mark.parametrize("longer", [False, True])
def test_damage_on_the_way(copy, elsewhere, name, longer):
    path = copy / "tiny" / name
    data = path.read_bytes()
    path.write_bytes(data + b" " if longer else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with serving(copy) as (url, _):
        with pytest.raises(ValueError, match=f"{name}.*(SHA-256|longer than)"):
            zoo.load("tiny", base_url=url)
    assert not elsewhere.exists() or not any(elsewhere.iterdir())


@pytest.mark.parametrize("size", [float("inf"), 1e30, 1.5, -1, True, None, 10**12])
def test_sizes_that_no_file_has(copy, elsewhere, size):
    card = store.EntryFolder(copy / "tiny").card
    card["files"]["generator.npz"]["bytes"] = size
    store.write_card(copy / "tiny", card)
    digest = store.digest((copy / "tiny" / store.CARD).read_bytes())
    index = {"format": 1, "entries": {"tiny": {"card_sha256": digest}}}
    (copy / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"files.generator.npz.bytes is .*; expected an integer"):
        zoo.load("tiny", base_url=copy.as_uri())
    assert not elsewhere.exists() or not any(elsewhere.glob("tiny"))


def test_a_server_that_never_ends(shop, elsewhere, monkeypatch):
    """Each byte comes in time; all of them do not. The clock is the test's."""
    clock = iter(range(0, 10**6, 50))  # 50 seconds between two looks at it

    class Drip(io.BytesIO):
        def read1(self, size):
            return b"\0"

    monkeypatch.setattr(download.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(download.urllib.request, "urlopen", lambda url, timeout: Drip())
    with pytest.raises(OSError, match="index.json .*slower than 32,768 bytes a second"):
        zoo.load("tiny", base_url="https://example.org/zoo")


def test_a_damaged_cache_is_replaced_from_the_url(shop, elsewhere):
    zoo.load("tiny", base_url=shop.as_uri())
    (elsewhere / "tiny" / "generator.npz").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="SHA-256"):
        zoo.load("tiny")
    assert zoo.load("tiny", base_url=shop.as_uri()).verify() < 1e-4
    assert sorted(p.name for p in elsewhere.iterdir()) == ["tiny"]


def test_the_librarys_own_index_has_the_last_word(copy, elsewhere, tmp_path):
    (tmp_path / "none").mkdir()
    shutil.copy(copy / "index.json", tmp_path / "none")
    zoo.load("tiny", base_url=copy.as_uri())
    shutil.rmtree(elsewhere)
    zoo.publish(make_model(1), "tiny", CARD, path=copy, overwrite=True, saved_model=False)
    with pytest.raises(ValueError, match="card of 'tiny' that .* SHA-256"):
        zoo.load("tiny", base_url=copy.as_uri())


@pytest.mark.parametrize(
    "index", ["", "[]", '{"entries": {"../a": {"card_sha256": "%s"}}}' % ("0" * 64)]
)
def test_a_broken_index(copy, elsewhere, index):
    (copy / "index.json").write_text(index)
    with pytest.raises(ValueError, match="not the index of a zoo"):
        zoo.load("tiny", base_url=copy.as_uri())


# What ships


def test_the_entries_that_ship():
    folder = store.packaged_folder()
    names = store.names_in(folder)
    if not names:
        pytest.skip("no entries are in zoo/")
    assert (folder / store.INDEX).read_text(encoding="utf-8") == store.index_of(folder)
    for name in names:
        assert zoo.load(name).verify() < 1e-3
        assert zoo.card(name) == (folder / name / "README.md").read_text(encoding="utf-8")
    total = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert total < 24 * 2**20


def test_an_installed_wheel_in_an_empty_folder_on_another_backend(shop, tmp_path):
    for package in ("pip", "setuptools"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is needed to build a wheel")
    backend = "jax" if BACKEND == "torch" else "torch"
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    source = tmp_path / "source"
    shutil.copytree(ROOT / "keras_gans", source / "keras_gans")
    shutil.copytree(shop, source / "zoo")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", ".", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shutil.rmtree(source)
    (tmp_path / "empty").mkdir()
    program = (
        "import io, sys, keras, numpy, keras_gans\n"
        "entry = keras_gans.zoo.load('tiny')\n"
        "assert keras_gans.zoo.list(trained_only=True) == ['tiny'] and entry.verify() < 1e-4\n"
        "assert keras_gans.recipes.load('osgan_digits')\n"
        "print(keras.backend.backend(), keras_gans.__file__)\n"
        "numpy.save(sys.argv[1], entry.generate(3, seed=4))\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "KERAS_BACKEND": backend,
        "KERAS_GANS_HOME": str(tmp_path / "home"),
    }
    found = tmp_path / "images.npy"
    done = subprocess.run(
        [sys.executable, "-c", program, str(found)],
        cwd=tmp_path / "empty",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, str(tmp_path / "site/keras_gans/__init__.py")]
    wanted = zoo.load("tiny", path=shop).generate(3, seed=4)
    np.testing.assert_allclose(np.load(io.BytesIO(found.read_bytes())), wanted, atol=1e-5)
