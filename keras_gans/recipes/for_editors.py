"""The JSON Schema of recipes, for editors: of the forms by which `load` checks them."""

import json
from typing import Annotated, Literal, Union

import keras
import pydantic
from pydantic import Field, JsonValue
from pydantic.json_schema import GenerateJsonSchema

from keras_gans import registry
from keras_gans.recipes import card, fields, vocabulary
from keras_gans.typing import Any
from keras_gans.validation import Text, number
from keras_gans.version import __version__

_DRAFT = "http://json-schema.org/draft-07/schema#"  # what editors know best
_EMPTY = Annotated[dict[str, JsonValue], Field(max_length=0)]  # an empty section is none


def json_schema() -> dict[str, Any]:
    """What a recipe may hold, as a JSON Schema (draft 7).

    Returns:
        Dictionary. The keys of the networks and model sections follow from the method; names are
        those that are declared, those of your own classes too once their module is imported.

    Example:

    >>> schema = keras_gans.recipes.json_schema()
    >>> "pix2pix" in schema["properties"]["model"]["properties"]["method"]["enum"]
    True
    """
    methods = {name: x for name, x in registry.all("method").items() if x.preset is not None}
    models = {name: _model(x) for name, x in methods.items()}
    nothing = fields.form_of("no method", (), (), "model", own=(("method", None),))
    forms = {**_sections(), **models, "no method": nothing | None}
    forms |= {shared: _networks(shared) for shared in map(_shared, (*models.values(), nothing))}
    # One form of all: its JSON Schema has every part, and what parts share once.
    named = {f"f{i}": (form, None) for i, form in enumerate(forms.values())}
    content = pydantic.create_model("all", **named).model_json_schema(
        ref_template="#/definitions/{model}", schema_generator=_Plain
    )
    parts = dict(zip(forms, content["properties"].values(), strict=True))

    def of(name, form):
        return {"properties": {"model": parts[name], "networks": parts[_shared(form)]}}

    names = {name: registry.all_names_of(x) for name, x in methods.items()}
    method = {"enum": [*sum(names.values(), []), None], "description": "the training method"}
    return {
        "$schema": _DRAFT,
        "$comment": f"keras_gans {__version__}, Keras {keras.__version__}, "
        f"pydantic {pydantic.VERSION}",
        "title": "A recipe of keras_gans",
        "type": "object",
        "properties": {
            **{name: parts[name] for name in _sections()},
            "model": {"type": ["object", "null"], "properties": {"method": method}},
            "networks": {},
        },
        "additionalProperties": False,
        "allOf": [
            *(
                {"if": _names({"enum": names[n]}), "then": of(n, form)}
                for n, form in models.items()
            ),
            {"if": _names({"type": "string"}), "else": of("no method", nothing)},
        ],
        "definitions": content["$defs"],
    }


def dumps() -> str:
    """`json_schema` as text, a line for each form."""

    def lines(mapping, indent):
        items = [f"{indent}{json.dumps(k)}: {json.dumps(v)}" for k, v in mapping.items()]
        return "{\n" + ",\n".join(items) + "\n" + indent[1:] + "}"

    schema = json_schema()
    definitions = lines(schema.pop("definitions"), "  ")
    return lines(schema, " ")[:-2] + f',\n "definitions": {definitions}\n}}\n'


class _Plain(GenerateJsonSchema):
    """Without what says nothing to a reader: titles made of keys, and "by default null"."""

    def field_title_should_be_set(self, schema):
        return False

    def default_schema(self, schema):
        return self.generate_inner(schema["schema"])


def _names(value):
    inner = {"type": "object", "properties": {"method": value}, "required": ["method"]}
    return {"properties": {"model": inner}, "required": ["model"]}


def _any(forms):
    return Union[tuple(forms)]  # noqa: UP007


def _all(kind):
    return {name: x.value for name, x in registry.all(kind).items()}


def _shared(model):
    """The keys that may stand in the networks section or in that of the model."""
    return frozenset(model.model_fields) & {"latent_dim", "num_classes"}


def _sections():
    """The forms of the sections that are of one form for all methods."""
    said = Field(description="an optimizer for each player")
    return {
        "data": vocabulary.images_form() | vocabulary.pairs_form() | vocabulary.maps_form() | None,
        "optimizers": Annotated[dict[str, _optimizer()] | None, said],
        "schedule": fields.Schedule | None,
        "evaluation": fields.Evaluation | None,
        "card": card.Section | _EMPTY | None,
    }


def _model(method):
    own = method.value.objectives
    losses = {
        kind: Literal[*known] | _any(vocabulary.loss_form_of(n, c) for n, c in known.items()) | None
        for kind, known in ((kind, _all(kind)) for kind in ("objective", "penalty"))
    }
    if own is not None:
        losses["objective"] = Literal[*own] | None
    return vocabulary.method_form(method, Literal[*registry.all_names_of(method)], losses)


def _networks(of_model):
    builders = _all("network").items()
    judges = _any(vocabulary.builder_form(n, b, of_model, None) for n, b in builders)
    made = (vocabulary.builder_form(n, b, of_model, judges) for n, b in builders)
    stored = fields.form_of("stored", (), (), "networks", own=(("config", Text | None),))
    return _any(made) | stored | None


def _optimizer():
    known = vocabulary.schedules().items()
    schedules = _any(vocabulary.schedule_form(name, cls) for name, cls in known)
    rate = Annotated[float, number(0)] | schedules | None
    known = vocabulary.optimizers().items()
    return _any(vocabulary.optimizer_form(name, cls, rate) for name, cls in known)
