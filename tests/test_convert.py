"""Converted checkpoints against the networks that they come from, in PyTorch."""

import os
import pathlib

import keras
import numpy as np
import pytest
from conftest import slow_module, to_numpy

torch = pytest.importorskip("torch")
import torch_biggan  # noqa: E402

from keras_gans import convert  # noqa: E402
from keras_gans.cli import main  # noqa: E402
from keras_gans.convert import architecture, converting, reference  # noqa: E402
from keras_gans.convert.checkpoint import read_checkpoint  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")

CLASSES = 5
# name -> G's arguments (size, width, latents, shared_dim, attention, inr), D's (width, attention).
FORMS = {
    "32": ((32, 4, 12, None, (), False), (8, ())),
    "32 inr": ((32, 4, 12, None, (), True), (4, ())),
    "128": ((128, 4, 30, 8, (64,), False), (8, (64,))),
    "128 inr": ((128, 4, 30, 8, (64,), True), (4, ())),
    "256": ((256, 2, 35, 8, (32,), False), (8, (64,))),
    "256 inr": ((256, 2, 35, 8, (32,), True), (2, ())),
}


def generator(form, seed=2):
    size, width, latents, shared_dim, attention, inr = FORMS[form][0]
    # A wider head than the paper's, whose hidden units would be dead at these widths.
    network = torch_biggan.Generator(
        size, width, CLASSES, latents, shared_dim, attention, inr, hidden=16
    ).eval()
    torch_biggan.randomize(network, seed)
    return network


def discriminator(form, head="omni", seed=1):
    size, (width, attention) = FORMS[form][0][0], FORMS[form][1]
    scores = {"omni": CLASSES + 2, "acgan": CLASSES + 1, "projection": 1}[head]
    classes = CLASSES if head == "projection" else None
    network = torch_biggan.Discriminator(size, width, scores, classes, attention).eval()
    torch_biggan.randomize(network, seed)
    return network


def inputs(form, count=None):
    random = np.random.default_rng(0)
    count = count or (4 if FORMS[form][0][0] == 32 else 2)
    latents = random.standard_normal((count, FORMS[form][0][2])).astype("float32")
    return latents, np.arange(count, dtype="int32") % CLASSES


def torch_images(network, latents, labels, **options):
    with torch.no_grad():
        out = network(torch.tensor(latents), torch.tensor(labels, dtype=torch.long), **options)
    return out.permute(0, 2, 3, 1).numpy()


def torch_scores(network, images, labels):
    with torch.no_grad():
        images = torch.tensor(images).permute(0, 3, 1, 2)
        return network(images, torch.tensor(labels, dtype=torch.long)).numpy()


def save(path, network):
    torch.save(network if isinstance(network, dict) else network.state_dict(), path)
    return path


def close(ours, wanted, most):
    assert ours.shape == wanted.shape
    assert np.abs(ours - wanted).max() <= most
    # And it is no comparison of nothing with nothing: instances differ, and values within each.
    assert wanted.std(0).mean() > 3e-3 and (wanted.size == len(wanted) or wanted[0].std() > 1e-2)


def forms(*fast):
    """All forms; those not named are in the slow set on backends that compile every shape."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        fast = (*fast, "128", "256 inr")
    slow = () if backend == "torch" else pytest.mark.slow
    return [pytest.param(f, marks=() if f in fast else slow) for f in FORMS]


@pytest.mark.parametrize("form", forms("32", "32 inr"))
def test_images_and_scores_are_the_source_s(form, tmp_path):
    source, critic = generator(form), discriminator(form)
    paths = save(tmp_path / "G_ema.pth", source), save(tmp_path / "D.pth", critic)
    g, d = convert.load_torch(*paths)
    latents, labels = inputs(form)
    wanted = torch_images(source, latents, labels)
    close(converting.images_of(g, latents, labels), wanted, 2e-5)
    close(converting.scores_of(d, wanted), torch_scores(critic, wanted, labels), 1e-4)
    assert len(d.inputs) == 1 and d.output_shape[-1] == CLASSES + 2
    for ours, theirs in ((g, source), (d, critic)):
        count = sum(p.numel() for p in theirs.parameters())
        assert sum(int(np.prod(v.shape)) for v in ours.trainable_variables) == count


@pytest.mark.parametrize("form", [f for f in forms("32 inr") if "inr" in f.values[0]])
def test_an_inr_head_renders_the_source_s_images_of_any_size_with_both_cells(form, tmp_path):
    source = generator(form)
    g, _ = convert.load_torch(save(tmp_path / "G.pth", source), verify=False)
    latents, labels = inputs(form)
    differ = []
    for size in ((40, 61), (1, 90)):
        for cell in ("trained", "true"):
            wanted = torch_images(source, latents, labels, shape=size, cell=cell)
            close(converting.images_of(g, latents, labels, size, cell), wanted, 2e-5)
            differ.append(wanted)
    assert np.abs(differ[0] - differ[1]).max() > 1e-3  # the two cells are not the same


@pytest.mark.parametrize("form", ["32", pytest.param("128 inr", marks=pytest.mark.slow)])
def test_training_forwards_move_statistics_and_u_as_the_source_does(form, tmp_path):
    source, critic = generator(form), discriminator(form, "projection")
    g, d = convert.load_torch(save(tmp_path / "G", source), save(tmp_path / "D", critic))
    latents, labels = inputs(form)
    source.train(), critic.train()
    for _ in range(3):
        trained = torch_images(source, latents, labels)
        close(to_numpy(g([latents, labels], training=True)), trained, 1e-4)
        scores = torch_scores(critic, trained, labels)
        close(to_numpy(d([trained, labels], training=True)), scores, 1e-4 * np.abs(scores).max())
    source.eval(), critic.eval()
    evaluated = torch_images(source, latents, labels)
    assert np.abs(evaluated - trained).max() > 1e-3
    close(converting.images_of(g, latents, labels), evaluated, 2e-5)
    close(converting.scores_of(d, evaluated, labels), torch_scores(critic, evaluated, labels), 1e-4)
    # Evaluation iterates from the stored u and does not store it.
    close(converting.images_of(g, latents, labels), evaluated, 2e-5)


@pytest.mark.parametrize("head", ["projection", "acgan", "imacgan"])
def test_heads_of_the_discriminator(head, tmp_path):
    critic = discriminator("32", {"imacgan": "omni"}.get(head, head))
    path = save(tmp_path / "D.pth", critic)
    latents, labels = inputs("32")
    images = np.random.default_rng(1).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    choice = None if head == "acgan" else head
    classes = None if head == "projection" else CLASSES
    done = convert.convert(None, path, num_classes=classes, d_head=choice)
    assert done.forms["discriminator"].d_head == head and done.generator is None
    scores = torch_scores(critic, images, labels)
    close(converting.scores_of(done.discriminator, images, labels), scores, 1e-4)


def test_what_is_detected():
    state = {k: v.numpy() for k, v in generator("256 inr").state_dict().items()}
    form = architecture.detect_generator(state, "G")
    assert (form.image_size, form.width, form.num_classes, form.latent_dim) == (256, 2, CLASSES, 35)
    assert (form.shared_dim, form.attention, form.head, form.chunk) == (8, (32,), "inr", 5)
    state = {k: v.numpy() for k, v in discriminator("128").state_dict().items()}
    form = architecture.detect_discriminator(state, "D")
    assert (form.image_size, form.width, form.attention, form.d_head) == (128, 8, (64,), 7)


def _own_batch_norm(state, counted=False):
    """As BigGAN-PyTorch's `--mybn` writes it; `counted` with sums instead of means."""
    new = {}
    for name, value in state.items():
        owner, _, kind = name.rpartition(".")
        if kind.startswith("stored"):
            new[f"{owner}.bn.{kind}"] = value * 4 if counted else value
            new[f"{owner}.bn.accumulation_counter"] = torch.tensor([4.0 if counted else 0.0])
        else:
            new[name] = value
    return new


_CROSS = {"stored_mean": "bn.running_mean", "stored_var": "bn.running_var"}
WRAPPED = {
    "module": lambda g, d: {f"module.{k}": v for k, v in g.items()},
    "nested": lambda g, d: {"itr": 3, "state_dict": {f"module.{k}": v for k, v in g.items()}},
    "averaged beside": lambda g, d: {"G": {k: v * 0 for k, v in g.items()}, "G_ema": g, "D": d},
    "both in one": lambda g, d: {
        **{f"module.G.{k}": v for k, v in g.items()},
        **{f"module.D.{k}": v for k, v in d.items()},
    },
    "own batch norm": lambda g, d: _own_batch_norm(g),
    "standing statistics": lambda g, d: _own_batch_norm(g, counted=True),
    "cross replica": lambda g, d: {
        ".".join([*k.split(".")[:-1], _CROSS.get(k.split(".")[-1], k.split(".")[-1])]): v
        for k, v in g.items()
    },
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_wrapped_checkpoints_hold_the_same_weights(wrapping, tmp_path):
    g, d = generator("32").state_dict(), discriminator("32").state_dict()
    path = save(tmp_path / "wrapped.pth", WRAPPED[wrapping](g, d))
    for part, wanted in (("generator", g), ("discriminator", d)):
        if part == "discriminator" and wrapping not in ("averaged beside", "both in one"):
            continue
        found = convert.read_checkpoint(path, part)
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-6)


def test_half_precision_becomes_float32(tmp_path):
    path = save(tmp_path / "G.pth", {k: v.half() for k, v in generator("32").state_dict().items()})
    assert {v.dtype.name for v in convert.read_checkpoint(path).values()} == {"float32"}
    convert.load_torch(path)


def without(name):
    return lambda s: {k: v for k, v in s.items() if k != name}


def reshaped(name, shape):
    return lambda s: {**s, name: torch.zeros(shape)}


MISFITS = {
    "missing convolution": (without("blocks.1.0.conv2.weight"), "no weight 'blocks.1.0.conv2.w"),
    "missing vector": (without("blocks.0.0.conv_sc.u0"), "no weight 'blocks.0.0.conv_sc.u0'"),
    "missing first": (without("linear.weight"), "no weight 'linear.weight'"),
    "missing last": (without("output_layer.2.bias"), "no weight 'output_layer.2.bias'"),
    "missing statistics": (without("blocks.2.0.bn2.stored_var"), "'blocks.2.0.bn2.stored_var'"),
    "shape": (reshaped("blocks.1.0.conv1.bias", (3,)), "'blocks.1.0.conv1.bias' has shape (3,)"),
    "axes": (reshaped("linear.weight", (3,)), "'linear.weight' has shape (3,)"),
    "unexpected": (lambda s: {**s, "extra.weight": torch.zeros(1)}, "too many, 'extra.weight'"),
    "second vector": (lambda s: {**s, "linear.u1": torch.zeros(1, 256)}, "too many, 'linear.u1'"),
    "another network": (lambda s: {"conv1.weight": torch.zeros(1)}, "its first is 'conv1.weight'"),
    "deep": (lambda s: {**s, "blocks.0.0.conv3.weight": torch.zeros(1)}, "BigGAN-deep"),
    "not finite": (
        lambda s: {**s, "linear.bias": s["linear.bias"] * float("nan")},
        "'linear.bias' holds NaN",
    ),
    "optimizer": (lambda s: {"state": {}, "param_groups": []}, "state of an optimizer"),
    "training": (lambda s: {"itr": 7, "epoch": 1}, "holds no weights of a generator ('itr'"),
    "a list": (lambda s: [1, 2], "holds a list"),
    "a number inside": (lambda s: {**s, "itr": 7}, "'itr' is not a tensor"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_the_first_mismatch_is_named_in_one_line(name, tmp_path):
    change, message = MISFITS[name]
    path = tmp_path / "G.pth"
    torch.save(change(generator("32").state_dict()), path)
    with pytest.raises(ValueError) as error:
        convert.load_torch(path)
    assert message in str(error.value) and str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_networks_that_do_not_belong_together(tmp_path):
    g, d = save(tmp_path / "G", generator("32")), save(tmp_path / "D", discriminator("32"))
    for arguments, message in (
        ((d,), "holds a discriminator"),
        ((g, g), "holds a generator"),
        ((g, save(tmp_path / "D128", discriminator("128"))), "image_size 128, the generator 32"),
        ((g, d, 6), "num_classes is 6"),
        ((None, d, 3), "7 scores for the generator's 3 classes"),
        ((g, d, None, "projection"), "d_head='projection'"),
        ((), "Nothing to convert"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.convert(*arguments)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_numbers_of_numpy_beside_the_weights_are_read(tmp_path):
    weights = {"linear.weight": torch.arange(4.0).reshape(2, 2)}
    numbers = {"best": np.float64(12.5), "epoch": np.int64(3), "done": np.bool_(True)}
    torch.save({"state_dict": weights, **numbers}, tmp_path / "best.pth")
    found = read_checkpoint(tmp_path / "best.pth")
    assert list(found) == ["linear.weight"]
    np.testing.assert_array_equal(found["linear.weight"], [[0, 1], [2, 3]])


def test_code_in_a_file_is_refused_and_not_run(tmp_path):
    state = generator("32").state_dict()
    torch.save({**state, "linear.weight": Payload(tmp_path / "ran")}, tmp_path / "G.pth")
    with pytest.raises(ValueError, match="holds .*mkdir.*nothing in it was executed; save"):
        convert.load_torch(tmp_path / "G.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "cut"])
def test_damaged_and_missing_files(content, tmp_path):
    path = tmp_path / "G.pth"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        convert.load_torch(path)
    if content == "cut":
        content = save(tmp_path / "whole.pth", generator("32")).read_bytes()[:5000]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged or no PyTorch file") as error:
        convert.load_torch(path)
    assert "\n" not in str(error.value)


def test_without_pytorch_one_line_says_so(tmp_path, monkeypatch):
    path = save(tmp_path / "G.pth", generator("32"))
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match="needs PyTorch: pip install torch"):
        convert.load_torch(path)


def test_a_difference_is_an_error_with_its_figure(tmp_path, monkeypatch):
    path = save(tmp_path / "G.pth", generator("32"))
    exact = reference.generator_images
    monkeypatch.setattr(reference, "generator_images", lambda *a: [x + 1e-3 for x in exact(*a)])
    with pytest.raises(ValueError, match="images differ .* by 0.001; 2e-05 is the most"):
        convert.load_torch(path)
    convert.load_torch(path, verify=False)


def test_recorded_outputs_are_compared_with(tmp_path):
    source, critic = generator("32"), discriminator("32", "projection")
    paths = save(tmp_path / "G.pth", source), save(tmp_path / "D.pth", critic)
    latents, labels = inputs("32")
    images = torch_images(source, latents, labels)
    arrays = {"latents": latents, "labels": labels, "images": images.transpose(0, 3, 1, 2)}
    scores = torch_scores(critic, images, labels)
    np.savez(tmp_path / "good.npz", **arrays, scores=scores)
    done = convert.convert(*paths, check=tmp_path / "good.npz")
    assert done.differences["recorded images"] < 2e-5 and done.differences["recorded scores"] < 1e-4
    np.savez(tmp_path / "bad.npz", **arrays, scores=scores + 0.1)
    with pytest.raises(ValueError, match="recorded scores differ"):
        convert.convert(*paths, verify=False, check=tmp_path / "bad.npz")
    np.savez(tmp_path / "few.npz", images=images)
    with pytest.raises(ValueError, match="has no array 'labels'"):
        convert.convert(*paths, verify=False, check=tmp_path / "few.npz")


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main.main([str(a) for a in arguments])
    return left.value.code or 0, *capsys.readouterr()


def test_command_line(tmp_path, capsys):
    source, out = generator("32"), tmp_path / "out"
    g, d = save(tmp_path / "G.pth", source), save(tmp_path / "D.pth", discriminator("32"))
    status, said, _ = command(capsys, "convert", g, f"--discriminator={d}", f"--out={out}")
    assert status == 0
    assert "generator, 32 px, 3 channels, width 4, 5 classes" in said
    assert f"{sum(p.numel() for p in source.parameters()):,} parameters" in said
    assert "images: " in said and "scores: " in said
    loaded = keras.saving.load_model(out / "generator.keras")
    latents, labels = inputs("32")
    wanted = torch_images(source, latents, labels)
    close(converting.images_of(loaded, latents, labels), wanted, 2e-5)
    assert keras.saving.load_model(out / "discriminator.keras").output_shape == (None, 7)
    grid, array = tmp_path / "grid.png", tmp_path / "x.npy"
    status, _, err = command(
        capsys, "sample", out, "--num=3", "--label=2", f"--out={grid}", f"--npy={array}"
    )
    assert (status, err) == (0, "") and grid.is_file()
    latents = np.random.default_rng(0).standard_normal((3, 12)).astype("float32")
    close(np.load(array), torch_images(source, latents, np.full(3, 2)), 2e-5)
    assert command(capsys, "convert", g, f"--out={out}")[0] == 2  # not over what is there
    status, _, err = command(capsys, "convert", d, f"--out={tmp_path / 'new'}")
    assert status == 2 and err.count("\n") == 1 and not pathlib.Path(tmp_path / "new").exists()
