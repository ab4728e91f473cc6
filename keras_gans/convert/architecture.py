"""What a checkpoint is, read off the names and shapes of its weights."""

import dataclasses
import re

import numpy as np

# Number of blocks -> image size, and the width's multiples in G's last and D's first block.
_GENERATORS = {3: (32, 4), 4: (64, 2), 5: (128, 1), 6: (256, 1)}
_DISCRIMINATORS = {4: (32, 4), 5: (64, 1), 6: (128, 1), 7: (256, 1)}
# Scores of D beyond the classes -> head; the first is what published checkpoints are.
_HEADS = {2: ("omni", "imacgan"), 1: ("acgan", "multi_hinge")}


@dataclasses.dataclass(frozen=True)
class Generator:
    """The form of a generator.

    Attributes:
        image_size, channels, width, num_classes, latent_dim: as in `keras_gans.networks.biggan`.
        blocks: integer, number of residual blocks.
        shared_dim: length of the shared class embedding, or None: a table in every norm (CIFAR).
        chunk: length of a piece of the latent vector; `latent_dim` without hierarchy.
        attention: sides of the maps that attention follows.
        hidden: width of the INR head's MLP, or None: a convolution.
    """

    image_size: int
    channels: int
    width: int
    num_classes: int
    latent_dim: int
    blocks: int
    shared_dim: int | None
    chunk: int
    attention: tuple[int, ...]
    hidden: int | None

    @property
    def head(self) -> str:
        return "conv" if self.hidden is None else "inr"

    @property
    def hierarchical(self) -> bool:
        return self.chunk != self.latent_dim

    def __str__(self) -> str:
        classes = "tables of classes" if self.shared_dim is None else "shared class embedding"
        return (
            f"generator, {self.image_size} px, {_channels(self)}, width {self.width}, "
            f"{self.num_classes} classes, latents {self.latent_dim}"
            f"{' (hierarchical)' if self.hierarchical else ''}, {classes}, "
            f"{_attention(self)}, {'INR head' if self.hidden else 'convolution head'}"
        )


@dataclasses.dataclass(frozen=True)
class Discriminator:
    """The form of a discriminator.

    Attributes:
        image_size, channels, width: as in `keras_gans.networks.biggan`.
        blocks: integer, number of residual blocks.
        scores: integer, number of scores.
        num_classes: integer; None where a D of several scores does not tell.
        d_head: as in `keras_gans.networks.biggan`.
        attention: sides of the maps that attention follows.
    """

    image_size: int
    channels: int
    width: int
    blocks: int
    scores: int
    num_classes: int | None
    d_head: str | int
    attention: tuple[int, ...]

    def __str__(self) -> str:
        return (
            f"discriminator, {self.image_size} px, {_channels(self)}, width {self.width}, "
            f"{self.scores} score{'s' if self.scores > 1 else ''} ({self.d_head}), "
            f"{_attention(self)}"
        )


def _channels(form):
    return f"{form.channels} channel{'s' if form.channels > 1 else ''}"


def _attention(form):
    sides = ", ".join(str(s) for s in form.attention)
    return f"attention at {sides}" if sides else "no attention"


def detect_generator(state: dict[str, np.ndarray], where: str) -> Generator:
    """The form of the generator whose weights `state` holds.

    Args:
        state: dictionary, name -> array, as `read_checkpoint` returns it.
        where: how to call the file in messages.

    Raises:
        ValueError: a weight that tells the form is missing or has a shape that no form has.
    """
    if "blocks.0.0.conv1.weight" in state and "blocks.0.0.bn1.gain.weight" not in state:
        raise ValueError(
            f"{where} holds a discriminator or another network: it has no weight "
            "'blocks.0.0.bn1.gain.weight', and a generator is wanted here."
        )
    blocks, attention = _blocks(state, where)
    if blocks not in _GENERATORS:
        raise ValueError(
            f"{where} has {blocks} blocks: generators of {_listed(_GENERATORS)} are taken, for 32 "
            "to 256 px."
        )
    image_size, multiple = _GENERATORS[blocks]
    # The first of a layer's axes counts outputs, in PyTorch.
    last = _shape(state, f"blocks.{blocks - 1}.0.conv2.weight", 4, where)[0]
    inputs = _shape(state, "blocks.0.0.conv1.weight", 4, where)[1]
    outputs, chunk = _shape(state, "linear.weight", 2, where)
    condition = _shape(state, "blocks.0.0.bn1.gain.weight", 2, where)
    shared = "shared.weight" in state
    if shared:
        num_classes, shared_dim = _shape(state, "shared.weight", 2, where)
        hierarchical = condition[1] != shared_dim
    else:
        num_classes, shared_dim, hierarchical = condition[0], None, False
    if last % multiple or outputs != 16 * inputs:
        raise ValueError(
            f"{where}: 'linear.weight' has shape {(outputs, chunk)} and the last block {last} "
            f"channels, which is no generator of {image_size} px; expected maps of 4x4 first."
        )
    if not shared == hierarchical == (image_size > 32):
        raise ValueError(
            f"{where} is a generator of {image_size} px with{'' if shared else 'out'} a shared "
            f"class embedding and with{'' if hierarchical else 'out'} hierarchical latents: both "
            "are wanted from 64 px on, neither at 32."
        )
    inr = "inr_net.layers.0.weight" in state
    if inr:
        hidden = _shape(state, "inr_net.layers.0.weight", 2, where)[0]
        channels = _shape(state, "inr_net.layers.4.weight", 2, where)[0]
    else:
        hidden, channels = None, _shape(state, "output_layer.2.weight", 4, where)[0]
    return Generator(
        image_size=image_size,
        channels=channels,
        width=last // multiple,
        num_classes=num_classes,
        latent_dim=chunk * (blocks + 1) if hierarchical else chunk,
        blocks=blocks,
        shared_dim=shared_dim,
        chunk=chunk,
        attention=tuple(8 * 2**i for i in attention),
        hidden=hidden,
    )


def detect_discriminator(
    state: dict[str, np.ndarray],
    where: str,
    num_classes: int | None = None,
    d_head: str | int | None = None,
) -> Discriminator:
    """The form of the discriminator whose weights `state` holds.

    Args:
        state, where: as in `detect_generator`.
        num_classes: integer, known from a generator, or None.
        d_head: the head, where the number of scores leaves a choice (C + 2: "omni" or "imacgan";
            C + 1: "acgan" or "multi_hinge"); None takes the first.

    Raises:
        ValueError: as in `detect_generator`, or a number of scores that no head has.
    """
    if "blocks.0.0.bn1.gain.weight" in state:
        raise ValueError(
            f"{where} holds a generator ('blocks.0.0.bn1.gain.weight'); expected a discriminator "
            "here."
        )
    blocks, attention = _blocks(state, where)
    if blocks not in _DISCRIMINATORS:
        raise ValueError(
            f"{where} has {blocks} blocks: discriminators of {_listed(_DISCRIMINATORS)} are taken, "
            "for 32 to 256 px."
        )
    image_size, multiple = _DISCRIMINATORS[blocks]
    outputs, channels = _shape(state, "blocks.0.0.conv1.weight", 4, where)[:2]
    scores, _ = _shape(state, "linear.weight", 2, where)
    if "embed.weight" in state:
        found, head = _shape(state, "embed.weight", 2, where)[0], "projection"
        if num_classes not in (None, found):
            raise ValueError(
                f"{where} tells {found} classes apart, the generator makes {num_classes}: they do "
                "not belong together."
            )
        num_classes = found
    else:
        head = _head(scores, num_classes, d_head, where)
    if d_head not in (None, head):
        raise ValueError(f"{where} has {scores} scores ({head}), not those of d_head={d_head!r}.")
    return Discriminator(
        image_size=image_size,
        channels=channels,
        width=outputs // multiple,
        blocks=blocks,
        scores=scores,
        num_classes=num_classes,
        d_head=head,
        # Sides of the blocks' maps: down to 4, or to 16 of 32 px's.
        attention=tuple(sorted({_side(image_size, i) for i in attention}, reverse=True)),
    )


def _side(image_size, block):
    return 16 if image_size == 32 else max(image_size // 2 ** (block + 1), 4)


def _head(scores, num_classes, d_head, where):
    if num_classes is None:
        return scores
    heads = _HEADS.get(scores - num_classes)
    if heads is None:
        raise ValueError(
            f"{where} has {scores} scores for the generator's {num_classes} classes: {num_classes} "
            "+ 2 (Omni-GAN) or + 1 are wanted."
        )
    return d_head if d_head in heads else heads[0]


def _blocks(state, where):
    """Number of blocks, and the blocks with attention."""
    names = [re.match(r"blocks\.(\d+)\.(\d+)\.(\w+)", n) for n in state]
    names = [m for m in names if m]
    if not names:
        first = next(iter(state), "nothing")
        raise ValueError(
            f"{where} is no network of BigGAN or Omni-GAN: it has no weight "
            f"'blocks.0.0.conv1.weight' (its first is {first!r})."
        )
    deep = [m.string for m in names if m[3] == "conv3"]
    if deep:
        raise ValueError(f"{where} is a BigGAN-deep ({deep[0]!r}), which is not converted.")
    attention = sorted({int(m[1]) for m in names if m[3] == "theta"})
    return 1 + max(int(m[1]) for m in names), attention


def _shape(state, name, rank, where):
    if name not in state:
        raise ValueError(f"{where} does not fit: it has no weight {name!r}.")
    shape = tuple(state[name].shape)
    if len(shape) != rank:
        raise ValueError(f"{where} does not fit: {name!r} has shape {shape}; {rank} axes belong.")
    return shape


def _listed(forms):
    return ", ".join(str(n) for n in forms)
