"""A training that starts from the weights of another one."""

import keras

from keras_gans.networks.copying import take_matching
from keras_gans.training import AdversarialModel
from keras_gans.typing import Any
from keras_gans.zoo import catalogue
from keras_gans.zoo.entry import LoadedEntry, weights_file


def start_from(model: AdversarialModel, source: Any) -> dict[str, tuple[int, int]]:
    """Give a model the weights of another one, of every layer that both have in the same order.

    For few images of one's own (the same networks, another data set or other classes) and for
    trainings in phases (the same generator, larger images). Layers that differ in a shape, such as
    embeddings of another number of classes, keep their initial weights; optimizers start anew.

    Args:
        model: a model of `keras_gans.models`, or another `AdversarialModel`.
        source: another such model, an entry (`keras_gans.zoo.load`) or an entry's name. An entry
            that ships no discriminator gives its generator alone.

    Returns:
        Dictionary, player -> (weights taken, weights it has).

    Raises:
        ValueError: nothing of `source` fits; an unknown name.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> recipe = keras_gans.recipes.load(entry.recipe)
    >>> model = keras_gans.recipes.build_model(recipe, channels=1)
    >>> keras_gans.zoo.start_from(model, entry)["generator"]
    (12, 12)
    """
    if isinstance(source, str):
        source = catalogue.load(source)
    taken = {}
    for name, network in model.players.items():
        there = _networks(source, name)
        if there is None:
            taken[name] = (0, len(network.weights))
            continue
        for mine, theirs in zip((network, model.average_of(network)), there, strict=True):
            if mine is not None:
                count = take_matching(mine, theirs)
                taken.setdefault(name, (count, len(mine.weights)))
    if not any(count for count, _ in taken.values()):
        raise ValueError(f"No layer of {source!r} fits the networks of {model.name}.")
    return taken


def _networks(source, name) -> tuple[keras.Model, keras.Model] | None:
    """A player of `source`, and what its average is to start as."""
    if isinstance(source, LoadedEntry):
        if weights_file("discriminator") in source.metadata["files"]:
            source = catalogue.open_folder(source.folder, training=True)
        found = source.networks.get(name)
        return None if found is None else (found, found)
    # A file of one network has no players, such as what `keras-gans convert` writes.
    players = getattr(source, "players", {"generator": getattr(source, "generator", None)})
    found = players.get(name)
    if found is None:
        return None
    average = source.average_of(found) if hasattr(source, "average_of") else None
    return found, found if average is None else average
