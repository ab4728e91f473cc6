"""A training step of SPADE, hinge, omni per pixel and OASIS, against a loop by hand in PyTorch."""

import keras
import numpy as np
import pytest
from conftest import relative, slow_module, to_numpy

torch = pytest.importorskip("torch")

import torch_spade  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch_spade import copy_into, randomize, values_of  # noqa: E402

from keras_gans import losses, models, networks  # noqa: E402
from keras_gans.training import AdamL2  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")

CLASSES, SIZE, COUNT, L2, RATE = 3, 64, 3, 0.05, 0.02
SMALL = {"num_classes": CLASSES, "width": 1, "hidden": 3, "d_width": 4, "d_layers": 2, "seed": 1}


def batch(dont_care=True):
    random = np.random.default_rng(0)
    maps = random.integers(0, CLASSES + dont_care, (COUNT, 8, 8)).repeat(8, 1).repeat(8, 2)
    maps[1] = CLASSES if dont_care else 0  # no pixel has a class
    images = random.uniform(-1, 1, (COUNT, SIZE, SIZE, 3)).astype("float32")
    return images, maps.astype("int32")


def nchw(x):
    return torch.tensor(np.asarray(x, "float32").transpose(0, 3, 1, 2).copy())


def omni(scores, maps, role, ignore):
    """The mean over all pixels of Eq. 5, pixel by pixel with the sets of Eqs. 6, 7 and 9."""
    small = functional.interpolate(maps[:, None].float(), size=scores.shape[2:]).long()[:, 0]
    known = (small < CLASSES)[:, None]
    classes = (torch.arange(CLASSES)[None, :, None, None] == small[:, None]) & known
    nothing = torch.zeros_like(classes)
    one = torch.ones_like(known)
    if role == "fake":
        positive = torch.cat([nothing, ~one, one], 1)
        negative = torch.cat([~nothing, one, ~one], 1)
    else:
        positive = torch.cat([classes, one, ~one], 1)
        negative = torch.cat([~classes, ~one, one], 1)
    counts = torch.cat([known.expand(classes.shape), one, one], 1)
    counts = known.expand(counts.shape) if ignore == "pixels" else counts
    inside = torch.zeros_like(scores[:, :1])

    def of(chosen, signed):
        kept = torch.where(chosen & counts, signed, torch.tensor(-torch.inf))
        return torch.logsumexp(torch.cat([inside, kept], 1), 1)

    return (of(negative, scores) + of(positive, -scores)).mean()


def hinge(scores, maps, role, ignore):
    if role == "generator":
        return -scores.mean()
    return functional.relu(1 - scores if role == "real" else 1 + scores).mean()


def oasis(scores, maps, role, ignore):
    """[fake, classes], rare classes weighed for more; fakes of D's loss are not weighed."""
    if role == "fake":
        return functional.cross_entropy(scores, torch.zeros_like(scores[:, 0]).long())
    small = functional.interpolate(maps[:, None].float(), size=scores.shape[2:]).long()[:, 0]
    counts = torch.bincount(small[small < CLASSES], minlength=CLASSES)
    weights = small.numel() / (counts.clamp(min=1) * (counts > 0).sum())
    weights = torch.cat([torch.zeros(1), weights])  # nothing is fake here
    labels = torch.where(small < CLASSES, small + 1, -100)
    total = functional.cross_entropy(scores, labels, weights, ignore_index=-100, reduction="sum")
    return total / small.numel()


class Loop:
    """SPADE's step as its paper and code say it."""

    matching = 10.0

    def __init__(self, g, d, loss, pair=False, ignore="class_scores"):
        self.g, self.d, self.loss, self.pair, self.ignore = g, d, loss, pair, ignore
        adam = {"betas": (0.0, 0.9), "eps": 1.0}
        self.of_g = torch.optim.Adam(g.parameters(), RATE, **adam)
        self.of_d = torch.optim.Adam(d.parameters(), RATE, weight_decay=L2, **adam)

    def judge(self, fake, real, semantic):
        both = torch.cat([fake, real])
        if self.pair:
            both = torch.cat([torch.cat([semantic, semantic]), both], 1)
        scales = self.d(both)
        return [[x[: len(fake)] for x in s] for s in scales], [
            [x[len(fake) :] for x in s] for s in scales
        ]

    def mean(self, scales, maps, role):
        return sum(self.loss(s[-1], maps, role, self.ignore) for s in scales) / len(scales)

    judge_for_g = judge

    def g_loss(self, made, seen, maps):
        if not self.matching:
            return self.g_game(made, seen, maps)
        matching = sum(
            (a - b.detach()).abs().mean() / len(made)
            for ours, theirs in zip(made, seen, strict=True)
            for a, b in zip(ours[:-1], theirs[:-1], strict=True)
        )
        return self.g_game(made, seen, maps) + self.matching * matching

    def g_game(self, made, seen, maps):
        return self.mean(made, maps, "generator")

    def d_game(self, made, seen, maps):
        return self.mean(made, maps, "fake") + self.mean(seen, maps, "real")

    def step_at_once(self, images, maps):
        """Both losses of one forward of each network."""
        semantic = nchw(to_numpy(maps)[..., None] == np.arange(CLASSES))
        images, maps = nchw(images), torch.tensor(maps)
        judged = self.judge(self.g(semantic), images, semantic)
        g_loss, d_loss = self.g_loss(*judged, maps), self.d_game(*judged, maps)
        players = (self.g, self.of_g, g_loss), (self.d, self.of_d, d_loss)
        found = [
            torch.autograd.grad(x, list(net.parameters()), retain_graph=True)
            for net, _, x in players
        ]
        for (net, optimizer, _), gradients in zip(players, found, strict=True):
            for weight, gradient in zip(net.parameters(), gradients, strict=True):
                weight.grad = gradient
            optimizer.step()
        return g_loss.item(), d_loss.item()

    def step(self, images, maps):
        semantic = nchw(to_numpy(maps)[..., None] == np.arange(CLASSES))
        images, maps = nchw(images), torch.tensor(maps)
        g_loss = self.g_loss(*self.judge_for_g(self.g(semantic), images, semantic), maps)
        self.of_g.zero_grad()
        g_loss.backward()
        self.of_g.step()
        with torch.no_grad():
            fake = self.g(semantic)
        made, seen = self.judge(fake, images, semantic)
        d_loss = self.d_game(made, seen, maps)
        self.of_d.zero_grad()
        d_loss.backward()
        self.of_d.step()
        return g_loss.item(), d_loss.item()


class Oasis(Loop):
    """OASIS's: made and real images one after the other, and no feature matching."""

    matching = 0.0

    def judge(self, fake, real, semantic):
        return self.d(fake), self.d(real)

    def judge_for_g(self, fake, real, semantic):
        return self.d(fake), None


def versus(scores, others):
    """RSGAN's: each score against that of its place in the image of the same pair."""
    return functional.softplus(others - scores).mean()


def versus_mean(scores, others):
    """RaSGAN's: each score against the others' mean over the batch, and they against its."""
    ours, theirs = scores - others.mean(0), others - scores.mean(0)
    return functional.softplus(-ours).mean() + functional.softplus(theirs).mean()


class Relativistic(Loop):
    """Of scores of pairs; D's scores of real images are numbers in G's loss."""

    def mean_of_pairs(self, scales, others):
        pairs = zip(scales, others, strict=True)
        return sum(self.loss(a[-1], b[-1]) for a, b in pairs) / len(scales)

    def g_game(self, made, seen, maps):
        return self.mean_of_pairs(made, [[x.detach() for x in scale] for scale in seen])

    def d_game(self, made, seen, maps):
        return self.mean_of_pairs(seen, made)


def optimizers():
    # A large epsilon keeps Adam from making full steps of rounding noise.
    adam = {"beta_1": 0.0, "beta_2": 0.9, "epsilon": 1.0}
    return {"generator": AdamL2(RATE, **adam), "discriminator": AdamL2(RATE, l2=L2, **adam)}


def made(objective, d_input="image", **options):
    head = objective if objective in ("omni", "hinge", "oasis") else "hinge"
    g, d = networks.spade(SIZE, d_head=head, d_input=d_input, **SMALL)
    model = models.SPADE(g, d, objective=objective, **options)
    model.compile(optimizers(), run_eagerly=keras.backend.backend() != "jax")
    return model


def assert_same(network, module, before):
    left = torch_spade.ours(module)
    found = values_of(network)
    keys = sorted(found)
    moved = [found[k] - before[k] for k in keys]
    wanted = [left[k] - before[k] for k in keys]
    assert relative(moved, wanted) < 1e-4
    for key, a, b in zip(keys, moved, wanted, strict=True):
        assert np.abs(a - b).max() < 1e-4, key


BACKEND = keras.backend.backend()
ONE = {"one_stage": True}
CASES = {
    "hinge": ("hinge", hinge, {"d_input": "pair"}),
    "relativistic": (losses.Relativistic, versus, {}),
    "relativistic, one stage": (losses.Relativistic, versus, ONE),
    "relativistic average": (losses.RelativisticAverage, versus_mean, {}),
    "oasis": ("oasis", oasis, {}),
    "oasis, one stage": ("oasis", oasis, ONE),
    "omni": ("omni", omni, {}),
    "omni, whole pixels ignored": ("omni", omni, {"ignore": "pixels"}),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, marks=[pytest.mark.slow] * (BACKEND == "jax" and c != "hinge"))
        for c in CASES
    ],
)
def test_one_step_is_that_of_a_loop_by_hand(case):
    objective, loss, options = CASES[case]
    objective = objective if isinstance(objective, str) else objective()
    model, (images, maps) = made(objective, **options), batch()
    pair = options.get("d_input") == "pair"
    semantic = nchw(maps[..., None] == np.arange(CLASSES))
    g = randomize(torch_spade.Generator(CLASSES, 1, 3), semantic)
    given = nchw(images) if not pair else torch.cat([semantic, nchw(images)], 1)
    scores = {"omni": CLASSES + 2, "oasis": CLASSES + 1}.get(objective, 1)
    d = randomize(torch_spade.Discriminator(given.shape[1], 4, scores, 2), given, seed=1)
    copy_into(model.generator, g)
    copy_into(model.discriminator, d)
    before = [values_of(n) for n in (model.generator, model.discriminator)]
    kind = {oasis: Oasis, versus: Relativistic, versus_mean: Relativistic}.get(loss, Loop)
    loop = kind(g, d, loss, pair, options.get("ignore", "class_scores"))
    g_loss, d_loss = (loop.step_at_once if "one_stage" in options else loop.step)(images, maps)
    history = model.fit(images, maps, batch_size=COUNT, shuffle=False, verbose=0).history
    assert history["g_loss"][0] == pytest.approx(g_loss, rel=1e-4)
    assert history["d_loss"][0] == pytest.approx(d_loss, rel=1e-4)
    assert_same(model.generator, g, before[0])
    assert_same(model.discriminator, d, before[1])
    assert ("feature_matching" in history) == (objective != "oasis")


def test_an_objective_with_a_variable_is_refused():
    with pytest.raises(ValueError, match="'fisher' has a variable for one map of scores"):
        made(losses.Fisher())
