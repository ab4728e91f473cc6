"""For mkdocstrings: the section "Example" of our docstrings is shown as code."""

import inspect
import re

import griffe

_EXAMPLE = re.compile(r"^Example:\n\n(>>> .*?)(?=^[A-Z][\w ]*:\n|\Z)", re.M | re.S)


class Examples(griffe.Extension):
    """Fences the example of every docstring."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring is not None:
            text = inspect.cleandoc(obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(_fenced, text)


def _fenced(match):
    return f"**Example**\n\n```pycon\n{match[1].rstrip()}\n```\n\n"
