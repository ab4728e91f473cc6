"""Networks of ours from the published checkpoints, compared with what they came from."""

import dataclasses
import pathlib

import keras
import numpy as np

from keras_gans.convert import architecture, mapping, reference
from keras_gans.convert.checkpoint import read_checkpoint
from keras_gans.models import Sampler
from keras_gans.typing import Any, PathLike

IMAGES = 2e-5  # the most that a value of an image may differ
SCORES = 1e-4  # the same of a score, times the largest score where that is above 1


@dataclasses.dataclass
class Conversion:
    """What `convert` returns.

    Attributes:
        generator, discriminator: Keras models, or None where no file was given.
        forms: dictionary, network -> what was detected (`keras_gans.convert.architecture`).
        differences: dictionary, what was compared -> largest difference found.
    """

    generator: keras.Model | None
    discriminator: keras.Model | None
    forms: dict[str, Any]
    differences: dict[str, float]


def load_torch(
    generator: PathLike | None = None, discriminator: PathLike | None = None, **options: Any
) -> tuple[keras.Model | None, keras.Model | None]:
    """Networks from PyTorch checkpoints of BigGAN, Omni-GAN and Omni-INR-GAN.

    Reads what `ajbrock/BigGAN-PyTorch`, `PeterouZh/Omni-GAN-PyTorch` and `PeterouZh/Omni-GAN-DGP`
    write (`G_ema.pth`, `G.pth`, `D.pth`), detects the architecture from the names and shapes,
    assigns every weight, and compares the result with the published network, evaluated in PyTorch
    on the same inputs. Needs PyTorch, whatever the backend; nothing in the files is executed.

    Args:
        generator: path of a generator's checkpoint, or None.
        discriminator: path of a discriminator's checkpoint, or None.
        **options: of `convert`.

    Returns:
        `(generator, discriminator)`: [latents, labels] -> images (B, H, W, C) in [-1, 1], and
        images (or [images, labels]) -> scores; None for what was not given.

    Raises:
        FileNotFoundError: no such file.
        ImportError: PyTorch is not installed.
        ValueError: a file that is no such checkpoint or would run code, with the first weight that
            does not fit; or results that differ.

    Example:

    ```python
    g, d = keras_gans.convert.load_torch("G_ema.pth", "D.pth")
    images = g([latents, labels])
    ```
    """
    converted = convert(generator, discriminator, **options)
    return converted.generator, converted.discriminator


def convert(
    generator: PathLike | None = None,
    discriminator: PathLike | None = None,
    num_classes: int | None = None,
    d_head: str | None = None,
    cell: str = "trained",
    verify: bool = True,
    check: PathLike | None = None,
) -> Conversion:
    """As `load_torch`, returning what was detected and measured too.

    Args:
        generator, discriminator: paths of checkpoints; one of them at least.
        num_classes: integer, of a discriminator without a generator, to tell its scores apart.
        d_head: "omni", "imacgan" (C + 2 scores), "acgan" or "multi_hinge" (C + 1), where the number
            of scores leaves a choice; None takes "omni" or "acgan". It changes no weight.
        cell: "trained" or "true", of the INR head (`keras_gans.layers.INRHead`).
        verify: bool, whether to compare with the published network.
        check: path of an `.npz` with outputs of the published network to compare with as well:
            arrays `latents`, `labels` and `images` and, with a discriminator, `scores` of them;
            images (N, H, W, C) or (N, C, H, W).

    Returns:
        `Conversion`.
    """
    if generator is None and discriminator is None:
        raise ValueError("Nothing to convert: give the path of a generator or of a discriminator.")
    result, states = Conversion(None, None, {}, {}), {}
    if generator is not None:
        states["generator"] = read_checkpoint(generator, "generator")
        form = architecture.detect_generator(states["generator"], generator)
        if num_classes not in (None, form.num_classes):
            raise ValueError(
                f"{generator} makes {form.num_classes} classes, num_classes is {num_classes}."
            )
        num_classes, result.forms["generator"] = form.num_classes, form
    if discriminator is not None:
        states["discriminator"] = read_checkpoint(discriminator, "discriminator")
        form = architecture.detect_discriminator(
            states["discriminator"], discriminator, num_classes, d_head
        )
        result.forms["discriminator"] = form
        _check_pair(discriminator, form, result.forms.get("generator"))
    result.generator, result.discriminator = _build(result.forms, cell)
    for name, path in (("generator", generator), ("discriminator", discriminator)):
        if path is not None:
            weights = getattr(mapping, f"{name}_weights")
            network = getattr(result, name)
            mapping.assign(network, weights(network, result.forms[name]), states[name], path)
    if verify:
        result.differences |= _compare(result, states)
    if check is not None:
        result.differences |= _compare_recorded(result, pathlib.Path(check))
    return result


def _check_pair(where, form, generator):
    if generator is None:
        return
    for name in ("image_size", "channels"):
        ours, theirs = getattr(form, name), getattr(generator, name)
        if ours != theirs:
            raise ValueError(
                f"{where} has {name} {ours}, the generator {theirs}: they do not belong together."
            )


def _build(forms, cell):
    """`(generator, discriminator)` of the forms, with fresh weights."""
    from keras_gans.networks import biggan

    g, d, networks = forms.get("generator"), forms.get("discriminator"), [None, None]
    if g is not None:
        networks[0], other = biggan(
            image_size=g.image_size,
            channels=g.channels,
            width=g.width,
            num_classes=g.num_classes,
            latent_dim=g.latent_dim,
            d_head=1 if d is None else d.d_head,
            head=g.head,
            attention=g.attention,
            init="normal",  # replaced, and quick
            cell=cell,
            shared_dim=g.shared_dim or 1,
            hidden=g.hidden,
        )
        same = d is not None and d.width == g.width
        if same and d.attention == (g.attention if g.head == "conv" else ()):
            networks[1] = other
    if d is not None and networks[1] is None:
        _, networks[1] = biggan(
            image_size=d.image_size,
            channels=d.channels,
            width=d.width,
            num_classes=d.num_classes or 1,
            d_head=d.d_head,
            # Beside an INR head, the discriminator of images of any size.
            head="inr" if g is not None and g.head == "inr" and not d.attention else "conv",
            attention=d.attention,
            init="normal",
        )
    return networks


def _compare(result, states):
    """Our networks against the published ones in PyTorch; raises where they differ."""
    random, found = np.random.default_rng(0), {}
    form = result.forms.get("generator") or result.forms["discriminator"]
    count = 4 if form.image_size <= 64 else 2
    labels = random.integers(0, form.num_classes or 1, count).astype("int32")
    images = random.uniform(-1, 1, (count, *2 * (form.image_size,), form.channels))
    if result.generator is not None:
        latents = random.standard_normal((count, form.latent_dim)).astype("float32")
        cases = [(None, "trained")]
        if form.head == "inr":
            # Not square, and no multiple: where the two cells and the sampling show.
            size = (form.image_size + 8, form.image_size * 3 // 4 + 1)
            cases += [(size, "trained"), (size, "true")]
        published = reference.generator_images(states["generator"], form, latents, labels, cases)
        for (size, cell), wanted in zip(cases, published, strict=True):
            what = f"images of {size[0]}x{size[1]}, {cell} cell" if size else "images"
            ours = images_of(result.generator, latents, labels, size, cell if size else None)
            found[what] = _difference(ours, wanted, IMAGES, what)
        images = published[0]
    if result.discriminator is not None:
        form = result.forms["discriminator"]
        images = images.astype("float32")
        wanted = reference.discriminator_scores(states["discriminator"], form, images, labels)
        ours = scores_of(result.discriminator, images, labels)
        found["scores"] = _difference(ours, wanted, SCORES * _largest(wanted), "scores")
    return found


def images_of(
    generator: keras.Model,
    latents: np.ndarray,
    labels: Any,
    size: tuple[int, int] | None = None,
    cell: str | None = None,
) -> np.ndarray:
    """A generator's images in evaluation; at a `size` (height, width) those of an INR head."""
    return Sampler(generator).images_of(latents, labels, None, size, cell)


def scores_of(discriminator: keras.Model, images: np.ndarray, labels: Any = None) -> np.ndarray:
    """A discriminator's scores in evaluation."""
    images = np.asarray(images, "float32")
    if len(discriminator.inputs) == 1:
        return _numpy(discriminator(images, training=False))
    return _numpy(discriminator([images, np.asarray(labels, "int32")], training=False))


def _numpy(x):
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(x))


def _largest(scores):
    return max(1.0, float(np.max(np.abs(scores))))


def _difference(ours, wanted, most, what):
    if ours.shape != wanted.shape:
        raise ValueError(f"The {what} have shape {ours.shape}; expected {wanted.shape}.")
    difference = float(np.max(np.abs(ours - wanted)))
    if not difference <= most:
        raise ValueError(
            f"The converted network's {what} differ from the published network's by "
            f"{difference:.2g}; {most:.2g} is the most (a GPU that rounds to TF32 differs by more: "
            "convert on the CPU, with CUDA_VISIBLE_DEVICES= in the environment)."
        )
    return difference


def _compare_recorded(result, path):
    """Our networks against recorded outputs; raises where they differ."""
    try:
        with np.load(path, allow_pickle=False) as file:
            recorded = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist: expected recorded outputs.") from None
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no .npz of arrays ({error}).") from None
    names = ["images", "labels", *(["latents"] if result.generator is not None else ["scores"])]
    missing = [n for n in names if n not in recorded]
    if missing:
        raise ValueError(
            f"{path} has no array {missing[0]!r}; expected latents, labels and images, and "
            "scores for a discriminator."
        )
    images, found = recorded["images"], {}
    form = next(iter(result.forms.values()))
    if images.ndim == 4 and images.shape[-1] != form.channels:
        images = images.transpose(0, 2, 3, 1)
    if result.generator is not None:
        ours = images_of(result.generator, recorded["latents"], recorded["labels"])
        found["recorded images"] = _difference(ours, images, IMAGES, "recorded images")
    if result.discriminator is not None and "scores" in recorded:
        ours, wanted = (
            scores_of(result.discriminator, images, recorded["labels"]),
            recorded["scores"],
        )
        most = SCORES * _largest(wanted)
        found["recorded scores"] = _difference(ours, wanted, most, "recorded scores")
    return found
