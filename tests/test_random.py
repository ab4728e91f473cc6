"""The counter-based generator against published vectors and statistics."""

import numpy as np
import pytest
from conftest import to_numpy
from keras import ops

from keras_gans.training import StepRandom
from keras_gans.training.random import threefry2x32


def _signed(words):
    return [int(np.array(w, "uint32").view("int32")) for w in words]


# Known answers of Threefry-2x32-20, published with the Random123 library: counter, key, words.
VECTORS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_threefry_known_answers(counter, key, expected):
    counter, key = _signed(counter), _signed(key)
    tensors = [ops.convert_to_tensor(np.array([c], "int32")) for c in counter]
    keys = [ops.convert_to_tensor(k, dtype="int32") for k in key]
    words = [to_numpy(w).view("uint32")[0] for w in threefry2x32(keys, tensors)]
    assert tuple(words) == expected


def test_normal_has_the_moments_and_tails_of_a_normal():
    x = to_numpy(StepRandom(1, 2).normal((2000, 51)))
    assert x.dtype == np.float32
    assert abs(x.mean()) < 4 / np.sqrt(x.size)
    assert abs(x.std() - 1) < 4 / np.sqrt(2 * x.size)
    for limit, share in ((1.0, 0.31731), (2.0, 0.0455), (3.0, 0.0027)):
        found = (np.abs(x) > limit).mean()
        assert abs(found - share) < 5 * np.sqrt(share / x.size)
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.1


def test_uniform_and_integers():
    x = to_numpy(StepRandom(0, 0).uniform((500, 40), -1.0, 3.0))
    assert x.min() >= -1 and x.max() < 3 and abs(x.mean() - 1) < 0.05
    k = to_numpy(StepRandom(0, 0).integers((5000, 1), 7))
    counts = np.bincount(k[:, 0], minlength=7)
    assert counts.sum() == 5000 and abs(counts - 5000 / 7).max() < 5 * np.sqrt(5000 / 7)


def test_seed_step_and_draw_all_matter_and_nothing_else():
    def draw(seed, step):
        random = StepRandom(seed, step)
        return [to_numpy(random.normal((3, 4))) for _ in range(2)]

    first, second = draw(0, 0)
    assert not np.allclose(first, second)
    assert not np.allclose(first, draw(0, 1)[0])
    assert not np.allclose(first, draw(1, 0)[0])
    assert not np.allclose(first, draw(2**40, 0)[0])
    np.testing.assert_array_equal(first, draw(0, 0)[0])


@pytest.mark.parametrize("row", [(4,), (5,), (2, 3, 1)])
def test_replicas_draw_slices_of_the_global_batch(row):
    def parts(kind):
        drawn = [getattr(StepRandom(3, 7, (i, 2)), kind)((3, *row)) for i in range(2)]
        return np.concatenate([to_numpy(x) for x in drawn])

    whole = to_numpy(StepRandom(3, 7).uniform((6, *row)))
    np.testing.assert_array_equal(parts("uniform"), whole)
    # One unit in the last place: a vectorised logarithm differs from its scalar tail.
    whole = to_numpy(StepRandom(3, 7).normal((6, *row)))
    np.testing.assert_allclose(parts("normal"), whole, rtol=1e-6, atol=1e-6)
