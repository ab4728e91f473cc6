"""R3GAN's networks and its iteration in plain PyTorch, float64, written by hand from the paper.

Weights are a dictionary, "layer/variable" -> tensor, as a Keras network has them.
"""

import math

import numpy as np
import torch
from torch.nn import functional

CAST = torch.float64


def weights_of(network, prefix=""):
    """The weights of a Keras network as leaves of PyTorch."""
    found = {}
    for layer in network._flatten_layers(include_self=False):
        for v in layer._trainable_variables:
            value = torch.tensor(np.array(v.numpy() if hasattr(v, "numpy") else v), dtype=CAST)
            found[f"{layer.name}/{v.name}"] = value.requires_grad_()
    return found


def conv(w, name, x, groups=1):
    kernel = w[f"{name}/kernel"].permute(3, 2, 0, 1)
    return functional.conv2d(x, kernel, w.get(f"{name}/bias"), padding="same", groups=groups)


def resample(x, up):
    """One zero-padded convolution with the filter [1, 3, 3, 1], of stride 2 or transposed."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=CAST) / 8
    kernel = torch.outer(taps, taps)[None, None].repeat(x.shape[1], 1, 1, 1)
    if up:
        return functional.conv_transpose2d(x, 4 * kernel, stride=2, padding=1, groups=x.shape[1])
    return functional.conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


def stage(w, i, x, groups):
    block = 0
    while f"stages_{i}_blocks_{block}_conv1/kernel" in w:
        name = f"stages_{i}_blocks_{block}"
        h = functional.leaky_relu(conv(w, f"{name}_conv1", x), 0.2)
        h = functional.leaky_relu(conv(w, f"{name}_conv2", h, groups[i]), 0.2)
        x, block = x + conv(w, f"{name}_conv3", h), block + 1
    return x


def generator(w, z, groups, labels=None):
    if labels is not None:
        z = torch.cat([z, w["embed/kernel"][labels]], 1)
    y = z @ w["linear/kernel"]
    x = y[:, :, None, None] * w["basis/kernel"].permute(2, 0, 1)
    for i in range(len(groups)):
        if i > 0:
            if f"stages_{i}_width/kernel" in w:
                x = conv(w, f"stages_{i}_width", x)
            x = resample(x, up=True)
        x = stage(w, i, x, groups)
    return conv(w, "to_image", x)


def discriminator(w, x, groups, labels=None):
    x = conv(w, "from_image", x)
    for i in reversed(range(len(groups))):
        x = stage(w, i, x, groups)
        if i > 0:
            x = resample(x, up=False)
            if f"stages_{i}_width/kernel" in w:
                x = conv(w, f"stages_{i}_width", x)
    x = functional.conv2d(x, w["pool/kernel"].permute(2, 0, 1)[:, None], groups=x.shape[1])
    x = x.flatten(1)
    if labels is None:
        return (x @ w["score/kernel"])[:, 0]
    return (x @ w["linear/kernel"] * w["embed/kernel"][labels]).sum(1)


class Adam:
    """Betas (0, beta_2) of this step, also in the bias correction; epsilon outside the root."""

    def __init__(self, w, epsilon=1e-8):
        self.epsilon = epsilon
        self.w, self.v, self.t = w, {k: torch.zeros_like(x) for k, x in w.items()}, 0

    def step(self, loss, rate, beta_2):
        gradients = torch.autograd.grad(loss, list(self.w.values()))
        self.t += 1
        for (name, x), g in zip(self.w.items(), gradients, strict=True):
            self.v[name] = beta_2 * self.v[name] + (1 - beta_2) * g**2
            root = (self.v[name] / (1 - beta_2**self.t)).sqrt() + self.epsilon
            x.data -= rate * g / root


def cosine(base, final, n, images):
    return final + (base - final) * (1 + math.cos(math.pi * min(n / images, 1))) / 2


def d_loss(d, real, fake, gamma):
    """L_D of functions of images, by R1 and R2 as the gradients of sums of scores."""
    real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
    r, f = d(real), d(fake)
    slopes = [
        torch.autograd.grad(scores.sum(), images, create_graph=True)[0]
        for scores, images in ((r, real), (f, fake))
    ]
    penalties = sum((s**2).sum((1, 2, 3)) for s in slopes)
    return (functional.softplus(f - r) + gamma / 2 * penalties).mean()


def g_loss(d, real, fake):
    return functional.softplus(d(real) - d(fake)).mean()
