"""The page on decoupled learning: its code runs."""

import pathlib
import re

from conftest import slow_module
from PIL import Image

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "decoupled.md"

# Its steps are tested elsewhere on each backend.
pytestmark = slow_module("jax", "tensorflow")


def test_the_code_of_the_page_on_decoupled_learning(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = {"__name__": "page"}
    exec(compile("\n".join(code), "page", "exec"), names)
    assert list(names["panels"]) == ["input", "reconstruction", "residual", "output"]
    assert names["drawn"].shape == (4, 32, 32, 1)
    assert Image.open(tmp_path / "fig4" / "001.png").size == (4 * 34 + 2, 8 * 34 + 2)
    assert names["decoupled"].steps_done == 2
