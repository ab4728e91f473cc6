"""`Recipe`: one training run, parsed and validated once, and what follows from it."""

import copy
import functools
import pathlib
import types
from collections.abc import Iterator, Mapping, Sequence

import yaml

from keras_gans import registry
from keras_gans.files import replacing
from keras_gans.recipes import schema
from keras_gans.recipes.schema import SECTIONS, RecipeError
from keras_gans.typing import Any, PathLike, RecipeLike

HEADER = """\
# One training run. data, networks, model, optimizers: arguments of keras_gans.data.load, of a
# builder in keras_gans.networks, of a class in keras_gans.models, of keras.optimizers. schedule:
# epochs or steps; batch_size counts the images of one update; init, where there is one: the zoo
# entry, run or .keras file whose weights training starts from; freeze_d: the lowest stages of D
# that stay as they are (FreezeD); precision: float32, mixed_bfloat16 or mixed_float16. card, where
# there is one: what an entry of the zoo says that a run cannot know (name, summary, data, limits,
# notes, and whether the discriminator ships). Run it with
#   keras-gans train --recipe THIS_FILE --out FOLDER
# and with a card --publish ZOO_FOLDER
"""
_NAMES = 2000  # of classes, in a recipe at most


class Recipe(Mapping[str, Mapping[str, Any]]):
    """The settings of one training run: data, networks, method, optimizers, schedule.

    Made by `keras_gans.recipes.load`. It does not change: `changed` gives another recipe. As a
    mapping it has all sections, each a mapping of keys to values: `recipe["networks"]["width"]`.

    Args:
        sections: mapping, section -> mapping of keys to values; a section may be missing.

    Attributes:
        data, networks, model, optimizers, schedule, evaluation, card: the sections.

    Raises:
        RecipeError: a `ValueError` in one line: what is wrong, with the nearest known names.

    Example:

    >>> recipe = keras_gans.recipes.load("osgan_digits")
    >>> recipe.method.name, recipe.num_classes, recipe.schedule["epochs"]
    ('osgan', 10, 40)
    >>> recipe.changed({"networks.width": 8}).networks["width"]
    8
    """

    def __init__(self, sections: Mapping[str, Any]):
        from keras_gans.recipes import checking  # needs Keras, which reading does not

        self._sections = schema.complete(copy.deepcopy(_plain(sections)))
        checking.check(self)

    def __getitem__(self, section: str) -> Mapping[str, Any]:
        return types.MappingProxyType(self._sections[section])

    def __iter__(self) -> Iterator[str]:
        return iter(SECTIONS)

    def __len__(self) -> int:
        return len(SECTIONS)

    def __getattr__(self, name: str) -> Mapping[str, Any]:
        if name in SECTIONS:
            return self[name]
        raise AttributeError(f"A recipe has no {name!r}; its sections are {', '.join(SECTIONS)}.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.as_dict() == _plain(other)

    def __repr__(self) -> str:
        method = self.model.get("method")
        return f"<Recipe: {method} on {self.data.get('name')}>"

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """A copy of all sections as plain dictionaries and lists."""
        return copy.deepcopy(self._sections)

    def changed(self, changes: Mapping[str, Any]) -> "Recipe":
        """Another recipe, with other values.

        Args:
            changes: dictionary, key such as "networks.width" or "optimizers.generator.beta_1" ->
                value, or None to leave the key out. "card" alone stands for the whole section.

        Returns:
            `Recipe`, validated.
        """
        sections = self.as_dict()
        for key, value in changes.items():
            *path, last = key.split(".")
            target = sections
            for name in path:
                target = target.setdefault(name, {})
            if value is None:
                target.pop(last, None)
            else:
                target[last] = _plain(value)
        return Recipe(sections)

    def with_class_names(self, names: Sequence[str] | None) -> "Recipe":
        """The recipe with the names of its classes in the order of their numbers.

        As it is where it has them, where its data has labels of no other names or too many for a
        recipe, and where no labels are read.
        """
        few = names and len(names) <= _NAMES and sum(map(len, names)) <= schema.BYTES // 4
        declared = self.data.get("name") in registry.all("data set")
        if not few or declared or self.labels is False or self.data.get("class_names"):
            return self
        return self.changed({"data.class_names": list(names)})

    def require(self, *keys: str) -> None:
        """Raise `RecipeError` where a value that a run cannot do without is missing."""
        for key in keys:
            section, name = key.split(".")
            if self[section].get(name) is None:
                raise RecipeError(f"The recipe has no {name} in its {section} section: add one.")

    # What follows from the sections

    @functools.cached_property
    def method(self) -> registry.Declaration | None:
        """The declaration of the method (`keras_gans.registry`), or None where none is named."""
        name = self.model.get("method")
        return None if name is None else schema.method_of(name)

    @property
    def seed(self) -> int:
        """Integer, of weights, noise and the order of the data."""
        return self.schedule.get("seed") or 0

    @property
    def learns_from(self) -> str | None:
        """What the method learns from: "images", "labels" beside them, "pairs", "label_maps",
        or None."""
        return None if self.method is None else self.method.value.learns_from

    @property
    def has_pairs(self) -> bool:
        """Whether the data are pairs of images, (inputs, targets)."""
        return any(self.data.get(key) is not None for key in ("source", "target"))

    @property
    def has_maps(self) -> bool:
        """Whether the data are images with label maps."""
        return self.data.get("maps") is not None

    @property
    def num_classes(self) -> int | None:
        """The number of labels that the networks know, or None."""
        stated = [self.model.get("num_classes")]
        stated += [self.networks.get(key) for key in ("num_classes", "num_domains")]
        return next((n for n in stated if n is not None), None)

    @property
    def labels(self) -> bool | str:
        """Which labels the data are read with: False, True, or the name of one of several."""
        if self.num_classes is None and self.learns_from != "labels":
            return False
        return self.data.get("labels") or True

    @property
    def d_steps(self) -> int:
        """Updates of the discriminator in a step."""
        stated = self.model.get("d_steps")
        if stated is not None or self.method is None:
            return stated or 1
        return self.method.value.default_d_steps(self.model.get("objective"))

    @property
    def images_per_step(self) -> int | None:
        """Images that a step takes, those of all its updates; None without a batch size."""
        size, method = self.schedule.get("batch_size"), self.method
        if size is None or method is None:
            return size and size * self.d_steps
        return size * self.d_steps * method.value.batches_per_update

    @property
    def splits(self) -> dict[str, str]:
        """Dictionary, "train" and "test" -> the split of the data that stands for it."""
        known = registry.all("data set").get(self.data.get("name"))
        own = None if known is None else known.about.get("splits")
        return own or {"train": "train", "test": "test"}

    @property
    def stated_card(self) -> dict[str, Any]:
        """What the card states, as `keras_gans.zoo.publish` takes it."""
        own = ("name", "discriminator")
        return {k: v for k, v in self.as_dict()["card"].items() if v is not None and k not in own}

    # Files

    def dumps(self) -> str:
        """The recipe as YAML text, with a comment that says what it is."""
        filled = self.as_dict()
        if not filled["card"]:
            del filled["card"]  # most runs have none
        return HEADER + yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=100)

    def save(self, path: PathLike) -> None:
        """Write the recipe as a YAML file, replaced in one move."""
        with replacing(path) as temporary:
            pathlib.Path(temporary).write_text(self.dumps(), encoding="utf-8")


def _plain(value):
    """Mappings as dictionaries, at every depth."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def load(source: RecipeLike) -> Recipe:
    """Read a recipe and check it.

    Args:
        source: path of a YAML file, the name of a preset that comes with this library, or a recipe
            as a dictionary or `Recipe`.

    Returns:
        `Recipe`.

    Raises:
        FileNotFoundError: no such file, and no preset of this name.
        ValueError: an unknown section, key or name, with the nearest ones; a value out of range.
            Of a file, with the line.

    Example:

    >>> keras_gans.recipes.load("osgan_digits").model["method"]
    'osgan'
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return Recipe(source)
    path = schema.find(source)
    sections, lines = schema.read(path)
    config = (sections.get("networks") or {}).get("config")
    if isinstance(config, str):
        sections["networks"]["config"] = str((path.parent / config).absolute())
    try:
        return Recipe(sections)
    except RecipeError as error:
        raise schema.located(error, path, lines) from None


def save(recipe: RecipeLike, path: PathLike) -> None:
    """Write a recipe (`Recipe`, or what `load` takes) as a YAML file, replaced in one move."""
    load(recipe).save(path)


def dumps(recipe: RecipeLike) -> str:
    """A recipe as YAML text."""
    return load(recipe).dumps()
