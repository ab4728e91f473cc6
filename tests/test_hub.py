"""Entries on a hub: the real client of the Hugging Face Hub against a server on this machine."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
import yaml

from keras_gans import models, networks, zoo
from keras_gans.runs.opening import open_source
from keras_gans.zoo import hub, store

CARD = {"summary": "Noise.", "data": {"name": "none", "licence": "CC BY 4.0"}}
MISSING = importlib.util.find_spec("huggingface_hub") is None
needs_client = pytest.mark.skipif(MISSING, reason="huggingface_hub is not installed")


@pytest.fixture
def there(monkeypatch, tmp_path):
    """The server, to which the client talks; and an empty cache."""
    import hub_server

    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with hub_server.running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


@pytest.fixture(scope="module")
def entry(tmp_path_factory):
    """The folder of an entry."""
    folder = tmp_path_factory.mktemp("zoo")
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=3)
    return zoo.publish(models.GAN(g, d), "tiny", CARD, folder, saved_model=False)


def test_names_of_the_hub():
    assert hub.parse("hf://a/b-1.c@refs/pr/1") == ("a/b-1.c", "refs/pr/1")
    for wrong in ("hf://a", "hf://a/b/c", "hf://a/b@", "hf://a/..", "hf://a/b@../x", "hf://a b/c"):
        with pytest.raises(ValueError, match="expected hf://user/name"):
            hub.parse(wrong)
    with pytest.raises(ValueError, match="leave path and base_url out"):
        zoo.load("hf://a/b", path="zoo")


def test_without_the_client_it_is_one_line(fails, monkeypatch):
    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'keras_gans[hub]'" in fails("zoo", "show", "hf://a/b")


@needs_client
def test_what_is_pushed_is_loaded(there, entry, cli):
    name = zoo.push(entry, "hf://someone/first")
    repository, commit = hub.parse(name)
    assert repository == "someone/first" and there.commit_of(repository, "main")[0] == commit
    loaded, local = zoo.load("hf://someone/first"), zoo.load("tiny", path=entry.parent)
    np.testing.assert_array_equal(loaded.generate(2, seed=1), local.generate(2, seed=1))
    assert loaded.name == "tiny" and loaded.card == local.card
    # The header is the hub's, and the rest is the entry's own card.
    text = there.commit_of(repository, "main")[1]["README.md"].decode()
    _, header, rest = text.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["license"] == "cc-by-4.0" and facts["library_name"] == "keras"
    assert facts["pipeline_tag"] == "unconditional-image-generation" and "GAN" in facts["tags"]
    assert rest.lstrip("\n") == (entry / "README.md").read_text()
    # A commit that is here takes no network; so do commands that take an entry.
    there.requests.clear()
    assert open_source(name).name == "tiny" and there.requests == []
    assert cli("zoo", "show", name)[1] == local.card
    assert there.requests == []


@needs_client
def test_revisions(there, entry, tmp_path):
    first = zoo.push(entry, "hf://someone/second")
    with pytest.raises(FileExistsError, match="holds an entry"):
        zoo.push(entry, "hf://someone/second")
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=3, seed=5)
    other = zoo.publish(
        models.GAN(g, d),
        "tiny",
        CARD,
        "hf://someone/second@next",
        saved_model=False,
        overwrite=True,
    )
    assert other != first and there.commit_of("someone/second", "main")[0] in first
    made = [zoo.load(f"hf://someone/second{at}").generate(1) for at in ("", "@next", "@main")]
    assert np.abs(made[0] - made[1]).max() > 1e-3
    np.testing.assert_array_equal(made[0], made[2])
    np.testing.assert_array_equal(zoo.load(other).generate(1), made[1])
    with pytest.raises(ValueError, match="no such revision"):
        zoo.load("hf://someone/second@never")
    with pytest.raises(ValueError, match="There is no hf://someone/nothing on the hub"):
        zoo.load("hf://someone/nothing")


@needs_client
@pytest.mark.parametrize("what", ["generator.npz", "card.json", "larger", "gone", "outside"])
def test_what_is_not_as_the_card_says_is_not_opened(there, entry, what):
    name = "hf://someone/third"
    zoo.push(entry, name)
    files = dict(there.commit_of("someone/third", "main")[1])
    if what == "larger":
        files["generator.npz"] += b"more"
    elif what == "gone":
        del files["generator.npz"]
    elif what == "outside":
        card = json.loads(files["card.json"])
        card["files"]["../evil"] = card["files"]["generator.npz"]
        files["card.json"] = json.dumps(card).encode()
        files["card.json.sha256"] = store.digest(files["card.json"]).encode()
    else:
        files[what] = files[what][:-8] + b"tampered"
    there.add("someone/third", "main", files)
    said = {
        "larger": "bytes;",
        "gone": "generator.npz is missing",
        "outside": "no path within the entry",
    }
    with pytest.raises(ValueError, match=said.get(what, "does not have the SHA-256")) as error:
        zoo.load(name)
    assert "\n" not in str(error.value)
    assert not list(store.cache_folder().rglob("*.npz"))


@needs_client
def test_commands_take_names_of_the_hub(there, entry, cli, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = cli("zoo", "push", entry, "hf://someone/fourth", "--private")
    assert status == 0 and out.startswith("Uploaded hf://someone/fourth@")
    assert there.private == {"someone/fourth"}
    assert cli("sample", "hf://someone/fourth", "--num=4", "--out=a.png")[0] == 0
    assert cli("zoo", "load", "hf://someone/fourth", "--out=mine")[0] == 0
    assert zoo.load("tiny", path="mine").name == "tiny"
    out = tmp_path / "space"
    assert cli("playground", "hf://someone/fourth", f"--space={out}")[0] == 0
    assert (out / "entries" / "tiny" / "card.json").is_file()
    assert "holds an entry" in fails("zoo", "push", entry, "hf://someone/fourth")
    assert "expected hf://user/name" in fails("zoo", "push", entry, "someone/fourth")
    monkeypatch.delenv("HF_TOKEN")
    shutil.rmtree(store.cache_folder())
    assert "it is private and you are not logged in" in fails("zoo", "show", "hf://someone/fourth")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "Could not read or write hf://someone/fourth" in fails(
        "zoo", "show", "hf://someone/fourth"
    )
