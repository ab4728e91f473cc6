"""How long a newcomer takes from a clone to a training on photos of their own.

python benchmarks/newcomer.py                 # a clone, an environment, all that is to install
python benchmarks/newcomer.py --installed     # as this Python is installed

It counts the words to read on the way (README.md down to the link to docs/photos.md, then that
page down to the end of its first block of commands) and the commands to copy, and then runs
exactly these commands in a fresh clone, beside a folder of generated photos. It ends as soon as the
training has drawn its first samples. Reading counts 200 words a minute, and copying a command 20
seconds.
"""

import argparse
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUND = 10.0  # minutes of reading and typing
WORDS, COPYING = 200, 20 / 60  # a minute; minutes a command
PAGE, LINK = "docs/photos.md", "(docs/photos.md)"
WAIT = 900  # seconds for the first samples
INSTALLING = ("python3 -m venv ", ". .venv/", "pip install ")


def words_of(text):
    """How many words somebody reads, without blocks of code and the marks of Markdown."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"\]\([^)]*\)|^\|.*$|<!--.*?-->", "", text, flags=re.M)
    return len(re.findall(r"\w[\w'./=-]*", text))


def path():
    """(number of words to read, list of the commands to copy)."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    until = readme.index(LINK)
    block = re.search(r"^```console\n(.*?)^```$", page, re.M | re.S)
    commands = [line.removeprefix("$ ") for line in block[1].splitlines() if line[:2] == "$ "]
    return words_of(readme[:until]) + words_of(page[: block.end()]), commands


def minutes_of(words, commands):
    """Minutes of reading and typing; the clone is a command, too."""
    return words / WORDS + (len(commands) + 1) * COPYING


def make_photos(folder, count=500):
    """Photos of some sizes: a sun over hills, of random colors."""
    import numpy as np
    from PIL import Image, ImageDraw

    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(count):
        size = tuple(int(n) for n in random.integers(120, 400, 2))
        color = [tuple(int(n) for n in random.integers(0, 256, 3)) for _ in range(3)]
        image = Image.new("RGB", size, color[0])
        draw = ImageDraw.Draw(image)
        x, y, r = random.uniform(0.2, 0.6, 3) * min(size)
        draw.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=color[1])
        draw.ellipse((-size[0], size[1] * 0.6, size[0] * 2, size[1] * 2), fill=color[2])
        image.save(folder / f"photo {i}.jpg")


def run(commands, folder, installed):
    """Run the commands until the first samples are there; returns the seconds that each took."""
    environment, taken = dict(os.environ), []
    environment.pop("KERAS_BACKEND", None)
    if installed:
        programs = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
        environment |= {"PYTHONPATH": str(ROOT), "PATH": programs}
        commands = [c for c in commands if not c.startswith(INSTALLING)]
    *before, last = commands
    # One shell, as a person has one: what is activated stays so.
    lines = [f"{c}\necho at $(date +%s.%N)" for c in before] + [last]
    start = time.time()
    with open(folder / "said.txt", "w+", encoding="utf-8") as said:
        shell = subprocess.Popen(
            ["bash", "-ec", "\n".join(lines)],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not list(folder.glob("runs/photos/samples/*.png")):
            time.sleep(0.2)
            if shell.poll() is not None or time.time() - start > WAIT:
                break
        end = time.time()
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGINT)  # Ctrl-C, with which a run pauses
            shell.wait(120)
        said.seek(0)
        text = said.read()
    if not list(folder.glob("runs/photos/samples/*.png")):
        raise SystemExit(f"There were no samples. The commands said:\n{text[-3000:]}")
    marks = [start, *map(float, re.findall(r"^at ([\d.]+)$", text, re.M)), end]
    for command, a, b in zip(commands, marks, marks[1:], strict=False):
        taken.append((command, b - a))
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--installed", action="store_true", help="install nothing")
    parser.add_argument("--photos", type=int, default=500)
    values = parser.parse_args()
    words, commands = path()
    print(f"{words} words to read, {len(commands)} commands to copy after the clone", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        clone = pathlib.Path(folder) / "keras_gans"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        make_photos(clone / "photos", values.photos)
        taken = run(commands, clone, values.installed)
        for command, seconds in taken:
            print(f"  {seconds:6.1f} s  {command}", flush=True)
    minutes = minutes_of(words, commands)
    print(f"reading and typing: {minutes:.1f} minutes, bound {BOUND:g}")
    print(f"waiting, until the first samples: {sum(s for _, s in taken) / 60:.1f} minutes")
    return int(minutes > BOUND)


if __name__ == "__main__":
    sys.exit(main())
