"""VGG-19's features, for perceptual losses."""

import keras
from keras import layers, ops

from keras_gans.typing import PathLike, Shape, Tensor

SLICES = tuple(f"block{i}_conv1" for i in range(1, 6))
# Keras's weights take pixels of 0 to 255 less these means, blue first; torchvision's, for which the
# published weight of the loss was chosen, take pixels divided by their deviation, about 57.
_MEANS = (103.939, 116.779, 123.68)
_DEVIATION = 57.0


@keras.saving.register_keras_serializable(package="keras_gans")
class VGGPixels(keras.layers.Layer):
    """RGB (or gray) images in [-1, 1] -> what VGG's weights take: 0 to 255, BGR, less the means."""

    def call(self, images: Tensor) -> Tensor:
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        means = ops.convert_to_tensor(_MEANS, images.dtype)
        return (ops.flip(images, axis=-1) + 1.0) * 127.5 - means

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], 3)


def vgg19_features(
    weights: PathLike | None = "imagenet",
    image_size: int | tuple[int, int] | None = None,
    channels: int = 3,
) -> keras.Model:
    """VGG-19 as a network of five features: the first ReLU of each block.

    Simonyan & Zisserman, ICLR 2015, from `keras.applications`; the slices are those of pix2pixHD
    (Wang et al., CVPR 2018). The features are divided by the deviation of pixels, 57, which brings
    them to about the scale they have where pixels are divided by it.

    Args:
        weights: "imagenet", downloaded by Keras once; the path of its file
            `vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5`; or None for random ones.
        image_size: integer or (height, width), or None for any of 16 or more.
        channels: 1 or 3.

    Returns:
        Keras model, images in [-1, 1] -> list of five features; not trainable.

    Raises:
        OSError: the weights could not be fetched or read.

    Example:

    >>> features = keras_gans.networks.vgg19_features(weights=None)
    >>> [x.shape[-1] for x in features.outputs]
    [64, 128, 256, 512, 512]
    """
    try:
        vgg = keras.applications.VGG19(include_top=False, weights=weights)
    except Exception as error:  # URLError, HTTPError, ValueError, OSError: by backend and version
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise OSError(
            f"VGG-19's weights {weights!r} cannot be had ({reason[0]}): pass the path of "
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 to networks.vgg19_features(path), "
            "or train without the perceptual loss, by its weight 0."
        ) from error
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    images = keras.Input((*(size or (None, None)), channels), name="images")
    slices = keras.Model(vgg.inputs, [vgg.get_layer(name).output for name in SLICES])
    scale = layers.Rescaling(1 / _DEVIATION, dtype="float32")
    outputs = [scale(x) for x in slices(VGGPixels(dtype="float32")(images))]
    network = keras.Model(images, outputs, name="vgg19_features")
    network.trainable = False
    return network
