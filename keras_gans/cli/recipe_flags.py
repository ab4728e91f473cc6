"""The flags that stand for places in a recipe, and the recipe of a command line."""

import dataclasses
import pathlib

from keras_gans import recipes, registry
from keras_gans.cli.flags import Flag
from keras_gans.recipes import schema
from keras_gans.runs.folder import same_data
from keras_gans.typing import Any, PathLike

DEFAULT = "osgan_digits"
RUN = "The run"  # headline in the help
# The optimizer of a player that the recipe gives none, and its players where it says none.
_ADAM = {"name": "adam", "learning_rate": 2e-4, "beta_1": 0.5}
_PLAYERS = ("generator", "discriminator")
# The flags whose value stands in the recipe: name, kind, key in the recipe, what it is, and what
# else the help says. A key with a star stands for every player.
_KEYS = {
    "Data": (
        (
            "dataset",
            "string",
            "data.name",
            "digits (no download), a folder of images, an .npz, or a name of TensorFlow Datasets "
            "such as cifar10; but for the digits, the defaults below are those of the recipe "
            "osgan_images",
            {"value": "NAME"},
        ),
        ("data_dir", "string", "data.data_dir", "where that data lies", {"value": "DIR"}),
        (
            "download",
            "boolean",
            "data.download",
            "get a data set of TensorFlow Datasets that is not on disk yet",
            {"shown": False},
        ),
        ("split", "string", "data.split", "part of the data", {"shown": "train"}),
        ("image_size", "integer", "data.image_size", "pixels of a side", {}),
        ("channels", "integer", "data.channels", "1 (gray) or 3 (color)", {"shown": "the data's"}),
        (
            "labels",
            "string",
            "data.labels",
            "which label, where the data has several",
            {"shown": "the only one"},
        ),
        (
            "source",
            "string",
            "data.source",
            "of pairs, what the inputs are: outline, a class, an image of an example, a folder of "
            "images (A for trainA), or left or right, half of an image",
            {"shown": "none"},
        ),
        ("target", "string", "data.target", "the same of the targets", {"shown": "none"}),
        (
            "maps",
            "string",
            "data.maps",
            "of images with label maps, what holds the maps: a feature (segmentation), or a folder "
            "of PNG files (labels for trainlabels)",
            {"shown": "none"},
        ),
        (
            "images",
            "string",
            "data.images",
            "with --maps, what holds the images: a feature or a folder",
            {"shown": "image"},
        ),
        (
            "ignore_label",
            "integer",
            "data.ignore_label",
            "with --maps, an index of pixels that count for no class",
            {"shown": "none"},
        ),
        ("augment", "string", "data.augment", "flip, crop, or flip,crop", {"shown": "none"}),
    ),
    "Networks and method": (
        (
            "method",
            "string",
            "model.method",
            "the training method; it brings its own networks, objective and optimizers",
            {"names": "method"},
        ),
        (
            "networks",
            "string",
            "networks.name",
            "what builds the networks, where the method goes with several",
            {"names": "network"},
        ),
        (
            "objective",
            "string",
            "model.objective",
            "the adversarial loss, of methods that leave the choice",
            {"names": "objective"},
        ),
        ("width", "integer", "networks.width", "how wide the networks are, in channels", {}),
        (
            "norm",
            "string",
            "networks.norm",
            "the generator's: batch, group, instance, layer, none, spectral",
            {},
        ),
        ("d_norm", "string", "networks.d_norm", "the discriminator's", {}),
        ("latent_dim", "integer", "model.latent_dim", "length of a latent", {}),
        (
            "num_classes",
            "integer",
            "model.num_classes",
            "classes of a conditional model or of label maps, domains of a translator: as many as "
            "the data have; 0 for no labels, as it is with another --dataset unless given",
            {},
        ),
        ("ema", "float", "model.ema", "decay of the averaged generator, 0 for none", {}),
        (
            "penalty",
            "string",
            "model.penalty",
            "a penalty on the discriminator, or none",
            {"names": "penalty", "shown": "none"},
        ),
        (
            "d_steps",
            "integer",
            "model.d_steps",
            "updates of D for one of G, of methods with two stages",
            {"shown": 1},
        ),
    ),
    "Training": (
        ("epochs", "integer", "schedule.epochs", "passes over the data", {}),
        ("steps", "integer", "schedule.steps", "train steps, instead of epochs", {}),
        ("batch_size", "integer", "schedule.batch_size", "images of one update", {}),
        (
            "g_lr",
            "float",
            "optimizers.generator.learning_rate",
            "learning rate of the generator",
            {},
        ),
        (
            "d_lr",
            "float",
            "optimizers.discriminator.learning_rate",
            "learning rate of the discriminator",
            {},
        ),
        ("beta_1", "float", "optimizers.*.beta_1", "of every player's Adam", {}),
        ("seed", "integer", "schedule.seed", "of weights, noise and order", {}),
        (
            "precision",
            "string",
            "schedule.precision",
            "float32, mixed_bfloat16, or, for GPUs without bfloat16, mixed_float16: less memory",
            {"shown": "float32"},
        ),
        (
            "init",
            "string",
            "schedule.init",
            "start from the weights of a zoo entry, a run or a .keras file, where layers are the "
            "same; with no --recipe or --method, its recipe stands for the method's own",
            {"value": "SOURCE"},
        ),
    ),
    RUN: (("num_samples", "integer", "evaluation.samples", "images in samples.npy", {}),),
}


def flags() -> list[Flag]:
    """The flags of `make_recipe`, with the defaults of a plain `keras-gans train`."""
    sections, _ = schema.read(schema.find(DEFAULT))
    found = []
    for group, rows in _KEYS.items():
        for name, kind, key, text, more in rows:
            value = sections
            for part in key.replace("*", "generator").split("."):
                value = (value or {}).get(part)
            more = more if value is None else {**more, "shown": value}
            value_name = {} if "value" in more or kind != "integer" else {"value": "N"}
            found.append(Flag(name, kind, text, key=key, group=group, **value_name, **more))
    return found


def make_recipe(values: Any, own: PathLike | None = None) -> Any:
    """The recipe of a command line: the file's or the method's own, under the flags given.

    Args:
        values: the parsed flags.
        own: path of the recipe of a run that is resumed, which then stands for the method's own.

    Raises:
        ValueError: a flag that does not apply to the method or its networks; what
            `keras_gans.recipes.load` refuses.
    """
    recipe, changes = _starting_point(values, own), {}
    if values.dataset is not None and not same_data(values.dataset, recipe.data.get("name")):
        in_networks = recipe.networks.keys() & {"num_classes", "num_domains"}
        if in_networks and values.num_classes is None and values.recipe is None and own is None:
            raise ValueError(
                f"{recipe.model['method']} has to know how many classes {values.dataset} has: add "
                "--num_classes=N."
            )
        # Properties of the data that was.
        changes = {"model.num_classes": None, "data.labels": None, "card": {}}
        changes["data.class_names"] = None
    if values.epochs is not None or values.steps is not None:
        changes |= {"schedule.epochs": None, "schedule.steps": None}
    if values.num_classes == 0:
        changes |= {"data.labels": None, "data.class_names": None}  # nobody would read them
    if values.labels is not None and values.labels != recipe.data.get("labels"):
        changes["data.class_names"] = None
    for flag in flags():
        if values[flag.name].value is not None:
            flag = _in_its_place(flag, recipe)
            _check_applies(flag, recipe)
            changes |= _changes(flag, _value_of(flag, values[flag.name].value), recipe)
    recipe = recipe.changed(changes)
    recipe.require("data.name", "model.method", "schedule.batch_size")
    if not recipe.schedule.get("epochs") and not recipe.schedule.get("steps"):
        raise ValueError("The recipe says neither epochs nor steps: add --epochs=N.")
    return recipe


def _starting_point(values, own=None):
    """The recipe that the other flags win over: the file's, or the method's own."""
    from keras_gans.recipes import vocabulary

    if own is not None and values.method in (None, recipes.load(own).model.get("method")):
        recipe = recipes.load(own)
    elif values.recipe is not None:
        recipe = recipes.load(values.recipe)
    elif values.init is not None and values.method is None and _recipe_of(values.init):
        recipe = recipes.load(_recipe_of(values.init)).changed({"card": {}})
    else:
        method = schema.method_of(values.method or "osgan")
        recipe = recipes.load(method.preset)
        if values.dataset is not None and not same_data(values.dataset, recipe.data["name"]):
            recipe = recipes.load(method.image_preset).changed({"model.method": method.name})
    own, wanted = recipe.method, values.method
    if None not in (own, wanted) and registry.get("method", wanted) != own:
        raise ValueError(
            f"--method is {wanted}, and the recipe's method is {own.name}: leave one of them out; "
            f"keras-gans train --method={wanted} starts from a recipe of its own."
        )
    name, builder = values.networks, recipe.networks.get("name")
    if name in (None, builder):
        return recipe
    if own is not None and registry.get("network", name).name not in own.networks:
        raise ValueError(
            f"--networks={name} does not go with {own.name}, which goes with "
            f"{', '.join(own.networks)}."
        )
    known = vocabulary.arguments(registry.get("network", name).value)
    networks = {k: v for k, v in recipe.networks.items() if k in known}
    return recipe.changed({"networks": {"name": name, **networks}})


def _recipe_of(source):
    """The recipe beside the weights that a training starts from, None where there is none."""
    from keras_gans.zoo import catalogue

    path = pathlib.Path(source)
    if not path.is_dir() and path.suffix != ".keras":
        path = catalogue.locate(source)
    return next((p for p in [path / "recipe.yaml"] if p.is_file()), None)


def _in_its_place(flag, recipe):
    """The flag for this recipe: of some methods the networks say how many classes there are."""
    from keras_gans.recipes import vocabulary

    if flag.key != "model.num_classes" or "num_classes" in vocabulary.allowed("model", recipe):
        return flag
    known = vocabulary.allowed("networks", recipe)
    found = [name for name in ("num_classes", "num_domains") if name in known]
    return dataclasses.replace(flag, key=f"networks.{found[0]}") if found else flag


def _check_applies(flag, recipe):
    """Refuse a flag of something that this recipe's data, networks or method do not have."""
    from keras_gans.recipes import vocabulary

    section, _, name = flag.key.partition(".")
    if section == "optimizers" and recipe.optimizers:
        player = name.partition(".")[0]
        if player not in ("*", *recipe.optimizers):
            raise ValueError(
                f"--{flag.name} does not apply to {recipe.model['method']}, whose players are "
                f"{', '.join(recipe.optimizers)}: put their rates into a recipe."
            )
    if section not in ("networks", "model", "data") or name in ("method", "name"):
        return
    known = vocabulary.allowed(section, recipe)
    if name not in known:
        kind = recipe[section].get("name") or recipe[section].get("method") or "this"
        raise ValueError(
            f"--{flag.name} does not apply to {kind}, which takes "
            f"{', '.join(sorted(set(known) - {'name', 'method'}))}."
        )


def _changes(flag, value, recipe):
    """What a flag's value changes in the recipe: key -> value."""
    section, *path = flag.key.split(".")
    if section != "optimizers":
        return {flag.key: value}
    player, name = path
    found = {}
    for each in (list(recipe.optimizers) or _PLAYERS) if player == "*" else [player]:
        if each not in recipe.optimizers:
            found[f"optimizers.{each}"] = _ADAM
        found[f"optimizers.{each}.{name}"] = value
    return found


def _value_of(flag, value):
    """What a flag's value is in a recipe."""
    if flag.key in ("model.ema", "model.num_classes") and value == 0:
        return None
    if flag.name == "penalty" and value == "none":
        return None
    if flag.name == "augment":
        return [name for name in value.split(",") if name not in ("", "none")]
    return value
