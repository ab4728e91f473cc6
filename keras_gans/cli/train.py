"""`keras-gans train`: flags over a recipe, a folder for the run, training, what it leaves."""

import pathlib
import shlex
import shutil
import sys
import time

from keras_gans.cli import publishing, startup, timing
from keras_gans.cli.flags import Command, Flag

DEFAULT = "osgan_digits"
# What a run writes into its folder; --overwrite removes these and nothing else, the recipe last: a
# folder without it is no run.
WRITES = (
    "history.csv",
    "samples",
    "samples.png",
    "samples.npy",
    "model.keras",
    "weights",
    "tensorboard",
    "backup",
    timing.NAME,
    "recipe.yaml",
)
# A resumed run may be longer, be judged and described otherwise, and find its data elsewhere.
MAY_DIFFER = ("schedule.epochs", "schedule.steps", "data.data_dir", "data.download")
MAY_DIFFER_WHOLE = ("evaluation.", "card")
_RATES = "optimizers.{}.learning_rate"


def _flags():
    from keras_gans.recipes import schema

    recipe = schema.read(DEFAULT)
    data, run = "Data", "The run"
    networks, training = "Networks and method", "Training"

    def of_recipe(name, kind, key, text, group, shown=None, **kwargs):
        value = _get(recipe, key) if isinstance(key, str) else _get(recipe, key[0])
        shown = shown if value is None else value
        return Flag(name, kind, text, shown=shown, key=key, group=group, **kwargs)

    rates = [_RATES.format(player) for player in ("generator", "discriminator")]
    betas = tuple(f"optimizers.{p}.beta_1" for p in ("generator", "discriminator"))
    return [
        of_recipe(
            "dataset",
            "string",
            "data.name",
            "digits (no download), a folder of images, an .npz, or a name of TensorFlow Datasets "
            "such as cifar10",
            data,
            value="NAME",
        ),
        of_recipe("data_dir", "string", "data.data_dir", "where that data lies", data, value="DIR"),
        of_recipe("split", "string", "data.split", "part of the data", data, "train"),
        of_recipe("image_size", "integer", "data.image_size", "pixels of a side", data, value="N"),
        of_recipe(
            "channels", "integer", "data.channels", "1 (grey) or 3", data, "the data's", value="N"
        ),
        of_recipe(
            "labels",
            "string",
            "data.labels",
            "which label, where the data has several",
            data,
            "the only one",
            value="NAME",
        ),
        Flag(
            "augment",
            "string",
            "flip, crop, or both: flip,crop",
            shown="none",
            key="data.augment",
            group=data,
        ),
        of_recipe("method", "string", "model.method", "osgan (one stage) or gan (two)", networks),
        of_recipe(
            "objective",
            "string",
            "model.objective",
            "minimax, non_saturating, hinge, least_squares, wasserstein, fisher, relativistic, "
            "relativistic_average",
            networks,
        ),
        of_recipe("width", "integer", "networks.width", "channels at half size", networks),
        of_recipe(
            "norm",
            "string",
            "networks.norm",
            "the generator's: batch, group, instance, layer, none, spectral",
            networks,
        ),
        of_recipe("d_norm", "string", "networks.d_norm", "the discriminator's", networks),
        of_recipe("latent_dim", "integer", "model.latent_dim", "length of a latent", networks),
        of_recipe(
            "num_classes",
            "integer",
            "model.num_classes",
            "classes of a conditional model, as many as the labels of the data have, 0 for none; "
            "with another --dataset, none unless it is given",
            networks,
        ),
        of_recipe(
            "ema", "float", "model.ema", "decay of the averaged generator, 0 for none", networks
        ),
        of_recipe("penalty", "string", "model.penalty", "gradient_penalty or r1", networks, "none"),
        of_recipe(
            "d_steps", "integer", "model.d_steps", "updates of D for one of G (gan)", networks, 1
        ),
        of_recipe("epochs", "integer", "schedule.epochs", "passes over the data", training),
        of_recipe("steps", "integer", "schedule.steps", "train steps, instead of epochs", training),
        of_recipe("batch_size", "integer", "schedule.batch_size", "images of one update", training),
        of_recipe("g_lr", "float", rates[0], "learning rate of the generator", training),
        of_recipe("d_lr", "float", rates[1], "learning rate of the discriminator", training),
        of_recipe("beta_1", "float", betas, "of both players' Adam", training),
        of_recipe("seed", "integer", "schedule.seed", "of weights, noise and order", training),
        Flag(
            "recipe",
            "string",
            "a YAML file with all of the above; flags win over it",
            shown=f"the library's {DEFAULT}",
            value="FILE",
            group=run,
        ),
        Flag("out", "string", "folder to write", shown="runs/DATASET", value="DIR", group=run),
        Flag("resume", "boolean", "continue the run in --out", False, group=run),
        Flag("overwrite", "boolean", "replace the run in --out", False, group=run),
        Flag("save_every", "integer", "train steps between backups", 200, group=run),
        Flag("minutes", "float", "pause after so long; --resume goes on", group=run),
        of_recipe("num_samples", "integer", "evaluation.samples", "images in samples.npy", run),
        Flag(
            "publish",
            "string",
            "folder of entries: once trained, measure a card's scores and write the entry that the "
            "recipe's card section names; with --resume, of a run that is finished already",
            value="FOLDER",
            group=run,
        ),
        Flag("republish", "boolean", "with --publish: replace an entry there", False, group=run),
    ]


def run(values, positional, arguments):
    """Run the command."""
    for name, least in (("save_every", 1), ("minutes", 0)):
        if values[name].value is not None and values[name].value < least:
            raise ValueError(f"--{name} is {values[name].value}; {least} or more is wanted.")
    if values.resume and values.overwrite:
        raise ValueError("--resume continues a run and --overwrite removes it: give one of them.")
    backend = startup.choose_backend(values.backend)
    recipe = make_recipe(values)
    publishing.check(recipe, values.publish, values.republish)
    out = pathlib.Path(values.out or "runs/" + _folder_name(recipe["data"]["name"]))
    resumed = prepare(out, recipe, values.resume, values.overwrite)
    command = _resume_line(arguments)
    try:
        return _train(recipe, out, values, backend, command, resumed)
    except KeyboardInterrupt:
        print(f"\nInterrupted. Continue with:\n  {command}", file=sys.stderr)
        return 130


def _train(recipe, out, values, backend, command, resumed):
    from keras_gans import recipes
    from keras_gans.cli import running

    if resumed and values.publish and timing.is_finished(out, recipe):
        from keras_gans.cli.sample import open_run

        print(f"The run in {out} is finished: there is nothing left to train.")
        publishing.publish(open_run(out), recipe, out, values.publish, values.republish)
        return 0
    model, data = recipes.build(recipe)
    if values.publish:
        publishing.check_data(recipe)
    if values.overwrite:
        clear(out)  # not before now: a recipe that cannot be built costs no run
    recipes.save(recipe, out / "recipe.yaml")
    epochs, steps = running.length(recipe, data)
    what = f"{recipe['model']['method']} on {recipe['data']['name']}, {backend} backend"
    how_long = f"{steps} steps" if steps else f"{epochs} epochs of {len(data)} steps"
    print(f"{'Resuming' if resumed else 'Training'} {what}: {how_long}")
    print(f"in {out}; Ctrl-C pauses the run.", flush=True)
    began = time.monotonic()
    paused = running.fit(model, recipe, data, out, epochs, steps, values.save_every, values.minutes)
    if paused == "interrupted":
        print(f"\nPaused, nothing is lost. Continue with:\n  {command}")
        return 130
    written = running.write_results(model, recipe, out)
    if not paused:
        timing.finish(out, recipe)
    done = model.steps_done
    took = running.duration(time.monotonic() - began)
    print(f"\n{'Paused' if paused else 'Trained'} {what}: {done} steps; {took} this time.")
    print(f"Written to {out}:")
    for name, text in written.items():
        print(f"  {name:<13} {text}")
    if values.publish and not paused:
        publishing.publish(model, recipe, out, values.publish, values.republish)
    print("Next:")
    if paused:
        print(f"  {command}")
    print(f"  {_use(model, shlex.quote(str(out)))}")
    print(f"  tensorboard --logdir {shlex.quote(str(out / 'tensorboard'))}")
    return 0


def _use(model, folder):
    if hasattr(model, "generate"):
        return f"keras-gans sample {folder} --num=100 --seed=1 --out=grid.png"
    return f"keras-gans translate {folder} IMAGES --out=translated.png"


def make_recipe(values):
    """The recipe of a command line: the file's or the library's, under the flags given."""
    from keras_gans.recipes import registry, schema

    recipe = schema.load(values.recipe or DEFAULT)
    if values.dataset not in (None, recipe["data"].get("name")):
        # Properties of the data that was.
        recipe["model"].pop("num_classes", None)
        recipe["data"].pop("labels", None)
        recipe["card"] = {}
    for flag in _flags():
        value = values[flag.name].value
        if flag.key is None or value is None:
            continue
        for key in (flag.key,) if isinstance(flag.key, str) else flag.key:
            _set(recipe, key, _value_of(flag.name, value))
        section, _, name = flag.key.partition(".") if isinstance(flag.key, str) else ("",) * 3
        if section in ("networks", "model", "data") and name not in ("method", "name"):
            known = registry.allowed(section, recipe)
            if name not in known:
                kind = recipe[section].get("name") or recipe[section].get("method") or "this"
                raise ValueError(
                    f"--{flag.name} does not apply to {kind}, which takes "
                    f"{', '.join(sorted(set(known) - {'name', 'method'}))}."
                )
    if values.epochs is not None and values.steps is None:
        recipe["schedule"].pop("steps", None)
    if values.steps is not None and values.epochs is None:
        recipe["schedule"].pop("epochs", None)
    recipe = schema.validate(recipe)
    schema.require(recipe, "data.name", "model.method", "schedule.batch_size")
    if not recipe["schedule"].get("epochs") and not recipe["schedule"].get("steps"):
        raise ValueError("The recipe says neither epochs nor steps: add --epochs=N.")
    return recipe


def prepare(out, recipe, resume, overwrite):
    """Check the folder of a run; returns whether a run is resumed.

    Raises:
        FileExistsError: something is in the folder, and neither `resume` nor `overwrite` is set.
        ValueError: the run in the folder has other settings, or the folder holds no run.
    """
    from keras_gans import recipes

    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file: give the folder of the run with --out.")
    # Hidden: what is left of a file that was being written when a run was killed.
    held = [p for p in out.iterdir() if p.name[0] != "."] if out.is_dir() else []
    is_run = (out / "recipe.yaml").is_file()
    if not held:
        return False
    if not resume and not overwrite:
        raise FileExistsError(
            f"{out} is not empty: continue its run with --resume, replace it with --overwrite, or "
            "choose another folder with --out."
        )
    if not is_run:
        raise ValueError(f"{out} holds no run of keras-gans train: choose another --out.")
    if overwrite:
        return False
    changed = _differences(recipes.load(out / "recipe.yaml"), recipe)
    if changed:
        key, (old, new) = next(iter(changed.items()))
        others = f" (and {', '.join(list(changed)[1:])})" if len(changed) > 1 else ""
        raise ValueError(
            f"--resume: the run in {out} has {key} = {old}, and now it would be {new}{others}; "
            "resume with the flags it was started with."
        )
    return True


def clear(out):
    """Remove what a run wrote into its folder."""
    for name in WRITES:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _differences(old, new):
    """The settings in which two recipes differ and a resumed run may not: key -> (old, new)."""
    old, new = _flat(old), _flat(new)
    keys = [k for k in {**old, **new} if k not in MAY_DIFFER and not k.startswith(MAY_DIFFER_WHOLE)]
    return {k: (old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)}


def _flat(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        k: v
        for name, part in value.items()
        for k, v in _flat(part, f"{prefix}.{name}" if prefix else name).items()
    }


def _get(recipe, key):
    for name in key.split("."):
        recipe = (recipe or {}).get(name)
    return recipe


def _set(recipe, key, value):
    section, *path = key.split(".")
    target = recipe.setdefault(section, {})
    if section == "optimizers" and path[0] not in target:
        target[path[0]] = {"name": "adam", "learning_rate": 2e-4, "beta_1": 0.5}
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value


def _value_of(flag, value):
    """What a flag's value is in a recipe."""
    if flag in ("ema", "num_classes") and value == 0:
        return None
    if flag == "penalty" and value == "none":
        return None
    if flag == "augment":
        return [name for name in value.split(",") if name not in ("", "none")]
    return value


def _folder_name(dataset):
    name = str(dataset).rstrip("/")
    name = pathlib.Path(name).stem if pathlib.Path(name).exists() else name
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".") or "run"


def _resume_line(arguments):
    kept = [a for a in arguments if a not in ("--resume", "--overwrite")]
    return shlex.join(["keras-gans", *kept, "--resume"])


COMMAND = Command(
    "train",
    "train a GAN; without flags on handwritten digits",
    "Train a GAN and write a folder with its model, pictures, samples, TensorBoard logs and a "
    "recipe that repeats the run. A run that was stopped in any way, even killed, continues where "
    "it was with the same line and --resume.",
    _flags,
    (
        "keras-gans train",
        "keras-gans train --dataset=cifar10 --data_dir=DIR --epochs=30 --out=runs/cifar10",
        "keras-gans train --dataset=photos/ --image_size=64 --width=48 --minutes=60",
        "keras-gans train --recipe=runs/digits/recipe.yaml --seed=1 --out=runs/digits_1",
        "keras-gans train --recipe=zoo/osgan_digits/recipe.yaml --out=runs/entry --publish=my_zoo",
    ),
    run,
)
