"""The Inception of 2015 against torch-fidelity's with the same random weights; its files."""

import importlib.util
import io
import pickle
import sys

import keras
import numpy as np
import pytest
from conftest import slow_module, slow_on, to_numpy

from keras_gans import metrics
from keras_gans.data import from_uint8
from keras_gans.metrics import inception, inception_weights

pytestmark = slow_module("tensorflow", "jax")

torch = pytest.importorskip("torch", reason="the public weights are a PyTorch file")
# On the other backends compiling, not computing, takes the time.
slow_elsewhere = slow_on("tensorflow", "jax")


@pytest.fixture(scope="module")
def fidelity():
    """torch-fidelity, whose torchvision need not fit the torch that is installed."""
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity is not installed")
    library = None
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torch_fidelity

    yield torch_fidelity
    del library


@pytest.fixture(scope="module")
def state():
    """Random weights under the names of the public file, batch norms random too."""
    rng = np.random.default_rng(0)
    state = {}

    def put(name, values):
        state[name] = torch.tensor(values.astype("float32"))

    for path, (height, width, inputs, outputs) in inception_weights.kernel_shapes().items():
        shape = (outputs, inputs, height, width)
        scale = np.float32(np.sqrt(2 / (height * width * inputs)))
        put(f"{path}.conv.weight", rng.standard_normal(shape, "float32") * scale)
        put(f"{path}.bn.weight", rng.uniform(0.5, 1.5, outputs))
        put(f"{path}.bn.bias", rng.normal(0, 0.1, outputs))
        put(f"{path}.bn.running_mean", rng.normal(0, 0.1, outputs))
        put(f"{path}.bn.running_var", rng.uniform(0.5, 1.5, outputs))
    put("fc.weight", rng.normal(0, 0.02, (1008, 2048)))
    put("fc.bias", rng.normal(0, 1, 1008))
    return state


@pytest.fixture(scope="module")
def weight_file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Empty folders in place of the user's."""
    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "home"


def pictures(count=2, height=32, width=40, seed=0):
    """Smooth uint8 pictures, black and white corners included."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 256, (count, height // 4, width // 4, 3)).repeat(4, 1).repeat(4, 2)
    x = (x + rng.uniform(-20, 20, x.shape)).clip(0, 255).astype("uint8")
    x[:, 0, 0], x[:, -1, -1] = 0, 255
    return x


def channels_first(x):
    return torch.tensor(x.transpose(0, 3, 1, 2))


# The network


@slow_elsewhere
def test_every_output_agrees_with_torch_fidelity(fidelity, weight_file):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    names = list(inception.OUTPUTS)
    assert set(names) == set(FeatureExtractorInceptionV3.get_provided_features_list())
    peer = FeatureExtractorInceptionV3(
        "peer", names, feature_extractor_weights_path=str(weight_file)
    )
    model = inception.inception_model()
    if keras.backend.backend() == "tensorflow":
        model.jit_compile = False
    inception.set_weights(model, inception_weights.find_weights(weight_file, check=False)[0])
    images = pictures()
    found = model.predict_on_batch(images.astype("float32"))
    for name, wanted in zip(names, peer(channels_first(images)), strict=True):
        wanted = wanted.numpy()
        assert wanted.std() > 0.1 and np.abs(wanted[0] - wanted[1]).max() > 0.01
        error = np.abs(found[name] - wanted).max() / np.abs(wanted).max()
        assert error < 1e-5, (name, error)

    # As the metrics use it: uint8, and floats on the same 256 levels.
    network = metrics.inception_2015(weight_file, check=False)
    wanted = dict(zip(names, peer(channels_first(images)), strict=True))
    for x in (images, from_uint8(images), from_uint8(images) + np.float32(1e-3) * (images < 200)):
        outputs = network(x)
        for found, name in ((outputs.features, "2048"), (outputs.logits, "logits_unbiased")):
            np.testing.assert_allclose(
                found, wanted[name], rtol=1e-4, atol=1e-5 * wanted[name].abs().max().item()
            )


@slow_elsewhere
def test_feature_network_names_what_it_is(weight_file):
    network = metrics.inception_2015(weight_file, feature="64", logits="logits", check=False)
    outputs = network(pictures(3, 8, 8)[..., :1])
    assert outputs.features.shape == (3, 64) and outputs.logits.shape == (3, 1008)
    assert network.name == "inception_2015_unchecked"
    assert network.resize == "tf1_bilinear_299"
    assert network.checksum == inception_weights._sha256(weight_file)
    score = metrics.FrechetDistance(network)
    assert score.name == "fd_inception_2015_unchecked"


@pytest.mark.parametrize("height, width", [(32, 32), (8, 50), (299, 299), (300, 512), (1, 2)])
def test_resize_is_tensorflow_1s(fidelity, height, width):
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    x = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype("float32")
    wanted = interpolate_bilinear_2d_like_tensorflow1x(
        channels_first(x), size=(299, 299), align_corners=False
    )
    wanted = wanted.numpy().transpose(0, 2, 3, 1)
    found = to_numpy(inception.TF1BilinearResize(299)(x))
    if keras.backend.backend() == "torch":
        np.testing.assert_array_equal(found, wanted)
    else:
        # Compilers may fuse a product and a sum, which rounds once instead of twice.
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("size", [3, 11])
def test_resize_by_hand(size):
    """Output pixel i at input coordinate i * in / out, the last pixel repeated."""
    x = np.random.default_rng(1).uniform(-1, 1, (1, 5, 7, 2)).astype("float32")
    wanted = np.empty((1, size, size, 2))
    for i in range(size):
        for j in range(size):
            y, z = i * 5 / size, j * 7 / size
            a, b = int(y), int(z)
            c, d = min(a + 1, 4), min(b + 1, 6)
            top = x[0, a, b] * (1 - z + b) + x[0, a, d] * (z - b)
            low = x[0, c, b] * (1 - z + b) + x[0, c, d] * (z - b)
            wanted[0, i, j] = top * (1 - y + a) + low * (y - a)
    layer = inception.TF1BilinearResize(size)
    np.testing.assert_allclose(to_numpy(layer(x)), wanted, atol=2e-6)
    # In a graph whose image size is not known.
    graph = keras.Sequential([keras.Input((None, None, 2)), layer])
    np.testing.assert_allclose(graph.predict(x, verbose=0), wanted, atol=2e-6)
    again = inception.TF1BilinearResize.from_config(layer.get_config())
    assert again.compute_output_shape((4, 5, 7, 2)) == (4, size, size, 2)


# The files


@pytest.fixture
def public(monkeypatch, weight_file):
    """Take the random file for the public one."""
    digest = inception_weights._sha256(weight_file)
    monkeypatch.setattr(inception_weights, "PUBLIC_SHA256", digest)
    return digest


def test_public_file_is_converted_once_and_read_without_torch(
    home, public, weight_file, monkeypatch
):
    first, source = inception_weights.find_weights(weight_file)
    assert source == public
    assert [p.name for p in (home / "weights").iterdir()] == ["inception_2015.npz"]
    monkeypatch.setitem(sys.modules, "torch", None)
    second, source = inception_weights.find_weights()
    assert source == public and first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    with pytest.raises(ImportError, match="needs PyTorch"):
        inception_weights.find_weights(weight_file)


@slow_elsewhere
def test_checked_network_gives_fids(home, public, weight_file):
    written = metrics.convert_inception_2015(weight_file)
    assert written == home / "weights" / "inception_2015.npz"
    network = metrics.inception_2015()
    assert network.name == "inception_2015" and network.checksum == public
    assert metrics.FrechetDistance(network).name == "fid"


@pytest.mark.parametrize("place", ["home/weights", "torch/hub/checkpoints"])
@pytest.mark.parametrize("name", inception_weights.PUBLIC_NAMES)
def test_public_file_is_found(home, place, name, monkeypatch):
    folder = home.parent / place
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"")
    assert inception_weights._found() == folder / name


def test_missing_file_says_what_to_do(home):
    with pytest.raises(FileNotFoundError, match="fetch pt_inception-2015-12-05-6726825d.pth") as e:
        metrics.inception_2015()
    assert str(home / "weights") in str(e.value) and "\n" not in str(e.value)
    with pytest.raises(FileNotFoundError, match="nowhere.pth does not exist"):
        metrics.inception_2015("nowhere.pth")
    with pytest.raises(FileNotFoundError, match="nowhere.npz does not exist"):
        metrics.inception_2015("nowhere.npz")


def test_other_files_are_refused(home, weight_file, tmp_path):
    for name in (None, "check"):
        with pytest.raises(ValueError, match="the public file 6726825d0af5") as error:
            if name:
                metrics.convert_inception_2015(weight_file, tmp_path / "x.npz")
            else:
                metrics.inception_2015(weight_file)
        assert "\n" not in str(error.value)
    path = metrics.convert_inception_2015(weight_file, tmp_path / "x.npz", check=False)
    with pytest.raises(ValueError, match="converted from a file with the SHA-256"):
        metrics.inception_2015(path)
    with pytest.raises(ValueError, match="end in .npz"):
        metrics.convert_inception_2015(weight_file, tmp_path / "x.h5", check=False)
    with pytest.raises(ValueError, match="feature is '1024'"):
        metrics.inception_2015(path, feature="1024", check=False)
    assert not home.exists()


class Payload:
    """A pickle that would leave a trace if it were executed."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_not_executed(tmp_path):
    trace, array = tmp_path / "trace", io.BytesIO()
    np.save(array, np.zeros(3))
    for name, content in (
        ("a.pth", pickle.dumps(Payload(str(trace)))),
        ("b.pth", b"no pickle at all"),
        ("c.npz", pickle.dumps(Payload(str(trace)))),
        ("d.npz", b"no archive"),
        ("g.npz", array.getvalue()),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="not a PyTorch file|not what convert") as error:
            metrics.inception_2015(tmp_path / name, check=False)
        assert "\n" not in str(error.value)
    torch.save({"a": Payload(str(trace))}, tmp_path / "e.pth")
    with pytest.raises(ValueError, match="not a PyTorch file"):
        metrics.inception_2015(tmp_path / "e.pth", check=False)
    torch.save([torch.zeros(3)], tmp_path / "f.pth")
    with pytest.raises(ValueError, match="not a state_dict"):
        metrics.inception_2015(tmp_path / "f.pth", check=False)
    assert not trace.exists()


def test_damaged_conversion_is_refused(tmp_path, monkeypatch):
    arrays = {"fc.bias": np.arange(4, dtype="float32")}
    inception_weights._save(arrays, "0" * 64, tmp_path / "a.npz")
    found, source = inception_weights.find_weights(tmp_path / "a.npz", check=False)
    assert source == "0" * 64 and np.array_equal(found["fc.bias"], arrays["fc.bias"])
    digest = inception_weights._digest(arrays)
    np.savez(tmp_path / "b.npz", source_sha256="0", sha256=digest, **{"fc.bias": np.zeros(4)})
    with pytest.raises(ValueError, match="b.npz is damaged"):
        inception_weights.find_weights(tmp_path / "b.npz", check=False)


@pytest.mark.parametrize(
    "name, change, said",
    [
        ("Mixed_6c.branch7x7_2.conv.weight", None, "no weight 'Mixed_6c.branch7x7_2.conv.weight'"),
        (
            "fc.weight",
            lambda x: x[:1000],
            r"'fc.weight' has shape \(1000, 2048\); expected \(1008, 2048\)",
        ),
        ("Mixed_5b.branch1x1.bn.bias", lambda x: x * np.nan, "'Mixed_5b.branch1x1.bn.bias' holds"),
        ("Mixed_7c.branch1x1.bn.running_var", lambda x: -x, "running_var' holds negative"),
        ("AuxLogits.fc.bias", lambda x: torch.zeros(3), "a weight too many, 'AuxLogits.fc.bias'"),
    ],
)
def test_first_weight_that_does_not_fit_is_named(state, name, change, said):
    changed = dict(state)
    if change is None:
        del changed[name]
    else:
        changed[name] = change(changed.get(name))
    with pytest.raises(ValueError, match=said) as error:
        inception_weights.convert(changed, "x.pth")
    assert str(error.value).startswith("x.pth is ") and "\n" not in str(error.value)


def test_counters_of_batch_norms_are_no_weights(state):
    counter = {"Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(0)}
    arrays = inception_weights.convert({**state, **counter}, "x.pth")
    assert len(arrays) == 2 * 94 + 2
    # Convolution and batch norm in one, at one place in float64.
    path = "Conv2d_3b_1x1"
    x = np.random.default_rng(0).standard_normal(64)
    s = {k[len(path) + 1 :]: v.double().numpy() for k, v in state.items() if k.startswith(path)}
    y = s["conv.weight"][:, :, 0, 0] @ x
    y = (y - s["bn.running_mean"]) / np.sqrt(s["bn.running_var"] + 1e-3)
    wanted = y * s["bn.weight"] + s["bn.bias"]
    found = x @ arrays[f"{path}.kernel"][0, 0] + arrays[f"{path}.bias"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
