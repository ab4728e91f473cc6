"""Training steps of Omni-GAN and BigGAN against PyTorch's, written out with `torch.optim.Adam`."""

import itertools

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy
from keras import ops

torch = pytest.importorskip("torch")
import torch_biggan  # noqa: E402

from keras_gans import convert, models, networks  # noqa: E402
from keras_gans.convert import architecture, mapping  # noqa: E402
from keras_gans.training import AdamL2  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")

CLASSES, WIDTH, LATENTS, BATCH = 5, 4, 12, 4
# The published rate; L2 terms far above the published ones, which two steps would not show.
RATE, L2 = 2e-4, {"generator": 2.0, "discriminator": 5.0}


def omni_loss(scores, positive, negative):
    """Eq. 5 with sets of scores: (B, n) masks."""
    zero = torch.zeros(len(scores), 1)

    def side(s, mask):
        return torch.logsumexp(torch.cat([zero, s.masked_fill(~mask, -1e9)], 1), 1)

    return (side(scores, negative) + side(-scores, positive)).mean()


def losses(method, scores, labels, role):
    """L of one batch of scores; role "real" or "fake" in D's loss, "generator" in G's."""
    if method == "biggan":
        hinge = {"real": 1 - scores, "fake": 1 + scores}
        return -scores.mean() if role == "generator" else hinge[role].relu().mean()
    members = torch.zeros(len(scores), CLASSES + 2, dtype=torch.bool)
    members[torch.arange(len(labels)), labels] = True
    members[:, CLASSES] = True  # its class, and "real"
    none = torch.zeros_like(members)
    if method == "one_sided":
        return omni_loss(scores, *((none, members) if role == "fake" else (members, none)))
    if role == "fake":
        members = none.clone()
        members[:, CLASSES + 1] = True
    return omni_loss(scores, members, ~members)


def torch_step(method, g, d, optimizers, real, labels, noise, d_steps):
    """D's updates, then G's; all in training mode. Returns losses and norms of the gradients."""
    noise, logs = iter(noise), {}

    def update(player, network, loss):
        optimizers[player].zero_grad()
        loss.backward()
        norm = sum(p.grad.square().sum() for p in network.parameters()).sqrt()
        for name, value in (("loss", loss), ("grad_norm", norm)):
            logs.setdefault(f"{player[0]}_{name}", []).append(value.item())
        optimizers[player].step()

    for i in range(d_steps):
        x, y = real[i::d_steps], labels[i::d_steps]
        with torch.no_grad():
            fake = g(next(noise), y)
        scores = d(torch.cat([fake, x]), torch.cat([y, y]))
        d_loss = losses(method, scores[: len(fake)], y, "fake") + losses(
            method, scores[len(fake) :], y, "real"
        )
        update("discriminator", d, d_loss)
    update("generator", g, losses(method, d(g(next(noise), y), y), y, "generator"))
    return {name: np.mean(values) for name, values in logs.items()}


def given_noise(cls, noise):
    """The method with these latents, in turn, in every step."""

    class Given(cls):
        def latents(self, count):
            return ops.convert_to_tensor(next(self._noise))

    Given._noise = itertools.cycle(noise)
    return Given


def differences(network, source, form, weights):
    """Largest difference of a weight, and of a buffer (u, statistics), from the source's."""
    expected = {k: v.detach().numpy() for k, v in source.state_dict().items()}
    largest = {True: 0.0, False: 0.0}
    for variable, name, kind in weights(network, form):
        wanted = mapping._KINDS[kind][1](expected[name], tuple(variable.shape))
        found = float(np.abs(to_numpy(variable) - wanted).max())
        largest[variable.trainable] = max(largest[variable.trainable], found)
    return largest[True], largest[False]


SLOW_ON_JAX = [pytest.mark.slow] if keras.backend.backend() == "jax" else []
METHODS = {
    "omni": (models.OmniGAN, {"variant": "omni"}),
    "one_sided": (models.OmniGAN, {"variant": "one_sided"}),
    "biggan": (models.BigGAN, {}),
}


@pytest.mark.parametrize(
    "method, d_steps",
    [
        ("omni", 1),
        pytest.param("one_sided", 2, marks=SLOW_ON_JAX),
        pytest.param("biggan", 1, marks=SLOW_ON_JAX),
    ],
)
def test_steps_are_pytorch_s(method, d_steps, tmp_path):
    g = torch_biggan.Generator(32, WIDTH, CLASSES, LATENTS)
    classes, scores = (CLASSES, 1) if method == "biggan" else (None, CLASSES + 2)
    d = torch_biggan.Discriminator(32, WIDTH, scores, classes)
    torch.save(g.state_dict(), tmp_path / "G.pth")
    torch.save(d.state_dict(), tmp_path / "D.pth")
    networks = convert.load_torch(tmp_path / "G.pth", tmp_path / "D.pth", verify=False)
    random = np.random.default_rng(0)
    noise = random.standard_normal((d_steps + 1, BATCH, LATENTS)).astype("float32")
    real = images(BATCH * d_steps, 32, 3)
    labels = random.integers(0, CLASSES, BATCH * d_steps)

    cls, options = METHODS[method]
    model = given_noise(cls, noise)(*networks, num_classes=CLASSES, d_steps=d_steps, **options)
    model.compile({n: AdamL2(RATE, 0.0, 0.999, epsilon=1e-8, l2=L2[n]) for n in L2})
    options = {"lr": RATE, "betas": (0.0, 0.999), "eps": 1e-8}
    optimizers = {
        n: torch.optim.Adam(x.parameters(), weight_decay=L2[n], **options)
        for n, x in (("generator", g), ("discriminator", d))
    }
    g.train(), d.train()
    for _ in range(2):
        history = model.fit(real, labels, batch_size=len(real), shuffle=False, verbose=0).history
        tensors = torch.tensor(real).permute(0, 3, 1, 2), torch.tensor(labels), torch.tensor(noise)
        wanted = torch_step(method, g, d, optimizers, *tensors, d_steps)
        for name, value in wanted.items():
            np.testing.assert_allclose(history[name], [value], rtol=1e-4)
    for network, source, detect, weights in (
        (networks[0], g, architecture.detect_generator, mapping.generator_weights),
        (networks[1], d, architecture.detect_discriminator, mapping.discriminator_weights),
    ):
        form = detect({k: v.detach().numpy() for k, v in source.state_dict().items()}, "torch")
        trained, buffers = differences(network, source, form, weights)
        # A wrong sign is 4e-4, a step left out 2e-4.
        assert trained < 1e-5 and buffers < 2e-6


def test_compile_alone_has_the_weight_decay_of_the_paper():
    """Without it Omni-GAN collapses (Sec. 3.2)."""
    g, d = networks.biggan(32, width=2, num_classes=3, d_head="omni")
    model = models.OmniGAN(g, d, num_classes=3)
    model.compile()
    found = {name: o.get_config() for name, o in model.optimizer.players.items()}
    assert [found[n]["l2"] for n in ("generator", "discriminator")] == [1e-3, 1e-4]
    for config in found.values():
        assert config["beta_1"] == 0.0 and config["beta_2"] == 0.999
        assert config["learning_rate"] == pytest.approx(2e-4)
