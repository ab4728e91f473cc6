"""Recipes, cards, indices and run files of any types and shapes end in one line, or are used."""

import json

import pytest
from conftest import slow_module
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_validation import BASE, CARD

from keras_gans import recipes
from keras_gans.runs import timing
from keras_gans.zoo import store

pytestmark = slow_module("tensorflow", "jax")
# The same examples in every run: a test that fails now and then helps nobody.
fixed = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**12, 10**400, 1e30, float("inf"), float("nan"), "", "\x1b[2J"])
    | st.floats()
    | st.text(max_size=8)
)
anything = st.recursive(
    plain,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
NAMED = {**CARD, "name": "tiny"}
WHOLE = {**BASE, "card": NAMED}
SHA = "0" * 64
NETWORK = {"parameters": 3, "weights": True}
ENTRY = {
    **{"format": 1, **NAMED, "version": "0.1.0", "backend": "torch", "steps": 1},
    "architecture": {
        **{"method": "GAN", "networks": {"generator": NETWORK}, "image_shape": [8, 8, 1]},
        **{"latent_dim": 4, "num_classes": None, "precision": "float32"},
    },
    "recipe": {"data": {}},
    "files": {"generator.npz": {"sha256": SHA, "bytes": 5}},
}
INDEX = {"format": 1, "entries": {"tiny": {"card_sha256": SHA, "summary": "s"}}}
RUN = {"seconds": 1.5, "steps": 3, "hardware": ["CPU"], "finished": {"steps": 3, "epochs": None}}


def paths(value, path=()):
    """The places in nested dictionaries and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from paths(inner, (*path, key))


def changed(value, path, new):
    """A copy with another value in one place."""
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new) if path[1:] else new
    return copy


def mutations(value):
    """The value with anything in one place, or under a key that it does not have."""
    elsewhere = st.builds(
        lambda key, new: {**value, key: new}, st.text(max_size=6).filter(bool), anything
    )
    places = st.sampled_from(list(paths(value)))
    return st.builds(lambda path, new: changed(value, path, new), places, anything) | elsewhere


def refused(error):
    text = str(error)
    assert text and "\n" not in text and "\x1b" not in text and len(text) < 2000
    assert text.endswith((".", ")")), text


@fixed
@given(mutations(WHOLE))
def test_recipes(content):
    try:
        recipe = recipes.load(content)
    except recipes.RecipeError as error:
        refused(error)
    else:
        again = recipes.load(recipe.as_dict())
        assert recipes.dumps(again) == recipes.dumps(recipe)


@fixed
@given(st.text(max_size=60) | mutations(WHOLE).map(json.dumps))
def test_recipe_files(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        recipes.load(path)
    except recipes.RecipeError as error:
        refused(error)


@fixed
@given(mutations(ENTRY) | anything)
def test_cards(content):
    try:
        card = store.parse_card(json.dumps(content).encode(), "tiny", "card.json")
    except ValueError as error:
        refused(error)
    else:
        assert type(card["steps"]) in (int, type(None)) and card["name"] == "tiny"
        assert all(type(f["bytes"]) is int and f["bytes"] >= 0 for f in card["files"].values())


@fixed
@given(mutations(INDEX) | anything)
def test_indices(content):
    try:
        index = store.parse_index(json.dumps(content).encode(), "index.json")
    except ValueError as error:
        refused(error)
    else:
        assert all(len(digest) == 64 for digest in index.values())


@fixed
@given(mutations(RUN) | anything)
def test_run_files(tmp_path, content):
    (tmp_path / timing.NAME).write_text(json.dumps(content))
    assert type(timing.steps_done(tmp_path)) is int and timing.steps_done(tmp_path) >= 0
    assert isinstance(timing.of_card(tmp_path), dict)


@pytest.mark.parametrize("good", [WHOLE, ENTRY, INDEX, RUN], ids=["recipe", "card", "index", "run"])
def test_what_is_changed_is_good(good, tmp_path):
    """Else every change would be refused for another reason."""
    if good is WHOLE:
        assert recipes.load(good).as_dict()["card"]["name"] == "tiny"
    elif good is ENTRY:
        store.parse_card(json.dumps(good).encode(), "tiny", "card.json")
    elif good is INDEX:
        assert store.parse_index(json.dumps(good).encode(), "index.json") == {"tiny": SHA}
    else:
        (tmp_path / timing.NAME).write_text(json.dumps(good))
        assert timing.steps_done(tmp_path) == 3
