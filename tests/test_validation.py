"""What comes from outside has a declared form: bad input ends in one line, at once."""

import pytest
import yaml

from keras_gans import errors, recipes

BASE = {
    "data": {"name": "digits", "image_size": 8},
    "networks": {"name": "dcgan", "width": 8},
    "model": {"method": "osgan", "objective": "non_saturating", "latent_dim": 4},
    "optimizers": {"generator": {"name": "adam", "learning_rate": 2e-4, "beta_1": 0.5}},
    "schedule": {"steps": 1, "batch_size": 8, "seed": 0},
    "evaluation": {"samples": 4},
}
CARD = {"name": "x", "summary": "s", "data": {"name": "n", "licence": "l"}}


def refusal(changes):
    """The error of a recipe with other values: one short line."""
    with pytest.raises(recipes.RecipeError) as found:
        recipes.load(BASE).changed(changes)
    text = str(found.value)
    assert "\n" not in text and len(text) < 1000
    return found.value


@pytest.mark.parametrize(
    "bad",
    [["a"], {"a": "b"}, True, 1.5, "", 10**4999, float("nan")],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize(
    "key", ["data.name", "networks.name", "model.method", "optimizers.generator.name"]
)
def test_names_that_are_none(key, bad):
    error = refusal({key: bad})
    assert error.key == tuple(key.split("."))


@pytest.mark.parametrize(
    "key, values",
    {
        "data.augment": (5, ["flap"], {"flip": 1}),
        "data.labels": (5, ["a"], {"a": "b"}, "digit"),  # no classes: no label is read
        "data.value_range": (5, [1], [1, 0], ["a", "b"], [float("nan"), 1]),
        "data.cache": ("abc", [1], 1),
        "data.split": ("train[:999999999999%]", "train[:101%]", "train[5]", ""),
        "data.image_size": (0, 10**12, float("inf"), 1e30, [8], [8, 8, 8], True, "8"),
        "networks": ({"config": 5}, {"config": ["a"]}, {"config": "a", "width": 8}),
        "networks.width": (0, -1, 10**12, 1e30, 8.5),
        "networks.norm": (5, ["batch"]),
        "model.penalty": (5, {"name": "r1", "weight": "abc"}, {"name": "r1", "wait": 1}),
        "model.augment": (5, ["color"]),
        "model.ema": (1, -0.1, float("nan"), True),
        "model.ema_start": (-1, 1.5, "5"),
        "schedule.steps": (1e30, 0, 10**30, "1"),
        "schedule.seed": (-1, 2**32, 1.5),
        "optimizers.generator.learning_rate": (-1, "a", {"name": "exponential_decay"}),
        "optimizers.generator.clipnorm": ("abc", -1),
        "optimizers.generator.epsilon": (-1, float("inf")),
        "optimizers.generator.gradient_accumulation_steps": ("abc", 0),
        "optimizers.generator.amsgrad": (1, "true"),
    }.items(),
)
def test_types_and_ranges(key, values):
    for value in values:
        path = refusal({key: value}).key
        assert ".".join(path).startswith(key), path


def test_what_is_right_is_kept_as_it_is_written():
    changes = {
        "data.augment": ["flip", "crop"],
        "data.image_size": [8, 16],
        "data.value_range": [0, 255],
        "data.split": "train[100:-5%]",
        "model.ema": 0,
        "model.penalty": {"name": "r1", "weight": 2},
        "optimizers.generator.learning_rate": {
            "name": "exponential_decay",
            "initial_learning_rate": 1e-3,
            "decay_steps": 5,
            "decay_rate": 1,
        },
        "card": {**CARD, "limits": ["a", "b"], "notes": None, "discriminator": False},
    }
    recipe = recipes.load(BASE).changed(changes)
    assert type(recipe.model["ema"]) is int and recipe.data["value_range"] == [0, 255]
    assert recipes.load(yaml.safe_load(recipe.dumps())) == recipe


@pytest.mark.parametrize(
    "change",
    [
        {"summary": ["s"]},
        {"limits": 5},
        {"data": {"name": [1], "licence": {"a": "b"}}},
        {"data": {"name": "n", "licence": "l", "images": "abc"}},
        {"name": "../x"},
        {"scores": {"fd": 1}},  # measured, not stated
        {"discriminator": "yes"},
    ],
)
def test_cards_of_recipes(change):
    assert refusal({"card": {**CARD, **change}}).key[0] == "card"


def test_all_that_is_wrong_is_named_with_its_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "data: {name: digits}\nnetworks:\n  name: dcgan\n  width: 0\nschedule:\n  steps: 1\n"
        "  batch_size: a\n  sed: 1\n"
    )
    with pytest.raises(recipes.RecipeError) as found:
        recipes.load(path)
    assert str(found.value) == (
        f"{path}, line 4: networks.width is 0; expected an integer of 1 or more, 16,384 at most. "
        "Also wrong: schedule.sed (line 8), schedule.batch_size (line 7)."
    )


def bomb(depth, of_mappings=False):
    """A few hundred bytes of YAML that stand for 10**depth values."""
    inner = "{{{}}}" if of_mappings else "[{}]"
    lines = ["a0: &a0 x"]
    for i in range(1, depth):
        items = [f"k{n}: *a{i - 1}" if of_mappings else f"*a{i - 1}" for n in range(10)]
        lines.append(f"a{i}: &a{i} {inner.format(', '.join(items))}")
    return "card:\n  " + "\n  ".join(lines) + f"\nschedule: {{steps: *a{depth - 1}}}\n"


@pytest.mark.parametrize(
    "text, words",
    {
        "lists": (bomb(30), "more than 5,000 values"),
        "mappings": (bomb(30, True), "more than 5,000 values"),
        "without an end": ("data: &a {name: *a}", "more than 5,000 values"),
        "keys": ("data: {" + ", ".join(f"k{i}: 1" for i in range(4000)) + "}", "5,000 values"),
        "bytes": ("data: {name: '" + "a" * 70_000 + "'}", "more than 65,536 bytes"),
        "depth": ("data: " + "[" * 30_000, "nested too deeply"),
        "a long number": ("schedule: {steps: " + "9" * 5000 + "}", "line 1 is not YAML"),
        "a long number, hexadecimal": ("schedule: {steps: 0x" + "9" * 5000 + "}", "of 20000 bits"),
        "a date": ("schedule: {steps: 2020-13-13}", "line 1 is not YAML"),
        "a key of a list": ("schedule: {[1, 2]: 3}", "is no text"),
        "a key that is a number": ("schedule: {1: 3}", "the key '1' is no text"),
        "a key twice": ("schedule: {steps: 3, steps: 4}", "'steps' stands twice"),
        "an object": ("schedule: {steps: !!python/object:os.system {}}", "line 1 is not YAML"),
        "control characters": ('schedule: {steps: "\\e[2J"}', r"steps is '\\x1b\[2J'"),
        "another encoding": (b"data: \xff\xfe", "is not YAML"),
        "nothing": ("", "is not a recipe"),
    }.values(),
)
def test_yaml_that_is_no_recipe(tmp_path, text, words):
    path = tmp_path / "r.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(recipes.RecipeError, match=words) as found:
        recipes.load(path)
    assert "\n" not in str(found.value) and len(str(found.value)) < 1000


def test_what_is_quoted_is_short_and_harmless():
    deep = []
    for _ in range(50):
        deep = [deep] * 10
    for value in (deep, "a" * 10**6, 10**100_000, dict.fromkeys(range(10**5)), b"\x1b" * 10**5):
        assert len(errors.quote(value)) < 300
    text = (
        "\x1b[31mred\x07\x9b\u202e\ud800\n\u2028 and \u00e9 \u4e2d \U0001f468\u200d\U0001f469\xa0"
    )
    shown = errors.printable(text, keep="\n")
    wanted = "\\x1b[31mred\\x07\\x9b\\u202e\\ud800\n\\u2028"
    assert shown == wanted + text[text.index(" and") :]
