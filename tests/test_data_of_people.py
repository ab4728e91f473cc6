"""Data as people have it, on the command line: names of classes, pairs of files, deep images."""

import numpy as np
import pytest
from conftest import slow_module
from PIL import Image

from keras_gans import recipes
from keras_gans.cli import main
from keras_gans.data.loading import read
from keras_gans.data.sources import Source, with_class_names

pytestmark = slow_module("tensorflow", "jax")
TINY = ["--image_size=8", "--width=8", "--latent_dim=4", "--batch_size=4", "--num_samples=0"]


@pytest.fixture
def cli(capsys):
    """Run a command line in this process: (exit status, stdout, stderr)."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.main([str(a) for a in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return run


def write_classes(folder, shades, count=4):
    """A folder for each class, with gray images of its shade."""
    for name, shade in shades.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(np.full((8, 8), shade, "uint8")).save(folder / name / f"{i}.png")
    return folder


def shades_of(data):
    """Dictionary, label -> the shades of its images."""
    return {int(n): set(data.images[data.labels == n].ravel()) for n in set(data.labels)}


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
    train = ["train", *TINY, f"--dataset={folder}", "--num_classes=2", f"--out={out}"]
    status, _, err = cli(*train, "--steps=1")
    assert status == 0, err
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
    source.stream = lambda: tf.data.Dataset.from_tensor_slices((images, labels))
    source = with_class_names(source, ["c", "b", "a"])
    assert [int(label) for _, label in source.stream()] == [2, 1, 0, -1, 1]
