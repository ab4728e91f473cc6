"""SPADE and OASIS's discriminator in PyTorch, written for the tests from the papers.

What our networks and steps are compared with. Modules have our layers' names, so that `copy_into`
finds each weight; spectral normalization is PyTorch's own, `torch.nn.utils.spectral_norm`.
"""

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import spectral_norm


def leaky(x):
    return functional.leaky_relu(x, 0.2)


class Norm(nn.Module):
    def __init__(self, channels, semantic, hidden):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Conv2d(semantic, hidden, 3, padding=1)
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x, semantic):
        x = self.norm(x)
        h = functional.interpolate(semantic, size=x.shape[2:], mode="nearest")
        h = functional.relu(self.shared(h))
        return x * (1 + self.gamma(h)) + self.beta(h)


class Block(nn.Module):
    def __init__(self, inputs, outputs, semantic, hidden):
        super().__init__()
        middle = min(inputs, outputs)
        self.norm_0 = Norm(inputs, semantic, hidden)
        self.conv_0 = spectral_norm(nn.Conv2d(inputs, middle, 3, padding=1))
        self.norm_1 = Norm(middle, semantic, hidden)
        self.conv_1 = spectral_norm(nn.Conv2d(middle, outputs, 3, padding=1))
        self.norm_s = self.conv_s = None
        if inputs != outputs:
            self.norm_s = Norm(inputs, semantic, hidden)
            self.conv_s = spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x, semantic):
        shortcut = x if self.conv_s is None else self.conv_s(self.norm_s(x, semantic))
        h = self.conv_0(leaky(self.norm_0(x, semantic)))
        return shortcut + self.conv_1(leaky(self.norm_1(h, semantic)))


class Generator(nn.Module):
    def __init__(self, semantic, width, hidden, up="normal", channels=3):
        super().__init__()
        self.up = up
        self.doublings = {"normal": 5, "more": 6, "most": 7}[up]
        self.fc = nn.Conv2d(semantic, 16 * width, 3, padding=1)
        widths = [(16, 16), (16, 16), (16, 16), (16, 8), (8, 4), (4, 2), (2, 1)]
        names = ["head_0", "middle_0", "middle_1", "up_0", "up_1", "up_2", "up_3"]
        pairs = [(a * width, b * width) for a, b in widths]
        if up == "most":
            names, pairs = [*names, "up_4"], [*pairs, (width, width // 2)]
        self.names = names
        for name, (a, b) in zip(names, pairs, strict=True):
            setattr(self, name, Block(a, b, semantic, hidden))
        self.images_conv = nn.Conv2d(pairs[-1][1], channels, 3, padding=1)

    def forward(self, semantic):
        size = [n >> self.doublings for n in semantic.shape[2:]]
        x = self.fc(functional.interpolate(semantic, size=size, mode="nearest"))
        for name in self.names:
            if name != "head_0" and (name != "middle_1" or self.up != "normal"):
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = getattr(self, name)(x, semantic)
        return torch.tanh(self.images_conv(leaky(x)))


class Patches(nn.Module):
    """The discriminator of one scale: a list of features, and last the scores."""

    def __init__(self, inputs, width, scores, depth=3):
        super().__init__()
        self.depth = depth
        for i in range(depth + 1):
            outputs = min(width * 2**i, 512)
            stride = 2 if i < depth else 1
            conv = nn.Conv2d(inputs, outputs, 4, stride, padding=2, bias=i == 0)
            setattr(self, f"conv_{i}", spectral_norm(conv) if i else conv)
            inputs = outputs
        self.norm = nn.InstanceNorm2d(1, affine=False)
        self.scores = nn.Conv2d(inputs, scores, 4, padding=2)

    def forward(self, x):
        found = []
        for i in range(self.depth + 1):
            x = getattr(self, f"conv_{i}")(x)
            x = leaky(functional.instance_norm(x) if i else x)
            found.append(x)
        return [*found, self.scores(x)]


class Discriminator(nn.Module):
    def __init__(self, inputs, width, scores, depth=3):
        super().__init__()
        self.scale_0 = Patches(inputs, width, scores, depth)
        self.scale_1 = Patches(inputs, width, scores, depth)

    def forward(self, x):
        half = functional.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
        return [self.scale_0(x), self.scale_1(half)]


class DBlock(nn.Module):
    def __init__(self, inputs, outputs, way, first=False):
        super().__init__()
        self.way, self.first = way, first
        self.conv_1 = spectral_norm(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv_2 = spectral_norm(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.conv_s = None
        if inputs != outputs:
            self.conv_s = spectral_norm(nn.Conv2d(inputs, outputs, 1))

    def resample(self, x):
        if self.way == "down":
            return functional.avg_pool2d(x, 2)
        return functional.interpolate(x, scale_factor=2, mode="nearest")

    def forward(self, x):
        up = self.way == "up"
        shortcut = self.resample(x) if up else x
        shortcut = shortcut if self.conv_s is None else self.conv_s(shortcut)
        shortcut = shortcut if up else self.resample(shortcut)
        h = x if self.first else leaky(x)
        h = self.conv_2(leaky(self.conv_1(self.resample(h) if up else h)))
        return shortcut + (h if up else self.resample(h))


class UNet(nn.Module):
    def __init__(self, inputs, width, scores, depth=6):
        super().__init__()
        self.depth = depth
        widths = [inputs, *([2 * width] * 2 + [4 * width] * 2 + [8 * width] * 2)[:depth]]
        for i in range(depth):
            setattr(self, f"down_{i}", DBlock(widths[i], widths[i + 1], "down", i == 0))
        for i in range(depth):
            given = widths[-1] if i == 0 else 2 * widths[-1 - i]
            outputs = widths[-2 - i] if i < depth - 1 else width
            setattr(self, f"up_{i}", DBlock(given, outputs, "up"))
        self.scores = nn.Conv2d(width, scores, 1)

    def forward(self, x):
        encoded = []
        for i in range(self.depth):
            x = getattr(self, f"down_{i}")(x)
            encoded.append(x)
        x = self.up_0(x)
        for i in range(1, self.depth):
            x = getattr(self, f"up_{i}")(torch.cat([encoded[-1 - i], x], 1))
        return self.scores(x)


def edges(instances):
    """Released SPADE's edge channel, of ids (B, 1, H, W)."""
    found = torch.zeros(instances.shape, dtype=torch.bool)
    across = instances[..., 1:] != instances[..., :-1]
    down = instances[..., 1:, :] != instances[..., :-1, :]
    found[..., 1:] |= across
    found[..., :-1] |= across
    found[..., 1:, :] |= down
    found[..., :-1, :] |= down
    return found.float()


def randomize(module, *inputs, seed=0):
    """Random weights of about the size that keeps a signal, biases and statistics too.

    With two forwards of `inputs`, so that u is neither where it began nor where it stays.
    """
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, x in [*module.named_parameters(), *module.named_buffers()]:
            if not x.dtype.is_floating_point:
                continue
            if name.endswith(("_u", "_v")):
                value = random.standard_normal(x.shape)
                value /= np.linalg.norm(value)
            elif name.endswith("running_var"):
                value = random.uniform(0.5, 2.0, x.shape)
            else:
                fan = max(1, int(np.prod(x.shape[1:])))
                value = random.standard_normal(x.shape) * (fan**-0.5 if x.ndim > 1 else 0.1)
            x.copy_(torch.tensor(value, dtype=x.dtype))
        for _ in range(2):
            module(*inputs)
    return module


def ours(module):
    """Weights of a module under the paths of our variables: {path: array in our layout}."""
    found = {}
    for name, x in module.state_dict().items():
        *path, last = name.split(".")
        value = x.detach().numpy()
        if last in ("weight", "weight_orig"):
            last, value = "kernel", value.transpose(2, 3, 1, 0)
        elif last == "weight_v":  # of a kernel (in, h, w) there, (h, w, in) here
            last = "v"
            kernel = module.state_dict()[name.replace("weight_v", "weight_orig")]
            value = value.reshape(kernel.shape[1:]).transpose(1, 2, 0).reshape(1, -1)
        elif last == "weight_u":
            last, value = "u", value[None]
        elif last == "running_mean":
            path, last = path[:-1], "moving_mean"
        elif last == "running_var":
            path, last = path[:-1], "moving_variance"
        elif last == "num_batches_tracked":
            continue
        parts = [p for p in path if p]
        found["_".join(parts) + "/" + last] = value
    return found


def path_of(variable):
    """As "up_0_norm_0/gamma/kernel" -> "up_0_norm_0_gamma/kernel"."""
    *path, last = variable.path.split("/")
    return "_".join(p for p in path if p not in ("generator", "discriminator")) + "/" + last


def copy_into(network, module):
    """A module's weights into our network; every variable of both is met once."""
    values = ours(module)
    paths = {path_of(v): v for v in network.variables}
    assert set(paths) == set(values), set(paths) ^ set(values)
    for path, v in paths.items():
        v.assign(np.array(values[path], order="C"))  # JAX would share the memory of a view


def values_of(network):
    return {path_of(v): keras.ops.convert_to_numpy(v) for v in network.variables}
