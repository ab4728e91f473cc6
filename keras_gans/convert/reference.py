"""The published networks as functions of their weights, in PyTorch, to compare ours with.

Written from the papers and independent of our layers: what a conversion is checked against. All
in evaluation, in float64.

Sources: Brock et al., Large Scale GAN Training, ICLR 2019, Appendix B; Zhou et al., Omni-GAN,
Tables 5-8; Chen et al., LIIF, CVPR 2021, for the INR head; Miyato et al., Spectral Normalization,
ICLR 2018, Algorithm 1.
"""

from collections.abc import Sequence

import numpy as np

from keras_gans.convert.architecture import Discriminator, Generator
from keras_gans.convert.checkpoint import import_torch
from keras_gans.typing import Any

_EPSILON = 1e-5  # of the batch norms


def generator_images(
    state: dict[str, np.ndarray],
    form: Generator,
    latents: np.ndarray,
    labels: np.ndarray,
    cases: Sequence[tuple[Any, str]] = ((None, "trained"),),
) -> list[np.ndarray]:
    """The generator's images.

    Args:
        state: dictionary, name -> array, as `read_checkpoint` returns it.
        form: `keras_gans.convert.architecture.Generator`.
        latents: array (B, latent_dim).
        labels: integers (B,).
        cases: pairs `(size, cell)`: (height, width), or None for the trained size, and the cell
            that an INR head sees there, "trained" or "true".

    Returns:
        List, for each case a float64 array (B, height, width, channels) in [-1, 1].
    """
    net = _Net(state)
    x = _features(net, form, latents, labels)
    if form.head == "inr":
        side = form.image_size
        images = [_render(net, x, *(size or (side, side)), cell) for size, cell in cases]
    else:
        x = net.normalize("output_layer.0", x)
        gain, bias = net["output_layer.0.gain"], net["output_layer.0.bias"]
        images = [net.conv("output_layer.2", (x * _wide(gain) + _wide(bias)).relu())]
    return [x.tanh().permute(0, 2, 3, 1).numpy() for x in images]


def discriminator_scores(
    state: dict[str, np.ndarray],
    form: Discriminator,
    images: np.ndarray,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """The discriminator's scores.

    Args:
        state: dictionary, name -> array, as `read_checkpoint` returns it.
        form: `keras_gans.convert.architecture.Discriminator`.
        images: array (B, H, W, C) in [-1, 1].
        labels: integers (B,), for a projection discriminator.

    Returns:
        float64 array (B, scores).
    """
    net = _Net(state)
    x = net.tensor(images).permute(0, 3, 1, 2)
    for i in range(form.blocks):
        # At 32 px two blocks halve the map, else all but the last.
        down = i < 2 if form.image_size == 32 else i < form.blocks - 1
        x = _down_block(net, f"blocks.{i}.0", x, first=i == 0, down=down)
        if f"blocks.{i}.1.gamma" in state:
            x = _attention(net, f"blocks.{i}.1", x)
    features = x.relu().sum((2, 3))
    scores = net.linear("linear", features)
    if form.d_head == "projection":
        labels = net.torch.as_tensor(np.asarray(labels), dtype=net.torch.long)
        scores = scores + (net.spectral("embed")[labels] * features).sum(1, keepdim=True)
    return scores.numpy()


def _features(net, form, latents, labels):
    """The last feature map, (B, C, H, W)."""
    z, labels = net.tensor(latents), net.torch.as_tensor(np.asarray(labels), dtype=net.torch.long)
    if form.shared_dim is None:
        conditions = [None] * form.blocks
    else:
        conditions = [net["shared.weight"][labels]] * form.blocks
    if form.hierarchical:
        z, *pieces = z.split(form.chunk, 1)
        conditions = [net.torch.cat([c, p], 1) for c, p in zip(conditions, pieces, strict=True)]
    x = net.linear("linear", z).reshape(len(z), -1, 4, 4)
    for i, condition in enumerate(conditions):
        x = _up_block(net, f"blocks.{i}.0", x, condition, labels)
        if f"blocks.{i}.1.gamma" in net.state:
            x = _attention(net, f"blocks.{i}.1", x)
    return x


class _Net:
    """Weights by name, and the operations that take one."""

    def __init__(self, state):
        self.torch = import_torch("Comparing with the published network")
        self.functional = self.torch.nn.functional
        self.state = state

    def __getitem__(self, name):
        return self.tensor(self.state[name])

    def tensor(self, array):
        return self.torch.as_tensor(np.asarray(array), dtype=self.torch.float64)

    def spectral(self, name):
        """The weight divided by sigma, after one power iteration from the stored vector."""
        weight = self[f"{name}.weight"]
        matrix = weight.flatten(1)
        v = self.functional.normalize(self[f"{name}.u0"] @ matrix)
        u = self.functional.normalize(v @ matrix.T)
        return weight / (u @ matrix @ v.T).squeeze()

    def bias(self, name):
        return self[f"{name}.bias"] if f"{name}.bias" in self.state else None

    def conv(self, name, x):
        weight = self.spectral(name)
        return self.functional.conv2d(x, weight, self.bias(name), padding=weight.shape[-1] // 2)

    def linear(self, name, x):
        return self.functional.linear(x, self.spectral(name), self.bias(name))

    def normalize(self, name, x):
        mean, variance = self[f"{name}.stored_mean"], self[f"{name}.stored_var"]
        return (x - _wide(mean)) / _wide((variance + _EPSILON).sqrt())


def _wide(vector):
    return vector[..., None, None]


def _conditional_norm(net, name, x, condition, labels):
    if condition is None:
        gain, bias = net[f"{name}.gain.weight"][labels], net[f"{name}.bias.weight"][labels]
    else:
        gain, bias = net.linear(f"{name}.gain", condition), net.linear(f"{name}.bias", condition)
    return net.normalize(name, x) * (1 + _wide(gain)) + _wide(bias)


def _up_block(net, name, x, condition, labels):
    def doubled(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    h = _conditional_norm(net, f"{name}.bn1", x, condition, labels).relu()
    h = net.conv(f"{name}.conv1", doubled(h))
    h = _conditional_norm(net, f"{name}.bn2", h, condition, labels).relu()
    return net.conv(f"{name}.conv2", h) + net.conv(f"{name}.conv_sc", doubled(x))


def _down_block(net, name, x, first, down):
    def pooled(x):
        return net.functional.avg_pool2d(x, 2) if down else x

    h = net.conv(f"{name}.conv1", x if first else x.relu()).relu()
    h = pooled(net.conv(f"{name}.conv2", h))
    if f"{name}.conv_sc.weight" not in net.state:
        return h + x
    # The first block pools before its 1x1 convolution, the others after it.
    shortcut = net.conv(f"{name}.conv_sc", pooled(x) if first else x)
    return h + (shortcut if first else pooled(shortcut))


def _attention(net, name, x):
    batch, _, height, width = x.shape
    theta = net.conv(f"{name}.theta", x).flatten(2)
    phi = net.functional.max_pool2d(net.conv(f"{name}.phi", x), 2).flatten(2)
    g = net.functional.max_pool2d(net.conv(f"{name}.g", x), 2).flatten(2)
    weights = (theta.transpose(1, 2) @ phi).softmax(-1)
    seen = (g @ weights.transpose(1, 2)).reshape(batch, -1, height, width)
    return x + net[f"{name}.gamma"] * net.conv(f"{name}.o", seen)


def _render(net, features, height, width, cell, rows=64):
    """Colors at the centers of pixels; a point sees 3x3 features, its place and the cell."""
    torch = net.torch
    batch, channels, *sides = features.shape
    unfolded = net.functional.unfold(features, 3, padding=1).reshape(batch, 9 * channels, *sides)
    ys = (2 * torch.arange(height, dtype=torch.float64) + 1) / height - 1
    xs = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    cells = [2.0, 2.0] if cell == "trained" else [2 * sides[0] / height, 2 * sides[1] / width]
    done = []
    for some in ys.split(rows):
        points = torch.stack(torch.meshgrid(some, xs, indexing="ij"), -1)
        points = points.expand(batch, -1, -1, -1)
        sampled = net.functional.grid_sample(unfolded, points.flip(-1), align_corners=False)
        inputs = [sampled.permute(0, 2, 3, 1), points, net.tensor(cells).expand_as(points)]
        h = net.linear("inr_net.layers.0", torch.cat(inputs, -1)).relu()
        h = net.linear("inr_net.layers.2", h).relu()
        done.append(net.linear("inr_net.layers.4", h))
    return torch.cat(done, 1).permute(0, 3, 1, 2)
