"""Fixtures and small networks that many tests share."""

import atexit
import gc
import importlib.util
import os
import pathlib
import shutil
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Threads that wait by spinning cost more than these small networks gain from them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests compile hundreds of small programs and run each a few times: compile fast, and the same
# program only once.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_llvm_disable_expensive_passes=true --xla_backend_optimization_level=0"
)
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="keras_gans_jax_")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / "shared" / "tfds"


@pytest.fixture
def tfds_dir():
    """The folder of offline datasets; tests that need it are skipped where it is missing."""
    if not DATA.is_dir():
        pytest.skip("the offline datasets (../shared/tfds) are not here")
    return DATA


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _few_objects_to_collect():
    """What earlier files left (graphs, compiled programs) is not looked at in every collection.

    Millions of objects are, in a process that runs hundreds of tests: half a minute each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def cli(capsys):
    """Run a command line in this process: (exit status, stdout, stderr)."""

    from keras_gans.cli import main

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.main([str(a) for a in arguments])
        return left.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def fails(cli):
    """Run a command line that is refused; returns what it said, which has to be one line."""

    def run(*arguments):
        status, _, err = cli(*arguments)
        assert status == 2 and err.startswith("keras-gans: error: ") and err.count("\n") == 1
        return err

    return run


def load_script(path):
    """A Python file outside the package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The files that take longest, first: begun last, one of them would keep a core idle at the end.
LONGEST = ("test_contract", "test_parity", "test_several_processes", "test_distribution")
LONGEST += ("test_saving", "test_one_stage", "test_engine", "test_feeding")


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))  # the line's limit is in setup.cfg


# Minutes of compilation or of process starts there: in the slow set (see BUILD.md).
def slow_on(*backends):
    return pytest.mark.slow if keras.backend.backend() in backends else lambda test: test


def slow_module(*backends):
    """`pytestmark` of a file that says little more on these backends than on the others."""
    return [pytest.mark.slow] if keras.backend.backend() in backends else []


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def images(count, size=16, channels=1, seed=0):
    """Random images in [-1, 1]."""
    shape = (count, size, size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def distance_moved(out):
    """How far training moved each weight of a run of gray images, from where its recipe starts."""
    from keras_gans import recipes
    from keras_gans.runs.opening import open_run

    start = recipes.build_model(out / "recipe.yaml", channels=1)
    pairs = zip(open_run(out).trainable_variables, start.trainable_variables, strict=True)
    return [to_numpy(after) - to_numpy(before) for after, before in pairs]


def relative(a, b):
    """Relative error of two lists of arrays, as one vector."""
    a = np.concatenate([np.ravel(np.asarray(x, "float64")) for x in a])
    b = np.concatenate([np.ravel(np.asarray(x, "float64")) for x in b])
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
