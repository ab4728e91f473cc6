"""Several processes at once, special files, limits of file size, signals."""

import os
import pathlib
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading

import keras
import pytest
from conftest import slow_module

import keras_gans
from keras_gans import files, models, networks, zoo
from keras_gans.cli import main
from keras_gans.runs import fitting, stopping
from keras_gans.zoo import catalogue, download, store

pytestmark = slow_module("tensorflow", "jax")
ROOT = pathlib.Path(__file__).resolve().parent.parent
CARD = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
TINY = ["train", "--image_size=8", "--width=8", "--latent_dim=4", "--batch_size=512", "--steps=5"]
TINY += ["--num_samples=0"]
HOLDS = """
import sys
from keras_gans import files
with files.locked(sys.argv[1], "training in run"):
    print("held", flush=True)
    sys.stdin.read()
"""
KILLED = """
import os, signal, sys
from keras_gans.zoo import store
with store.new_folder(sys.argv[1], "e") as folder:
    (folder / "generator.npz").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def holder():
    """Start a process that holds a lock; returns it."""
    started = []

    def hold(path):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_GANS_COMMAND_LINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "held\n"
        started.append(process)
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def run(*arguments):
    """Exit status of a command line in this process."""
    with pytest.raises(SystemExit) as left:
        main.main([str(a) for a in arguments])
    return left.value.code or 0


def make_model(seed=0):
    keras.utils.set_random_seed(seed)
    return models.GAN(*networks.dcgan(8, 1, 4, latent_dim=4))


# Locks


def test_the_second_is_refused_and_told_who_is_first(holder, tmp_path):
    first = holder(tmp_path / "run")
    with (
        pytest.raises(OSError, match=rf"\({first.pid} on .*, since 20.*\) is training in it") as e,
        files.locked(tmp_path / "run", "training in it"),
    ):
        pass
    assert "\n" not in str(e.value)
    first.kill()
    first.wait()
    with files.locked(tmp_path / "run", "training in it"):  # a dead process's is taken over
        pass
    assert not any(tmp_path.iterdir())


def test_one_thread_at_a_time_though_each_removes_the_lock_file(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with files.locked(tmp_path / "x", "counting", wait=60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 80 and max(most) == 1 and not any(tmp_path.iterdir())


def test_train_publish_and_download_hold_locks(holder, tmp_path, capsys):
    out = tmp_path / "run"
    holder(out / "run")
    assert run(*TINY, f"--out={out}") == 2
    assert "is training in" in capsys.readouterr().err
    holder(tmp_path / "zoo" / "e")
    with pytest.raises(OSError, match="Another process .* is writing .*e:"):
        zoo.publish(make_model(), "e", CARD, path=tmp_path / "zoo")
    zoo.publish(make_model(), "other", CARD, path=tmp_path / "zoo", saved_model=False)
    with pytest.raises(OSError, match="Another process"):
        store.copy_entry(
            store.EntryFolder(store.packaged_folder() / "osgan_digits"),
            holder_folder(holder, tmp_path, "osgan_digits"),
        )


def holder_folder(holder, tmp_path, name):
    holder(tmp_path / "copies" / name)
    return tmp_path / "copies"


def test_a_download_waits_for_another_of_the_same_entry(tmp_path, monkeypatch):
    url, fetched, get = store.packaged_folder().as_uri(), [], download._stream
    monkeypatch.setattr(download, "_stream", lambda u, *more: fetched.append(u) or get(u, *more))
    threads = [
        threading.Thread(target=download.fetch, args=("osgan_digits", url, tmp_path))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(u.endswith("generator.npz") for u in fetched) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["osgan_digits"]


# Reading beside a publisher


@pytest.mark.parametrize("when", [1, 2])
@pytest.mark.parametrize("existing", [False, True])
def test_readers_and_a_second_writer_at_any_move(when, existing, tmp_path, monkeypatch):
    source, zoo_folder, name = store.packaged_folder() / "osgan_digits", tmp_path, "osgan_digits"
    if existing:
        shutil.copytree(source, zoo_folder / name)
    replace, calls = os.replace, []

    def put():
        with store.new_folder(zoo_folder, name) as folder:
            shutil.copytree(source, folder, dirs_exist_ok=True)
            store.move_into_place(folder, zoo_folder / name)

    def between(a, b):
        calls.append(b)
        if len(calls) == when:
            before = sorted(p.name for p in zoo_folder.iterdir())
            assert store.names_in(zoo_folder) == ([name] if existing else [])
            if existing:
                assert store.EntryFolder(store.find(name, [zoo_folder])).name == name
            assert sorted(p.name for p in zoo_folder.iterdir()) == before
            put()
        replace(a, b)

    monkeypatch.setattr(os, "replace", between)
    put()
    monkeypatch.undo()
    assert [p.name for p in zoo_folder.iterdir()] == [name]
    store.EntryFolder(zoo_folder / name).verify()


def test_folders_that_only_look_like_a_previous_version(tmp_path):
    for name in (".previous", "..previous", ".mine.previous"):
        (tmp_path / name).mkdir()
    assert store.names_in(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_the_next_publication_sweeps_what_a_killed_one_left(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_GANS_COMMAND_LINE": "1"}
    assert subprocess.run(command, env=environment).returncode == -signal.SIGKILL
    assert list(tmp_path.rglob("generator.npz"))
    (tmp_path / ".e.notes").mkdir()
    with store.new_folder(tmp_path, "e") as living:
        zoo.publish(make_model(), "e", CARD, path=tmp_path, saved_model=False)
        hidden = {p.name for p in tmp_path.iterdir() if p.name[0] == "."}
        assert hidden == {".e.notes", living.name}


def test_the_only_version_of_a_killed_publication_outlives_the_next(tmp_path, monkeypatch):
    zoo.publish(make_model(), "e", CARD, path=tmp_path, saved_model=False)
    (tmp_path / "e").rename(tmp_path / ".e.previous")
    with pytest.raises(FileExistsError):
        zoo.publish(make_model(), "e", CARD, path=tmp_path, saved_model=False)
    catalogue.write_index(tmp_path)
    assert list(store.read_index(tmp_path)) == ["e"]

    def fails(a, b):
        raise OSError("Input/output error")

    monkeypatch.setattr(store.os, "replace", fails)
    with pytest.raises(OSError, match="Input/output"):
        zoo.publish(make_model(), "e", CARD, path=tmp_path, saved_model=False, overwrite=True)
    monkeypatch.undo()
    assert zoo.load("e", path=tmp_path).verify() < 1e-4
    zoo.publish(make_model(), "e", CARD, path=tmp_path, saved_model=False, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e", "index.json"]


# Special files


def write(path, content=b"new"):
    with files.replacing(path) as temporary:
        pathlib.Path(temporary).write_bytes(content)


def test_a_pipe_is_written_through_or_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="Could not write .*pipe"):
        write(pipe)  # nobody reads
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open(end, "rb") as reading:
        writing = threading.Thread(target=write, args=(pipe, b"x" * 300_000), daemon=True)
        writing.start()
        # Before the writer has come, a reader is at the end of the file, and would leave it alone.
        assert select.select([reading], [], [], 60)[0]
        os.set_blocking(end, True)
        found = reading.read()
        writing.join(60)
    assert found == b"x" * 300_000 and stat.S_ISFIFO(os.lstat(pipe).st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_links_modes_devices_and_folders(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    write(link)
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o440)
    with pytest.raises(OSError, match="read-only.*is kept"):
        write(target, b"newer")
    assert target.read_bytes() == b"new"
    write("/dev/null")
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)
    with pytest.raises(OSError, match="is a folder"):
        write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"target", "link"}


def test_a_limit_of_file_size_is_one_line(tmp_path):
    model, path = make_model(), tmp_path / "m.weights.h5"
    model.save_weights(path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        for name in ("m.weights.h5", "m.keras"):
            save = model.save_weights if name.endswith("h5") else model.save
            with pytest.raises(OSError, match="File too large") as error:
                save(tmp_path / name)
            assert "\n" not in str(error.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


# Signals


@pytest.mark.parametrize("name, chosen", [("SIGTERM", (0, 1, 2, 3)), ("SIGHUP", (1, 3))])
def test_every_signal_at_every_moment_ends_with_the_line_that_continues(
    name, chosen, tmp_path, monkeypatch, capsys
):
    number, out = getattr(signal, name), tmp_path / "run"
    before = signal.getsignal(number)
    moments = [
        (keras_gans.recipes, "build"),  # before the first step
        (fitting.StepLimit, "on_train_batch_end"),  # in the first step of each slice
        (fitting.HistoryFile, "on_epoch_end"),  # after the last step of the first epoch
        (fitting, "write_results"),  # behind the training
    ]
    for place, method in [moments[i] for i in chosen]:
        whole, sent = getattr(place, method), []

        def stopped(*args, whole=whole, sent=sent, **kwargs):
            if not sent:
                sent.append(signal.raise_signal(number))
            return whole(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(place, method, stopped)
            resume = ["--resume"] if out.exists() else []
            assert run(*TINY, f"--out={out}", *resume) == 130, method
        text = "".join(capsys.readouterr())
        line = f"Continue with:\n  keras-gans {' '.join(TINY)} --out={out} --resume\n"
        assert line in text, method
        assert signal.getsignal(number) is before
    assert run(*TINY, f"--out={out}", "--resume") == 0
    assert not [p for p in out.rglob(".*")]


def test_nohup_stays():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.handling(stopping.interrupt):
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)
