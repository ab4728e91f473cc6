"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
import inspect
import pkgutil
import re

import keras
import numpy as np
import pytest
from conftest import slow_module

import keras_gans

pytestmark = slow_module("tensorflow", "jax")


def documented():
    """(name, docstring, names of its module) of everything with an example."""
    for info in pkgutil.walk_packages(keras_gans.__path__, "keras_gans."):
        if info.name.endswith("__main__") or ".backend." in info.name:
            continue
        module = importlib.import_module(info.name)
        own = {
            name: value
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == info.name
        }
        for name, value in own.items():
            members = vars(value) if inspect.isclass(value) else {}
            found = [(name, value), *((f"{name}.{k}", v) for k, v in members.items())]
            for path, thing in found:
                text = getattr(thing, "__doc__", None)
                if isinstance(text, str) and ">>>" in text and not isinstance(thing, dict):
                    yield f"{info.name}.{path}", inspect.cleandoc(text), own


class Checker(doctest.OutputChecker):
    """A shape is a tuple, whatever the backend prints."""

    def check_output(self, want, got, flags):
        def plain(text):
            text = re.sub(r"(?:torch\.Size|TensorShape)\(\[([^]]*)\]\)", r"(\1)", text)
            return re.sub(r"\((\d+)\)", r"(\1,)", text)

        return super().check_output(plain(want), plain(got), flags)


EXAMPLES = {name: (text, own) for name, text, own in documented()}


def test_public_names_have_examples():
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, own = EXAMPLES[name]
    if "keras_gans.data.load(" in text or "recipes.build(" in text:
        pytest.importorskip("tensorflow", reason="keras_gans.data.load gives a tf.data.Dataset")
    names = {**own, "np": np, "keras": keras, "keras_gans": keras_gans}
    example = doctest.DocTestParser().get_doctest(text, names, name, None, 0)
    said = []
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)
