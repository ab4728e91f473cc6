"""The examples of AsymmetricGAN run, in small, and write what they say."""

import pathlib
import sys
import types

import keras
import numpy as np
import pytest
from conftest import images, load_script, slow_on
from PIL import Image

from keras_gans import data

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


def example(name):
    return load_script(EXAMPLES / f"{name}.py")


def png(path):
    with Image.open(path) as image:
        return np.array(image)


@slow_on("jax", "tensorflow")
def test_gestures_of_drawn_hands(tmp_path):
    arguments = "--drawn --size=32 --count=16 --epochs=1 --width=2 --r_width=1 --d_width=2"
    arguments = [*arguments.split(), "--blocks=1", "--per_image=1", f"--out={tmp_path}"]
    module = example("asymmetric_gestures")
    model = module.main(arguments)
    assert model.steps_done == 4  # 16 photos, a partner each, batch 4
    assert png(tmp_path / "epoch-001.png").shape == (8 * 34 + 2, 4 * 34 + 2, 3)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x, guide = images(2, 32, 3), images(2, 32, 3, seed=1)
    np.testing.assert_allclose(loaded.translate(x, guide), model.translate(x, guide), atol=1e-6)


def test_quadruples_stay_within_their_group():
    module = example("asymmetric_gestures")
    pictures, points, groups = module.drawn_hands(20, 32, seed=0)
    x, guide_x, y, guide_y = module.quadruples(pictures, points, groups, per_image=3, seed=1)
    # A group has its own background: the upper left corner.
    assert len(x) == 16 * 3 + 4 * 3 and (x[:, 0, 0] == y[:, 0, 0]).all()
    assert (x != y).any(axis=(1, 2, 3)).all()
    drawn = data.to_uint8(data.draw_hand(points[0], 32))
    assert (guide_x[0] == drawn).all() and not (guide_y[0] == drawn).all()
    with pytest.raises(SystemExit, match="nothing to pair"):
        module.quadruples(pictures, points, np.arange(20), 1, 0)


def test_keypoints_say_what_to_install_and_write_what_is_found(tmp_path, monkeypatch):
    module = example("extract_hand_keypoints")
    photos = tmp_path / "photos" / "anna"
    photos.mkdir(parents=True)
    for i in range(3):
        Image.fromarray(data.to_uint8(images(1, 40, 3, seed=i)[0])).save(photos / f"{i}.png")
    model = tmp_path / "hand.task"
    model.write_bytes(b"")
    line = [str(photos.parent), f"--model={model}", f"--out={tmp_path / 'h.npz'}", "--size=32"]
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(SystemExit, match="pip install mediapipe"):
        module.main(line)

    class Detector:
        count = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def detect(self, picture):
            assert picture.shape == (32, 32, 3) and picture.dtype == np.uint8
            Detector.count += 1
            points = [types.SimpleNamespace(x=0.04 * i, y=0.5) for i in range(21)]
            return types.SimpleNamespace(hand_landmarks=[points] if Detector.count < 3 else [])

    peer = types.SimpleNamespace(
        Image=lambda image_format, data: data, ImageFormat=types.SimpleNamespace(SRGB=1)
    )
    vision = types.SimpleNamespace(
        HandLandmarkerOptions=dict,
        HandLandmarker=types.SimpleNamespace(create_from_options=lambda options: Detector()),
    )
    tasks = types.SimpleNamespace(BaseOptions=dict)
    monkeypatch.setattr(module, "open_mediapipe", lambda: (peer, tasks, vision))
    module.main(line)
    with np.load(tmp_path / "h.npz") as stored:
        assert (
            stored["images"].shape == (2, 32, 32, 3) and stored["groups"].tolist() == ["anna"] * 2
        )
        np.testing.assert_allclose(stored["keypoints"][0, 20], [0.8, 0.5])
    assert png(tmp_path / "h.png").shape[1] > 32
    with pytest.raises(SystemExit, match="no model file"):
        module.main([*line, "--model=nowhere.task"])


def test_outlines_are_where_colors_change():
    module = example("asymmetric_supervised")
    picture = np.zeros((1, 8, 8, 3), "uint8")
    picture[:, 2:5, 3:6] = 200
    found = module.outline(picture)[0, ..., 0]
    wanted = np.zeros((8, 8), "uint8")
    wanted[2:5, 2] = wanted[2:5, 5] = wanted[1, 3:6] = wanted[4, 3:6] = 255
    np.testing.assert_array_equal(found, wanted)
    paired = np.arange(8).reshape(2, 4, 1, 1, 1)
    x, y = (a.ravel().tolist() for a in module.pairs_of(paired))
    assert list(zip(x, y, strict=True))[:4] == [(0, 1), (4, 5), (0, 2), (4, 6)] and len(x) == 12


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads TensorFlow Datasets")
def test_the_supervised_rows(tfds_dir, tmp_path):
    line = [f"--data_dir={tfds_dir}", "--steps=2", "--every=2", "--width=4", "--d_width=4"]
    line += ["--limit=40", "--blocks=1"]
    module, out = example("asymmetric_supervised"), tmp_path / "supervised"
    results = module.main([*line, f"--out={out}"])
    assert results["symmetric"]["parameters"][0] == results["symmetric"]["parameters"][1]
    assert results["asymmetric"]["parameters"][1] < results["asymmetric"]["parameters"][0]
    assert png(out / "asymmetric" / "grid.png").shape == (10 * 66 + 2, 4 * 66 + 2, 3)
