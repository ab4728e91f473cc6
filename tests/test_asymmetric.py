"""AsymmetricGAN: parameter counts, networks, sharing, refusals, saving, data."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_on, to_numpy

import keras_gans
from keras_gans import data, layers, models, networks
from keras_gans.recipes import vocabulary

DOMAINS = 3
TINY = {"num_domains": DOMAINS, "width": 2, "d_width": 2, "d_layers": 2, "blocks": 1}


def asymmetric(setting="S1", **kwargs):
    return networks.asymmetric(16, setting=setting, **{**TINY, **kwargs})


def supervised(**kwargs):
    return networks.asymmetric_supervised(32, width=2, r_width=1, blocks=1, d_width=2, **kwargs)


def batch():
    return images(4, 16, 3), np.array([0, 2, 1, 2])


# By hand, for 7 domains: kernels without bias, and twice the channels behind each norm.
I_COUNT = 9 * (10 * 9 + 9 * 8 + 8 * 7 + 7 * 6 + 6 * 5 + 5 * 4 + 4 * 3) + 2 * (9 + 8 + 7 + 6 + 5 + 4)
ENDS = 49 * (10 * 64 + 64 * 3) + 2 * 16 * (64 * 128 + 128 * 256) + 2 * (64 + 128 + 256 + 128 + 64)
RESIDUAL = 6 * (2 * 9 * 256 * 256 + 2 * 2 * 256)


def test_the_parameter_counts_are_the_published_ones():
    """2.9 K, 1.3 M and 8.4 M; 11.388 M and 0.046 M; each cut or rounded as the paper prints it."""
    assert (I_COUNT, ENDS, ENDS + RESIDUAL) == (2976, 1352768, 8436800)
    counts = {
        s: [n.count_params() for n in networks.asymmetric(32, num_domains=7, setting=s, d_width=1)]
        for s in ("S1", "S2", "S3")
    }
    assert counts["S1"][:2] == [8436800, 2976]
    assert counts["S2"][:2] == [8436800, 1352768]
    assert counts["S3"][:2] == [8436800, 8436800]
    gt, gr, _, _ = networks.asymmetric_supervised(32, d_width=1)
    wide, narrow = (
        49 * 6 * k + k + 9 * 2 * k * k + 2 * k + 9 * 8 * k * k + 4 * k
        + 18 * (9 * 16 * k * k + 4 * k) + 9 * 8 * k * k + 2 * k + 9 * 2 * k * k + k + 49 * 3 * k + 3
        for k in (64, 4)
    )  # fmt: skip
    assert (gt.count_params(), gr.count_params()) == (wide, narrow) == (11387587, 46447)


def test_the_discriminators_are_the_published_ones():
    d = networks.asymmetric(128, num_domains=7, setting="S1", width=4, d_width=8)[2]
    assert [s[1:] for s in d.output_shape] == [(2, 2, 1), (7,)]
    filters = [8 * 2**i for i in range(6)]
    kernels = sum(16 * a * b + b for a, b in zip([3, *filters], filters, strict=False))
    assert d.count_params() == kernels + 9 * 256 + 4 * 256 * 7
    d1, d2 = networks.asymmetric_supervised(256, width=1, r_width=1, blocks=0)[2:]
    assert d1.output_shape == d2.output_shape == (None, 30, 30, 1)
    width = 64  # 3 + 3, and 3 + 3 + 3 channels in
    kernels = 16 * (2 * width**2 + 8 * width**2 + 32 * width**2 + 8 * width) + width + 1
    assert d1.count_params() == kernels + 16 * 6 * width
    assert d2.count_params() == kernels + 16 * 9 * width


@pytest.mark.parametrize("layer", ["with", "without"])
def test_instance_norm_is_numpy_s(layer):
    norm = layers.InstanceNorm(parameters=layer == "with", epsilon=1e-5)
    x = images(2, 6, 3) * 3 + 1
    norm.build(x.shape)
    gain, bias = np.ones(3), np.zeros(3)
    if layer == "with":
        gain, bias = np.array([1.0, 2.0, -1.0]), np.array([0.5, 0.0, 3.0])
        norm.set_weights([gain, bias])
    else:
        assert not norm.weights

    def reference(z):
        mean, variance = z.mean((1, 2), keepdims=True), z.var((1, 2), keepdims=True)
        return (z - mean) / np.sqrt(variance + 1e-5) * gain + bias

    exact = x.astype("float64")
    np.testing.assert_allclose(to_numpy(norm(x)), reference(exact), rtol=1e-4, atol=1e-5)
    weights = images(2, 6, 3, seed=1)
    slope = to_numpy(
        keras_gans.training.input_gradient(
            lambda z: norm(z) * keras.ops.convert_to_tensor(weights), keras.ops.convert_to_tensor(x)
        )
    )
    direction = images(2, 6, 3, seed=2).astype("float64")
    ends = [(reference(exact + e * direction) * weights).sum() for e in (1e-5, -1e-5)]
    np.testing.assert_allclose((slope * direction).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-3)


def test_small_layers_are_numpy_s():
    x = images(2, 5, 3)
    found = to_numpy(layers.ReflectionPadding2D(3)(x))
    np.testing.assert_array_equal(
        found, np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    )
    vectors = np.array([[0.0, 1.0], [2.0, 3.0]], "float32")
    found = to_numpy(layers.VectorChannels()([x, vectors]))
    np.testing.assert_array_equal(found[..., :3], x)
    np.testing.assert_array_equal(
        found[..., 3:], np.broadcast_to(vectors[:, None, None], (2, 5, 5, 2))
    )
    with pytest.raises(ValueError, match="cannot be mirrored over 5"):
        layers.ReflectionPadding2D(5)(x)
    with pytest.raises(ValueError, match="a known C is wanted"):
        layers.InstanceNorm()(np.zeros((2, 3), "float32"))


@slow_on("jax")
def test_a_label_embedding_takes_the_place_of_the_one_hot_label():
    plain, embedded = (
        networks.asymmetric(16, **TINY, setting="II,II".split(","), label_embedding=e)[0]
        for e in (None, 64)
    )
    assert embedded.count_params() - plain.count_params() == 64 * DOMAINS + 49 * 2 * (64 - DOMAINS)
    x, _ = batch()
    a, b = (to_numpy(embedded([x, np.full(4, z)])) for z in (0, 1))
    assert np.abs(a - b).max() > 1e-4


def test_what_cannot_be_shared_is_refused():
    gt, gr, d = asymmetric("S1")
    with pytest.raises(ValueError, match="I has none. Use S2 or S3"):
        models.AsymmetricGAN(gt, gr, d, sharing="partial")
    with pytest.raises(ValueError, match="two generators of one architecture"):
        models.AsymmetricGAN(gt, gr, d, sharing="full")
    with pytest.raises(ValueError, match='only "full" goes without'):
        models.AsymmetricGAN(gt, None, d)
    with pytest.raises(ValueError, match="do not have the same one"):
        other = asymmetric("S3", width=4)[1]
        models.AsymmetricGAN(gt, other, d, sharing="partial")


def test_bad_arguments_are_refused():
    gt, gr, d = asymmetric()
    for kwargs, message in (
        ({"sharing": "parital"}, "parital.*partial"),
        ({"objective": "hinge"}, "choose one of least_squares, wasserstein_gp"),
        ({"d_steps": 0}, "1 or more"),
        ({"term_weights": {"cylce": 1.0}}, "cylce.*cycle"),
        ({"term_weights": {"cycle": -1.0}}, "expected 0 or more"),
        ({"discriminator_2": asymmetric(num_domains=4)[2]}, "3 and 4 domains"),
    ):
        with pytest.raises(ValueError, match=message):
            models.AsymmetricGAN(gt, gr, d, **kwargs)
    for kwargs, message in (
        ({"setting": "S4"}, "choose one of S1, S2, S3"),
        ({"setting": ("III", "IV")}, "Unknown architecture 'IV'"),
        ({"discriminators": 3}, "1 or 2"),
        ({"d_layers": 5}, "multiples of 32"),
    ):
        with pytest.raises(ValueError, match=message):
            asymmetric(**kwargs)
    with pytest.raises(ValueError, match="multiples of 4"):
        networks.asymmetric(18, **{**TINY, "d_layers": 1})
    with pytest.raises(ValueError, match="multiples of 8"):
        networks.asymmetric_supervised(36)
    small = networks.asymmetric(8, **TINY)
    with pytest.raises(ValueError, match="window needs 11 x 11"):
        models.AsymmetricGAN(*small)
    assert models.AsymmetricGAN(*small, term_weights={"ms_ssim": 0.0}).log_names[-1] == "identity"

    model = models.AsymmetricGAN(gt, gr, d)
    model.compile("sgd")
    x, labels = batch()
    with pytest.raises(ValueError, match="the generators take"):
        model.fit(images(4, 12, 3), labels, verbose=0)
    with pytest.raises(ValueError, match="batches of \\(images, domains\\)"):
        model.fit(x, verbose=0)
    with pytest.raises(ValueError, match="expected 0 to 2"):
        model.translate(x, 3)
    with pytest.raises(ValueError, match="from_uint8"):
        model.translate(data.to_uint8(x), 0)


def test_the_presets_are_the_paper_s_and_the_released_ones():
    paper = models.AsymmetricGAN(*asymmetric())
    assert paper.term_weights == {
        "classification": 1.0, "cycle": 10.0, "ms_ssim": 1.0, "identity": 0.5,
    }  # fmt: skip
    assert paper.d_steps == 1 and paper.penalty is None and paper.similarity.data_range == 2
    released = models.AsymmetricGAN(*asymmetric(), objective="wasserstein_gp")
    assert released.term_weights["identity"] == 0 and released.d_steps == 5
    assert released.penalty.weight == 10
    assert (released.similarity.data_range, released.similarity.scales) == (1, 1)


def compiled(model):
    adam = {"learning_rate": 1e-2, "beta_1": 0.5, "beta_2": 0.999}
    model.compile({name: keras.optimizers.Adam(**adam) for name in model.players})
    return model


@slow_on("jax", "tensorflow")
def test_partial_sharing_has_one_encoder():
    gt, gr, d = asymmetric("S2")
    model = compiled(models.AsymmetricGAN(gt, gr, d, sharing="partial"))
    theirs = {id(v) for v in gt.trainable_variables}
    common = [v for v in model.reconstructor.trainable_variables if id(v) in theirs]
    assert len(common) == 9  # three times kernel, scale, offset
    own = model.player_variables("reconstructor")
    assert len(own) == len(gr.trainable_variables) - 9
    before = [to_numpy(v).copy() for v in (*common, *own)]
    model.fit(*batch(), batch_size=4, verbose=0)
    after = [to_numpy(v) for v in (*common, *own)]
    assert all(np.abs(a - b).max() > 0 for a, b in zip(after, before, strict=True))
    # It reconstructs with what the translator has learnt.
    x, labels = batch()
    alone = asymmetric("S2")[1]
    alone.set_weights(model.reconstructor.get_weights())
    found = to_numpy(model.reconstructor([x, labels]))
    np.testing.assert_allclose(found, to_numpy(alone([x, labels])), atol=1e-5)


def full():
    gt, _, d = asymmetric("S3")
    kwargs = {"sharing": "full", "objective": "wasserstein_gp", "d_steps": 2}
    return models.AsymmetricGAN(gt, None, d, **kwargs)


def partial():
    networks = asymmetric("S2", discriminators=2)
    return models.AsymmetricGAN(*networks, sharing="partial", ema=0.5, color_cycle=False)


SAVED = {"partial": partial, "full": full}


@pytest.mark.parametrize(
    "name",
    ["partial", pytest.param("full", marks=pytest.mark.slow)],
)
@slow_on("jax", "tensorflow")
def test_saved_it_goes_on(name, tmp_path):
    model = compiled(SAVED[name]())
    x, labels = batch()
    model.fit(x, labels, batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert type(loaded) is models.AsymmetricGAN and list(loaded.players) == list(model.players)
    for name in ("sharing", "objective", "d_steps", "color_cycle", "term_weights", "ema", "seed"):
        assert getattr(loaded, name) == getattr(model, name)
    np.testing.assert_allclose(loaded.translate(x, 1), model.translate(x, 1), atol=1e-6)
    histories = [
        m.fit(x, labels, batch_size=4, initial_epoch=2, epochs=4, verbose=0).history
        for m in (model, loaded)
    ]
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=1e-4, err_msg=key)
    assert relative(*([to_numpy(v) for v in m.variables] for m in (loaded, model))) < 1e-5


def test_supervised_needs_quadruples_and_knows_its_weights():
    model = models.SupervisedAsymmetricGAN(*supervised(), term_weights={"perceptual": 0})
    assert model.features is None and "perceptual" not in model.log_names
    with pytest.raises(ValueError, match="batches of quadruples"):
        model.unpack((images(2, 32, 3), images(2, 32, 3)))
    with pytest.raises(ValueError, match="guides have shape"):
        model.translate(images(2, 32, 3), images(2, 32, 3)[:, :16])
    x = images(2, 32, 3)
    for guides, words in (
        (np.where(x > 0.9, np.nan, x), "guides hold .* NaN"),
        (127.5 * (x + 1), "guides run from"),
        (data.to_uint8(x), "guides are uint8"),
        ("hands", "guides are str"),
    ):
        with pytest.raises(ValueError, match=words):
            model.translate(x, guides)
        with pytest.raises(ValueError, match=words):
            model.panels(x, guides=guides)
    gestures = models.SupervisedAsymmetricGAN(
        supervised()[0], None, *supervised()[2:], term_weights={"perceptual": 0}
    )
    assert list(gestures.players) == ["translator", "discriminator", "discriminator_2"]


# Data


def test_quadruples_have_an_order_of_their_epoch():
    arrays = [np.full((6, 4, 4, 3), i, "uint8") + np.arange(6, dtype="uint8")[:, None, None, None]
              for i in (0, 50, 100, 150)]  # fmt: skip
    made = data.QuadrupleDataset(*arrays, batch_size=2, seed=3)
    assert len(made) == 3
    epochs = []
    for epoch in (0, 1, 0):
        made.epoch_key.epoch = epoch
        made.on_epoch_begin()
        epochs.append([[data.to_uint8(p)[:, 0, 0, 0] for p in made[i][0]] for i in range(3)])
    for x, guide_x, y, guide_y in epochs[0]:
        assert (guide_x == x + 50).all() and (y == x + 100).all() and (guide_y == x + 150).all()
    seen = [np.concatenate([b[0] for b in e]) for e in epochs]
    assert sorted(seen[0]) == list(range(6)) and list(seen[0]) == list(seen[2])
    assert list(seen[0]) != list(seen[1])
    swapped = data.QuadrupleDataset(*arrays, batch_size=6, swap=True, seed=1)
    x, guide_x, y, guide_y = (data.to_uint8(p)[:, 0, 0, 0].astype(int) for p in swapped[0][0])
    assert 0 < (x > 90).sum() < 6 and (np.abs(x - y) == 100).all() and (guide_x == x + 50).all()
    with pytest.raises(ValueError, match="as many images of one size"):
        data.QuadrupleDataset(*arrays[:3], arrays[3][:4])
    with pytest.raises(IndexError):
        made[3]


def test_a_hand_is_drawn_where_its_points_are():
    points = np.full((21, 2), np.nan)
    points[0], points[5] = (0.25, 0.5), (0.75, 0.5)  # wrist to the root of the index finger
    hand = data.to_uint8(data.draw_hand(points, (40, 80), line_width=4))
    assert hand.shape == (40, 80, 3)
    assert tuple(hand[20, 40]) == (240, 200, 30) and tuple(hand[20, 20]) == (255, 255, 255)
    assert hand[:14].sum() == 0 and hand[20, :14].sum() == 0 and hand[20, 68:].sum() == 0
    full = np.stack([np.linspace(0.1, 0.9, 21), np.linspace(0.9, 0.1, 21)], axis=1)
    colors = {
        tuple(p) for p in data.to_uint8(data.draw_hand(full, 128, line_width=6)).reshape(-1, 3)
    }
    assert set(data.hands.COLORS) <= colors
    visible = np.arange(21) < 9
    fewer = {tuple(p) for p in data.to_uint8(data.draw_hand(full, 128, 6, visible)).reshape(-1, 3)}
    assert set(data.hands.COLORS[:2]) <= fewer and not set(data.hands.COLORS[2:]) & fewer
    with pytest.raises(ValueError, match="21, 2"):
        data.draw_hand(np.zeros((20, 2)))
    with pytest.raises(ValueError, match="divide pixels"):
        data.draw_hand(full * 640)


def test_the_bones_are_those_of_the_hand():
    assert data.hands.BONES[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    assert data.hands.BONES[-1] == (19, 20) and len(data.hands.BONES) == 20


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads TensorFlow Datasets")
def test_paired_emoji_are_one_emoji_in_four_styles(tfds_dir):
    paired, keys, names = data.load_quadruples("emoji_styles/64", tfds_dir, "test", image_size=32)
    assert paired.shape == (127, 4, 32, 32, 3) and paired.dtype == np.uint8
    assert names == ["noto", "twemoji", "openmoji", "fluent-emoji-flat"]
    assert len(set(keys)) == 127 and keys == sorted(keys)
    # One emoji's styles look more alike than two emoji.
    flat = paired.reshape(127, 4, -1).astype("float64")
    own = np.abs(flat[:, 0] - flat[:, 1]).mean()
    assert own < 0.8 * np.abs(flat[:, 0] - np.roll(flat[:, 1], 7, axis=0)).mean()
    with pytest.raises(ValueError, match="has no 'code'"):
        data.load_quadruples("emoji_styles/64", tfds_dir, "test", key="code")


def test_a_rate_that_falls_late():
    rate = keras_gans.training.LateDecay(2e-4, start=4, end=8)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    for schedule in (rate, copy):
        found = [float(schedule(step)) for step in (0, 4, 5, 7, 8, 9)]
        np.testing.assert_allclose(found, [2e-4, 2e-4, 1.5e-4, 0.5e-4, 0, 0], atol=1e-10)
    with pytest.raises(ValueError, match="start < end"):
        keras_gans.training.LateDecay(1.0, 4, 4)
    made = vocabulary.make_optimizer(
        {
            "name": "adam",
            "learning_rate": {"name": "late_decay", "learning_rate": 1.0, "start": 1, "end": 3},
        }
    )
    assert made.get_config()["learning_rate"]["class_name"] == "LateDecay"
