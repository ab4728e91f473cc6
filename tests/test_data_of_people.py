"""Data as people have it, on the command line: names of classes, pairs of files, deep images."""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conftest import slow_module
from PIL import Image

from keras_gans import data, recipes
from keras_gans.data.loading import read
from keras_gans.data.sources import Source, with_class_names

pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = ["--image_size=8", "--width=8", "--latent_dim=4", "--batch_size=4", "--num_samples=0"]


def write_classes(folder, shades, count=4):
    """A folder for each class, with gray images of its shade."""
    for name, shade in shades.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(np.full((8, 8), shade, "uint8")).save(folder / name / f"{i}.png")
    return folder


def shades_of(source):
    """Dictionary, label -> the shades of its images."""
    return {int(n): set(source.images[source.labels == n].ravel()) for n in set(source.labels)}


def test_labels_number_the_names_that_a_recipe_keeps(tmp_path):
    folder = write_classes(tmp_path / "set", {"1": 10, "2": 20, "10": 100})
    assert shades_of(read(folder, labels=True)) == {0: {10}, 1: {20}, 2: {100}}
    # As text the order is 1, 10, 2; a name more may be there, of another split.
    found = read(folder, labels=True, class_names=["1", "10", "2", "3"])
    assert shades_of(found) == {0: {10}, 1: {100}, 2: {20}}
    assert found.class_names == ["1", "10", "2", "3"]
    with pytest.raises(ValueError, match="has the class '10', which class_names does not have"):
        read(folder, labels=True, class_names=["1", "2"])
    with pytest.raises(ValueError, match="expected different names"):
        read(folder, labels=True, class_names=["1", "1", "2", "10"])
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 8, 8), "uint8"), labels=[0, 1, 2])
    assert read(tmp_path / "a.npz", labels=True, class_names=list("abc")).class_names == list("abc")
    with pytest.raises(ValueError, match="has 3 classes, and class_names 2"):
        read(tmp_path / "a.npz", labels=True, class_names=list("ab"))


def test_a_run_keeps_its_names_and_takes_them_for_numbers(cli, tmp_path):
    folder, out = write_classes(tmp_path / "set", {"cat": 0, "dog": 255}), tmp_path / "run"
    (folder / "cat" / "broken.png").write_bytes(b"no image")
    for name in ("read.me", "notes.txt", "more.txt"):
        (folder / name).write_text("")
    train = ["train", *TINY, f"--dataset={folder}", "--num_classes=2", f"--out={out}"]
    status, _, err = cli(*train, "--steps=1")
    assert status == 0, err
    left_out = json.loads((out / "run.json").read_text())["left_out"]
    assert (left_out["other endings"], left_out["unreadable"], left_out["passed over"]) == (3, 1, 0)
    assert ".txt (2), .me (1)" in left_out["in words"] and "broken.png" in left_out["in words"]
    assert recipes.load(out / "recipe.yaml").data["class_names"] == ["cat", "dog"]
    arrays = []
    for label in ("dog", 1, 0):
        npy = tmp_path / f"{label}.npy"
        line = ["sample", out, f"--label={label}", "--num=2", f"--npy={npy}"]
        status, said, _ = cli(*line, f"--out={tmp_path / 'x.png'}")
        assert status == 0 and f"of class {min(1, int(label != 0))}, " in said
        arrays.append(np.load(npy))
    np.testing.assert_array_equal(arrays[0], arrays[1])
    assert np.abs(arrays[0] - arrays[2]).max() > 0
    status, _, err = cli("sample", out, "--label=dgo")
    assert status == 2 and "did you mean 'dog'" in err and "cat, dog" in err
    # The names stay those of the run: a new folder would come first, and renumber the others.
    assert cli(*train, "--steps=2", "--resume")[0] == 0
    write_classes(folder, {"ant": 9})
    status, _, err = cli("train", f"--out={out}", "--steps=3", "--resume")
    assert status == 2 and "has the class 'ant'" in err
    assert recipes.load(out / "recipe.yaml").data["class_names"] == ["cat", "dog"]
    # Other data, or none of the labels, have no use for them.
    for more in ("--dataset=digits", "--num_classes=0"):
        line = ["train", *TINY, f"--recipe={out / 'recipe.yaml'}", more, f"--out={tmp_path / more}"]
        assert cli(*line, "--steps=1")[0] == 0
        assert "class_names" not in recipes.load(tmp_path / more / "recipe.yaml").data


def test_names_of_an_entry_are_taken_for_its_numbers(cli, tmp_path):
    out = f"--out={tmp_path / 'x.png'}"
    made = {}
    for label in ("micah", "3"):
        npy = tmp_path / f"{label}.npy"
        line = ["sample", "osgan_avatars_64", f"--label={label}", "--num=2", f"--npy={npy}", out]
        status, said, _ = cli(*line)
        assert status == 0 and "of class 3, 'micah'" in said
        made[label] = np.load(npy)
    np.testing.assert_array_equal(made["micah"], made["3"])
    Image.fromarray(np.full((8, 8, 3), 200, "uint8")).save(tmp_path / "a.png")
    for domain in ("twemoji", "1"):
        npy = tmp_path / f"{domain}.npy"
        line = ["translate", "asymmetric_emoji_128", tmp_path / "a.png", f"--domain={domain}"]
        status, _, err = cli(*line, f"--npy={npy}", out)
        assert status == 0, err
        made[domain] = np.load(npy)
    np.testing.assert_array_equal(made["twemoji"], made["1"])
    status, _, err = cli("translate", "asymmetric_emoji_128", "--domain=tweemoji", out)
    assert (
        status == 2 and "did you mean twemoji" in err.replace("'", "") and "0 to 3, or all" in err
    )


def test_labels_of_a_stream_number_the_names(tmp_path):
    tf = pytest.importorskip("tensorflow")
    labels = np.array([0, 1, 2, -1, 1], "int32")
    images = tf.zeros((5, 2, 2, 1), "uint8")
    source = Source("x", 5, (2, 2, 1), class_names=["a", "b", "c"])
    source.stream = lambda: (tf.data.Dataset.range(5), lambda i: (images[0], tf.gather(labels, i)))
    source = with_class_names(source, ["c", "b", "a"])
    assert [int(label) for _, label in source.stream()[0].map(source.stream()[1])] == [
        2,
        1,
        0,
        -1,
        1,
    ]


# Pairs of files


def write_pairs(folder, rows):
    """Gray or color images of one shade each: path beneath the folder -> shade."""
    for name, shade in rows.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, *np.shape(shade)), shade, "uint8")).save(folder / name)
    return folder


def shades(images):
    return images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("form", ["{split}{side}", "{split}/{side}"])
def test_pairs_have_one_name_in_two_folders(tmp_path, caplog, form):
    top = tmp_path / "set"
    for split, first in (("train", 1), ("test", 100)):
        a, b = (form.format(split=split, side=side) for side in "AB")
        write_pairs(top, {f"{a}/{i}.png": first + i for i in (0, 1, 2, 10)})
        # Endings may differ, and a target has colors.
        write_pairs(top, {f"{b}/{i}.bmp": [first + i + 50] * 3 for i in (10, 2, 0)})
    (top / form.format(split="train", side="B") / "1.png").write_bytes(b"no image")
    write_pairs(top, {form.format(split="train", side="A") + "/deep/7.png": 7})
    shutil.make_archive(str(top), "zip", top)
    for name in (top, tmp_path / "set.zip"):
        inputs, targets = data.load_pairs(str(name), "A", "B", dtype="uint8")
        assert inputs.shape == targets.shape == (3, 4, 4, 3)
        assert shades(inputs) == [1, 11, 3] and shades(targets) == [51, 61, 53]
        assert "1 unreadable, left out" in caplog.text
        assert "1 without a partner, left out: A/deep/7" in caplog.text
        caplog.clear()
    # With the folder itself on top, as file managers write it.
    shutil.make_archive(str(tmp_path / "topped"), "zip", tmp_path, "set")
    topped, _ = data.load_pairs(str(tmp_path / "topped.zip"), "A", "B", dtype="uint8")
    assert shades(topped) == [1, 11, 3]
    held_out, _ = data.load_pairs(str(top), "A", "B", split="test", dtype="uint8")
    assert shades(held_out) == [100, 110, 102]
    part, _ = data.load_pairs(str(top), "A", "B", split="test[:2]", image_size=2, dtype="uint8")
    assert part.shape == (2, 2, 2, 3)
    lines, _ = data.load_pairs(str(top), "outline", "B", split="test")
    assert lines.shape == (3, 4, 4, 1)


def test_pairs_are_halves_of_an_image(tmp_path):
    for i in range(3):
        image = np.zeros((4, 8), "uint8")
        image[:, :4], image[:, 4:] = i, 100 + i
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    left, right = data.load_pairs(str(tmp_path), "left", "right", dtype="uint8")
    assert shades(left) == [0, 1, 2] and shades(right) == [100, 101, 102]
    assert left.shape == right.shape == (3, 4, 4, 1)
    right, left = data.load_pairs(str(tmp_path), "right", "left", image_size=2, dtype="uint8")
    assert shades(left) == [0, 1, 2] and right.shape == (3, 2, 2, 1)


def test_label_maps_stay_whole_numbers(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, (16, 16), dtype="uint8")
    for side in "AB":
        write_pairs(tmp_path, {f"{side}/0.png": 0})
    Image.fromarray(labels).save(tmp_path / "A" / "0.png")
    Image.fromarray(labels).save(tmp_path / "B" / "0.png")
    maps, _ = data.load_pairs(
        str(tmp_path), "A", "B", image_size=8, resize="nearest", dtype="uint8"
    )
    np.testing.assert_array_equal(maps[0, ..., 0], labels[1::2, 1::2])


def test_pairs_that_are_none(tmp_path):
    write_pairs(tmp_path, {"A/1.png": 1, "A/1.jpg": 1, "B/1.png": 1, "C/2.png": 1, "D/2.png": 2})
    Image.new("L", (9, 5)).save(tmp_path / "C" / "3.png")
    Image.new("L", (9, 5)).save(tmp_path / "D" / "3.png")
    for source, target, split, message in (
        ("A", "B", "train", "two images of the name 1 in A"),
        ("B", "C", "train", "no file of 'B' has a partner of its name in 'C'; there are B/1, C/2"),
        ("C", "D", "train", "C of 3 is 5x9, but the first is 4x4: pass image_size="),
        ("C", "E", "train", "has no folder 'E' of images to pair .it has A, B, C, D"),
        ("C", "D", "test", "has no split 'test' of 'C'"),
    ):
        with pytest.raises(ValueError, match=message):
            data.load_pairs(str(tmp_path), source, target, split=split)


def test_pix2pix_learns_from_two_folders(cli, tmp_path):
    top, random = tmp_path / "set", np.random.default_rng(0)
    for name in ("trainA", "trainB"):
        (top / name).mkdir(parents=True)
        for i in range(4):
            image = Image.fromarray(random.integers(0, 256, (32, 32, 3), "uint8"))
            image.save(top / name / f"{i}.png")
    line = ["train", "--method=pix2pix", f"--dataset={top}", "--source=A", "--target=B"]
    line += ["--image_size=32", "--width=4", "--batch_size=2", f"--out={tmp_path / 'run'}"]
    status, _, err = cli(*line, "--steps=1")
    assert status == 0, err
    section = recipes.load(tmp_path / "run" / "recipe.yaml").data
    assert (section["source"], section["target"]) == ("A", "B")
    assert (tmp_path / "run" / "samples.png").is_file()


# 16 bits a channel


def png(pixels):
    """A PNG file of 16 bits, written by hand: (H, W) gray, or (H, W, 2, 3 or 4)."""
    height, width = pixels.shape[:2]
    color = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2] if pixels.ndim == 3 else 1]

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("channels", [0, 2, 3, 4, "tif"])
def test_16_bits_are_scaled_over_their_whole_range(tmp_path, channels):
    path, shape = tmp_path / "a.png", (16, 16, *([channels] if channels in (2, 3, 4) else []))
    pixels = np.random.default_rng(0).integers(0, 65536, shape, "uint16")
    pixels[0, 0], pixels[0, 1] = 0, 65535
    if channels in (2, 4):
        pixels[..., -1] = 65535
    if channels == "tif":
        path = tmp_path / "a.tif"
        Image.fromarray(pixels).save(path)
    else:
        path.write_bytes(png(pixels))
    found = data.load_arrays(tmp_path, dtype="uint8")[0][0].astype("float64")
    wanted = {2: pixels[..., :1], 4: pixels[..., :3]}.get(channels, pixels)
    wanted = wanted.reshape(16, 16, -1) / 257
    assert np.abs(found - wanted).max() < 1 and found.min() == 0 and found.max() == 255


# Several labels an image


@pytest.mark.parametrize("preset", ["osgan_digits", "caae_digits", "asymmetric_gan_digits"])
def test_several_labels_an_image_are_refused_in_one_line(tmp_path, preset):
    rng, labels = np.random.default_rng(0), []
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32), "uint8")).save(tmp_path / f"{i}.png")
        labels.append([f"{i}.png", [i % 2, 1, 0]])
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    recipe = recipes.load(preset).changed({"data.name": str(tmp_path), "schedule.batch_size": 4})
    with pytest.raises(ValueError, match=r"has 3 labels for each image, and .* learns from one"):
        recipes.build(recipe)
    if preset == "osgan_digits":
        plain = recipe.changed({"model.num_classes": None})
        assert recipes.build(plain)[0].num_classes is None


# Command lines that do what a person expects


def test_a_run_goes_on_by_its_folder(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    write_classes(tmp_path / "photos", {"a": 0, "b": 255})
    status, _, err = cli("train", *TINY, "--dataset=photos", "--steps=1", "--out=~/run")
    assert status == 0 and (tmp_path / "run" / "recipe.yaml").is_file(), err
    assert not (tmp_path / "~").exists()
    status, said, err = cli("train", "--out=run", "--steps=2", "--resume")
    assert status == 0 and "Resuming osgan on photos" in said, err
    status, _, err = cli("train", "--dataset=./photos", "--out=run", "--steps=3", "--resume")
    assert status == 0, err
    status, said, _ = cli("train", "--out=run", "--steps=1", "--resume")
    assert (status, said) == (0, "There is nothing to do in run: 3 of 1 steps are done.\n")
    status, _, err = cli("train", "--out=run", "--width=16", "--resume")
    assert status == 2 and "networks.width = 8, and now it would be 16" in err


def test_flags_are_checked_before_a_backend_is_imported():
    code = (
        "import sys, keras_gans_cli\n"
        "for wrong in ('--epochs=x', '--epocs=3', '--backend=tf'):\n"
        "    try: keras_gans_cli.main(['train', wrong])\n"
        "    except SystemExit as left: assert left.code == 2\n"
        "assert not {'keras', 'torch', 'jax', 'tensorflow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.count("keras-gans: error: ") == 3, done.stderr
