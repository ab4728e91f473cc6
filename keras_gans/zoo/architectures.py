"""Entries without weights: the paper-size networks on ImageNet, to train or to convert into."""

from keras_gans.typing import Any

_SIZES = (128, 256)
_OMNI = (
    "nobody released weights of it: convert a checkpoint of your own with keras-gans convert, or "
    "train it with examples/omni_gan_imagenet.py"
)
_BIGGAN = (
    "its weights do not come with this library: download the authors' G_ema.pth (BigGAN-PyTorch) "
    "and convert it with keras-gans convert, or train it with keras_gans.models.BigGAN"
)
# prefix: (method, its head, the discriminator's, summary, how to get weights)
_FORMS = {
    "biggan_imagenet": ("BigGAN", "conv", "projection", "BigGAN", _BIGGAN),
    "omni_gan_imagenet": ("OmniGAN", "conv", "omni", "Omni-GAN", _OMNI),
    "omni_inr_imagenet": ("OmniINRGAN", "inr", "omni", "Omni-INR-GAN, images of any size", _OMNI),
}
ARCHITECTURES = {f"{prefix}_{n}": (n, *form) for prefix, form in _FORMS.items() for n in _SIZES}


def arguments(name: str) -> dict[str, Any]:
    """The arguments of `keras_gans.networks.biggan` of an architecture."""
    size, _, head, d_head, *_ = ARCHITECTURES[name]
    options = {"image_size": size, "width": 96, "num_classes": 1000}
    return {**options, "head": head, "d_head": d_head}


def summary(name: str) -> str:
    """One line about an architecture."""
    size, *_, what, _ = ARCHITECTURES[name]
    return f"{what}, of {size} pixels and 1,000 classes (ImageNet), width 96."


def without_weights(name: str) -> ValueError:
    """The error of an architecture that was asked for its weights."""
    return ValueError(
        f"Zoo entry {name!r} is an architecture only; {ARCHITECTURES[name][-1]}. "
        f"zoo.load({name!r}, weights=None) builds it untrained."
    )


def card(name: str) -> str:
    """The card of an architecture, Markdown."""
    size, method, *_, how = ARCHITECTURES[name]
    options = ", ".join(f"{k}={v!r}" for k, v in arguments(name).items())
    return (
        f"# {name}\n\n{summary(name)}\n\n**Architecture only**: {how}.\n\n"
        f'```python\nimport keras_gans\nentry = keras_gans.zoo.load("{name}", weights=None)\n'
        f"g, d = entry.generator, entry.discriminator  # with initial weights\n"
        f"model = keras_gans.models.{method}(g, d, num_classes=1000, ema=0.9999)\n```\n\n"
        f"The networks are those of `keras_gans.networks.biggan({options})`.\n"
    )
