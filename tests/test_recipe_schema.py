"""The JSON Schema of recipes: what `load` accepts is valid, what it refuses is not."""

import json
import pathlib
import re

import pytest
from conftest import slow_module

from keras_gans import recipes
from keras_gans.cli.main import main
from keras_gans.recipes import schema

pytestmark = slow_module("tensorflow", "jax")

ROOT = pathlib.Path(__file__).parent.parent
FILES = [*schema.PRESETS.glob("*.yaml"), *ROOT.glob("zoo/*/recipe.yaml")]
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"$ref", "allOf", "anyOf", "if", "then", "else", "const", "enum", "type", "properties"}
KNOWN |= {"required", "additionalProperties", "items", "minItems", "maxItems", "minLength"}
KNOWN |= {"pattern", "maxProperties", "minimum", "maximum", "exclusiveMaximum"}
SAYS_NOTHING = {"$schema", "$comment", "title", "description", "definitions"}


def valid(value, rule, top):
    """Whether a value has a schema, by the keywords of draft 7 that the schema uses."""
    if isinstance(rule, bool):
        return rule
    assert not set(rule) - KNOWN - SAYS_NOTHING, "a keyword that this test does not know"

    def holds(part):
        return valid(value, part, top)

    if "$ref" in rule:
        return holds(top["definitions"][rule["$ref"].removeprefix("#/definitions/")])
    types = rule.get("type", [])
    checks = [
        not types or any(is_a(value, t) for t in ([types] if isinstance(types, str) else types)),
        all(map(holds, rule.get("allOf", []))),
        "anyOf" not in rule or any(map(holds, rule["anyOf"])),
        "if" not in rule or holds(rule.get("then" if holds(rule["if"]) else "else", True)),
        "const" not in rule or value == rule["const"],
        "enum" not in rule or value in rule["enum"],
    ]
    if isinstance(value, dict):
        known, others = rule.get("properties", {}), rule.get("additionalProperties", True)
        checks.append(set(rule.get("required", [])) <= set(value))
        checks.append(len(value) <= rule.get("maxProperties", len(value)))
        checks += [valid(v, known.get(k, others), top) for k, v in value.items()]
    if isinstance(value, list):
        checks.append(rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", 10**6))
        checks += [valid(v, rule.get("items", True), top) for v in value]
    if isinstance(value, str):
        checks.append(len(value) >= rule.get("minLength", 0))
        checks.append(re.search(rule.get("pattern", ""), value) is not None)
    if is_a(value, "number"):
        infinity = float("inf")
        checks.append(rule.get("minimum", -infinity) <= value <= rule.get("maximum", infinity))
        checks.append(value < rule.get("exclusiveMaximum", infinity))
    return all(checks)


def is_a(value, name):
    if name in ("integer", "number"):
        kinds = int if name == "integer" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


@pytest.fixture(scope="module")
def rule():
    return recipes.json_schema()


def agree(sections, rule):
    try:
        recipes.load(sections)
        loads = True
    except ValueError:
        loads = False
    assert valid(sections, rule, rule) == loads
    return loads


@pytest.mark.parametrize(
    "path", FILES, ids=lambda p: p.stem if p.stem != "recipe" else p.parent.name
)
def test_recipes_are_valid_as_they_are_written_and_when_complete(path, rule):
    sections, _ = schema.read(path)
    assert valid(sections, rule, rule)
    assert valid(recipes.load(path).as_dict(), rule, rule)


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"nam": "digits"}},
        {"data": {"name": "digits", "image_size": 0}},
        {"data": {"name": "digits", "key": "codepoint"}},
        {"data": {"name": "digits", "source": "outline"}},
        {"data": {"name": "digits", "split": "train[80]"}},
        {"networks": {"name": "dcgann"}},
        {"networks": {"width": 8}},
        {"networks": {"name": "dcgan", "width": True}},
        {"networks": {"name": "dcgan", "latent_dim": 8}},
        {"networks": {"name": "dcgan", "discriminator": {"name": "dcgan", "widht": 3}}},
        {"networks": {"config": "config.json", "name": None, "width": 4}},
        {"model": {"method": "osgan", "ema": "much"}},
        {"model": {"method": "osgan", "objective": "omnii"}},
        {"model": {"method": "osgan", "objective": {"name": "hinge", "x": 1}}},
        {"model": {"latent_dim": 8}},
        {"optimizers": {"generator": {"learning_rate": 1e-3}}},
        {"optimizers": {"generator": {"name": "adam", "learning_rate": {"name": "late"}}}},
        {"schedule": {"epochs": 1.5}},
        {"card": {"summary": "x"}},
        {"crad": {}},
    ],
    ids=json.dumps,
)
def test_what_load_refuses_is_not_valid(changes, rule):
    sections, _ = schema.read(schema.PRESETS / "osgan_digits.yaml")
    assert agree(sections, rule)
    assert not agree({**sections, **changes}, rule)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"model": None, "networks": None},
        {"model": {"method": None}},
        {"data": {"name": "digits", "source": "outline", "target": "image", "augment": "flip"}},
        {"networks": {"config": "config.json"}, "model": {"method": "osgan", "penalty": "r1"}},
        {"networks": {"name": "dcgan", "latent_dim": 8}},
        {"networks": {"name": "dcgan", "discriminator": {"name": "biggan", "width": 4}}},
        {"optimizers": {"x": {"name": "sgd", "learning_rate": {
            "name": "exponential_decay", "initial_learning_rate": 1, "decay_steps": 5,
            "decay_rate": 0.5}}}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_load_takes_is_valid(sections, rule):
    assert agree(sections, rule)


def test_the_command_prints_a_schema_and_recipes(capsys, rule, tmp_path):
    for arguments, status in ((["--schema"], 0), (["gan_digits"], 0), ([], 2)):
        with pytest.raises(SystemExit, match=str(status)):
            main(["recipe", *arguments])
        out, _ = capsys.readouterr()
        if arguments == ["--schema"]:
            assert json.loads(out) == rule
        elif arguments:
            (tmp_path / "mine.yaml").write_text(out)
            assert recipes.load(tmp_path / "mine.yaml") == recipes.load("gan_digits")
