"""Entries that translate images: what is published is what is loaded, shown and served."""

import json
import pathlib
import shutil
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy
from dense_networks import small
from PIL import Image

import keras_gans
from keras_gans import models, networks, zoo
from keras_gans.cli.main import run
from keras_gans.data import from_uint8, outlines
from keras_gans.zoo import store
from keras_gans.zoo.kinds.images import Translations

pytestmark = slow_module("jax")

BACKEND = keras.backend.backend()
CARD = {"summary": "Untrained, for tests.", "data": {"name": "noise", "licence": "CC0"}}
DOMAINS = 3
LABELS = np.array([0, 1, 2, 2, 1], "int32")
PLAYERS = {  # those that translate, and those that only train
    "CoupledGAN": (["encoder", "decoder"], ["discriminator"]),
    "DecoupledGAN": (["encoder", "decoder", "generator"], ["discriminator"]),
    "Pix2Pix": (["generator"], ["discriminator"]),
    "DecoupledPix2Pix": (["translator", "generator"], ["discriminator"]),
    "CAAE": (["encoder", "decoder"], ["discriminator", "code_discriminator"]),
    "DecoupledCAAE": (
        ["encoder", "decoder", "generator"],
        ["discriminator", "code_discriminator"],
    ),
    "AsymmetricGAN": (["translator"], ["reconstructor", "discriminator", "discriminator_2"]),
}


def make(method, seed=0):
    """A model with weights of its own in every network, averages included."""
    cls = getattr(models, method)
    if method == "AsymmetricGAN":
        made = networks.asymmetric(
            8, num_domains=DOMAINS, width=2, d_width=2, d_layers=2, blocks=1, discriminators=2
        )
        model = cls(*made, ema=0.9, sharing="partial", term_weights={"ms_ssim": 0.0})
    else:
        family = "pix2pix" if "Pix" in method else "caae" if "CAAE" in method else "gan"
        known = small(family)
        if method == "Pix2Pix":
            known["generator"] = known.pop("translator")
        elif not cls.decoupled:
            del known["generator"]
        model = cls(**known)
    rng = np.random.default_rng(seed)
    for v in model.weights:
        v.assign(rng.normal(0, 0.5, tuple(v.shape)).astype("float32"))
    return model


def examples_of(model):
    """What its `translate` takes: 5 images of 8 bits, and labels where there are some."""
    shape = models.Translator(model.inference_network()).image_shape
    pixels = np.random.default_rng(1).integers(0, 256, (5, *shape)).astype("uint8")
    has_labels = model.num_domains is not None
    return (from_uint8(pixels), LABELS) if has_labels else (from_uint8(pixels),)


def half(weights):
    """Kernels in float16, from the rule in words."""
    arrays = [to_numpy(w) for w in weights]
    return [a.astype("float16").astype("float32") if a.ndim > 1 else a for a in arrays]


def rounded(method):
    """The model with every network rounded, by hand."""
    model = make(method)
    for v, value in zip(model.weights, half(model.weights), strict=True):
        v.assign(value)
    return model


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder of an entry for each method, named like it; not to be changed."""
    path = tmp_path_factory.mktemp("shop")
    for method in PLAYERS:
        model = make(method)
        zoo.publish(model, method, CARD, path=path, examples=examples_of(model), saved_model=False)
    return path


@pytest.fixture
def copy(shop, tmp_path):
    """A copy of two entries, to be changed."""
    for name in ("DecoupledCAAE", "AsymmetricGAN"):
        shutil.copytree(shop / name, tmp_path / "copy" / name)
    return tmp_path / "copy"


@pytest.mark.parametrize("method", PLAYERS)
def test_the_inference_network_is_translate(method):
    model = make(method)
    inputs = examples_of(model)
    network = model.inference_network()
    assert [x.name for x in network.inputs][0] == "images"
    found = network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
    found = {name: to_numpy(x) for name, x in found.items()}
    # `translate` may run another program, whose rounding is the processor's.
    rounding = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(found["output"], model.translate(*inputs), **rounding)
    if method != "AsymmetricGAN":
        panels = model.panels(*inputs)
        assert set(found) == set(panels) - {"input"}
        for name, array in found.items():
            np.testing.assert_allclose(array, panels[name], **rounding)
    own = {id(v) for v in model.weights}
    for part in PLAYERS[method][0]:
        assert {id(v) for v in network.get_layer(part).weights} <= own
    assert {id(v) for v in network.weights} <= own


def test_networks_of_other_names():
    known = small("gan")
    known["decoder"].name = known["generator"].name = "twin"
    model = models.DecoupledGAN(**known)
    network = model.inference_network()
    assert network.get_layer("generator").weights[0] is known["generator"].weights[0]
    assert known["decoder"].name == "twin"
    x = images(2, 4)
    np.testing.assert_array_equal(to_numpy(network(x)["output"]), model.translate(x))


@pytest.mark.parametrize("method", PLAYERS)
def test_the_loaded_entry_translates_like_the_model(method, shop):
    entry, model, reference = zoo.load(method, path=shop), make(method), rounded(method)
    inputs = examples_of(model)
    wanted = reference.translate(*inputs)
    np.testing.assert_allclose(entry.translate(*inputs), wanted, atol=2e-5)
    assert np.ptp(wanted) > 0.1 and 0 < np.abs(wanted - model.translate(*inputs)).max() < 2e-2
    assert entry.verify() < 1e-4 and type(entry) is zoo.ZooTranslator
    assert not entry.translator.trainable_variables and list(entry.networks) == PLAYERS[method][0]
    # The first of the examples, exactly.
    for stored, given in zip(entry.examples(), inputs, strict=True):
        np.testing.assert_array_equal(stored, given[: len(stored)])
    assert entry.image_shape == entry.output_shape == inputs[0].shape[1:]
    assert entry.num_domains == (DOMAINS if len(inputs) > 1 else None)
    panels = reference.panels(*inputs[:1] if method == "AsymmetricGAN" else inputs)
    found = entry.panels(*inputs[:1] if method == "AsymmetricGAN" else inputs)
    assert list(found) == list(panels)
    for name, array in found.items():
        np.testing.assert_allclose(array, panels[name], atol=2e-5)
    np.testing.assert_allclose(entry.translate(*(x[:1] for x in inputs)), wanted[:1], atol=2e-5)
    assert method in repr(entry)


def test_a_decoupled_entry_in_numpy(shop):
    """Reconstruction, residual and output, from the stored arrays alone."""
    with np.load(shop / "DecoupledGAN" / "translator.npz") as file:
        arrays = [file[key].astype("float64") for key in sorted(file.files)]
    assert len(arrays) == 6
    x = examples_of(make("DecoupledGAN"))[0]
    (w, b), *decoders = zip(arrays[::2], arrays[1::2], strict=True)
    codes = np.tanh(x.reshape(5, 16) @ w + b)
    wanted = [np.tanh(codes @ w + b).reshape(5, 4, 4, 1) for w, b in decoders]
    found = zoo.load("DecoupledGAN", path=shop).panels(x)
    for name, array in zip(("reconstruction", "residual"), wanted, strict=True):
        np.testing.assert_allclose(found[name], array, atol=1e-5)
    np.testing.assert_allclose(found["output"], sum(wanted), atol=1e-5)
    assert np.abs(found["output"]).max() > 1  # a sum, which the reference holds


@pytest.mark.parametrize("method", PLAYERS)
def test_training_networks_ship(method, shop):
    entry, model = zoo.load(method, path=shop, training=True), make(method)
    parts, others = PLAYERS[method]
    assert set(entry.networks) == {*parts, *others} and entry.discriminator is not None
    for name in others:
        wanted = half(model.players[name].weights)
        for v, array in zip(entry.networks[name].weights, wanted, strict=True):
            np.testing.assert_array_equal(to_numpy(v), array)
    assert entry.translator.trainable_variables and entry.discriminator.trainable_variables
    settings = {"term_weights": {"ms_ssim": 0.0}} if method == "AsymmetricGAN" else {}
    again = type(model)(**entry.networks, **settings)
    inputs = examples_of(model)
    np.testing.assert_allclose(again.translate(*inputs), entry.translate(*inputs), atol=1e-5)
    with pytest.raises(ValueError, match="training=True"):
        _ = zoo.load(method, path=shop).discriminator


def test_initial_weights_and_no_discriminator(shop, tmp_path):
    fresh = zoo.load("DecoupledGAN", path=shop, weights=None)
    assert set(fresh.networks) == {"encoder", "decoder", "generator", "discriminator"}
    assert fresh.verify() > 0.1 and fresh.translator.trainable_variables
    model = make("CoupledGAN")
    settings = {"examples": examples_of(model), "saved_model": False, "discriminator": False}
    folder = zoo.publish(model, "a", CARD, path=tmp_path, **settings)
    assert [p.name for p in folder.glob("*.npz") if p.name != "reference.npz"] == ["translator.npz"]
    with pytest.raises(ValueError, match="ships no discriminator"):
        zoo.load("a", path=tmp_path, training=True)


def test_every_file_is_checked(copy):
    for name in ("DecoupledCAAE", "AsymmetricGAN"):
        files = [p for p in (copy / name).rglob("*") if p.is_file()]
        assert {"translator.npz", "discriminator.npz", "reference.npz"} < {p.name for p in files}
        for path in files:
            good = path.read_bytes()
            at = len(good) // 2
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises(ValueError, match="SHA-256") as error:
                zoo.load(name, path=copy)
            assert "\n" not in str(error.value)
            assert path.name.removesuffix(".sha256") in str(error.value)
            path.write_bytes(good)
        assert zoo.load(name, path=copy).verify() < 1e-4


def test_kinds(copy):
    with pytest.raises(ValueError, match="'AsymmetricGAN' is no ZooEntry"):
        zoo.ZooEntry(copy / "AsymmetricGAN")
    path = copy / "AsymmetricGAN" / "config.json"
    config = json.loads(path.read_text())
    assert config["kind"] == "translator"
    card = store.EntryFolder(copy / "AsymmetricGAN").card
    path.write_text(json.dumps({**config, "kind": "hologram"}))
    left_out = (store.CARD, store.CARD_SUM)
    files = store.describe_files(copy / "AsymmetricGAN", left_out)
    store.write_card(copy / "AsymmetricGAN", {**card, "files": files})
    with pytest.raises(ValueError, match="of the kind 'hologram'"):
        zoo.load("AsymmetricGAN", path=copy)
    # A card's sums are right, and what it sums is not an entry.
    for change in ({"num_domains": "3"}, {"num_domains": 2}, {"parts": ["decoder"]}, {"parts": 1}):
        path.write_text(json.dumps({**config, **change}))
        files = store.describe_files(copy / "AsymmetricGAN", left_out)
        store.write_card(copy / "AsymmetricGAN", {**card, "files": files})
        (key,) = change
        with pytest.raises(ValueError, match=f"config.json of zoo entry .*: {key} is "):
            zoo.load("AsymmetricGAN", path=copy)


def test_refusals_of_publish(tmp_path):
    pix, caae = make("Pix2Pix"), make("CAAE")
    x, labels = examples_of(caae)

    def publish(model, examples=None, **settings):
        zoo.publish(model, "a", CARD, path=tmp_path, examples=examples, **settings)

    g, d = networks.dcgan(image_size=8, width=4)
    for fails, text in (
        (lambda: publish(pix), r"Pix2Pix translates images: .*examples=\(images,\)"),
        (lambda: publish(caae), r"examples=\(images, labels\)"),
        (lambda: publish(caae, (x,)), r"1 examples: expected \(images, labels\)"),
        (lambda: publish(caae, (x, labels + 1)), "expected 0 to 2"),
        (lambda: publish(pix, 2 * x), r"images run from .* expected floats in \[-1, 1\]"),
        (lambda: publish(pix, 1.05 * x), "images among the examples leave"),
        (lambda: publish(pix, np.nan * x), "images hold NaN or infinite values"),
        (lambda: publish(pix, x[:, :3]), r"\(3, 4, 1\), the network takes \(4, 4, 1\)"),
        (lambda: publish(pix, x, targets=x[:2]), "targets have shape"),
        (lambda: publish(models.GAN(g, d), x), "leave examples and targets out"),
        (lambda: publish(keras.Sequential()), "Sequential is no training method"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            fails()
        assert "\n" not in str(error.value)
    assert not any(tmp_path.iterdir())


def test_refusals_of_translate(shop):
    pix, caae, gan = (zoo.load(n, path=shop) for n in ("Pix2Pix", "CAAE", "AsymmetricGAN"))
    x, y = caae.examples()[0], gan.examples()[0]
    model = make("AsymmetricGAN")
    for fails, text in (
        (lambda: pix.translate(x, 0), "takes images alone"),
        (lambda: caae.translate(x), "label is None; expected 0 to 2"),
        (lambda: gan.translate(y), "domain is None; expected 0 to 2"),
        (lambda: model.translate(y, None), "domain is None; expected 0 to 2"),
        (lambda: gan.translate(y, 3), "expected 0 to 2"),
        (lambda: model.translate(y, 3), "expected 0 to 2"),
        (lambda: gan.translate(y, [0, 1]), r"integers of shape \(4,\)|integers of shape \(5,\)"),
        (lambda: pix.translate((x * 127).astype("uint8")), "from_uint8"),
        (lambda: pix.translate(x[0]), r"floats \(N, H, W, C\) .* images\[None\] where it is one"),
        (lambda: pix.translate(127.5 * (x + 1)), r"images run from .* \[-1, 1\]"),
        (lambda: pix.panels(np.where(x > 0, np.nan, x)), "images hold NaN"),
        (lambda: gan.panels(np.where(y > 0, np.inf, y)), "images hold NaN"),
        (lambda: model.panels(65535 * (y + 1)), "images run from"),
        (lambda: pix.translate(np.tile(np.abs(x), (8, 1, 1, 1))), r"looks like \[0, 1\]"),
        (lambda: pix.translate(x, batch_size=0), "batch_size is 0; expected an integer of 1"),
        (lambda: make("Pix2Pix").translate(x, batch_size=0.5), "batch_size is 0.5; expected"),
        (lambda: gan.panels(y, batch_size=-1), "batch_size is -1"),
        (lambda: pix.translate(y), r"\(8, 8, 3\), the network takes \(4, 4, 1\)"),
        (lambda: pix.translate(x[:0]), "no images"),
        (lambda: make("Pix2Pix").translate((x * 127).astype("uint8")), "from_uint8"),
        (lambda: models.Translator(small("gan")["encoder"]), "inference_network"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            fails()
        assert "\n" not in str(error.value)


def test_a_few_bright_images_are_translated_with_a_warning(shop, caplog):
    pix = zoo.load("Pix2Pix", path=shop)
    bright, dark = np.full((2, *pix.image_shape), 0.75, "float32"), pix.examples()[0]
    for x, warned in ((dark, 0), (bright, 1)):
        caplog.clear()
        assert np.isfinite(pix.translate(x)).all()
        said = [r.getMessage() for r in caplog.records if "looks like [0, 1]" in r.getMessage()]
        assert len(said) == warned


def test_the_reference_stays_small():
    x = keras.Input((128, 128, 3))
    g = keras.Model(x, keras.layers.Conv2D(3, 1, activation="tanh")(x), name="generator")
    y = keras.Input((128, 128, 3))
    score = keras.layers.Conv2D(1, 1, 64)(keras.layers.Concatenate()([x, y]))
    model = models.Pix2Pix(g, keras.Model([x, y], score, name="discriminator"))
    noise = images(6, 128, 3)  # which nothing compresses
    subject = Translations(model, (noise,))
    (inputs,) = subject.inputs()
    assert len(inputs) == 4
    outputs = 3 * noise[:4]
    packed = subject.pack_reference(outputs, inputs)
    assert len(packed) < 600 * 1024
    assert len(Translations(make("Pix2Pix"), images(20, 4)).inputs()[0]) == 8


def test_pictures_and_cards(shop, tmp_path):
    model = make("DecoupledPix2Pix")
    (x,) = examples_of(model)
    folder = zoo.publish(
        model, "a", CARD, path=tmp_path, examples=(x,), targets=x, saved_model=False
    )
    picture = np.asarray(Image.open(folder / "samples.png").convert("RGB"))
    assert picture.shape == (5 * 6 + 2, 5 * 6 + 2, 3)  # input, three parts and target; 5 rows
    np.testing.assert_allclose(from_uint8(picture[2:6, 2:6, :1]), x[0], atol=1e-6)
    np.testing.assert_allclose(from_uint8(picture[-6:-2, -6:-2, :1]), x[-1], atol=1e-6)
    card = zoo.card("a", path=tmp_path)
    for part in (
        "From the left: input, reconstruction, residual, output, target.",
        "images = entry.translate(*entry.examples())",
        "- Method: DecoupledPix2Pix",
        "4 x 4 x 1 (height, width, channels)\n",
        "translator 115, generator 115",
        "Recipe: `recipe.yaml`",
    ):
        assert part in card
    assert card == zoo.load("a", path=tmp_path).card
    card = zoo.card("AsymmetricGAN", path=shop)
    for part in ("input, domain 0, domain 1, domain 2.", "Domains: 3,", "- Discriminator 2: "):
        assert part in card
    parameters = make("AsymmetricGAN").reconstructor.count_params()
    assert f"Reconstructor: {parameters:,} parameters" in card
    picture = np.asarray(Image.open(shop / "AsymmetricGAN" / "samples.png"))
    assert picture.shape == (5 * 10 + 2, 4 * 10 + 2, 3)
    # The lines that the card shows run.
    code = zoo.cards.usage({"name": "CAAE", "architecture": {"kind": "translator"}})
    code = code.replace('"CAAE"', f'"CAAE", path={str(shop)!r}')
    names = {}
    exec(code, names)
    assert names["images"].shape == (5, 4, 4, 1)
    page = tmp_path / "page.html"
    assert zoo.write_gallery(page, [shop]) == sorted(PLAYERS)
    assert "from the left: input, label 0, label 1, label 2" in page.read_text()


def test_a_recipe_is_kept(shop, tmp_path):
    stored = keras_gans.recipes.load(shop / "Pix2Pix" / "recipe.yaml")
    assert pathlib.Path(stored["networks"]["config"]).name == "config.json"
    recipe = {"data": {"name": "digits", "image_size": 32, "data_dir": str(tmp_path)}}
    model = make("CoupledGAN")
    settings = {"examples": examples_of(model), "saved_model": False, "recipe": recipe}
    zoo.publish(model, "a", CARD, path=tmp_path / "zoo", **settings)
    kept = zoo.load("a", path=tmp_path / "zoo").recipe
    assert kept["data"] == {"name": "digits", "image_size": 32}


@pytest.mark.parametrize("name", ["omni_inr_256", "osgan_digits"])
def test_earlier_entries_are_as_they_were(name):
    entry = zoo.load(name)
    assert type(entry) is zoo.ZooEntry and entry.verify() < 1e-3
    assert "kind" not in json.loads((entry.folder / "config.json").read_text())
    assert entry.card == (entry.folder / "README.md").read_text(encoding="utf-8")
    assert list(entry.networks) == ["generator"]


# Serving


@pytest.mark.skipif(BACKEND != "tensorflow", reason="one backend writes it in the test's time")
def test_a_saved_model_without_this_library(shop, tmp_path):
    model = make("DecoupledGAN")
    path = zoo.publish(model, "DecoupledGAN", CARD, path=tmp_path, examples=examples_of(model))
    shutil.copytree(path / "saved_model", tmp_path / "served" / "DecoupledGAN")
    zoo.export(zoo.load("AsymmetricGAN", path=shop), tmp_path / "served" / "AsymmetricGAN")
    entries = {n: zoo.load(n, path=shop) for n in ("DecoupledGAN", "AsymmetricGAN")}
    wanted = {name: entry.translate(*entry.examples()) for name, entry in entries.items()}
    (x,), (y, domains) = (entry.examples() for entry in entries.values())
    np.savez(tmp_path / "served" / "inputs.npz", x=x, y=y, domains=domains)
    program = """
        import sys
        import numpy as np
        import tensorflow as tf

        given = np.load("inputs.npz")
        served = {n: tf.saved_model.load(n) for n in ("DecoupledGAN", "AsymmetricGAN")}
        first = served["DecoupledGAN"].translate(given["x"])
        second = served["AsymmetricGAN"].translate(given["y"], given["domains"])
        one = served["AsymmetricGAN"].signatures["translate"](
            images=tf.constant(given["y"][:1]), domains=tf.constant(given["domains"][:1])
        )
        assert not any(m.startswith("keras_gans") for m in sys.modules)
        np.savez("found.npz", first=first, second=second, one=next(iter(one.values())))
    """
    command = [sys.executable, "-I", "-c", textwrap.dedent(program)]
    served = tmp_path / "served"
    subprocess.run(command, check=True, cwd=served, capture_output=True, timeout=300)
    with np.load(served / "found.npz") as found:
        np.testing.assert_allclose(found["first"], wanted["DecoupledGAN"], atol=1e-5)
        np.testing.assert_allclose(found["second"], wanted["AsymmetricGAN"], atol=1e-5)
        np.testing.assert_allclose(found["one"], wanted["AsymmetricGAN"][:1], atol=1e-5)


def test_a_keras_file_translates(shop, tmp_path, capsys):
    entry = zoo.load("DecoupledCAAE", path=shop)
    file = zoo.export(entry, tmp_path / "a.keras", "keras")
    translator = models.Translator(keras.saving.load_model(file))
    inputs = entry.examples()
    assert translator.num_domains == DOMAINS
    for name, array in translator.panels(*inputs).items():
        np.testing.assert_allclose(array, entry.panels(*inputs)[name], atol=1e-6)
    Image.fromarray(np.arange(48, dtype="uint8").reshape(6, 8)).save(tmp_path / "x.png")
    out = tmp_path / "out.png"
    assert run(["translate", str(file), str(tmp_path / "x.png"), f"--out={out}"]) == 0
    assert "input, label 0, label 1, label 2" in capsys.readouterr().out


# The command line


def test_the_command(shop, tmp_path, capsys):
    entry, npy = zoo.load("AsymmetricGAN", path=shop), tmp_path / "a.npy"
    source, out = str(shop / "AsymmetricGAN"), tmp_path / "out"
    assert run(["translate", source, f"--out={out}.png", f"--npy={npy}"]) == 0
    assert "5 images by" in capsys.readouterr().out
    x = entry.examples()[0]
    wanted = np.stack([entry.translate(x, d) for d in range(DOMAINS)], axis=1)
    np.testing.assert_allclose(np.load(npy), wanted, atol=1e-5)
    # Files and folders, of another size and without color.
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12)).astype("uint8")
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(folder / name)
    given = [str(folder), str(folder / "a.png"), "--domain=1", f"--out={out}", f"--npy={npy}"]
    assert run(["translate", source, *given]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "a_2.png", "b.png"]
    x = np.repeat(from_uint8(pixels[None, :, 2:10, None]), 3, axis=-1)
    np.testing.assert_allclose(np.load(npy)[:1], entry.translate(x, 1), atol=1e-5)
    # A run's folder; outlines.
    model = make("Pix2Pix")
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run" / "model.keras")
    drawing = (np.indices((4, 4))[0] > 1).astype("uint8") * 255
    Image.fromarray(drawing).save(tmp_path / "drawing.png")
    arguments = [str(tmp_path / "run"), str(tmp_path / "drawing.png"), f"--out={out}.png"]
    assert run(["translate", *arguments, "--outline", f"--npy={npy}"]) == 0
    lines = from_uint8(outlines(drawing[None, ..., None]))
    np.testing.assert_allclose(np.load(npy), model.translate(lines), atol=1e-5)


def test_a_file_that_cannot_be_read_stops_no_other(shop, tmp_path, capsys):
    source, paths = str(shop / "Pix2Pix"), [tmp_path / f"{n}.png" for n in "abc"]
    for path in (paths[0], paths[2]):
        Image.fromarray(np.full((4, 4), 90, "uint8")).save(path)
    paths[1].write_bytes(b"no image")
    out = tmp_path / "out"
    assert run(["translate", source, *map(str, paths), f"--out={out}"]) == 1
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "c.png"]
    said = capsys.readouterr()
    assert "2 images by" in said.out and said.err.count("\n") == 1
    assert f"left out: {paths[1]} is not a readable image" in said.err
    with pytest.raises(ValueError, match="b.png is not a readable image"):
        run(["translate", source, str(paths[1]), f"--out={out}"])


def test_refusals_of_the_command(shop, tmp_path):
    gan, pix = str(shop / "AsymmetricGAN"), str(shop / "Pix2Pix")
    make("Pix2Pix").save(tmp_path / "a.keras")
    (tmp_path / "empty").mkdir()
    picture = tmp_path / "x.png"
    Image.fromarray(np.zeros((4, 4), "uint8")).save(picture)
    for arguments, text in (
        (["translate"], r"takes SOURCE \[IMAGES...\], and was given nothing"),
        (["translate", gan, "--domain=3"], "0 to 2, or all"),
        (["translate", gan, "--domain=some"], "0 to 2, or all"),
        (["translate", gan, "--out=a.jpg"], "FILE.png or a folder"),
        (["translate", gan, "--batch_size=0"], "1 or more"),
        (["translate", gan, "--outline"], "give some, files or folders"),
        (["translate", gan, str(picture), "--outline"], "this takes color"),
        (["translate", pix, "--domain=0"], "has no domains"),
        (["translate", pix, str(tmp_path / "empty")], "no image files"),
        (["translate", str(tmp_path / "a.keras")], "only zoo entries bring examples"),
        (["translate", "osgan_digits"], "use keras-gans sample osgan_digits"),
        (["sample", gan], "use keras-gans translate"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            run([*arguments])
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="no nothing.png"):
        run(["translate", gan, "nothing.png"])


def test_the_list_goes_on_behind_a_damaged_entry(copy, capsys):
    assert run(["zoo", "list", f"--path={copy}"]) == 0
    capsys.readouterr()
    (copy / "AsymmetricGAN" / store.CARD).write_text("{}")
    assert run(["zoo", "list", f"--path={copy}"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("AsymmetricGAN") and "damaged: card.json of zoo entry" in first
    assert second.startswith("DecoupledCAAE") and "4x4x1" in second
