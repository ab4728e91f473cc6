"""Kinds of task: every declared method's answers every question, and a new one takes its place."""

import keras
import numpy as np
import pytest
from conftest import images
from dense_networks import small

from keras_gans import callbacks, models, networks, registry, tasks, zoo
from keras_gans.cli.main import COMMANDS
from keras_gans.data.images import image_grid
from keras_gans.runs import opening, watching
from keras_gans.tasks.images import Panels
from keras_gans.tasks.noise import Samples

ARCHITECTURES = {
    "noise": {"latent_dim": 7, "num_classes": 3, "any_size": True, "image_shape": [8, 9, 1]},
    "images": {
        "kind": "translator",
        "parts": {"encoder": 1234},
        "condition": "domains",
        "num_domains": 3,
        "image_shape": [8, 9, 1],
        "output_shape": [8, 9, 3],
    },
    "label_maps": {"num_classes": 3, "noise_dim": 4, "instances": True, "image_shape": [8, 9, 1]},
}


def generator():
    """A tiny generator, and a discriminator, of 4x4 gray images."""
    return networks.dcgan(8, 1, 4, latent_dim=3)


@pytest.mark.parametrize("method", registry.names("method"))
def test_every_method_has_a_task_that_answers(method):
    declared = registry.get("method", method)
    task = tasks.of(declared.value)
    assert task.name == declared.task and isinstance(task, tasks.Task)
    # What the task calls is there: a function of the method, a command, an entry of the zoo.
    assert callable(getattr(declared.value, task.verb))
    assert COMMANDS[task.command].examples and task.command in task.next_command("runs/a")
    entry = registry.get("entry", task.name).value.entry_class
    assert tasks.of(entry).name == task.name and callable(getattr(entry, task.verb))
    assert tasks.of_kind(task.kind).name == task.name and task.makes
    architecture = ARCHITECTURES[task.name]
    assert f"entry.{task.verb}(" in task.usage(architecture)
    assert task.facts(architecture)[0].startswith("- Images: 8 x 9 x 1")


def test_the_commands_are_those_of_the_tasks():
    assert {task.command for task in tasks.every()} <= set(COMMANDS)
    assert [task.name for task in tasks.every()] == registry.names("task")
    assert registry.names("entry") == registry.names("task")


def test_lines_of_a_card():
    noise, of_images = tasks.get("noise"), tasks.get("images")
    assert noise.facts(ARCHITECTURES["noise"])[0].endswith("; latents of 7, 3 classes")
    assert "labels=0, truncation=0.7, size=" in noise.usage(ARCHITECTURES["noise"])
    plain = {**ARCHITECTURES["noise"], "num_classes": None, "any_size": False}
    assert noise.usage(plain).startswith("entry.generate(16, seed=0)  #")
    lines = of_images.facts(ARCHITECTURES["images"])
    assert lines[0] == "- Images: 8 x 9 x 1 to 8 x 9 x 3 (height, width, channels)"
    assert "encoder 1,234" in lines[1] and "`domain=2`" in lines[2]
    with pytest.raises(ValueError, match="of the kind 'hologram'"):
        tasks.of_card({"architecture": {"kind": "hologram"}})


def test_where_the_task_of_a_thing_is_found():
    g, d = generator()
    model = models.GAN(g, d)
    for source in (model, models.GAN, models.Sampler(g), models.LGAGAN, zoo.ZooArchitecture):
        assert tasks.of(source).name == "noise"
    known = small("pix2pix")
    translating = models.DecoupledPix2Pix(**known)
    wrapped = models.Translator(translating.inference_network())
    for source in (translating, wrapped, zoo.ZooTranslator, models.AsymmetricGAN):
        assert tasks.of(source).name == "images"

    class Mine(models.OSGAN):  # declared by nobody: what its base is
        pass

    class Other(models.OSGAN):  # the nearest class counts
        task = "images"

    class Foreign:
        def translate(self, x):
            return x

    assert [tasks.of(x).name for x in (Mine, Other, Foreign())] == ["noise", "images", "images"]
    assert tasks.find(keras.Sequential()) is None
    with pytest.raises(ValueError, match=r"Sequential has neither .*translate\(\).*attribute task"):
        tasks.of(keras.Sequential())
    Foreign.task = "picture"
    with pytest.raises(ValueError, match="Unknown task 'picture'"):
        tasks.of(Foreign)


def test_bare_networks_are_wrapped(tmp_path):
    g, d = generator()
    translator = models.DecoupledPix2Pix(**small("pix2pix")).inference_network()
    for network, name, wrapper in (
        (g, "noise", models.Sampler),
        (translator, "images", models.Translator),
    ):
        task, found = tasks.get(name), tasks.wrapped(network)
        assert type(found) is wrapper and task.network(found) is network
        assert len(task.served(network).outputs) == 1
        network.save(tmp_path / "a.keras")
        assert type(opening.open_source(str(tmp_path / "a.keras"), task.verb)) is wrapper
    served = tasks.get("images").served(translator)
    x = images(2, 4)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(served(x)), tasks.wrapped(translator).translate(x), atol=1e-6
    )
    with pytest.raises(ValueError, match="generates no images: .*images of noise"):
        tasks.wrapped(d)


def test_the_average_is_the_network_that_counts():
    model = models.GAN(*generator(), ema=0.9)
    assert tasks.of(model).network(model) is model.ema_generator


def test_views(tmp_path):
    g, d = networks.dcgan(8, 1, 4, latent_dim=3, num_classes=3)
    model = models.GAN(g, d, num_classes=3)
    view = tasks.of(model).view(model, recipe=None, seed=5)
    picture = view.draw(model)
    assert (picture.columns, picture.text) == (3, "63 samples")
    labels = np.arange(63) % 3
    np.testing.assert_array_equal(picture.images, model.generate(63, labels=labels, seed=5))
    assert view.maps(model, picture.images) == {}
    amplified = models.GAN(g, d, objective="lga", num_classes=3)
    maps = view.maps(amplified, picture.images)
    wanted = amplified.amplification_maps(picture.images, labels)
    np.testing.assert_array_equal(maps["amplification"], wanted)

    translating, x = models.DecoupledPix2Pix(**small("pix2pix")), images(2, 4)
    picture = Panels((x,), -x).draw(translating)
    assert picture.columns == 5
    assert picture.text == "2 images: input, reconstruction, residual, output, target"
    np.testing.assert_array_equal(picture.images[[0, 4, 5, 9]], [x[0], -x[0], x[1], -x[1]])
    grid = callbacks.PictureGrid(tmp_path / "a.png", Panels((x,), -x))
    grid.set_model(translating)
    translating.compile()
    assert grid.write() == tmp_path / "a.png"


def test_real_images_with_their_labels():
    g, d = networks.dcgan(8, 1, 4, latent_dim=3, num_classes=3)
    model, task = models.GAN(g, d, num_classes=3), tasks.get("noise")
    x, y = images(20, 8), np.arange(20) % 3
    batches = [(x[i : i + 8], y[i : i + 8]) for i in (0, 8, 16)]
    for count in (10, 100):
        found, labels = task.real(model, batches, count)
        np.testing.assert_array_equal(found, x[:count])
        np.testing.assert_array_equal(labels, y[:count])
    found, labels = task.real(models.GAN(*generator()), [x[:8]], 4)
    assert len(found) == 4 and labels is None


# A task of its own


@pytest.fixture
def echo(monkeypatch):
    """A third task, declared as in a module of keras_gans.tasks, and a method of it."""

    class Shift(tasks.View):
        def draw(self, model):
            return tasks.Picture(model.restore(images(4, 4)), 2, "4 images, brighter")

    monkeypatch.setattr(registry, "_declared", {k: dict(v) for k, v in registry._declared.items()})

    @registry.task("restoration")
    class Restoration(tasks.Task):
        """Better images of worse ones."""

        verb, command, makes, kind = "restore", "restore", "images of damaged images", "restorer"

        def view(self, model, recipe, seed=0):
            return Shift()

        def usage(self, architecture):
            return "entry.restore(damaged)"

        def next_command(self, folder):
            return f"keras-gans restore {folder}"

    @registry.method("echo_gan", task="restoration", paper="none", networks=())
    class EchoGAN(keras.Model):
        def restore(self, x):
            return np.clip(x + 0.5, -1, 1)

    return EchoGAN


def test_a_new_task_is_asked_like_the_others(echo, tmp_path, monkeypatch):
    model = echo()
    model.compile("sgd")
    task = tasks.of(model)
    assert task.name == "restoration" and task.verb == "restore" and not task.from_noise
    assert tasks.of_kind("restorer").name == "restoration"
    card = {"name": "a", "architecture": {"kind": "restorer"}}
    assert zoo.cards.usage(card).endswith("images = entry.restore(damaged)")
    assert task.facts({"image_shape": [4, 4, 1]}) == [
        "- Images: 4 x 4 x 1 (height, width, channels)"
    ]
    # What a run of the command line shows of it.
    recipe = {"evaluation": {}}
    assert watching.write_samples(model, recipe, tmp_path) == "4 images, brighter"
    wanted = image_grid(np.clip(images(4, 4) + 0.5, -1, 1), columns=2)
    found = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "samples.png"))
    np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape))
    guard, grid, board = watching.callbacks_of(model, recipe, None, tmp_path)
    assert guard.min_diversity is None
    for callback in (guard, grid, board):
        callback.set_model(model)
    # Commands of other tasks refuse it in a line, and say which one is right.
    monkeypatch.setattr(opening, "_open", lambda source: model)
    with pytest.raises(ValueError) as error:
        opening.open_source("runs/a")
    assert str(error.value) == (
        "runs/a makes images of damaged images, not images of noise: use keras-gans restore runs/a."
    )
    for make, text in (
        (callbacks.SampleGrid, "EchoGAN does not have"),
        (callbacks.TerminateOnCollapse, "EchoGAN does not have"),
    ):
        with pytest.raises(ValueError, match=text):
            (make() if make is callbacks.TerminateOnCollapse else make("a.png")).set_model(model)
    assert isinstance(Samples(), tasks.View)


@pytest.mark.parametrize(
    "classes, ema, warmup", [(3, 0.99, 2000), (3, 0.9995, 6000), (20, None, 0), (None, None, 2000)]
)
def test_a_run_compares_variety_within_classes_with_real_images(tmp_path, classes, ema, warmup):
    g, d = networks.dcgan(8, 1, 4, latent_dim=3, num_classes=classes)
    model = models.GAN(g, d, num_classes=classes, ema=ema)
    x, y = images(20, 8), np.arange(20) % (classes or 1)
    guard, _, _ = watching.callbacks_of(model, {"evaluation": {}}, [(x, y)], tmp_path)
    assert guard.warmup == warmup and guard.raise_error
    if classes == 20:  # no two images of a class to compare
        assert guard._real_diversity is None
        return
    assert guard.min_diversity == watching.VARIETY
    pairs = [(i, j) for i in range(20) for j in range(i) if y[i] == y[j]]
    wanted = np.mean([np.sqrt(np.mean((x[i] - x[j]) ** 2)) for i, j in pairs])
    assert guard._real_diversity == pytest.approx(wanted, rel=1e-4)
