"""AsymmetricGAN's networks and losses in PyTorch's own functions, float64, weights from Keras."""

import torch
from conftest import to_numpy
from torch.nn import functional as F


class Weights:
    """A Keras network's trainable weights as float64 leaves, in order or by the layer's name."""

    def __init__(self, network):
        self.variables = list(network.trainable_variables)
        self.leaves = [
            torch.tensor(to_numpy(v).astype("float64"), requires_grad=True) for v in self.variables
        ]
        self.named = {
            layer.name: [self.leaves[self.at(v)] for v in layer.trainable_variables]
            for layer in network.layers
        }

    def at(self, variable):
        return next(i for i, v in enumerate(self.variables) if v is variable)

    def __iter__(self):
        return iter(self.leaves)

    def after(self, loss, rate):
        """The weights behind a step of plain gradient descent."""
        gradients = torch.autograd.grad(loss, self.leaves, retain_graph=True, allow_unused=True)
        zero = torch.zeros(())
        return [
            (w - rate * (zero if g is None else g)).detach().numpy()
            for w, g in zip(self.leaves, gradients, strict=True)
        ]


def nchw(x):
    return torch.as_tensor(x, dtype=torch.float64).permute(0, 3, 1, 2)


def conv(x, kernel, bias=None, stride=1, padding=0):
    return F.conv2d(x, kernel.permute(3, 2, 0, 1).contiguous(), bias, stride, padding)


def transposed(x, kernel, bias=None, **kwargs):
    return F.conv_transpose2d(x, kernel.permute(3, 2, 0, 1).contiguous(), bias, 2, 1, **kwargs)


def norm(x, scale=None, offset=None):
    return F.instance_norm(x, weight=scale, bias=offset, eps=1e-5)


def translation_generator(weights, architecture, blocks, domains, x, labels):
    """Tables 1 and 3 (2: no blocks)."""
    w = iter(weights)
    planes = F.one_hot(labels, domains).double()[:, :, None, None]
    x = torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], 1)
    if architecture == "I":
        for _ in range(6):
            x = F.relu(norm(conv(x, next(w), padding=1), next(w), next(w)))
        return torch.tanh(conv(x, next(w), padding=1))
    for stride, padding in ((1, 3), (2, 1), (2, 1)):
        x = F.relu(norm(conv(x, next(w), None, stride, padding), next(w), next(w)))
    for _ in range(blocks):
        y = F.relu(norm(conv(x, next(w), padding=1), next(w), next(w)))
        x = x + norm(conv(y, next(w), padding=1), next(w), next(w))
    for _ in range(2):
        x = F.relu(norm(transposed(x, next(w)), next(w), next(w)))
    return torch.tanh(conv(x, next(w), padding=3))


def domain_discriminator(weights, x):
    """StarGAN's: scores (B, 1, h, w), logits (B, m)."""
    for name, own in weights.named.items():
        if name.startswith("conv2d"):
            x = F.leaky_relu(conv(x, *own, stride=2, padding=1), 0.01)
    logits = conv(x, *weights.named["domains"])
    return conv(x, *weights.named["scores"], padding=1), logits.flatten(1)


def resnet(weights, blocks, *inputs):
    w = iter(weights)

    def mirrored(x, n):
        return conv(F.pad(x, (n,) * 4, mode="reflect"), next(w), next(w))

    x = F.relu(norm(mirrored(torch.cat(inputs, 1), 3)))
    for _ in range(2):
        x = F.relu(norm(conv(x, next(w), next(w), 2, 1)))
    for _ in range(blocks):
        x = x + norm(mirrored(F.relu(norm(mirrored(x, 1))), 1))
    for _ in range(2):
        x = F.relu(norm(transposed(x, next(w), next(w), output_padding=1)))
    return torch.tanh(mirrored(x, 3))


def patch_discriminator(weights, *inputs):
    w = iter(weights)
    x = F.leaky_relu(conv(torch.cat(inputs, 1), next(w), next(w), 2, 1), 0.2)
    for stride in (2, 2, 1):
        x = F.leaky_relu(norm(conv(x, next(w), None, stride, 1)), 0.2)
    return conv(x, next(w), next(w), 1, 1)


def ssim_loss(x, y, data_range, black):
    """1 - SSIM at one scale, with an 11 x 11 window as a whole."""
    position = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-0.5 * (position / 1.5) ** 2)
    window = line[:, None] * line[None]
    window = (window / window.sum())[None, None].repeat(x.shape[1], 1, 1, 1)

    def smooth(z):
        return F.conv2d(z, window, groups=z.shape[1])

    x, y = x - black, y - black
    mx, my = smooth(x), smooth(y)
    xx, yy, xy = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    value = (2 * mx * my + c1) / (mx**2 + my**2 + c1) * (2 * xy + c2) / (xx + yy + c2)
    return 1 - value.mean((2, 3)).mean(1).mean()
