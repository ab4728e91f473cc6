"""The forms of an entry's card and of an index of entries, as reading depends on them.

Keys beyond these may stand in them: a later version may say more.
"""

from typing import Annotated

from pydantic import Field

from keras_gans.recipes.card import Stated
from keras_gans.typing import Any
from keras_gans.validation import BYTES, CLASSES, SIDE, Form, Sha256, Text, whole

_SHAPE = Annotated[
    list[Annotated[int, whole(1, SIDE)]],
    Field(min_length=3, max_length=3, description="a list of height, width and channels"),
]
COUNT = Annotated[int, whole(1, CLASSES)] | None  # of classes or domains


class File(Form):
    """What a card says of a file."""

    sha256: Sha256
    bytes: Annotated[int, whole(0, BYTES)]


class Network(Form):
    """What a card says of a network."""

    parameters: Annotated[int, whole()]
    weights: Annotated[bool, Field(description="true or false")]


class Architecture(Form):
    """What a card says of the networks, whatever they make images of."""

    method: Text
    networks: Annotated[dict[str, Network], Field(description="a mapping of networks")]
    image_shape: _SHAPE
    output_shape: _SHAPE | None = None
    precision: Text
    kind: Text | None = None
    columns: Annotated[list[str] | None, Field(description="a list of texts")] = None
    any_size: Annotated[bool | None, Field(description="true or false")] = None


class OfNoise(Architecture):
    """Of a generator of latents."""

    latent_dim: Annotated[int, whole(1, SIDE)]
    num_classes: COUNT = None


class OfImages(Architecture):
    """Of a network that translates images."""

    parts: Annotated[
        dict[str, Annotated[int, whole()]], Field(description="a mapping of networks to counts")
    ]
    condition: Text | None
    num_domains: COUNT
    output_shape: _SHAPE


class Card(Stated):
    """A card, of an entry of any kind."""

    format: Annotated[int, whole()]
    name: Text
    version: Text
    backend: Text
    steps: Annotated[int, whole()] | None = None
    architecture: Annotated[Architecture, Field(description="a mapping")]
    recipe: Annotated[dict[str, dict[str, Any] | None], Field(description="a mapping of sections")]
    files: Annotated[dict[str, File], Field(description="a mapping of files")]


class CardOfNoise(Card):
    """A card of a generator of latents."""

    architecture: Annotated[OfNoise, Field(description="a mapping")]


class CardOfImages(Card):
    """A card of a network that translates images."""

    architecture: Annotated[OfImages, Field(description="a mapping")]


class OfMaps(Architecture):
    """Of a generator of label maps."""

    num_classes: Annotated[int, whole(1, CLASSES)]
    noise_dim: Annotated[int, whole(0, SIDE)]
    instances: Annotated[bool, Field(description="true or false")]


class CardOfMaps(Card):
    """A card of a generator of label maps."""

    architecture: Annotated[OfMaps, Field(description="a mapping")]


CARDS = {None: CardOfNoise, "translator": CardOfImages, "synthesizer": CardOfMaps}


class Indexed(Form):
    """What an index says of an entry."""

    card_sha256: Sha256
    summary: Annotated[str | None, Field(description="a text")] = None


class Index(Form):
    """`index.json` of a folder of entries."""

    format: Annotated[int, whole()] | None = None
    entries: Annotated[dict[str, Indexed], Field(description="a mapping of entries")]
