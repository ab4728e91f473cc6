"""The local gradient amplifier against float64 NumPy, and the sentence that it comes from."""

import io
import pathlib
import re

import keras
import numpy as np
import pytest
from conftest import images, slow_module, slow_on, to_numpy
from keras import layers, ops
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from keras_gans import losses, models, networks
from keras_gans.callbacks import TensorBoard
from keras_gans.data.images import image_grid
from keras_gans.losses import LocalGradientAmplifier
from keras_gans.models.lga import CONFIGURATIONS
from keras_gans.training import StepRandom, vjp

pytestmark = slow_module("jax")

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A of Y, written from the paper: Eq. 13 and its other readings, plain and zero
MAPS = {
    ("literal", "plain"): lambda y: np.minimum(y, 1),
    ("literal", "zero"): lambda y: np.minimum(y, 0),
    ("magnitude", "plain"): lambda y: np.abs(np.minimum(y, 1)),
    ("magnitude", "zero"): lambda y: np.maximum(-y, 0),
    ("margin", "plain"): lambda y: 2 - np.minimum(y, 1),
    ("margin", "zero"): lambda y: np.maximum(-y, 0),
}
NAMES = [f"{a}-{v}" for a, v in MAPS]


def parts(name):
    amplification, variant = name.split("-")
    return {"amplification": amplification, "variant": variant}, MAPS[amplification, variant]


def gradient(loss, scores):
    """The gradient of a summed loss for the scores."""
    value, pullback = vjp(lambda y: loss.call(y, y), (), [ops.convert_to_tensor(scores)])
    return to_numpy(value), to_numpy(pullback(ops.ones_like(value), wrt="inputs")[1][0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 4, 4, 1), (6, 1)])
def test_values_and_gradients(name, shape):
    arguments, of = parts(name)
    y = (3 * np.random.default_rng(0).standard_normal(shape)).astype("float32")
    y.flat[:5] = [-3, -1, 0, 0.5, 1]
    exact = y.astype("float64")
    value, found = gradient(LocalGradientAmplifier(**arguments), y)
    axes = tuple(range(1, len(shape)))
    np.testing.assert_allclose(value, -(exact * of(exact)).mean(axes), rtol=1e-5, atol=1e-6)
    # Eq. 15: the map is held constant, so no term of its own gradient.
    np.testing.assert_allclose(found, -of(exact) / np.prod(shape[1:]), rtol=1e-5, atol=1e-7)


REGIONS = np.array([-3, -1, 0, 0.5, 1, 3], "float32")  # from unrealistic to realistic


def push(**arguments):
    """How far one step of descent of unit rate moves each region's score upwards.

    Plain hinge, L_G = -mean(Y), moves each by 1.
    """
    _, found = gradient(LocalGradientAmplifier(**arguments), REGIONS[None, :, None, None])
    return -found[0, :, 0, 0] * len(REGIONS)


def test_gradient_of_unrealistic_region_is_amplified_of_realistic_region_is_sustained():
    """The paper's sentence (Sec. 1), to which "margin" alone keeps at every Y."""
    moved = push(amplification="margin")
    np.testing.assert_allclose(moved, [5, 3, 2, 1.5, 1, 1])
    unrealistic, realistic = REGIONS < 1, REGIONS >= 1
    assert (moved[unrealistic] > 1).all() and (moved[realistic] == 1).all()
    assert (np.diff(moved) <= 0).all()  # the more unrealistic, the more amplified


def test_the_literal_map_makes_unrealistic_regions_worse():
    """Eq. 13 as it stands: down where Y < 0, the more the worse the region is."""
    np.testing.assert_allclose(push(amplification="literal"), [-3, -1, 0, 0.5, 1, 1])
    y = -2.0
    for _ in range(60):  # plain descent of rate 0.05 on the score itself
        y += (
            0.05
            * to_numpy(
                LocalGradientAmplifier(amplification="literal").amplification_map([y])
            ).item()
        )
    assert y < -30


def test_the_magnitude_map_leaves_regions_at_zero_alone():
    moved = push(amplification="magnitude")
    np.testing.assert_allclose(moved, [3, 1, 0, 0.5, 1, 1])
    assert moved[REGIONS == 0] == 0 and (moved >= 0).all()


def test_zero_blocks_the_gradient_of_realistic_regions():
    """Sec. 4.1: "completely blocked" where Y > 0; unrealistic ones move up by how bad they are."""
    for amplification in ("magnitude", "margin"):
        moved = push(variant="zero", amplification=amplification)
        np.testing.assert_allclose(moved, [3, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(push(variant="zero", amplification="literal"), [-3, -1, 0, 0, 0, 0])


def test_low_precision_scores_reductions_and_config():
    y = ops.cast(ops.convert_to_tensor(REGIONS[None]), "bfloat16")
    loss = LocalGradientAmplifier(reduction=None)(y, y)
    assert loss.shape == (1,) and keras.backend.standardize_dtype(loss.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(loss), [-(REGIONS * [5, 3, 2, 1.5, 1, 1]).mean()])
    clone = keras.losses.deserialize(
        keras.losses.serialize(LocalGradientAmplifier("zero", "literal", reduction="sum"))
    )
    assert (clone.variant, clone.amplification, clone.reduction) == ("zero", "literal", "sum")
    with pytest.raises(ValueError, match="Unknown variant 'zeros' .did you mean 'zero'"):
        LocalGradientAmplifier("zeros")
    with pytest.raises(ValueError, match="Unknown amplification 'margins'"):
        losses.LGA(amplification="margins")


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_is_hinge_for_d_and_the_amplifier_for_g(name):
    arguments, of = parts(name)
    objective = losses.get(keras.saving.serialize_keras_object(losses.LGA(**arguments)))
    rng = np.random.default_rng(1)
    real, fake = (2 * rng.standard_normal((3, 4, 4, 1)) for _ in range(2))
    as32 = [ops.convert_to_tensor(s.astype("float32")) for s in (real, fake)]
    d_loss = (np.maximum(0, 1 - real) + np.maximum(0, 1 + fake)).mean((1, 2, 3))
    np.testing.assert_allclose(to_numpy(objective.discriminator.call(*as32)), d_loss, rtol=1e-5)
    g_loss = -(fake * of(fake)).mean((1, 2, 3))
    np.testing.assert_allclose(to_numpy(objective.generator.call(*as32)), g_loss, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(objective.amplification_map(as32[1])), of(fake), rtol=1e-5)
    assert not objective.symmetric


def test_the_adversarial_score_of_a_classifier_can_be_amplified():
    """AC-GAN's map of scores [classes..., adversarial]: the last one's gradient is LGA's."""
    objective = losses.ACGAN(adversarial="lga").given(np.array([0, 2]))
    y = np.random.default_rng(2).standard_normal((2, 4, 4, 4)).astype("float32")
    value, pullback = vjp(
        lambda s: objective.generator.call(s, s), (), [ops.convert_to_tensor(2 * y)]
    )
    found = to_numpy(pullback(ops.ones_like(value), wrt="inputs")[1][0])[..., 3]
    np.testing.assert_allclose(found, -MAPS["margin", "plain"](2 * y[..., 3]) / 16, rtol=1e-5)


def test_conditional_models_have_maps_too():
    pair = networks.dcgan(8, 1, 4, latent_dim=3, num_classes=2)
    model = models.GAN(*pair, objective="lga", num_classes=2)
    x, labels = images(3, 8), np.array([0, 1, 1], "int32")
    scores = to_numpy(model.discriminator([x, labels])).astype("float64")
    found = model.amplification_maps(x, labels)
    np.testing.assert_allclose(found[..., 0], MAPS["margin", "plain"](scores), rtol=1e-5)


# Steps, on networks whose gradients fit in a few lines: x = z V, Y = w on each 2x2 patch of x.

LATENTS, BATCH, RATE = 3, 4, 0.05


def tiny(seed=0):
    rng = np.random.default_rng(seed)
    latents, pixels = keras.Input((LATENTS,)), keras.Input((4, 4, 1))
    dense, conv = layers.Dense(16, use_bias=False), layers.Conv2D(1, 2, 2, use_bias=False)
    generator = keras.Model(latents, layers.Reshape((4, 4, 1))(dense(latents)))
    discriminator = keras.Model(pixels, conv(pixels))
    dense.kernel.assign(rng.standard_normal((LATENTS, 16)))
    conv.kernel.assign(rng.standard_normal((2, 2, 1, 1)))
    return generator, discriminator


def given(cls, noise):
    """The method with these latents, in turn."""

    class Given(cls):
        def latents(self, count):
            return ops.convert_to_tensor(next(self._noise))

    Given._noise = iter(noise)
    return Given


def patches(x):
    """(B, 4, 4, 1) -> (B, 4 regions, 4 pixels)."""
    x = np.asarray(x, "float64").reshape(-1, 2, 2, 2, 2)
    return x.transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4)


def d_gradient(w, real, fake, penalty):
    """Of the hinge on four regions, and of penalty * (|grad of the SUM of the map| - 1)^2.

    That gradient is w on each of the four patches, wherever it is taken: its norm is 2 |w|.
    """
    of_real = -(patches(real) * (patches(real) @ w < 1)[..., None]).mean((0, 1))
    of_fake = (patches(fake) * (patches(fake) @ w > -1)[..., None]).mean((0, 1))
    norm = np.linalg.norm(w)
    return of_real + of_fake + penalty * 2 * (2 * norm - 1) * 2 * w / norm


def g_gradient(v, w, z, of):
    y = patches((z @ v).reshape(-1, 4, 4, 1)) @ w  # (B, 4)
    of_patches = (-of(y) / y.size)[..., None] * w
    of_pixels = of_patches.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16)
    return z.T @ of_pixels


SLOW = [pytest.param(n, marks=slow_module("jax", "tensorflow")) for n in NAMES[1:4]]


@pytest.mark.parametrize("name", ["margin-plain", "literal-plain", *SLOW])
def test_a_step_is_numpy_s(name):
    arguments, of = parts(name)
    noise = np.random.default_rng(3).standard_normal((3, BATCH, LATENTS)).astype("float32")
    real = images(2 * BATCH, 4)
    networks = tiny()
    model = given(models.LGAGAN, noise)(
        *networks,
        objective=losses.LGA(**arguments),
        d_steps=2,
        penalty=losses.GradientPenalty(0.3),
    )
    v, w = (n.get_weights()[0].astype("float64") for n in networks)
    w = w.ravel()
    model.compile({n: keras.optimizers.SGD(RATE) for n in model.players})
    model.fit(real, batch_size=2 * BATCH, shuffle=False, verbose=0)
    for i in range(2):
        w -= RATE * d_gradient(w, real[i::2], (noise[i] @ v).reshape(-1, 4, 4, 1), 0.3)
    v -= RATE * g_gradient(v, w, noise[2], of)
    np.testing.assert_allclose(networks[1].get_weights()[0].ravel(), w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(networks[0].get_weights()[0], v, rtol=1e-5, atol=1e-6)


def test_a_one_stage_step_is_numpy_s_with_a_separate_seam():
    """Both gradients at the same weights; a map's regions differ in gamma."""
    noise = np.random.default_rng(4).standard_normal((1, BATCH, LATENTS)).astype("float32")
    real, networks = images(BATCH, 4), tiny(1)
    model = given(models.OSGAN, noise)(*networks, objective="lga")
    assert model.seam == "separate"
    v, w = (n.get_weights()[0].astype("float64") for n in networks)
    w = w.ravel()
    model.compile({n: keras.optimizers.SGD(RATE) for n in model.players})
    model.fit(real, batch_size=BATCH, shuffle=False, verbose=0)
    d_step = RATE * d_gradient(w, real, (noise[0] @ v).reshape(-1, 4, 4, 1), 0.0)
    g_step = RATE * g_gradient(v, w, noise[0], MAPS["margin", "plain"])
    np.testing.assert_allclose(networks[1].get_weights()[0].ravel(), w - d_step, rtol=1e-5)
    np.testing.assert_allclose(networks[0].get_weights()[0], v - g_step, rtol=1e-5, atol=1e-6)


def test_the_penalty_of_a_map_is_that_of_its_sum_and_can_be_that_of_its_mean():
    d = tiny()[1]
    real, fake = (ops.convert_to_tensor(images(2, 4, seed=s)) for s in (0, 1))
    norm = np.linalg.norm(d.get_weights()[0])

    def value(*arguments):
        penalty = losses.GradientPenalty(*arguments)
        return to_numpy(penalty(d, real, fake, StepRandom(0, 0)))

    np.testing.assert_allclose(value(3.0), 3 * (2 * norm - 1) ** 2, rtol=1e-5)
    of_mean = 3 * (2 * norm / 4 - 1) ** 2
    np.testing.assert_allclose(value(3.0 / 4**2, 4.0), of_mean, rtol=1e-5)


# The paper's rows


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configurations_are_the_paper_s(name):
    """Sec. 4.1 and the rows of Tables 1 and 2."""
    model = models.LGAGAN.configuration(name, width=2, seed=3)
    size = {"4x4": (4, 4, 1), "8x8": (8, 8, 1)}.get(name[-3:], (1,))
    size = (4, 4, 1) if name == "sngan_lga" else size
    assert model.discriminator.output_shape[1:] == size
    assert model.d_steps == 5 and model.seed == 3
    objective = "lga" if "lga" in name else "wasserstein" if name == "wgan_gp" else "hinge"
    assert model.objective.name == objective
    if objective == "lga":
        expected = {"variant": "zero" if "zero" in name else "plain", "amplification": "margin"}
        assert expected.items() <= model.objective.get_config().items()
    weight = None if name.startswith(("sngan", "geogan")) else 10 if name == "wgan_gp" else 1
    assert (model.penalty and model.penalty.weight) == weight
    assert model.clip == (0.01 if name == "geogan" else None)
    spectral = any("Spectral" in type(x).__name__ for x in model.discriminator.layers)
    assert spectral == name.startswith("sngan")
    model.compile()
    for optimizer in model.optimizer.players.values():
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.9)


def test_what_lga_gan_refuses():
    with pytest.raises(ValueError, match="one score for all of it: build it with score_map=4"):
        models.LGAGAN(*networks.dcgan(16, 1, 4))
    with pytest.raises(ValueError, match="Unknown configuration 'wgan_gp_lga' .did you mean"):
        models.LGAGAN.configuration("wgan_gp_lga")
    with pytest.raises(ValueError, match="'hinge' amplifies nothing"):
        models.GAN(*tiny(), objective="hinge").amplification_maps(images(2, 4))


def test_tensorboard_shows_the_maps_beside_the_samples(tmp_path):
    """The picture against the map computed here; every region as large as its part of the image."""
    model = models.LGAGAN(*tiny())
    model.compile()
    model.fit(
        images(8, 4), batch_size=4, verbose=0, callbacks=[TensorBoard(tmp_path, samples=5, seed=2)]
    )
    events = event_accumulator.EventAccumulator(str(tmp_path), {"images": 0, "scalars": 0})
    events.Reload()
    assert sorted(events.Tags()["images"]) == ["amplification", "samples"]
    (event,) = events.Images("amplification")
    assert event.step == 2
    samples = model.generate(5, seed=2)
    w = model.discriminator.get_weights()[0].astype("float64").ravel()
    maps = MAPS["margin", "plain"](patches(samples) @ w).reshape(5, 2, 2)
    for name, value in (("lowest", maps.min()), ("mean", maps.mean()), ("highest", maps.max())):
        (point,) = events.Scalars(f"amplification/{name}")
        assert point.step == 2 and point.value == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(model.amplification_maps(samples), maps, rtol=1e-4)
    shown = 255 * (maps - maps.min()) / (maps.max() - maps.min())
    shown = np.rint(np.kron(shown, np.ones((2, 2)))).astype("uint8")
    expected = np.concatenate([image_grid(samples), image_grid(shown[..., None])], axis=1)
    picture = np.array(Image.open(io.BytesIO(event.encoded_image_string)))
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 1


@slow_on("tensorflow", "jax")
def test_the_code_of_the_page(monkeypatch, tmp_path, capsys):
    """`docs/lga.md`, and its table of steps."""
    page = (ROOT / "docs" / "lga.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    exec(compile(code, "lga.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["5 1.0 (None, 4, 4, 1)", "separate (2, 4, 4)"]
    for name in ("literal", "magnitude", "margin"):
        (row,) = re.findall(rf"^\| {name} \| (.*) \|$", page, re.MULTILINE)
        np.testing.assert_allclose([float(x) for x in row.split("|")], push(amplification=name))
