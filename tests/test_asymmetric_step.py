"""One training step of AsymmetricGAN against the same step written in PyTorch, float64."""

import keras
import numpy as np
import pytest
from conftest import images, slow_module, slow_on, to_numpy

torch = pytest.importorskip("torch")
import torch_asymmetric as peer  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from keras_gans import data, losses, models, networks, training  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")

RATE, BATCH, DOMAINS, SEED = 0.05, 4, 3, 5
SGD = keras.optimizers.SGD


def compiled(model):
    model.compile({name: SGD(RATE) for name in model.players})
    return model


def draws(penalized):
    """The numbers of the first step: D's targets, the penalty's places, G's targets."""
    random = training.StepRandom(SEED, 0)
    d_targets = to_numpy(random.integers((BATCH,), DOMAINS))
    place = to_numpy(random.uniform((BATCH, 1, 1, 1))) if penalized else None
    return d_targets, place, to_numpy(random.integers((BATCH,), DOMAINS))


def assert_moved(model, wanted):
    """Every weight is where a step of gradient descent takes it, to 0.1 % of the step's length."""
    for player, (before, after) in wanted.items():
        now = [to_numpy(v) for v in model.player_variables(player)]
        step = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)))
        missed = np.sqrt(sum(((a - n) ** 2).sum() for a, n in zip(after, now, strict=True)))
        assert step > 1e-6 and missed < 1e-3 * step, (player, missed / step)


def step_of(model, x, labels):
    history = model.fit(x, labels, batch_size=BATCH, shuffle=False, verbose=0).history
    return {name: values[0] for name, values in history.items()}


@pytest.mark.parametrize("color", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_step_is_that_of_eq_8(color):
    nets = networks.asymmetric(
        16, num_domains=DOMAINS, setting=("III", "I"), width=2, d_width=4, discriminators=2,
        d_layers=2, blocks=1,
    )  # fmt: skip
    model = compiled(models.AsymmetricGAN(*nets, color_cycle=color, seed=SEED))
    gt, gr, d1, d2 = (peer.Weights(n) for n in nets)
    x, labels = images(BATCH, 16, 3, seed=2), np.array([0, 2, 1, 2])
    d_targets, _, g_targets = (None if a is None else torch.tensor(a).long() for a in draws(False))
    real, own = peer.nchw(x), torch.tensor(labels)

    def translate(targets):
        return peer.translation_generator(gt, "III", 1, DOMAINS, real, targets)

    wanted, found = {}, {}
    for name, d in (("discriminator", d1), ("discriminator_2", d2)):
        (r, logits), (f, _) = (
            peer.domain_discriminator(d, i) for i in (real, translate(d_targets).detach())
        )
        loss = ((r - 1) ** 2).mean() + (f**2).mean() + F.cross_entropy(logits, own)  # Eqs. 4, 7
        wanted[name] = [w.detach().numpy() for w in d], d.after(loss, RATE)
        found[{"discriminator": "d"}.get(name, name) + "_loss"] = loss.item()

    logs = step_of(model, x, labels)
    for d, network in ((d1, nets[2]), (d2, nets[3])):  # the generators see the updated ones
        for leaf, v in zip(d, network.trainable_variables, strict=True):
            leaf.data = torch.tensor(to_numpy(v).astype("float64"))
    fake = translate(g_targets)
    back = peer.translation_generator(gr, "I", 0, DOMAINS, fake, own)
    judged = [peer.domain_discriminator(d, fake) for d in (d1, d2)]
    terms = {
        "adversarial": sum(((s - 1) ** 2).mean() for s, _ in judged),
        "classification": sum(F.cross_entropy(c, g_targets) for _, c in judged),
        "cycle": (back - real).abs().mean((0, 2, 3)).sum() / (1 if color else 3),
        "ms_ssim": peer.ssim_loss(back, real, 2.0, -1.0),
        "identity": 2 * (translate(own) - real).abs().mean(),
    }
    weights = {"cycle": 10.0, "identity": 0.5}
    loss = sum(weights.get(name, 1.0) * term for name, term in terms.items())
    for name, w in (("translator", gt), ("reconstructor", gr)):
        wanted[name] = [p.detach().numpy() for p in w], w.after(loss, RATE)
        found[f"{name}_loss"] = loss.item()
    found |= {name: term.item() for name, term in terms.items()}
    for name, value in found.items():
        np.testing.assert_allclose(logs[name], value, rtol=2e-4, err_msg=name)
    assert_moved(model, wanted)


@slow_on("jax")
def test_with_full_sharing_it_is_stargan():
    """Choi et al., CVPR 2018, Eqs. 3-6: one generator, WGAN-GP over patches."""
    nets = networks.asymmetric(
        16, num_domains=DOMAINS, setting="S3", width=2, d_width=4, d_layers=2, blocks=1
    )
    model = compiled(
        models.AsymmetricGAN(
            nets[0], None, nets[2], sharing="full", objective="wasserstein_gp", d_steps=1,
            color_cycle=False, term_weights={"ms_ssim": 0.0}, seed=SEED,
        )
    )  # fmt: skip
    assert list(model.players) == ["translator", "discriminator"]
    g, d = peer.Weights(nets[0]), peer.Weights(nets[2])
    x, labels = images(BATCH, 16, 3, seed=2), np.array([0, 2, 1, 2])
    d_targets, place, g_targets = draws(True)
    real, own = peer.nchw(x), torch.tensor(labels)

    def translate(source, targets):
        targets = torch.as_tensor(targets).long()
        return peer.translation_generator(g, "III", 1, DOMAINS, source, targets)

    fake = translate(real, d_targets).detach()
    between = (real + torch.tensor(place).double() * (fake - real)).requires_grad_()
    patches = peer.domain_discriminator(d, between)[0]
    (slope,) = torch.autograd.grad(patches.sum(), between, create_graph=True)
    penalty = ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
    (r, logits), (f, _) = (peer.domain_discriminator(d, i) for i in (real, fake))
    d_loss = f.mean() - r.mean() + F.cross_entropy(logits, own) + 10 * penalty
    wanted = {"discriminator": ([w.detach().numpy() for w in d], d.after(d_loss, RATE))}

    logs = step_of(model, x, labels)
    for leaf, v in zip(d, nets[2].trainable_variables, strict=True):
        leaf.data = torch.tensor(to_numpy(v).astype("float64"))
    fake = translate(real, g_targets)
    scores, logits = peer.domain_discriminator(d, fake)
    cycle = (translate(fake, own) - real).abs().mean()
    g_loss = -scores.mean() + F.cross_entropy(logits, torch.tensor(g_targets).long()) + 10 * cycle
    wanted["translator"] = [w.detach().numpy() for w in g], g.after(g_loss, RATE)
    np.testing.assert_allclose(logs["d_loss"], d_loss.item(), rtol=2e-4)
    np.testing.assert_allclose(logs["translator_loss"], g_loss.item(), rtol=2e-4)
    assert_moved(model, wanted)


@slow_on("jax", "tensorflow")
def test_a_supervised_step_is_that_of_eq_12():
    nets = networks.asymmetric_supervised(32, width=2, r_width=1, blocks=1, d_width=2, seed=1)
    inputs = keras.Input((32, 32, 3))
    layer = keras.layers.Conv2D(2, 3, 2, activation="relu", name="seen")
    features = keras.Model(inputs, [layer(inputs)] * 5)
    model = compiled(models.SupervisedAsymmetricGAN(*nets, features=features, seed=SEED))
    # Weights for which every term counts in the gradient.
    model.term_weights = {
        "pixel": 3.0, "cycle": 2.0, "identity": 0.5, "perceptual": 1.5, "total_variation": 1e-3,
    }  # fmt: skip
    gt, gr, d1, d2 = (peer.Weights(n) for n in nets)
    kernel, bias = (torch.tensor(to_numpy(v)).double() for v in layer.variables)
    quadruple = [images(BATCH, 32, 3, seed=i) for i in range(4)]
    x, guide_x, y, guide_y = (peer.nchw(a) for a in quadruple)
    source, target = torch.cat([x, y]), torch.cat([y, x])
    guide, back_guide = torch.cat([guide_y, guide_x]), torch.cat([guide_x, guide_y])

    def judge(name, image):
        seen = (source, image) if name == "discriminator" else (source, guide, image)
        return peer.patch_discriminator({"discriminator": d1}.get(name, d2), *seen)

    fake, wanted, found = peer.resnet(gt, 1, source, guide).detach(), {}, {}
    for name, d in (("discriminator", d1), ("discriminator_2", d2)):
        loss = 2 * (F.softplus(-judge(name, target)).mean() + F.softplus(judge(name, fake)).mean())
        wanted[name] = [w.detach().numpy() for w in d], d.after(loss, RATE)
        found[{"discriminator": "d"}.get(name, name) + "_loss"] = loss.item()

    batches = data.QuadrupleDataset(*quadruple, batch_size=BATCH, shuffle=False)
    logs = {k: v[0] for k, v in model.fit(batches, verbose=0).history.items()}
    for d, network in ((d1, nets[2]), (d2, nets[3])):
        for leaf, v in zip(d, network.trainable_variables, strict=True):
            leaf.data = torch.tensor(to_numpy(v).astype("float64"))
    fake = peer.resnet(gt, 1, source, guide)
    seen = [F.relu(peer.conv(i, kernel, bias, 2)) for i in (target, fake)]
    across, down = (fake[:, :, :, 1:] - fake[:, :, :, :-1], fake[:, :, 1:] - fake[:, :, :-1])
    terms = {
        "adversarial": sum(
            F.softplus(-judge(n, fake)).mean() for n in ("discriminator", "discriminator_2")
        ),
        "pixel": 3 * (fake - target).abs().mean(),
        "cycle": 3 * (peer.resnet(gr, 1, fake, back_guide) - source).abs().mean(),
        "identity": (peer.resnet(gt, 1, source, back_guide) - source).abs().mean(),
        "perceptual": (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1) * (seen[0] - seen[1]).abs().mean(),
        "total_variation": (across.abs().sum() + down.abs().sum()) / len(fake),
    }
    terms = {name: 2 * term for name, term in terms.items()}  # the sum over both cycles
    loss = sum(model.term_weights.get(name, 1.0) * term for name, term in terms.items())
    for name, w in (("translator", gt), ("reconstructor", gr)):
        wanted[name] = [p.detach().numpy() for p in w], w.after(loss, RATE)
        found[f"{name}_loss"] = loss.item()
    found |= {name: term.item() for name, term in terms.items()}
    for name, value in found.items():
        np.testing.assert_allclose(logs[name], value, rtol=2e-4, err_msg=name)
    assert_moved(model, wanted)


def relativistic(mean, scores, others):
    """RSGAN's loss of pairs; or RaSGAN's, against the mean over the batch, and the others too."""
    if not mean:
        return F.softplus(others - scores).mean()
    ours, theirs = scores - others.mean(0), others - scores.mean(0)
    return F.softplus(-ours).mean() + F.softplus(theirs).mean()


@slow_on("jax", "tensorflow")
@pytest.mark.parametrize("average", [False, True])
def test_a_supervised_step_that_needs_the_real_scores(average):
    """D's scores of the real images are constants of the generators' loss, and their own."""
    nets = networks.asymmetric_supervised(32, width=2, r_width=1, blocks=1, d_width=2, seed=1)
    none = dict.fromkeys(models.SupervisedAsymmetricGAN.defaults, 0.0)
    name = "relativistic_average" if average else "relativistic"
    given = {"term_weights": none, "objective": name, "seed": SEED}
    model = compiled(models.SupervisedAsymmetricGAN(*nets, **given))
    gt, _, d1, d2 = (peer.Weights(n) for n in nets)
    quadruple = [images(BATCH, 32, 3, seed=i) for i in range(4)]
    x, guide_x, y, guide_y = (peer.nchw(a) for a in quadruple)
    source, target = torch.cat([x, y]), torch.cat([y, x])
    guide = torch.cat([guide_y, guide_x])

    def judge(d, image):
        seen = (source, image) if d is d1 else (source, guide, image)
        return peer.patch_discriminator(d, *seen)

    fake, wanted = peer.resnet(gt, 1, source, guide), {}
    for player, d in (("discriminator", d1), ("discriminator_2", d2)):
        loss = 2 * relativistic(average, judge(d, target), judge(d, fake.detach()))
        wanted[player] = [w.detach().numpy() for w in d], d.after(loss, RATE)
    batches = data.QuadrupleDataset(*quadruple, batch_size=BATCH, shuffle=False)
    logs = {k: v[0] for k, v in model.fit(batches, verbose=0).history.items()}
    for d, network in ((d1, nets[2]), (d2, nets[3])):  # the generators see the updated ones
        for leaf, v in zip(d, network.trainable_variables, strict=True):
            leaf.data = torch.tensor(to_numpy(v).astype("float64"))
    pairs = [(judge(d, fake), judge(d, target).detach()) for d in (d1, d2)]
    loss = 2 * sum(relativistic(average, *pair) for pair in pairs)
    wanted["translator"] = [w.detach().numpy() for w in gt], gt.after(loss, RATE)
    np.testing.assert_allclose(logs["translator_loss"], loss.item(), rtol=2e-4)
    assert_moved(model, wanted)


def test_an_objective_with_a_variable_is_refused():
    nets = networks.asymmetric_supervised(32, width=2, r_width=1, blocks=1, d_width=2)
    with pytest.raises(ValueError, match="'fisher' has a variable for one discriminator"):
        models.SupervisedAsymmetricGAN(
            *nets, term_weights={"perceptual": 0}, objective=losses.Fisher()
        )
