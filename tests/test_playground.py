"""The playground: the panels of each task, the page, and the Space, on the backend at hand."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import images, load_script, slow_module
from PIL import Image

import keras_gans
from keras_gans import models, networks, tasks, zoo
from keras_gans.app import open_panels, pages, write_space
from keras_gans.data import image_grid
from keras_gans.data.label_maps import class_colors
from keras_gans.tasks import map_panels

pytestmark = slow_module("tensorflow", "jax")
CARD = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
HAS_GRADIO = importlib.util.find_spec("gradio") is not None
needs_gradio = pytest.mark.skipif(not HAS_GRADIO, reason="gradio is not installed")


@pytest.fixture(scope="module")
def faces():
    """An untrained model of three classes that renders any size."""
    keras.utils.set_random_seed(0)
    g, d = networks.biggan(32, width=4, num_classes=3, head="inr", d_head="omni")
    return models.OmniINRGAN(g, d, num_classes=3)


@pytest.fixture(scope="module")
def panels(faces):
    return {p.name: p for p in tasks.of(faces).panels(faces, ["round", "long"])}


def differ(panel, **values):
    return not np.array_equal(panel.show().picture, panel.show(**values).picture)


def test_samples_are_those_of_generate(faces, panels):
    panel = panels["Samples"]
    shown = panel.show(label="1 long", truncation=0.5, seed=3, count=4)
    made = faces.generate(4, seed=3, labels=1, truncation=0.5)
    np.testing.assert_array_equal(shown.picture, image_grid(made))
    assert shown.text == "4 images of the class 1 long, seed 3"
    large = panel.show(seed=3, count=2, height=40, width=48).picture
    np.testing.assert_array_equal(large, image_grid(faces.generate(2, seed=3, size=(40, 48)), None))
    # Of all classes, a column of each.
    np.testing.assert_array_equal(panel.show(count=6).picture, image_grid(faces.generate(6), 3))


def test_a_way_is_that_of_interpolate(faces, panels):
    values = {"seed": 4, "to_seed": 5, "label": "0 round", "to_label": "2", "steps": 5}
    shown = panels["Interpolation"].show(**values, truncation=0.8)
    made = faces.interpolate(5, labels=(0, 2), seed=(4, 5), truncation=0.8)
    np.testing.assert_array_equal(shown.picture, image_grid(made, 4))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Samples", {"label": "2", "truncation": 0.3, "seed": 1, "count": 4, "height": 24}),
        (
            "Interpolation",
            {"label": "1 long", "to_label": "0 round", "seed": 7, "to_seed": 8, "steps": 3}
            | {"truncation": 0.3, "width": 24},
        ),
    ],
)
def test_each_control_changes_the_picture(panels, name, changes):
    panel = panels[name]
    assert {c.name for c in panel.controls} <= changes.keys() | {"height", "width"}
    for control, value in changes.items():
        assert differ(panel, **{control: value}), control


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seed": None}, "Seed is None; expected a whole number of 0 to"),
        ({"seed": -1}, "Seed is -1"),
        ({"seed": 1.5}, "Seed is 1.5"),
        ({"truncation": float("nan")}, "Truncation is nan; expected a number of 0 to 1.5"),
        ({"label": "4"}, "Class is '4'; choose one of all, in turn, 0 round, 1 long, 2"),
        ({"count": 64, "height": 512, "width": 512}, "take 16 or less, or a smaller size"),
        ({"size": 3}, "Samples has no control 'size'"),
    ],
)
def test_a_wrong_value_is_one_line(panels, values, said):
    with pytest.raises(ValueError, match=said) as error:
        panels["Samples"].show(**values)
    assert "\n" not in str(error.value)


def test_a_generator_without_classes_or_sizes_has_no_such_controls():
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=3)
    plain = models.GAN(g, d)
    of = {p.name: [c.name for c in p.controls] for p in tasks.of(plain).panels(plain)}
    assert of["Samples"] == ["truncation", "seed", "count"]
    assert of["Interpolation"] == ["seed", "to_seed", "steps", "truncation"]
    assert tasks.get("noise").panels(models.Sampler(g))[-1].name == "Interpolation"


def test_a_picture_is_restored_as_restore_does_it(faces, panels, tmp_path):
    panel = panels["Restoration"]
    assert panel.slow
    with pytest.raises(ValueError, match="Drop a picture first"):
        panel.show()
    Image.fromarray(np.full((64, 64), 90, "uint8")).save(tmp_path / "gray.png")
    values = {"picture": str(tmp_path / "gray.png"), "effort": 0.05, "label": "1 long", "seed": 2}
    shown = panel.show(**values)
    steps = keras_gans.restoration.schedule("compact_color").shortened(0.05)
    given = np.full((1, 32, 32, 1), 90, "uint8")
    made = faces.restore(given, "color", labels=1, seed=2, schedule=steps, verbose=0)
    wanted = image_grid(np.concatenate([made.given, made.images]), 2)
    assert np.abs(shown.picture.astype(int) - wanted).max() <= 1
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"^'bad.png' is not a readable image"):
        panel.show(picture=str(tmp_path / "bad.png"))


def test_a_hole_or_what_a_mask_covers_is_filled(faces, panels, tmp_path, monkeypatch):
    asked = []

    def restore(given, task, mask=None, **kwargs):
        asked.append(mask)
        return type("Made", (), {"given": given, "images": given, "residual": [0], "seconds": [0]})

    monkeypatch.setattr(faces, "restore", restore)
    Image.fromarray(np.full((64, 96, 3), 90, "uint8")).save(tmp_path / "torn.png")
    mask = np.zeros((64, 96), "uint8")
    mask[:, :48] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(mask[:, :50]).save(tmp_path / "other.png")
    values = {"picture": str(tmp_path / "torn.png"), "task": "inpaint"}
    panel = panels["Restoration"]
    panel.show(**values)
    panel.show(**values, mask=str(tmp_path / "mask.png"))
    panel.show(**values, hole="the left half")
    middle, left, half = asked
    assert middle.shape == (32, 48) and middle[8:24, 12:36].all() and middle.sum() == 16 * 24
    assert left[:, :24].all() and not left[:, 24:].any() and (left == half).all()
    with pytest.raises(ValueError, match="the mask is 64x50, of another shape than the image"):
        panel.show(**values, mask=str(tmp_path / "other.png"))
    panel.show(**{**values, "task": "color"}, mask=str(tmp_path / "mask.png"))
    assert asked[-1] is None


@pytest.mark.slow
def test_a_hole_is_really_filled(faces, panels, tmp_path):
    pixels = (images(1, 32, 3)[0] * 127 + 128).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "torn.png")
    values = {"picture": str(tmp_path / "torn.png"), "task": "inpaint", "effort": 0.05}
    shown = panels["Restoration"].show(**values, label="1 long", seed=2).picture
    mask = np.zeros((32, 32), bool)
    mask[8:24, 8:24] = True
    steps = keras_gans.restoration.schedule("compact").shortened(0.05)
    made = faces.restore(
        pixels[None], "inpaint", mask=mask, labels=1, seed=2, schedule=steps, verbose=0
    )
    wanted = image_grid(np.concatenate([made.given, made.images]), 2)
    assert np.abs(shown.astype(int) - wanted).max() <= 1


def test_gray_generators_color_nothing_and_grids_have_no_empty_place():
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=3)
    model = models.GAN(g, d)
    panels = {p.name: p for p in tasks.of(model).panels(model)}
    (task,) = (c for c in panels["Restoration"].controls if c.name == "task")
    assert task.choices == ("sr", "inpaint", "reconstruct") and task.default == "sr"
    shown = panels["Samples"].show(count=8).picture
    np.testing.assert_array_equal(shown, image_grid(model.generate(8, seed=0), 4))


def test_an_entry_without_its_discriminator_restores_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=3)
    given = {"card": CARD, "path": tmp_path, "saved_model": False}
    zoo.publish(models.GAN(g, d), "with", **given)
    zoo.publish(models.GAN(g, d), "without", discriminator=False, **given)
    names = [[p.name for p in open_panels(n)[1]] for n in ("with", "without")]
    assert names[0] == [*names[1], "Restoration"]


@pytest.fixture(scope="module")
def pairs():
    keras.utils.set_random_seed(0)
    g, d = networks.pix2pix(image_size=32, channels=3, in_channels=1, width=4, d_layers=2)
    model = models.Pix2Pix(g, d)
    return models.Translator(model.inference_network())


def test_a_dropped_picture_is_translated(pairs, tmp_path):
    from keras_gans.tasks import image_panels

    examples = (images(3, 32),)
    (panel,) = image_panels.panels(pairs, examples, [])
    assert [c.name for c in panel.controls] == ["picture", "example", "outline"]
    second = pairs.translate(examples[0][1:2])
    np.testing.assert_array_equal(panel.show(example=2).picture[2:34, 36:68], to_uint8(second[0]))
    assert differ(panel, example=3)
    pixels = (images(1, 64, 3)[0] * 127 + 128).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    drawn = panel.show(picture=str(tmp_path / "mine.png"))
    gray = panel.show(picture=str(tmp_path / "mine.png"), outline=False)
    assert drawn.text == "your picture; from the left: input, output"
    assert not np.array_equal(drawn.picture, gray.picture)
    (tmp_path / "torn.png").write_bytes((tmp_path / "mine.png").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"^'torn.png' is not a readable image"):
        panel.show(picture=str(tmp_path / "torn.png"))


def to_uint8(image):
    return keras_gans.data.to_uint8(image)


@pytest.fixture(scope="module")
def maps():
    keras.utils.set_random_seed(0)
    g, d = networks.spade(32, num_classes=3, width=2, hidden=4, d_width=2, noise=4)
    return models.SPADE(g, d)


def test_a_painted_map_is_synthesized(maps):
    (panel,) = tasks.get("label_maps").panels(maps, ["sky", "sea"])
    colors = class_colors(3)
    painted = np.zeros((64, 64), int)
    painted[:, 32:] = 2
    shown = panel.show(painting=colors[painted], seed=5)
    made = maps.synthesize(painted[None, ::2, ::2], seed=5)
    np.testing.assert_array_equal(shown.picture[2:34, 36:68], to_uint8(made[0]))
    assert shown.text.endswith("classes 0 sky, 2")
    for changes in ({"seed": 1}, {"repaint": "0 sky"}, {"painting": colors[painted]}):
        assert differ(panel, **changes)
    again = panel.show(painting=colors[painted], repaint="2", new_seed=9).picture
    wanted = maps.repaint(painted[None, ::2, ::2], 2, new_seed=9)
    np.testing.assert_array_equal(again[2:34, 36:68], to_uint8(wanted[0]))
    with pytest.raises(ValueError, match="expected a color picture"):
        panel.show(painting=np.zeros((4, 4), "uint8"))


def test_pieces_of_a_map_are_connected():
    made = map_panels.pieces(np.array([[[1, 1, 0], [0, 1, 0], [1, 0, 0]]]))[0]
    assert made.tolist() == [[1, 1, 2], [3, 1, 2], [4, 2, 2]]


# The page and the Space


def test_the_code_of_the_document(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (pathlib.Path(__file__).parent.parent / "docs" / "playground.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    exec(code[0], {})


def test_without_gradio_it_is_one_line(fails, monkeypatch):
    monkeypatch.setattr(pages.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'keras_gans[app]'" in fails("playground", "osgan_digits")


def test_flags_that_do_not_fit_are_refused(fails):
    assert "--port is 0" in fails("playground", "--port=0")
    assert "--space=FOLDER" in fails("playground", "--overwrite")
    assert "Give one entry" in fails("playground", "a", "b")


def test_a_space_has_all_it_needs(cli, fails, tmp_path, monkeypatch):
    out = tmp_path / "space"
    assert cli("playground", "osgan_digits", f"--space={out}")[0] == 0
    header = (out / "README.md").read_text().split("---\n")[1]
    lines = dict(line.split(": ", 1) for line in header.splitlines())
    assert lines["sdk"] == '"gradio"' and lines["app_file"] == '"app.py"'
    assert (out / "requirements.txt").read_text().startswith("keras_gans[app,torch]==")
    assert (out / "entries" / "osgan_digits" / "card.json").is_file()
    assert "exists" in fails("playground", "osgan_digits", f"--space={out}")
    write_space("osgan_digits", out, package="./keras_gans.whl", overwrite=True)
    assert (out / "requirements.txt").read_text() == "./keras_gans.whl\n"
    # The program of the Space opens the entry that lies beside it.
    opened = []
    monkeypatch.setattr("keras_gans.app.playground", opened.append)
    load_script(out / "app.py")
    assert zoo.load("osgan_digits", path=pathlib.Path(opened[0]).parent).name == "osgan_digits"


@needs_gradio
def test_an_error_is_a_line_on_the_page(panels):
    import gradio

    answer = pages.answering(gradio, panels["Samples"])
    values = [c.default for c in panels["Samples"].controls]
    picture, text = answer(*values)
    assert max(picture.shape) >= 512 and "seed 0" in text
    values[2] = None  # while it is typed
    assert answer(*values) == (gradio.skip(), gradio.skip())
    values[2] = -1
    with pytest.raises(gradio.Error, match="Seed is -1; expected a whole number") as error:
        answer(*values)
    assert not error.value.print_exception


@needs_gradio
@pytest.mark.slow
def test_each_control_changes_the_picture_in_a_browser(tmp_path):
    """Headless Chromium; what it asks other hosts for is none."""
    pytest.importorskip("selenium")
    browser = pytest.importorskip("browser_run")
    if not browser.found():
        pytest.skip("chromium and chromedriver are not installed")
    script = pathlib.Path(__file__).parent / "browser_run.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        env={**os.environ, "PYTHONPATH": str(script.parent.parent)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all controls changed the picture" in done.stdout
