"""Restoration: operators against loops in NumPy, a tuning against PyTorch's, what stays as it was.

The reference of a tuning is written here from the papers: `torch.optim.Adam` with a group for each
block, autograd, and networks whose weights ours are converted from.
"""

import keras
import numpy as np
import pytest
from conftest import images, slow_on, to_numpy

import keras_gans
from keras_gans import models, networks, restoration
from keras_gans.networks.parts import generator_groups, image_features
from keras_gans.restoration import Downsample, Grayscale, Identity, Mask, Schedule, Tuner

torch = pytest.importorskip("torch")
import torch_biggan  # noqa: E402
from torch.nn import functional  # noqa: E402

from keras_gans import convert  # noqa: E402

CLASSES, LATENTS = 5, 12
STAGES = Schedule(
    steps=(3, 3),
    generator_rates=(2e-3, 1e-3),
    latent_rates=(2e-2, 1e-2),
    ratios=(0.7, 0.9),
    groups=(2, 4),
    features=(4, "all"),
    feature_weights=(1.0, 0.5),
    pixel_weights=(2.0, 3.0),
    latent_weight=0.2,
    candidates=8,
)


# ---------------------------------------------------------------- degradations


def lanczos_by_hand(image, factor):
    """Down, with the filter in two dimensions, a loop over small pixels; float64."""
    taps = [(k - (4 * factor - 1) / 2) / factor for k in range(4 * factor)]
    taps = np.array([np.sinc(d) * np.sinc(d / 2) for d in taps])
    kernel = np.outer(taps, taps)
    kernel /= kernel.sum()
    pad = 3 * factor // 2
    padded = np.pad(image.astype("float64"), ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    h, w = image.shape[0] // factor, image.shape[1] // factor
    small = np.zeros((h, w, image.shape[2]))
    for i in range(h):
        for j in range(w):
            y, x = i * factor, j * factor
            window = padded[y : y + 4 * factor, x : x + 4 * factor]
            small[i, j] = (kernel[..., None] * window).sum((0, 1))
    return small


def enlarged_by_hand(small, factor):
    h, w, _ = small.shape
    large = np.zeros((h * factor, w * factor, small.shape[2]))
    for i in range(h * factor):
        for j in range(w * factor):
            y, x = max((i + 0.5) / factor - 0.5, 0), max((j + 0.5) / factor - 0.5, 0)
            a, b = int(y), int(x)
            c, d = min(a + 1, h - 1), min(b + 1, w - 1)
            top = small[a, b] * (1 - x + b) + small[a, d] * (x - b)
            bottom = small[c, b] * (1 - x + b) + small[c, d] * (x - b)
            large[i, j] = top * (1 - y + a) + bottom * (y - a)
    return large


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_downsampling_is_lanczos_and_a_stride(factor):
    x = np.random.default_rng(factor).uniform(-1, 1, (2, 24, 32, 3)).astype("float32")
    down = Downsample(factor)
    small = to_numpy(down.small(x))
    wanted = np.stack([lanczos_by_hand(image, factor) for image in x])
    np.testing.assert_allclose(small, wanted, atol=1e-5)
    seen = np.stack([enlarged_by_hand(image, factor) for image in wanted])
    np.testing.assert_allclose(to_numpy(down(x)), seen, atol=1e-5)
    np.testing.assert_allclose(down.target(small), seen, atol=1e-5)
    # torch's, which is half-pixel as well
    by_torch = functional.interpolate(
        torch.tensor(wanted).permute(0, 3, 1, 2), scale_factor=factor, mode="bilinear"
    )
    np.testing.assert_allclose(seen, by_torch.permute(0, 2, 3, 1).numpy(), atol=1e-12)
    edge = np.where(np.arange(32) < 16, -1.0, 1.0) * np.ones((1, 24, 1))
    assert to_numpy(down.small(edge[..., None].astype("float32"))).max() > 1.01  # not clipped
    flat = np.full((1, 24, 32, 1), 0.3, "float32")
    np.testing.assert_allclose(to_numpy(down(flat)), flat, atol=1e-6)


def test_gray_and_hole():
    x = images(2, 6, 3)
    gray = to_numpy(Grayscale()(x))
    wanted = np.zeros(x.shape)
    for place in np.ndindex(2, 6, 6):
        r, g, b = x[place].astype("float64")
        wanted[place] = 0.2989 * r + 0.5870 * g + 0.1140 * b
    np.testing.assert_allclose(gray, wanted, atol=1e-6)
    np.testing.assert_array_equal(Grayscale().target(gray[..., :1]), gray)
    holes = np.zeros((2, 6, 6))
    holes[0, 1:3, 2:5], holes[1, 4, 4] = 1, 0.5
    seen = to_numpy(Mask(holes)(x))
    assert (seen[holes > 0] == 0).all() and (seen[holes == 0] == x[holes == 0]).all()
    np.testing.assert_array_equal(Mask(holes).target(x[1:], 1), seen[1:])
    np.testing.assert_array_equal(to_numpy(Identity()(x)), x)


# ------------------------------------------------------------------- the tuning


def pair(tmp_path, inr=False):
    """(G, D) in PyTorch with random weights, and ours with the same."""
    g = torch_biggan.Generator(32, 4, CLASSES, LATENTS, inr=inr, hidden=16).eval()
    d = torch_biggan.Discriminator(32, 4, 1, CLASSES).eval()
    torch_biggan.randomize(g, 2), torch_biggan.randomize(d, 1)
    torch.save(g.state_dict(), tmp_path / "G.pth"), torch.save(d.state_dict(), tmp_path / "D.pth")
    ours = convert.load_torch(tmp_path / "G.pth", tmp_path / "D.pth", verify=False)
    return (g, d), ours


def torch_features(d, x):
    """Every block's map, the last one behind its ReLU, and the sum over positions."""
    found = []
    for block in d.blocks:
        for layer in block:
            x = layer(x)
            found.append(x)
    found[-1] = torch.relu(found[-1])
    return [*found, found[-1].sum((2, 3))]


def torch_tuned(g, d, z, label, target, phi, schedule, shape=None):
    """(z, the image before the last step, losses) of the released loop."""
    z = torch.tensor(z, requires_grad=True)
    label = torch.tensor([label])
    target = torch.tensor(target).permute(0, 3, 1, 2)
    groups = [g.linear, *g.blocks]
    of_z = torch.optim.Adam([z], lr=1.0, betas=(0.0, 0.999))
    of_g = torch.optim.Adam([{"params": list(x.parameters())} for x in groups], betas=(0.0, 0.999))
    with torch.no_grad():
        wanted = torch_features(d, target)
    losses, step = [], 0
    for s, steps in enumerate(schedule.steps):
        many = len(wanted) if schedule.features[s] == "all" else schedule.features[s]
        of_z.param_groups[0]["lr"] = schedule.latent_rates[s]
        for i, group in enumerate(of_g.param_groups):
            rate = schedule.generator_rates[s] * schedule.ratios[s] ** i
            group["lr"] = rate if i < schedule.groups[s] else 0.0
        for _ in range(steps):
            of_z.zero_grad(), of_g.zero_grad()
            x = g(z, label, shape)
            seen = phi(x)
            found = torch_features(d, seen)
            feature = sum(functional.l1_loss(found[-i - 1], wanted[-i - 1]) for i in range(many))
            pixel = functional.mse_loss(seen, target)
            loss = (
                schedule.feature_weights[s] * feature
                + schedule.pixel_weights[s] * pixel
                + schedule.latent_weight * (z**2 / 2).mean()
            )
            loss.backward()
            of_z.step(), of_g.step()
            losses.append([loss.item(), feature.item(), pixel.item()])
            step += 1
    return z.detach().numpy(), x.detach().permute(0, 2, 3, 1).numpy(), np.array(losses)


def torch_gray(x):
    r, g, b = x[:, 0], x[:, 1], x[:, 2]
    return (0.2989 * r + 0.5870 * g + 0.1140 * b)[:, None].expand(-1, 3, -1, -1)


def tuned(tuner, z, target, label):
    tuner.restart(z)
    steps = [(to_numpy(x), losses) for x, losses in tuner.tune(target, label, 0)]
    losses = np.array([[x[k] for k in ("loss", "feature", "pixel")] for _, x in steps])
    return to_numpy(tuner.latents), steps[-1][0], losses


SLOW = () if keras.backend.backend() == "torch" else pytest.mark.slow


@pytest.mark.parametrize("task", ["reconstruct", pytest.param("color inr", marks=SLOW)])
def test_a_tuning_is_the_released_one(task, tmp_path):
    gray, shape = task.startswith("color"), (32, 40) if task.endswith("inr") else (32, 32)
    (g, d), ours = pair(tmp_path, task.endswith("inr"))
    before = [v.numpy() for x in ours for v in x.variables]
    target = images(2, 40, 3, seed=3)[:, : shape[0], : shape[1]]
    target = Grayscale().target(target) if gray else target
    degradation, phi = (Grayscale(), torch_gray) if gray else (Identity(), lambda x: x)
    tuner = Tuner(*ours, degradation, STAGES, shape, pooled="sum")
    z = np.random.default_rng(0).standard_normal((2, 1, LATENTS)).astype("float32") * 0.5
    state = {k: v.clone() for k, v in g.state_dict().items()}
    for i in range(2):  # the second one starts afresh, moments and all
        g.load_state_dict(state)
        wanted = torch_tuned(
            g, d, z[i], 3, target[i : i + 1], phi, STAGES, shape if shape[1] > 32 else None
        )
        found = tuned(tuner, z[i], target[i : i + 1], 3)
        np.testing.assert_allclose(found[2], wanted[2], rtol=1e-4)
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
        np.testing.assert_allclose(found[1], wanted[1], atol=1e-4)
        assert np.abs(found[0] - z[i]).max() > 5e-3  # it has moved
    # Groups 2 and 3 stood still in stage 1, not in stage 2; output and norms' statistics never.
    moved = {
        v.path: np.abs(v.numpy() - was).max()
        for v, was in zip(tuner.generator.variables, tuner._start, strict=True)
    }
    for path, distance in moved.items():
        trains = path.endswith(("kernel", "bias", "gain/kernel")) and "output" not in path
        assert (distance > 0) == (trains and "head" not in path), path
    for old, v in zip(before, [v for x in ours for v in x.variables], strict=True):
        np.testing.assert_array_equal(old, v.numpy())


def test_features_are_the_released_ones(tmp_path):
    (_, d), (_, ours) = pair(tmp_path)
    x = images(2, 32, 3)
    with torch.no_grad():
        wanted = torch_features(d, torch.tensor(x).permute(0, 3, 1, 2))
    network, names = image_features(ours)
    assert names == ["block 0", "block 1", "block 2", "block 3", "pooled"]
    for found, map_ in zip(network(x, training=False), wanted, strict=True):
        map_ = map_.permute(0, 2, 3, 1).numpy() if map_.ndim == 4 else map_.numpy()
        scale = np.abs(map_).max()
        np.testing.assert_allclose(to_numpy(found) / scale, map_ / scale, atol=1e-5)


@slow_on("tensorflow", "jax")
def test_candidates_are_compared_by_the_last_three_features(tmp_path):
    (g, d), ours = pair(tmp_path)
    tuner = Tuner(*ours, Grayscale(), STAGES, (32, 32))
    target = Grayscale().target(images(1, 32, 3, seed=5))
    z, label = tuner.choose(target, None, CLASSES, 7, 0)
    random = np.random.default_rng(7)
    drawn = (random.standard_normal((8, LATENTS)) * 0.5).astype("float32")
    labels = random.integers(0, CLASSES, 8)
    with torch.no_grad():
        wanted = torch_features(d, torch.tensor(target).permute(0, 3, 1, 2))
        seen = torch_features(d, torch_gray(g(torch.tensor(drawn), torch.tensor(labels))))
    distances = [
        sum(functional.l1_loss(f[i], w[0]) for f, w in zip(seen[-3:], wanted[-3:], strict=True))
        for i in range(8)
    ]
    best = int(np.argmin(distances))
    np.testing.assert_array_equal(z, drawn[best : best + 1])
    assert label == labels[best]


@slow_on("tensorflow", "jax")
def test_groups_and_features_by_kind_of_network():
    def sizes(network, **options):
        network.trainable = True
        return [len(x) for x in generator_groups(network, **options)]

    g, d = networks.biggan(64, width=1, num_classes=3, attention=16, init="normal")
    # A block: 2 norms of 2 kernels, 3 convolutions with biases; block 2 and its attention: 5 more.
    assert sizes(g) == [2, 10, 15, 10, 10]
    assert sizes(g, embedding=True)[0] == 3 and sizes(g, head=True)[-1] == 4
    assert image_features(d)[1] == [
        "block 0", "block 1", "attention 1", "block 2", "block 3", "block 4", "pooled",
    ]  # fmt: skip
    g, d = networks.dcgan(32, 3, 8, num_classes=3)
    assert (
        sizes(g) == [1, 3, 3] and sizes(g, embedding=True)[0] == 2 and len(sizes(g, head=True)) == 4
    )
    assert image_features(d)[1] == ["block 0", "block 1", "block 2"]
    g, d = networks.dcgan(32, 3, 8, head="inr", norm="spectral", d_norm="group")
    assert sizes(g) == [2, 2, 2, 2] and sizes(g, head=True)[-1] == 6
    inner, outer = (image_features(d)[0](images(1, n, 3), training=False) for n in (32, 48))
    assert outer[-1].shape[1:3] == (6, 6) and inner[-1].shape[1:3] == (4, 4)
    g, d = networks.wgan_gp_resnet(32, width=4)
    assert len(sizes(g)) == 4 and image_features(d)[1][-1] == "pooled"
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)], name="mine")
    with pytest.raises(ValueError, match="no blocks"):
        generator_groups(keras.Sequential([keras.Input((4,)), keras.layers.ReLU()]))
    with pytest.raises(ValueError, match="'mine' has no blocks"):
        image_features(dense)


# ------------------------------------------------------------ a model's restore

SHORT = restoration.schedule("compact").changed(steps=(2, 2), **{
    n: getattr(restoration.schedule("compact"), n)[:2]
    for n in ("generator_rates", "latent_rates", "ratios", "groups", "features",
              "feature_weights", "pixel_weights")
}, candidates=3)  # fmt: skip


@pytest.fixture(scope="module")
def small():
    g, d = networks.dcgan(16, 3, 4, norm="batch", d_norm="spectral", latent_dim=6, num_classes=3,
                          d_head="omni", head="inr")  # fmt: skip
    return models.OmniINRGAN(g, d, num_classes=3, ema=0.9)


@slow_on("tensorflow", "jax")
def test_a_model_restores_and_stays_as_it_was(small, tmp_path, monkeypatch):
    before = [to_numpy(v).copy() for v in small.variables]
    gray = images(2, 24, 1)[:, :16]
    made = small.restore(gray, "color", schedule=SHORT, labels=[2, 0], moments=2, verbose=0)
    assert made.images.shape == made.raw.shape == made.given.shape == (2, 16, 24, 3)
    assert made.moments.shape == (2, 2, 16, 24, 3) and made.labels.tolist() == [2, 0]
    light = keras_gans.data.color.rgb_to_lab(made.images)
    assert np.abs(light[..., 0] - keras_gans.data.color.rgb_to_lab(made.given)[..., 0]).mean() < 3
    gray_of_raw = to_numpy(Grayscale()(made.raw))
    residual = np.sqrt(np.square(gray_of_raw - made.given).mean((1, 2, 3)))
    np.testing.assert_allclose(made.residual, residual, rtol=1e-4)
    # Each image by itself, in whatever company.
    alone = small.restore(gray[1], "color", schedule=SHORT, labels=0, verbose=0)
    np.testing.assert_allclose(alone.raw[0], made.raw[1], atol=2e-3)
    rendered = made.render((30, 20), indices=[1])
    wanted = models.sampling.images_of(
        made.generator(1), made.latents[1:], made.labels[1:], 3, None, (30, 20)
    )
    np.testing.assert_allclose(rendered, wanted, atol=1e-6)
    made.save(tmp_path / "folder", generators=True)
    names = sorted(p.name for p in (tmp_path / "folder").iterdir())
    assert names == ["generator_0.keras", "generator_1.keras", "image_0.png", "image_1.png",
                     "restoration.npz", "strip.png"]  # fmt: skip
    # A step that fails, and Ctrl-C.
    for error in (RuntimeError, KeyboardInterrupt):

        def fail(*arguments, error=error):
            raise error("now")

        monkeypatch.setattr(restoration.restoring._Progress, "update", fail)
        with pytest.raises(error):
            small.restore(gray, "color", schedule=SHORT, verbose=0)
    for old, v in zip(before, small.variables, strict=True):
        np.testing.assert_array_equal(old, to_numpy(v))


def test_bad_input_in_one_line(small):
    color = images(1, 16, 3)
    hole = np.zeros((16, 16))
    hole[:4] = 1
    cases = [
        (color, "sr", {"factor": 3}, "factor is 3; expected an even integer"),
        (color, "inpaint", {}, 'The task "inpaint" needs a mask'),
        (color, "inpaint", {"mask": hole[:8]}, "The mask is 8x16, the images are 1 of 16x16"),
        (color, "inpaint", {"mask": 0 * hole}, "covers nothing"),
        (color, "colour", {}, "did you mean 'color'"),
        (color, "reconstruct", {"labels": 3}, "expected 0 to 2"),
        (color[..., :1], "sr", {}, "images are gray"),
        (color * np.nan, "color", {}, "NaN"),
        (color * 127, "color", {}, "expected floats in [-1, 1]"),
        ((color * 127).astype("int32"), "color", {}, "images are int32"),
        (color[0, 0], "color", {}, "images have shape (16, 3)"),
        (color[:, :3, :3], "reconstruct", {}, "expected 4"),
        (color, "color", {"schedule": "compct"}, "did you mean 'compact'"),
        (color, "color", {"schedule": SHORT.changed(norm="instance")}, "no class-conditional"),
        (color, "color", {"pooled": "mean"}, "pooled is 'mean'"),
        (color, "color", {"seed": -1}, "seed is -1"),
        (color, "color", {"mask": hole}, 'use task="inpaint"'),
    ]
    for given, task, options, said in cases:
        with pytest.raises(ValueError) as error:
            small.restore(given, task, verbose=0, **{"schedule": SHORT, **options})
        assert said in str(error.value) and "\n" not in str(error.value), (said, error.value)
    with pytest.raises(ValueError, match="smaller than the factor"):
        Downsample(8).degrade(color[:, :4, :4])
    g, d = networks.dcgan(16, 1, 4)
    model = models.GAN(g, d)
    with pytest.raises(ValueError, match="colors need one of 3"):
        model.restore(images(1, 16), "color")
    with pytest.raises(ValueError, match="images of 4x4 only"):
        model.restore(images(1, 16), "sr")
    with pytest.raises(ValueError, match="leave labels out"):
        model.restore(images(1, 16), labels=0)


def test_schedules():
    color = restoration.schedule("color")
    assert color.total == 1400
    np.testing.assert_allclose(color.rates(2, 6), [5e-5 * 0.8**i if i < 4 else 0 for i in range(6)])
    assert color.chosen(0, 8) == [0] + [1] * 7  # without block 0 at 128 pixels
    assert restoration.schedule("color_256").chosen(0, 9) == [0, 0] + [1] * 7
    assert restoration.schedule("color_256").chosen(0, 5) == [1] * 5
    assert restoration.schedule("sr_d_256").rates(4, 7) == [1e-5] * 7
    assert restoration.schedule("inpainting").tune_embedding
    for wrong in ({"steps": (1, 0)}, {"groups": (1, 2, 3)}, {"features": "some"}, {"std": -1},
                  {"norm": "layer"}, {"ratios": float("nan")}):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(wrong))):
            STAGES.changed(**wrong)


@slow_on("jax")
def test_measures_of_the_published_tables():
    real, fake = images(2, 12, 3, seed=1), images(2, 12, 3, seed=2)
    found = keras_gans.metrics.ssim_dgp(real, fake)
    x, y = (real.astype("float64") + 1) / 2, (fake.astype("float64") + 1) / 2
    wanted = np.zeros((2, 3, 6, 6))
    for b, c, i, j in np.ndindex(wanted.shape):
        u, v = (z[b, i : i + 7, j : j + 7, c].ravel() for z in (x, y))
        (uu, uv), (_, vv) = np.cov(u, v)
        light = (2 * u.mean() * v.mean() + 4e-4) / (u.mean() ** 2 + v.mean() ** 2 + 4e-4)
        wanted[b, c, i, j] = light * (2 * uv + 3.6e-3) / (uu + vv + 3.6e-3)
    np.testing.assert_allclose(found, wanted.mean((1, 2, 3)), rtol=1e-9)
    # Red, green and blue of sRGB in CIE Lab (D65), as colorimetry's tables have them.
    lab = keras_gans.data.color.rgb_to_lab(np.eye(3) * 2 - 1)
    known = [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(lab, known, atol=0.02)
    np.testing.assert_allclose(
        keras_gans.data.color.lab_to_rgb(keras_gans.data.color.rgb_to_lab(real)), real, atol=1e-4
    )
    red, green = (np.ones((1, 1, 1, 3)) * (2 * np.eye(3)[i] - 1) for i in (0, 1))
    distance = np.hypot(80.09 + 86.18, 67.20 - 83.18)
    np.testing.assert_allclose(keras_gans.metrics.ab_error(red, green), distance, atol=0.05)
    assert keras_gans.metrics.ab_error(real, real).max() == 0


@slow_on("tensorflow", "jax")
def test_instance_norms_start_with_the_image_of_the_batch_norms(tmp_path):
    """Measured on the first image, which stays as it was where 1 + gain(y) > 0."""
    g, d = networks.biggan(32, width=4, num_classes=3, latent_dim=6)
    schedule = STAGES.changed(norm="instance")
    tuner = Tuner(g, d, Identity(), schedule, (32, 32))
    z = np.random.default_rng(0).standard_normal((1, 6)).astype("float32")
    target = images(1, 32, 3)
    tuner.restart(z)
    first, _ = next(tuner.tune(target, 1, 0))
    wanted = to_numpy(g([z, np.array([1], "int32")], training=False))
    # Unbiased over biased deviation: at 4x4 pixels 16 / 15, so it is not quite the same.
    assert 1e-6 < np.abs(to_numpy(first) - wanted).max() < 0.05
    scales = [norm.scale.numpy() for norm in tuner._norms]
    list(tuner.tune(target, 1, 0))
    assert len(scales) == 6 and all(np.abs(s - 1).max() > 1e-3 for s in scales)


@slow_on("tensorflow", "jax")
def test_the_mask_of_a_cropped_image_and_gray_files_among_others(cli, tmp_path, monkeypatch):
    from PIL import Image

    g, d = networks.dcgan(16, 3, 4, latent_dim=6)
    models.GAN(g, d).save(tmp_path / "faces.keras")
    monkeypatch.chdir(tmp_path)
    for name in ("compact_color", "compact"):
        monkeypatch.setitem(restoration.SCHEDULES, name, SHORT)
    (tmp_path / "old").mkdir()
    for name, size in (("a", (24, 32, 3)), ("b", (24, 32)), ("c", (20, 20))):
        pixels = np.random.default_rng(0).integers(0, 255, size, "uint8")
        Image.fromarray(pixels).save(f"old/{name}.png")
    hole = np.zeros((24, 32), "uint8")
    hole[:, :16] = 255
    Image.fromarray(hole).save("hole.png")
    line = ["restore", "faces.keras"]
    status, _, error = cli(*line, "old/a.png", "--task=inpaint", "--mask=hole.png", "--seeds=2")
    assert status == 0, error
    given = np.asarray(Image.open("restored.png"))[2:18, 2:18]
    assert (given[:, :8] == 128).all() and (given[:, 8:] != 128).any()
    status, _, error = cli(*line, "old/c.png", "--task=inpaint", "--mask=hole.png")
    assert status == 2 and "the mask is 24x32, of another shape" in error
    status, out, error = cli(*line, "old", "--task=color", "--out=color.png")
    assert status == 0, error
    # All three are in one picture.
    assert "color.png: 3 images" in out
    assert Image.open("color.png").size == (2 * 18 + 2, 3 * 18 + 2)


@slow_on("tensorflow", "jax")
def test_command_line(small, cli, tmp_path, monkeypatch):
    from PIL import Image

    from keras_gans.cli import restore

    small.save(tmp_path / "faces.keras")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(restoration.SCHEDULES, "compact_color", SHORT)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 24), "uint8")).save("old.png")
    status, out, error = cli(
        "restore", "faces.keras", "old.png", "--task=color", "--seeds=2", "--label=1",
        "--render=20x30", "--strip=way.png", "--out=made.png",
    )  # fmt: skip
    assert status == 0, error
    assert "1 images; from the left: given, 2 restored" in out and "residual" in out
    names = {p.name for p in tmp_path.glob("*.png")}
    assert names == {"old.png", "made.png", "way.png", "old_0_20x30.png", "old_1_20x30.png"}
    assert Image.open("made.png").size == (3 * 26 + 2, 20)
    assert restore.COMMAND.help().count("--") > 9
    for arguments, said in (
        (["--task=sr", "--factor=3"], "factor is 3; expected an even integer"),
        (["--task=sr", "--factor=32"], "is smaller than the factor, 32"),
        (["--task=reconstruct"], "images are gray"),
        (["--task=paint"], "Unknown task 'paint'"),
        (["--task=color", "--label=7"], "expected 0 to 2"),
        (["--seeds=0"], "--seeds is 0"),
        (["--schedule=fast", "--task=color"], "Unknown schedule 'fast'"),
    ):
        status, _, error = cli("restore", "faces.keras", "old.png", *arguments)
        assert status == 2 and said in error and error.count("\n") == 1, (said, error)
