"""A head that renders an image of any size from a feature map."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_gans.layers.initializers import SeededUniform
from keras_gans.layers.spectral import SpectralDense
from keras_gans.training import backend
from keras_gans.typing import Any, Config, Shape, Tensor

# Bytes of one intermediate result of a chunk of rows in `render`; a handful live at once.
_CHUNK_BYTES = 48 * 2**20


@keras.saving.register_keras_serializable(package="keras_gans")
class INRHead(keras.layers.Layer):
    """Implicit-representation head: colors as a function of features and coordinates.

    Omni-INR-GAN (Zhou et al., Omni-GAN, ICCV 2021, Sec. 3.5, Tables 7 and 8): at each pixel, the
    3x3 neighborhoods of the feature map are sampled bilinearly at the pixel's center and
    concatenated with its coordinates (y, x) in [-1, 1] and the cell, the pixel's size measured in
    the map's pixels times 2 (rows, columns); a perceptron (hidden, hidden, channels; ReLU;
    spectrally normalized) and tanh give the color.

    Sampling commutes with a linear map. So the first linear layer, whose kernel
    (9 C + 4, hidden) is one matrix to the spectral norm, is applied before it as a zero-padded 3x3
    convolution, and 9 C channels are never sampled. Its rows are in the order (row of the
    neighborhood, column, channel), y, x, cell rows, cell columns.

    Args:
        image_size: integer, side of the images of `call`.
        hidden: integer, width of the perceptron.
        channels: integer, channels of the images.
        cell: "trained" for the cell of `image_size` at every size, or "true" for each size's own.
        epsilon: float, of the spectral normalization.
        seed: integer or sequence of integers; kernels and biases start uniform in
            +-fan_in ** -0.5 (PyTorch's linear layers).

    Call arguments:
        inputs: feature map (B, Hf, Wf, C).

    Returns:
        Images (B, image_size, image_size, channels), float32 in [-1, 1].

    Example:

    >>> head = keras_gans.layers.INRHead(16, hidden=8)
    >>> features = keras.ops.ones((2, 16, 16, 4))
    >>> head(features).shape, head.render(features, (20, 50)).shape
    ((2, 16, 16, 3), (2, 20, 50, 3))
    """

    def __init__(
        self,
        image_size: int,
        hidden: int,
        channels: int = 3,
        cell: str = "trained",
        epsilon: float = 1e-6,
        seed: int | Sequence[int] = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_cell(cell)
        self.image_size = image_size
        self.hidden = hidden
        self.channels = channels
        self.cell = cell
        self.epsilon = epsilon
        self.seed = seed

    def build(self, input_shape: Shape) -> None:
        inputs = (9 * input_shape[-1] + 4, self.hidden, self.hidden)
        outputs = (self.hidden, self.hidden, self.channels)
        seed = list(self.seed) if isinstance(self.seed, (list, tuple)) else [self.seed]
        self.linears: list[SpectralDense] = [
            SpectralDense(
                n_out,
                kernel_initializer=SeededUniform(n_in**-0.5, [*seed, 2 * i]),
                bias_initializer=SeededUniform(n_in**-0.5, [*seed, 2 * i + 1]),
                epsilon=self.epsilon,
                dtype=self.dtype_policy,
                name=f"linear{i + 1}",
            )
            for i, (n_in, n_out) in enumerate(zip(inputs, outputs, strict=True))
        ]
        for layer, n_in in zip(self.linears, inputs, strict=True):
            layer.build((None, n_in))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self._render(inputs, (self.image_size,) * 2, self.cell, None, training)

    def render(
        self,
        features: Tensor,
        size: int | tuple[int, int],
        cell: str | None = None,
        rows: int | None = None,
        differentiable: bool = False,
    ) -> Tensor:
        """Images of any size, from the feature map, in evaluation mode.

        Args:
            features: (B, Hf, Wf, C), what `call` takes.
            size: integer or pair (height, width).
            cell: "trained" or "true"; None for the head's own.
            rows: integer, how many rows of pixels are rendered at once; None chooses it so that
                memory stays bounded at any size.
            differentiable: bool, whether gradients flow; they keep every chunk's results in memory.

        Returns:
            (B, height, width, channels), float32 in [-1, 1].

        Raises:
            ValueError: unknown cell, or a size that is not positive.
        """
        height, width = (size, size) if np.ndim(size) == 0 else size
        if height < 1 or width < 1:
            raise ValueError(f"size is {size}; expected a positive height and width.")
        cell = cell or self.cell
        _check_cell(cell)
        if rows is None:
            row_bytes = 4 * (features.shape[0] or 1) * width * self.hidden
            rows = max(1, _CHUNK_BYTES // row_bytes)
        size = (int(height), int(width))
        return self._render(features, size, cell, rows, False, differentiable)

    def _render(self, features, size, cell, rows, training, differentiable=True):
        features = ops.cast(features, self.compute_dtype)
        kernels = [layer.normalized(training) for layer in self.linears]
        biases = [ops.cast(layer.bias, "float32") for layer in self.linears]
        if not differentiable:
            features, kernels, biases = keras.tree.map_structure(
                ops.stop_gradient, (features, kernels, biases)
            )
        channels = features.shape[-1]
        kernel = ops.reshape(kernels[0][:-4], (3, 3, channels, self.hidden))
        x = backend.convolution(features, kernel, 1, "same", data_format="channels_last")
        reference = size if cell == "true" else (self.image_size,) * 2
        cell = [2 * n / m for n, m in zip(map(int, features.shape[1:3]), reference, strict=True)]
        of_y, of_x, *of_cell = ops.unstack(ops.cast(kernels[0][-4:], "float32"), 4)
        constant = of_cell[0] * cell[0] + of_cell[1] * cell[1] + biases[0]
        down, across = (ops.convert_to_tensor(_centres(n)[:, None], "float32") for n in size)
        down, across = down[:, None] * of_y, across * of_x + constant
        rows = size[0] if rows is None else rows
        chunks = []
        for start in range(0, size[0], rows):
            stop = min(start + rows, size[0])
            y = _sample(_sample(x, 1, size[0], start, stop), 2, size[1], 0, size[1])
            y = ops.relu(y + ops.cast(down[start:stop] + across, y.dtype))
            y = ops.relu(ops.matmul(y, kernels[1]) + ops.cast(biases[1], x.dtype))
            y = ops.cast(ops.matmul(y, kernels[2]), "float32") + biases[2]
            chunks.append(ops.tanh(y))
        return chunks[0] if len(chunks) == 1 else ops.concatenate(chunks, axis=1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.image_size, self.image_size, self.channels)

    def compute_output_spec(self, inputs: Tensor, training: bool = False) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="float32")

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "image_size": self.image_size,
            "hidden": self.hidden,
            "channels": self.channels,
            "cell": self.cell,
            "epsilon": self.epsilon,
            "seed": self.seed,
        }


def _check_cell(cell):
    if cell not in ("trained", "true"):
        raise ValueError(f'cell is {cell!r}; "trained" or "true" is wanted.')


def _centres(count):
    """The coordinates of the centers of `count` pixels in [-1, 1]."""
    return (2 * np.arange(count) + 1) / count - 1


def _sample(x, axis, count, start, stop):
    """Samples start to stop of `count` along an axis of x, bilinear, zero outside of x.

    `torch.nn.functional.grid_sample(padding_mode="zeros", align_corners=False)` at pixel centers.
    """
    n = int(x.shape[axis])  # a tensor while torch traces
    if (count, start, stop) == (n, 0, n):
        return x
    position = (_centres(count)[start:stop] + 1) * n / 2 - 0.5
    low = np.floor(position).astype(int)
    shape = [-1 if i == axis else 1 for i in range(4)]
    out = 0
    for index, weight in ((low, low + 1 - position), (low + 1, position - low)):
        weight = np.where((index >= 0) & (index < n), weight, 0).reshape(shape)
        taken = ops.take(x, np.clip(index, 0, n - 1), axis=axis)
        out = out + taken * ops.convert_to_tensor(weight.astype("float32"), x.dtype)
    return out
