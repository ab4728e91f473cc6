"""The site builds without a warning, links hold, and nothing of it comes from elsewhere."""

import html.parser
import os
import pathlib
import subprocess
import sys
import urllib.parse

import pytest
from conftest import slow_module

pytest.importorskip("mkdocs", reason="the site needs mkdocs-material and mkdocstrings-python")
pytestmark = slow_module("tensorflow", "jax")  # it has no backend

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What a browser fetches by itself; an <a> it does not.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(html.parser.HTMLParser):
    """The addresses of a page: what is fetched, and what is linked to; its anchors."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.linked, self.anchors = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if attrs.get(FETCHED.get(tag)):
            self.fetched.append(attrs[FETCHED[tag]])
        if tag == "link" and attrs.get("rel") != "canonical" and attrs.get("href"):
            self.fetched.append(attrs["href"])
        if tag == "a" and attrs.get("href"):
            self.linked.append(attrs["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={out}"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(out.rglob("*.html"))}


def test_every_page_of_the_folder_is_there(site):
    names = {path.stem for path in site}
    assert {path.stem for path in (ROOT / "docs").rglob("*.md")} <= names


def test_the_gallery_is_a_part_of_it(site):
    (gallery,) = (path for path in site if path.name == "zoo_gallery.html")
    entries = {card.parent.name for card in (ROOT / "zoo").glob("*/card.json")}
    assert entries and entries <= site[gallery].anchors
    start = next(page for path, page in site.items() if path.name == "index.html")
    assert gallery.name in start.linked and "index.html" in site[gallery].linked
    methods = next(page for path, page in site.items() if path.name == "methods.html")
    assert f"{gallery.name}#osgan_digits" in methods.linked


def test_nothing_is_fetched_from_elsewhere(site):
    for path, page in site.items():
        for address in page.fetched:
            parts = urllib.parse.urlsplit(address)
            assert not parts.netloc and parts.scheme in ("", "data"), f"{path.name}: {address}"
    styles = [s for path in site for s in path.parent.glob("assets/**/*.css")]
    assert styles and not any("url(http" in s.read_text(encoding="utf-8") for s in styles)


def test_links_between_pages_hold(site):
    for path, page in site.items():
        if path.name == "404.html":
            continue  # served at any depth: its links begin with the site's root
        for address in page.linked:
            parts = urllib.parse.urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            target = path if not parts.path else target
            assert target.exists(), f"{path.name}: {address}"
            if parts.fragment and target in site:
                anchors = site[target].anchors
                assert urllib.parse.unquote(parts.fragment) in anchors, f"{path.name}: {address}"
