"""The gallery: what it says of each entry, that it fetches nothing, and a look by a browser."""

import base64
import html.parser
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from keras_gans import recipes, zoo
from keras_gans.cli.main import run
from keras_gans.zoo import store

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


class _Page(html.parser.HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def values(self, tag, attribute):
        return [a[attribute] for t, a in self.tags if t == tag and attribute in a]


@pytest.fixture
def entries(tmp_path):
    """A folder of two entries: the zoo's own, and one with what means something in HTML."""
    folder = tmp_path / "zoo"
    shutil.copytree(store.packaged_folder() / "osgan_digits", folder / "osgan_digits")
    other = folder / "a.b"
    shutil.copytree(folder / "osgan_digits", other)
    card = json.loads((other / store.CARD).read_text())
    card |= {"name": "a.b", "summary": "<script>alert(1)</script> & more", "scores": None}
    store.write_card(other, card)
    return folder


def test_from_noise_comes_first_and_large_before_small(tmp_path):
    out = tmp_path / "gallery.html"
    zoo.write_gallery(out, [store.packaged_folder()])
    shown = _Page(out.read_text()).values("article", "id")
    made = [recipes.load(store.packaged_folder() / name / "recipe.yaml") for name in shown]
    places = [
        (recipe.learns_from == "pairs" or "asym" in name, -recipe.data["image_size"], name)
        for recipe, name in zip(made, shown, strict=True)
    ]
    assert len(shown) > 5 and places == sorted(places)


def test_the_page_says_what_the_cards_say(entries, tmp_path):
    out = tmp_path / "gallery.html"
    assert zoo.write_gallery(out, [entries, entries]) == ["a.b", "osgan_digits"]
    text = out.read_text()
    page = _Page(text)
    card = store.EntryFolder(entries / "osgan_digits").card
    for said in (card["summary"], card["data"]["licence"], "173,153", "1.021", "2,240"):
        assert said in page.text
    assert 'keras_gans.zoo.load("osgan_digits")' in page.text
    assert zoo.card("osgan_digits") in page.text
    # What an entry says is text, never markup, and nothing is fetched or run.
    assert "<script>alert(1)</script> & more" in page.text and "<script" not in text
    assert not page.values("link", "href") and not page.values("script", "src")
    pictures = page.values("img", "src")
    files = ("samples.png", "nearest.png")
    shown = [(entries / "osgan_digits" / name).read_bytes() for name in files]
    prefix = "data:image/png;base64,"
    assert [base64.b64decode(p.removeprefix(prefix)) for p in pictures] == [*shown, *shown]
    assert page.values("a", "href") == ["#a.b", "#osgan_digits"]
    assert page.values("article", "id") == ["a.b", "osgan_digits"]


def test_a_damaged_picture_is_not_shown(entries, tmp_path):
    out = tmp_path / "gallery.html"
    out.write_text("old")
    picture = entries / "osgan_digits" / "samples.png"
    data = bytearray(picture.read_bytes())
    data[100] ^= 1
    picture.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="samples.png of zoo entry 'osgan_digits'.*SHA-256"):
        zoo.write_gallery(out, [entries])
    assert out.read_text() == "old"
    with pytest.raises(ValueError, match="There are no entries in"):
        zoo.write_gallery(out, [tmp_path / "nothing"])


def test_the_command(entries, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert run(["gallery", f"--path={entries}", f"--out={out}"]) == 0
    assert "2 entries" in capsys.readouterr().out and out.is_file()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
def test_a_browser_shows_the_pictures(entries, tmp_path):
    out, shot = tmp_path / "gallery.html", tmp_path / "shot.png"
    zoo.write_gallery(out, [entries / ".." / "zoo"])
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    command = [BROWSER, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1100,900", f"--screenshot={shot}", pathlib.Path(out).as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    pixels = np.asarray(Image.open(shot).convert("L"), "float32")
    # The digits' grid is on the left: black and white, and about as dark as the samples themselves.
    left = pixels[170:380, 20:400]
    samples = np.asarray(Image.open(entries / "osgan_digits" / "samples.png").convert("L"))
    assert left.min() < 20 and left.max() > 235
    assert abs(left.mean() - samples.mean()) < 40
