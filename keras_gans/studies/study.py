"""`Study`: the rows, seeds and protocol of a study, and the recipe of each of its trainings."""

import dataclasses
import itertools
import math
import pathlib
import re
from collections.abc import Mapping

from keras_gans import recipes, registry
from keras_gans.errors import nearest
from keras_gans.metrics.base import facts
from keras_gans.recipes.recipe import Recipe
from keras_gans.recipes.schema import RecipeError
from keras_gans.studies import form
from keras_gans.typing import Any, PathLike

_FOREVER = 10**9  # steps of a training that a number of seconds ends


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training of a study.

    Attributes:
        row: name of the row.
        seed: integer.
        recipe: `keras_gans.recipes.Recipe`.
        folder: its folder within the study's.
    """

    row: str
    seed: int
    recipe: Recipe
    folder: str


class Study:
    """Rows x seeds of one recipe with changes, trained under one budget and measured alike.

    Made by `keras_gans.studies.load`.

    Args:
        content: mapping, what a study's file says: title; question (what is asked, or what a paper
            claims); recipe (the name or path of a recipe, or its sections); changes to it (keys
            such as "networks.width", a star for every player); rows, each with its own changes
            ("recipe" among them for another base); grid, keys with lists of values, all
            combinations of which every row is trained with; seeds; budget (one of steps, images and
            seconds of training); measure (metrics, every so many steps, samples, split, seed,
            nrds, judge, a file); baseline, the row that the others are compared with.
        data_dir: folder of the data; None for the recipes' own.
        folder: folder that paths of recipes start from.

    Attributes:
        form: the content with its defaults, see `keras_gans.studies.form.StudyForm`.
        rows: dictionary, name -> `Recipe` of its first seed.

    Raises:
        ValueError: a wrong key or value, with the row; an unknown metric or baseline.

    Example:

    >>> study = keras_gans.studies.Study(
    ...     {
    ...         "title": "Momentum",
    ...         "recipe": "osgan_digits",
    ...         "rows": {"digits": {}},
    ...         "grid": {"optimizers.*.beta_1": [0.0, 0.5]},
    ...         "budget": {"images": 1000},
    ...     }
    ... )
    >>> list(study.rows), len(study.cells)
    (['digits, beta_1 0.0', 'digits, beta_1 0.5'], 6)
    """

    def __init__(
        self,
        content: Mapping[str, Any],
        data_dir: PathLike | None = None,
        folder: PathLike = ".",
    ):
        self.form: form.StudyForm = form.parse(dict(content))
        self._folder, self._data_dir = pathlib.Path(folder), data_dir
        self.rows: dict[str, Recipe] = dict(self._rows())
        for metric in self.form.measure.metrics:
            declared = registry.get("metric", metric)
            if "judge" in facts(declared)["needs"] and self.judge is None:
                raise RecipeError(
                    f"{metric} needs a judge: give measure.judge, the .keras file of a "
                    "segmentation network, as examples/train_judge.py makes it.",
                    ("measure", "metrics"),
                )
        baseline = self.form.baseline
        if baseline is not None and baseline not in self.rows:
            raise RecipeError(
                f"baseline is {baseline!r}{nearest(baseline, self.rows)}; the rows are "
                f"{', '.join(self.rows)}.",
                ("baseline",),
            )
        if self.form.measure.nrds is not None and len(self.rows) < 2:
            raise RecipeError("nrds compares rows: give two or more.", ("measure", "nrds"))

    def _rows(self):
        keys, values = list(self.form.grid), list(self.form.grid.values())
        for name, changes in self.form.rows.items():
            for combination in itertools.product(*values):
                chosen = dict(zip(keys, combination, strict=True))
                told = [f"{key.rpartition('.')[2]} {value}" for key, value in chosen.items()]
                yield ", ".join([name, *told]), self._recipe(name, {**changes, **chosen})

    def _recipe(self, name, changes):
        base = changes.get("recipe", self.form.recipe)
        changes = {k: v for k, v in changes.items() if k != "recipe"}
        if isinstance(base, str) and (self._folder / base).is_file():
            base = self._folder / base
        where = {} if self._data_dir is None else {"data.data_dir": str(self._data_dir)}
        try:
            recipe = recipes.load(base).changed({"card": {}, **where})
            changes = {**self.form.changes, **changes}
            recipe = recipe.changed(
                {k: value for key, value in changes.items() for k in _keys(key, recipe)}
            )
            recipe.require("data.name", "model.method", "schedule.batch_size")
            length = {"schedule.epochs": None, "schedule.steps": self.steps(recipe)}
            return recipe.changed({**length, "evaluation.samples": 0})
        except (ValueError, FileNotFoundError) as error:
            message = getattr(error, "message", str(error))
            raise RecipeError(f"Row {name!r}: {message}", ("rows", name)) from None

    def steps(self, recipe: Recipe) -> int:
        """Train steps of a row; of a budget in seconds, more than there will be."""
        budget = self.form.budget
        if budget.images is not None:
            return math.ceil(budget.images / self.images_per_step(recipe))
        return budget.steps or _FOREVER

    def images_per_step(self, recipe: Recipe) -> int:
        """Real images that D learns from in a step of a row.

        A method that gives G real images of its own (R3GAN) reads more, which papers do not count.
        """
        return recipe.schedule["batch_size"] * recipe.d_steps

    @property
    def judge(self) -> pathlib.Path | None:
        """The file of the judge, see `keras_gans.metrics.Judge`; from the study's own folder."""
        judge = self.form.measure.judge
        return None if judge is None else self._folder / judge

    @property
    def cells(self) -> list[Cell]:
        """All trainings, every row with its first seed before any with its second."""
        return [
            Cell(row, seed, recipe.changed({"schedule.seed": seed}), f"{slug(row)}/seed-{seed}")
            for seed in self.form.seeds
            for row, recipe in self.rows.items()
        ]

    @property
    def protocol(self) -> dict[str, Any]:
        """What all trainings of a study share: its budget and its measurements."""
        return self.form.model_dump(include={"budget", "measure"}, exclude_none=True)

    def only(self, rows: list[str] | None = None, seeds: list[int] | None = None) -> list[Cell]:
        """Some of the cells.

        Raises:
            ValueError: an unknown row or seed.
        """
        for what, chosen, known in (("row", rows, self.rows), ("seed", seeds, self.form.seeds)):
            for one in chosen or ():
                if one not in known:
                    listed = ", ".join(map(str, known))
                    raise ValueError(f"The study has no {what} {one!r}; it has {listed}.")
        return [
            cell
            for cell in self.cells
            if (rows is None or cell.row in rows) and (seeds is None or cell.seed in seeds)
        ]


def slug(name: str) -> str:
    """A row's name as a folder's.

    >>> slug("one stage, beta_1 0.5")
    'one_stage_beta_1_0.5'
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or "row"


def _keys(key, recipe):
    """The keys of a recipe that a key with a star for every player stands for."""
    if "*" not in key:
        return [key]
    return [key.replace("*", player) for player in recipe.optimizers]


def load(path: PathLike, data_dir: PathLike | None = None) -> Study:
    """The study in a YAML file; paths of recipes in it start from its folder.

    Args:
        path: the file.
        data_dir: folder of the data; None for the recipes' own.

    Raises:
        ValueError: what is wrong, in one line.
        FileNotFoundError: no such file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no study {path}: give a YAML file, as in studies/.")
    content = form.read(path).model_dump(exclude_unset=True)
    try:
        return Study(content, data_dir, path.parent)
    except RecipeError as error:
        raise ValueError(f"{path}: {error.message}") from None
