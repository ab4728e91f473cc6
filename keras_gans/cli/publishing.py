"""Scoring a finished run, and publishing it: `keras-gans train --publish`."""

import pathlib

from keras_gans.runs import timing
from keras_gans.typing import Any, PathLike


def check(recipe: Any, folder: PathLike | None, replace: bool) -> None:
    """Refuse what could not be published, before anything is trained.

    Args:
        recipe: dictionary, as `keras_gans.recipes.load` gives it.
        folder: folder of entries, `hf://user/name`, or None where nothing is to be published.
        replace: bool, whether an entry of the name may be replaced.

    Raises:
        ValueError: a recipe without a card, or one that trains on what scores hold out; a damaged
            entry in the folder.
        FileExistsError: the entry exists, and `replace` is False.
    """
    if folder is None:
        if replace:
            raise ValueError("--republish goes with --publish=FOLDER.")
        return
    from keras_gans.zoo import hub, store

    if not recipe["card"]:
        raise ValueError(
            "--publish wants a recipe with a card section (name, summary, and data with its name "
            "and licence): add one, as in zoo/osgan_digits/recipe.yaml. A card belongs to the "
            "recipe's own data: with another --dataset there is none."
        )
    if (recipe["data"].get("split") or "train").partition("[")[0] == "test":
        raise ValueError(
            "--publish scores with the images of test, and the recipe trains on them: train on "
            "another split."
        )
    if hub.is_hub(folder):
        hub.check(folder, replace)
        return
    target = pathlib.Path(folder) / recipe["card"]["name"]
    if target.exists() and not replace:
        raise FileExistsError(
            f"{target} exists: --republish replaces it, and the name in the recipe's card section "
            "chooses another."
        )
    store.index_of(folder)  # a damaged neighbor shows before anything is trained


def check_data(recipe: Any) -> None:
    """Refuse data without held-out images, which the scores need, before anything is trained.

    Raises:
        ValueError, FileNotFoundError: the data has no test part, or it cannot be read.
    """
    from keras_gans.recipes import reading
    from keras_gans.zoo import comparison

    try:
        if recipe.has_maps:
            reading.read_maps(recipe, recipe.splits["test"], dtype="uint8")
        else:
            comparison.read_test(recipe)
    except ValueError as error:
        raise ValueError(f"--publish scores with held-out images: {error}") from None


def publish(
    model: Any, recipe: Any, out: PathLike, folder: PathLike, replace: bool
) -> pathlib.Path | str:
    """Score the model of a run, and write it as an entry; prints the scores.

    Returns:
        Path of the entry's folder, or its name on the hub.
    """
    from keras_gans import tasks, zoo

    print("\nScoring:", flush=True)
    scores = zoo.score(model, recipe)
    print(table(scores))
    card = {**recipe.stated_card, "scores": scores, **timing.of_card(out)}
    ships = recipe["card"].get("discriminator")
    published = zoo.publish(
        model,
        recipe["card"]["name"],
        card,
        folder,
        recipe=recipe,
        discriminator=True if ships is None else ships,
        overwrite=replace,
        nearest=zoo.nearest(model, recipe),
        **tasks.of(model).examples(recipe),
    )
    where = "there" if isinstance(published, str) else str(published / "README.md")
    print(f"\nPublished {published}; its card is {where}.")
    return published


def table(scores: dict[str, dict[str, Any]]) -> str:
    """Scores, as `keras_gans.zoo.score` gives them, one a line."""
    width = max(len(name) for name in scores)
    lines = [
        f"  {name:<{width}}  {score['value']:<8.4g} {score['samples']:>6,}  {score['protocol']}"
        for name, score in scores.items()
    ]
    return "\n".join(lines)
