"""BigGAN, Omni-GAN and Omni-INR-GAN in PyTorch, written for the tests from the papers.

What our networks, converters and steps are compared with: modules whose `state_dict` has the names
of the published checkpoints, with random weights, buffers included, so that every mixed-up pair of
them shows.
"""

import torch
from torch import nn
from torch.nn import functional

# image size -> multiples of the width that G's blocks take and give; D's blocks give, halving.
G_BLOCKS = {
    32: ((4, 4), (4, 4), (4, 4)),
    64: ((16, 16), (16, 8), (8, 4), (4, 2)),
    128: ((16, 16), (16, 8), (8, 4), (4, 2), (2, 1)),
    256: ((16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1)),
}
D_BLOCKS = {
    32: ((4, 1), (4, 1), (4, 0), (4, 0)),
    64: ((1, 1), (2, 1), (4, 1), (8, 1), (16, 0)),
    128: ((1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (16, 0)),
    256: ((1, 1), (2, 1), (4, 1), (8, 1), (8, 1), (16, 1), (16, 0)),
}


class _Spectral:
    """A weight divided by its estimated largest singular value; one power iteration a forward."""

    def prepare(self, rows):
        self.register_buffer("u0", torch.randn(1, rows))
        self.register_buffer("sv0", torch.ones(1))

    def normalized(self):
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = functional.normalize(self.u0 @ matrix, eps=1e-6)
            u = functional.normalize(v @ matrix.T, eps=1e-6)
        sigma = (v @ matrix.T @ u.T).squeeze()
        if self.training:
            self.u0.copy_(u)
            self.sv0.fill_(sigma.item())
        return self.weight / sigma


class Conv(_Spectral, nn.Conv2d):
    def __init__(self, inputs, outputs, size=3, bias=True):
        super().__init__(inputs, outputs, size, padding=size // 2, bias=bias)
        self.prepare(outputs)

    def forward(self, x):
        return functional.conv2d(x, self.normalized(), self.bias, padding=self.padding)


class Linear(_Spectral, nn.Linear):
    def __init__(self, inputs, outputs, bias=True):
        super().__init__(inputs, outputs, bias)
        self.prepare(outputs)

    def forward(self, x):
        return functional.linear(x, self.normalized(), self.bias)


class Embedding(_Spectral, nn.Embedding):
    def __init__(self, rows, values):
        super().__init__(rows, values)
        self.prepare(rows)

    def forward(self, labels):
        return functional.embedding(labels, self.normalized())


class ConditionalNorm(nn.Module):
    def __init__(self, channels, inputs, table):
        super().__init__()
        self.gain = table(inputs, channels)
        self.bias = table(inputs, channels)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x, y):
        x = functional.batch_norm(
            x, self.stored_mean, self.stored_var, training=self.training, momentum=0.1, eps=1e-5
        )
        return x * (1 + self.gain(y))[..., None, None] + self.bias(y)[..., None, None]


class Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x):
        return functional.batch_norm(
            x, self.stored_mean, self.stored_var, self.gain, self.bias, self.training, 0.1, 1e-5
        )


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.theta = Conv(channels, channels // 8, 1, bias=False)
        self.phi = Conv(channels, channels // 8, 1, bias=False)
        self.g = Conv(channels, channels // 2, 1, bias=False)
        self.o = Conv(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x, y=None):
        theta = self.theta(x).flatten(2)
        phi = functional.max_pool2d(self.phi(x), 2).flatten(2)
        g = functional.max_pool2d(self.g(x), 2).flatten(2)
        weights = torch.softmax(torch.einsum("bcq,bck->bqk", theta, phi), -1)
        seen = torch.einsum("bck,bqk->bcq", g, weights)
        return x + self.gamma * self.o(seen.reshape(len(x), -1, *x.shape[2:]))


class UpBlock(nn.Module):
    def __init__(self, inputs, outputs, norm):
        super().__init__()
        self.conv1 = Conv(inputs, outputs)
        self.conv2 = Conv(outputs, outputs)
        self.conv_sc = Conv(inputs, outputs, 1)
        self.bn1 = norm(inputs)
        self.bn2 = norm(outputs)

    def forward(self, x, y):
        def up(x):
            return functional.interpolate(x, scale_factor=2, mode="nearest")

        h = self.conv1(up(torch.relu(self.bn1(x, y))))
        return self.conv2(torch.relu(self.bn2(h, y))) + self.conv_sc(up(x))


class DownBlock(nn.Module):
    def __init__(self, inputs, outputs, first, down):
        super().__init__()
        self.first, self.down = first, down
        self.conv1 = Conv(inputs, outputs)
        self.conv2 = Conv(outputs, outputs)
        if inputs != outputs or down:
            self.conv_sc = Conv(inputs, outputs, 1)

    def forward(self, x):
        def pool(x):
            return functional.avg_pool2d(x, 2) if self.down else x

        h = pool(self.conv2(torch.relu(self.conv1(x if self.first else torch.relu(x)))))
        if not hasattr(self, "conv_sc"):
            return h + x
        return h + (self.conv_sc(pool(x)) if self.first else pool(self.conv_sc(x)))


class MLP(nn.Module):
    def __init__(self, inputs, hidden, channels):
        super().__init__()
        self.layers = nn.Sequential(
            Linear(inputs, hidden), nn.ReLU(), Linear(hidden, hidden), nn.ReLU(),
            Linear(hidden, channels),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


class Generator(nn.Module):
    """The generator; `shared_dim` None is the CIFAR form (tables by class, no hierarchy)."""

    def __init__(
        self,
        size,
        width,
        classes,
        latents,
        shared_dim=None,
        attention=(),
        inr=False,
        channels=3,
        hidden=None,
    ):
        super().__init__()
        self.size, self.inr = size, inr
        blocks = G_BLOCKS[size]
        self.hierarchical = shared_dim is not None
        self.chunk = latents // (len(blocks) + 1) if self.hierarchical else latents
        if shared_dim is None:
            self.shared = nn.Identity()

            def norm(channels):
                return ConditionalNorm(channels, classes, nn.Embedding)
        else:
            self.shared = nn.Embedding(classes, shared_dim)

            def norm(channels):
                return ConditionalNorm(
                    channels, shared_dim + self.chunk, lambda i, o: Linear(i, o, bias=False)
                )

        self.linear = Linear(self.chunk, 16 * blocks[0][0] * width)
        self.blocks = nn.ModuleList()
        for i, (inputs, outputs) in enumerate(blocks):
            block = [UpBlock(inputs * width, outputs * width, norm)]
            if 8 * 2**i in attention:
                block.append(Attention(outputs * width))
            self.blocks.append(nn.ModuleList(block))
        last = blocks[-1][1] * width
        if inr:
            self.inr_net = MLP(9 * last + 4, hidden or width, channels)
        else:
            self.output_layer = nn.Sequential(Norm(last), nn.ReLU(), Conv(last, channels))
        randomize(self)

    def features(self, z, labels):
        y = self.shared(labels)
        if self.hierarchical:
            z, *rest = z[:, : self.chunk * (len(self.blocks) + 1)].split(self.chunk, 1)
            ys = [torch.cat([y, chunk], 1) for chunk in rest]
        else:
            ys = [y] * len(self.blocks)
        h = self.linear(z).reshape(len(z), -1, 4, 4)
        for block, y in zip(self.blocks, ys, strict=True):
            for layer in block:
                h = layer(h, y)
        return h

    def forward(self, z, labels, shape=None, cell="trained"):
        h = self.features(z, labels)
        if not self.inr:
            return torch.tanh(self.output_layer(h))
        height, width = shape or (self.size, self.size)
        ys = (torch.arange(height, dtype=h.dtype) + 0.5) * 2 / height - 1
        xs = (torch.arange(width, dtype=h.dtype) + 0.5) * 2 / width - 1
        points = torch.stack(torch.meshgrid(ys, xs, indexing="ij"), -1)  # (H, W, 2): y, x
        points = points.expand(len(h), -1, -1, -1)
        cells = (2.0, 2.0)
        if cell == "true":
            cells = (2 * h.shape[2] / height, 2 * h.shape[3] / width)
        unfolded = functional.unfold(h, 3, padding=1).reshape(len(h), -1, *h.shape[2:])
        sampled = functional.grid_sample(
            unfolded, points.flip(-1), "bilinear", "zeros", align_corners=False
        ).permute(0, 2, 3, 1)
        cells = torch.tensor(cells, dtype=h.dtype).expand_as(points)
        colors = self.inr_net(torch.cat([sampled, points, cells], -1))
        return torch.tanh(colors.permute(0, 3, 1, 2))


class Discriminator(nn.Module):
    """The discriminator: `outputs` scores, or one by projection where `classes` is given."""

    def __init__(self, size, width, outputs=1, classes=None, attention=(), channels=3):
        super().__init__()
        self.blocks = nn.ModuleList()
        inputs, side = channels, size
        for i, (multiple, down) in enumerate(D_BLOCKS[size]):
            block = [DownBlock(inputs, multiple * width, i == 0, bool(down))]
            side = side // 2 if down else side
            if side in attention:
                block.append(Attention(multiple * width))
            self.blocks.append(nn.ModuleList(block))
            inputs = multiple * width
        self.linear = Linear(inputs, outputs)
        if classes is not None:
            self.embed = Embedding(classes, inputs)
        randomize(self)

    def forward(self, x, labels=None):
        for block in self.blocks:
            for layer in block:
                x = layer(x)
        h = torch.relu(x).sum((2, 3))
        scores = self.linear(h)
        if hasattr(self, "embed"):
            scores = scores + (self.embed(labels) * h).sum(1, keepdim=True)
        return scores


def randomize(network, seed=0):
    """Random weights and buffers of sizes at which no activation dies or saturates."""
    random = torch.Generator().manual_seed(seed)

    def normal(value, scale, mean=0.0):
        value.copy_(mean + scale * torch.randn(value.shape, generator=random))

    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            end = name.rpartition(".")[2]
            if end == "u0":
                normal(value, 1.0)
                value /= value.norm()
            elif end == "stored_var":
                value.copy_(0.5 + torch.rand(value.shape, generator=random))
            elif name.startswith("inr_net") and end == "bias":
                normal(value, 0.3, 0.8)
            elif end == "stored_mean" or end == "bias" and value.ndim == 1:
                normal(value, 0.2)
            elif end == "gamma":
                value.fill_(0.7)
            elif end == "gain":
                normal(value, 0.2, 1.0)
            elif end == "weight":
                normal(value, (1.0 / value.flatten(1).shape[1]) ** 0.5)
