"""The residual blocks that SNGAN, WGAN-GP and BigGAN share, made of each one's own layers."""

from collections.abc import Sequence

from keras import layers

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.typing import Tensor

# A generator's last layers: a convolution and tanh, or an `INRHead` that renders any size.
HEADS = ("conv", "inr")


def class_heads() -> dict[str, type]:
    """Dictionary, head that scores all classes -> the class of the objective that is named so."""
    objectives = registry.all("objective")
    return {name: x.value for name, x in objectives.items() if getattr(x.value, "order", ())}


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise `ValueError`, with the nearest name, for a value that is not in `choices`."""
    if value not in choices:
        raise ValueError(
            f"Unknown {name} {value!r}{nearest(str(value), choices)}: choose one of "
            f"{list(choices)}."
        )


def check_head(d_head: str | int) -> None:
    """Raise `ValueError` unless a discriminator's head is known, or a number of scores."""
    if not isinstance(d_head, int):
        check_choice("d_head", d_head, ("projection", *class_heads()))


def count_scores(d_head: str | int, num_classes: int) -> int:
    """The number of scores of a head that is no projection."""
    if isinstance(d_head, int):
        return d_head
    return num_classes + len(class_heads()[d_head].order)


class ResidualBlocks:
    """Pre-activation residual blocks that double or halve the size of a feature map.

    Subclasses write `conv`, a convolution behind 2x nearest upsampling (`resample="up"`) or before
    2x2 average pooling ("down"), and the norms they need.
    """

    def conv(
        self, x: Tensor, filters: int, name: str, size: int = 3, resample: str | None = None
    ) -> Tensor:
        raise NotImplementedError

    def first_conv(self, x: Tensor, filters: int, name: str, resample: str | None = None) -> Tensor:
        """A block's first convolution; a norm may follow it."""
        return self.conv(x, filters, name, resample=resample)

    def norm(self, x: Tensor, condition: Tensor, name: str) -> Tensor:
        """A norm of an up-block."""
        raise NotImplementedError

    def down_norm(self, x: Tensor, name: str) -> Tensor:
        """A norm of a down-block; none by default."""
        return x

    def up_block(self, x: Tensor, condition: Tensor, filters: int, name: str) -> Tensor:
        """norm-ReLU-upsample-conv-norm-ReLU-conv, beside upsample-conv1x1.

        The 1x1 convolution comes before the nearest upsampling: the values are the same.
        """
        h = layers.ReLU(name=f"{name}_relu1")(self.norm(x, condition, f"{name}_norm1"))
        h = self.first_conv(h, filters, f"{name}_conv1", resample="up")
        h = layers.ReLU(name=f"{name}_relu2")(self.norm(h, condition, f"{name}_norm2"))
        h = self.conv(h, filters, f"{name}_conv2")
        x = self.conv(x, filters, f"{name}_shortcut", size=1)
        x = layers.UpSampling2D(interpolation="nearest", name=f"{name}_upsample")(x)
        return layers.Add(name=f"{name}_add")([h, x])

    def down_block(
        self, x: Tensor, filters: int, name: str, first: bool, down: bool, hidden: int | None = None
    ) -> Tensor:
        """norm-ReLU-conv-norm-ReLU-conv-pool, beside conv1x1-pool; the first block starts at conv.

        Average pooling comes before the 1x1 convolution (as it does in the published first block):
        the values are the same. A block that keeps size and width has no convolution there.
        """
        h = x
        if not first:
            h = layers.ReLU(name=f"{name}_relu1")(self.down_norm(h, f"{name}_norm1"))
        h = self.first_conv(h, hidden or filters, f"{name}_conv1")
        if not first:
            h = self.down_norm(h, f"{name}_norm2")
        h = layers.ReLU(name=f"{name}_relu2")(h)
        h = self.conv(h, filters, f"{name}_conv2", resample="down" if down else None)
        if down:
            x = layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        if down or x.shape[-1] != filters:
            x = self.conv(x, filters, f"{name}_shortcut", size=1)
        return layers.Add(name=f"{name}_add")([h, x])
