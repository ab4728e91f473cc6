"""Time of a training step: one-stage against two-stage, and against a hand-written loop.

    KERAS_BACKEND=jax python benchmarks/one_stage.py --rounds 20

DCGAN networks (spectral norm in D), non-saturating objective, Adam. The variants run in turn, round
after round, in one process, so that whatever else the machine does falls on all of them; medians
over the rounds are printed, and their ratios beside the bounds:

- two-stage / one-stage: counting a forward pass as 1 and a backward pass as 1 (inputs) + 1
  (weights), two-stage with fresh noise costs D 8, G 4 and one-stage D 6, G 3: at most 4/3.
- two-stage reusing G's forward pass costs D 8, G 3: at most 11/9 at equal cost of the networks.
- library / native: the same networks, losses and optimizers in a plain PyTorch loop (only where
  torch is installed; TensorFlow and JAX are compared with it too), in processes of its own.

On one thread, which the last lines tell (TensorFlow's threads fight for a core that they share):

    OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \\
        KERAS_BACKEND=torch python benchmarks/one_stage.py
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the command line does; TF_ENABLE_ONEDNN_OPTS=0 measures TensorFlow's own convolutions.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
from absl import app, flags

from keras_gans import models, networks

FLAGS = flags.FLAGS
flags.DEFINE_integer("image_size", 64, "Side of the images.")
flags.DEFINE_integer("width", 32, "Width of the networks.")
flags.DEFINE_integer("batch_size", 32, "Images per step.")
flags.DEFINE_integer("rounds", 20, "Interleaved rounds; each variant runs once in each.")
flags.DEFINE_integer("steps", 4, "Training steps of one variant in a round.")
flags.DEFINE_bool("native", True, "Also time a hand-written PyTorch loop.")
flags.DEFINE_enum("child", None, ["one", "two"], "Internal: the native loop of this process.")
flags.DEFINE_string("json", None, "File to write the medians to.")
flags.DEFINE_enum("d_norm", "spectral", ["spectral", "none", "group"], "Norm of D.")


class Reusing(models.GAN):
    """Two-stage, but G's forward pass of D's update serves G's update too (DCGAN's own loop)."""

    def train_step(self, data):
        from keras import ops

        from keras_gans.training import vjp

        real, _ = self.unpack(data)
        fake, pullback = vjp(
            lambda: self.generate_fakes(ops.shape(real)[0]), self.player_variables("generator")
        )
        self.minimize(
            "discriminator", lambda: self.objective.discriminator.call(*self.scores(real, fake))
        )
        score, pull_d = vjp(self.score, (), [fake])
        loss, pull_l = vjp(
            lambda s: ops.mean(self.objective.generator.call(ops.zeros_like(s), s)), (), [score]
        )
        (of_score,) = pull_l(ops.ones_like(loss), wrt="inputs")[1]
        (of_fake,) = pull_d(of_score, wrt="inputs")[1]
        self.apply("generator", pullback(of_fake, wrt="variables")[0], loss)


def fit_runner(cls, images):
    """`fit` itself, without its callbacks' printing: what a user waits for."""
    g, d = networks.dcgan(FLAGS.image_size, 3, FLAGS.width, d_norm=FLAGS.d_norm, latent_dim=100)
    model = cls(g, d)
    model.compile({"class_name": "Adam", "config": {"learning_rate": 2e-4, "beta_1": 0.5}})
    data = np.concatenate([images] * FLAGS.steps)
    return lambda: model.fit(data, batch_size=FLAGS.batch_size, shuffle=False, verbose=0)


def native(one_stage, images):
    """The same networks and losses, written by hand in PyTorch."""
    import torch
    from torch import nn
    from torch.nn.functional import softplus
    from torch.nn.utils.parametrizations import spectral_norm

    stages = int(np.log2(FLAGS.image_size)) - 2
    filters = [FLAGS.width * 2**i for i in reversed(range(stages))]
    wrap = spectral_norm if FLAGS.d_norm == "spectral" else lambda layer: layer
    g_layers = [nn.Linear(100, 16 * filters[0], bias=False), nn.Unflatten(1, (filters[0], 4, 4))]
    for i, following in enumerate([*filters[1:], 3]):
        g_layers += [nn.BatchNorm2d(filters[i]), nn.ReLU()]
        last = i == stages - 1
        g_layers += [nn.ConvTranspose2d(filters[i], following, 4, 2, 1, bias=last)]
    generator = nn.Sequential(*g_layers, nn.Tanh())
    d_layers, channels = [], 3
    for i in range(stages):
        width = FLAGS.width * 2**i
        bias = FLAGS.d_norm != "group" or i == 0
        d_layers += [wrap(nn.Conv2d(channels, width, 4, 2, 1, bias=bias))]
        if FLAGS.d_norm == "group" and i:
            d_layers += [nn.GroupNorm(8, width)]
        d_layers += [nn.LeakyReLU(0.2)]
        channels = width
    discriminator = nn.Sequential(
        *d_layers, nn.Flatten(), wrap(nn.Linear(16 * channels, 1, bias=False))
    )
    adam = [
        torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, discriminator)
    ]
    real = torch.tensor(images.transpose(0, 3, 1, 2).copy())
    size = len(real)

    def two():
        with torch.no_grad():
            fake = generator(torch.randn(size, 100))
        scores = discriminator(torch.cat([real, fake]))
        loss = softplus(-scores[:size]).mean() + softplus(scores[size:]).mean()
        adam[1].zero_grad()
        loss.backward()
        adam[1].step()
        loss = softplus(-discriminator(generator(torch.randn(size, 100)))).mean()
        adam[0].zero_grad()
        # Only G's gradients: eager code that also fills D's wastes a third of D's backward pass.
        parameters = list(generator.parameters())
        for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = gradient
        adam[0].step()

    def one():
        fake = generator(torch.randn(size, 100))
        seam = fake.detach().requires_grad_()
        scores = discriminator(torch.cat([real, seam]))
        loss = softplus(-scores[:size]).mean() + softplus(scores[size:]).mean()
        gamma = -torch.exp(-scores[size:]).detach()
        for optimizer in adam:
            optimizer.zero_grad()
        loss.backward()
        fake.backward(seam.grad * gamma.reshape(-1, 1, 1, 1))
        for optimizer in adam:
            optimizer.step()

    step = one if one_stage else two

    def run():
        for _ in range(FLAGS.steps):
            step()

    return run


class Child:
    """The native loop in a process of its own: another library's threads would slow it down."""

    def __init__(self, stages):
        self.process = subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], f"--child={stages}"],
            env={**os.environ, "KERAS_BACKEND": "torch"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.threads = int(self.process.stdout.readline())

    def __call__(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError("The process of the native loop ended: see its message above.")

    @staticmethod
    def serve(stages, images):
        import torch

        print(torch.get_num_threads(), flush=True)
        run = native(stages == "one", images)
        for _ in sys.stdin:  # until the benchmark ends
            run()
            print("done", flush=True)


def main(_):
    images = np.random.default_rng(0).uniform(
        -1, 1, (FLAGS.batch_size, FLAGS.image_size, FLAGS.image_size, 3)
    )
    images = images.astype("float32")
    if FLAGS.child:
        Child.serve(FLAGS.child, images)
        return
    variants = {
        "two-stage": fit_runner(models.GAN, images),
        "two-stage, reusing": fit_runner(Reusing, images),
        "one-stage": fit_runner(models.OSGAN, images),
    }
    if FLAGS.native:
        variants["native two-stage"] = Child("two")
        variants["native one-stage"] = Child("one")
    times = {name: [] for name in variants}
    for round_ in range(FLAGS.rounds + 2):
        for name, run in variants.items():
            start = time.perf_counter()
            run()
            if round_ >= 2:  # the first rounds compile
                times[name].append((time.perf_counter() - start) / FLAGS.steps)
        print(f"round {round_ + 1} of {FLAGS.rounds + 2}", end="\r", flush=True)
    medians = {name: statistics.median(t) for name, t in times.items()}
    print(
        f"{keras.backend.backend()} (Keras {keras.__version__}), {platform.processor()}, "
        f"{os.cpu_count()} cores: DCGAN {FLAGS.image_size}px, width {FLAGS.width}, "
        f"batch {FLAGS.batch_size}, d_norm {FLAGS.d_norm}, {FLAGS.rounds} rounds"
    )
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    print("  threads: " + ", ".join(f"{name}={os.environ.get(name, 'unset')}" for name in names))
    if FLAGS.native:
        print(f"  native loop: {variants['native two-stage'].threads} threads")
    for name, seconds in medians.items():
        print(f"  {name:20s} {1e3 * seconds:8.1f} ms a step")
    ratios = [
        ("two-stage / one-stage", "two-stage", "one-stage", "bound 1.33, aim 1.25"),
        ("two-stage, reusing / one-stage", "two-stage, reusing", "one-stage", "bound 1.22"),
        ("native two-stage / one-stage", "native two-stage", "native one-stage", "bound 1.33"),
        (
            "two-stage / native two-stage",
            "two-stage",
            "native two-stage",
            "aim: TensorFlow 1.0, torch 1.1, JAX 1.3 or less",
        ),
        ("one-stage / native one-stage", "one-stage", "native one-stage", "aim: torch 1.1 or less"),
    ]
    for label, a, b, bound in ratios:
        if a in medians and b in medians:
            # Ratios within a round, so that slow rounds cancel.
            of_rounds = sorted(x / y for x, y in zip(times[a], times[b], strict=True))
            ratio, spread = statistics.median(of_rounds), (of_rounds[0], of_rounds[-1])
            print(f"  {label:34s} {ratio:5.2f} ({spread[0]:.2f} to {spread[1]:.2f})   {bound}")
    if FLAGS.json:
        with open(FLAGS.json, "w") as f:
            json.dump({"backend": keras.backend.backend(), "seconds": times}, f, indent=1)


if __name__ == "__main__":
    app.run(main)
