"""Data sets that come with the library; declared here, they are found by their names everywhere.

A new one is a function of `Options` that gives a `Source`, beside these.
"""

import dataclasses

from keras_gans import registry
from keras_gans.data.sources import Options, Source, in_memory, split_slice


@registry.dataset(
    "digits",
    classes=10,
    channels=1,
    image_size=32,
    # They have no test split of their own: what scores hold out, and what they compare with.
    splits={"train": "train[:1500]", "test": "train[1500:]"},
)
def digits(options: Options) -> Source:
    """1,797 handwritten digits of 8x8 pixels, from scikit-learn.

    Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.

    Args:
        options: `Options`; the size is 32 where none is given, which shows each pixel as a block.
    """
    from sklearn.datasets import load_digits

    if options.label_name:
        raise ValueError("digits has one label an image, the digit: pass labels=True.")
    data = load_digits()
    _, part = split_slice(options.split, {"train": len(data.images)}, "digits")
    # Values are whole numbers 0 .. 16, so that this is exact.
    images = (data.images[part] / 8 - 1).astype("float32")[..., None]
    size = options.size or (32, 32)
    whole = size[0] % 8 == 0 and size[1] % 8 == 0
    resize = options.resize or ("nearest" if whole else "bilinear")
    return in_memory(
        "digits",
        images,
        dataclasses.replace(options, size=size, resize=resize),
        labels=data.target[part].astype("int32") if options.labels else None,
        class_names=[str(name) for name in data.target_names],
    )
