"""`keras-gans train`: flags over a recipe, a folder for the run, training, what it leaves."""

import contextlib
import pathlib
import shlex
import sys
import time

from keras_gans.cli import devices, processes, publishing, recipe_flags, startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.errors import printable
from keras_gans.runs import folder, timing
from keras_gans.typing import Any

_RUN = (
    Flag(
        "recipe",
        "string",
        "a YAML file with all of the above, or the name of a recipe of the library; flags win over "
        "it",
        shown="the method's own",
        value="FILE",
        group=recipe_flags.RUN,
    ),
    Flag(
        "out",
        "string",
        "folder to write",
        shown="runs/DATASET",
        value="DIR",
        group=recipe_flags.RUN,
    ),
    Flag("resume", "boolean", "continue the run in --out", False, group=recipe_flags.RUN),
    Flag("overwrite", "boolean", "replace the run in --out", False, group=recipe_flags.RUN),
    Flag("save_every", "integer", "train steps between backups", 200, group=recipe_flags.RUN),
    devices.flag(recipe_flags.RUN),
    Flag("minutes", "float", "pause after so long; --resume goes on", group=recipe_flags.RUN),
    Flag(
        "publish",
        "string",
        "folder of entries, or hf://user/name: once trained, measure a card's scores and write the "
        "entry that the recipe's card section names; with --resume, of a run that is finished",
        value="FOLDER",
        group=recipe_flags.RUN,
    ),
    Flag(
        "republish",
        "boolean",
        "with --publish: replace an entry there",
        False,
        group=recipe_flags.RUN,
    ),
)


def _flags():
    return [*recipe_flags.flags(), *_RUN]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    for name, least in (("save_every", 1), ("minutes", 0)):
        if values[name].value is not None and values[name].value < least:
            raise ValueError(f"--{name} is {values[name].value}; expected {least} or more.")
    if values.resume and values.overwrite:
        raise ValueError("--resume continues a run and --overwrite removes it: give one of them.")
    count = devices.count(values.devices)
    command = _resume_line(arguments)
    try:
        backend = startup.choose_backend(values.backend)
        recipe, out = _recipe_and_folder(values)
        publishing.check(recipe, values.publish, values.republish)
        if not processes.launched():
            folder.prepare(out, recipe, values.resume, values.overwrite)
            if (parts := devices.processes_of(count)) > 1:
                return processes.launch(parts, arguments, command)
        with processes.joined() as first, contextlib.ExitStack() as stack:
            resumed = False
            if first:
                stack.enter_context(folder.held(out))
                # Once more: another process may have been at work until now.
                resumed = folder.prepare(out, recipe, values.resume, values.overwrite)
            resumed = processes.agreed(resumed)
            if resumed and recipe.data.get("class_names") is None:
                recipe = recipe.with_class_names(_own_names(out))
            stack.enter_context(devices.used(count))
            return _train(recipe, out, values, backend, command, resumed, first)
    except KeyboardInterrupt:
        print(f"\nInterrupted. Continue with:\n  {command}", file=sys.stderr)
        return 130


def _recipe_and_folder(values):
    """The recipe of the flags and the folder of the run; a run that is resumed has its own recipe.

    Flags are needed again only for what is to change.
    """
    recipe, dataset = None, values.dataset
    if values.recipe is not None or not (values.out or dataset):
        recipe = recipe_flags.make_recipe(values)
        dataset = recipe["data"]["name"]
    out = pathlib.Path(values.out or "runs/" + _folder_name(dataset))
    own = out / "recipe.yaml"
    if values.resume and values.recipe is None and own.is_file():
        return recipe_flags.make_recipe(values, own), out
    return recipe or recipe_flags.make_recipe(values), out


def _own_names(out):
    """The names of the classes in the order that the run in a folder trains with, or None."""
    from keras_gans import recipes

    return recipes.load(out / "recipe.yaml").data.get("class_names")


def _train(recipe, out, values, backend, command, resumed, first):
    from keras_gans import recipes
    from keras_gans.runs import fitting, watching

    if resumed and values.publish and timing.is_finished(out, recipe):
        from keras_gans.runs.opening import open_run

        print(f"The run in {out} is finished: there is nothing left to train.")
        with processes.alone():
            if first:
                publishing.publish(open_run(out), recipe, out, values.publish, values.republish)
        return 0
    model, data = recipes.build(recipe)
    recipe = recipe.with_class_names(getattr(data, "class_names", None))
    if values.publish:
        publishing.check_data(recipe)
    epochs, steps = fitting.length(recipe, data)
    done, wanted = timing.steps_done(out) if resumed else 0, steps or epochs * len(data)
    if done > wanted:
        print(f"There is nothing to do in {out}: {done} of {wanted} steps are done.")
        return 0
    there = processes.agreed(first and not values.overwrite and fitting.has_backup(out))
    if there and not fitting.has_backup(out):
        raise ValueError(f"{out} is not what the first process has there: share it among them.")
    if recipe.schedule.get("init") and not there:
        if folder.same_data(recipe.schedule["init"], out):
            raise ValueError(f"--init is {out}, the folder of this run: give it another --out.")
        fitting.start(model, recipe.schedule)
    if values.overwrite:
        if first:
            folder.clear(out)  # not before now: what cannot be built or started costs no run
        processes.agreed(False)  # the others wait, and find no backup of the run that was
    if first:
        recipe.save(out / "recipe.yaml")
    name = printable(recipe["data"]["name"])
    what = f"{recipe['model']['method']} on {name}, {backend} backend"
    how_long = f"{steps} steps" if steps else f"{epochs} epochs of {len(data)} steps"
    print(f"{'Resuming' if resumed else 'Training'} {what}: {how_long}")
    print(f"in {out}; Ctrl-C pauses the run.", flush=True)
    if word := watching.word_on_few_images(model, recipe, data):
        print(word, flush=True)
    began = time.monotonic()
    paused = fitting.fit(model, recipe, data, out, epochs, steps, values.save_every, values.minutes)
    if paused == "interrupted":
        print(f"\nPaused, nothing is lost. Continue with:\n  {command}")
        return 130
    if not first:
        return 0
    took = fitting.duration(time.monotonic() - began)
    ended = f"{'Paused' if paused else 'Trained'} {what}: {model.steps_done} steps; {took}"
    with processes.alone():
        _finish(model, recipe, out, values, ended, [command] if paused else [])
    return 0


def _finish(model, recipe, out, values, ended, again):
    """Write what a run leaves and publish it; `again` holds the line that continues one."""
    from keras_gans import tasks
    from keras_gans.runs import fitting

    written = fitting.write_results(model, recipe, out)
    if not again:
        timing.finish(out, recipe)
    print(f"\n{ended} this time.")
    print(f"Written to {out}:")
    for name, text in written.items():
        print(f"  {name:<13} {text}")
    if values.publish and not again:
        publishing.publish(model, recipe, out, values.publish, values.republish)
    print("Next:")
    next_command = tasks.of(model).next_command(shlex.quote(str(out)))
    for line in (
        *again,
        next_command,
        f"tensorboard --logdir {shlex.quote(str(out / 'tensorboard'))}",
    ):
        print(f"  {line}")


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
        "keras-gans train --dataset=photos/ --init=osgan_avatars_64 --steps=2000",
        "keras-gans train --recipe=runs/digits/recipe.yaml --seed=1 --out=runs/digits_1",
        "keras-gans train --recipe=zoo/osgan_digits/recipe.yaml --out=runs/entry --publish=my_zoo",
    ),
    run,
)
