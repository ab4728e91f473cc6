"""How long a zoo entry takes to its first image, and one latent at several sizes.

KERAS_BACKEND=torch python benchmarks/zoo_load.py                 # an untrained one of that form
KERAS_BACKEND=torch python benchmarks/zoo_load.py --entry=omni_inr_256

A process of its own imports keras, and then is timed: import keras_gans, load the entry (every
SHA-256 checked), make one image. The bound is 4 s on two cores. Then one latent is rendered at 256
pixels and at 512, which is averaged down, and at 200 x 300: how well they agree.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BOUND = 4.0  # seconds
SIZES = ((512, 512), (200, 300))
PROGRAM = """
import json, sys, time
import keras
start, cpu = time.perf_counter(), time.process_time()
import keras_gans
imported = time.perf_counter()
entry = keras_gans.zoo.load(sys.argv[1], path=sys.argv[2] or None)
loaded = time.perf_counter()
image = entry.generate(1, seed=0)
first, cpu = time.perf_counter(), time.process_time() - cpu
entry.generate(1, seed=1)
again = time.perf_counter()
marks = (start, imported, loaded, first, again)
print(json.dumps([b - a for a, b in zip(marks, marks[1:])] + [cpu]))
"""


def untrained(folder):
    """Publish an entry of the form of `omni_inr_256` that nobody trained; returns its name."""
    import keras_gans

    networks = keras_gans.networks.biggan(
        256, width=8, num_classes=4, d_head="omni", head="inr", stride=4, hidden=16
    )
    model = keras_gans.models.OmniINRGAN(*networks, num_classes=4, ema=0.99)
    card = {"summary": "Untrained.", "data": {"name": "none", "licence": "none"}}
    return keras_gans.zoo.publish(model, "untrained", card, path=folder, saved_model=False).name


def seconds(name, folder, repeats):
    """The fastest of several processes: seconds of import, load, first and second image; CPU."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, "-c", PROGRAM, name, folder or ""]
        # In the current folder Python finds this library without an installation.
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return min(runs, key=lambda run: sum(run[:3]))


def averaged(images, size):
    """Images brought to a (height, width): each pixel the mean of what it covers."""
    import numpy as np
    from PIL import Image

    channels = [
        np.asarray(Image.fromarray(channel).resize(size[::-1], Image.Resampling.BOX))
        for image in images
        for channel in image.transpose(2, 0, 1)
    ]
    return np.stack(channels).reshape(len(images), -1, *size).transpose(0, 2, 3, 1)


def agreement(name, folder):
    """PSNR in dB of one latent's image at its own size, and those of other sizes brought to that.

    Empty for a generator of one size.
    """
    import numpy as np

    import keras_gans

    entry = keras_gans.zoo.load(name, path=folder)
    if keras_gans.models.sampling.inr_head(entry.generator) is None:
        return {}
    wanted = entry.generate(8, seed=0)
    found = {}
    for size in SIZES:
        images = entry.generate(8, seed=0, size=size)
        back = averaged(images, wanted.shape[1:3])
        found[size] = float(-10 * np.log10(np.mean((back - wanted) ** 2) / 4))
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entry", default=None, help="name of an entry; an untrained one without")
    parser.add_argument("--path", default=None, help="folder of entries")
    parser.add_argument("--repeats", type=int, default=3, help="processes, the fastest counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        name, path = options.entry, options.path
        if name is None:
            name, path = untrained(folder), folder
        times = seconds(name, path, options.repeats)
        psnr = agreement(name, path)
    import keras

    parts = dict(zip(("import keras_gans", "load", "first image"), times, strict=False))
    text = ", ".join(f"{k} {v:.2f} s" for k, v in parts.items())
    print(f"{keras.backend.backend()}: {text}; a second image {times[3]:.2f} s")
    total, cpu = sum(times[:3]), times[4]
    print(f"in all {total:.2f} s (bound {BOUND:g} s); {cpu:.2f} s of processor time")
    for (height, width), value in psnr.items():
        note = " (bound 20 dB)" if height == width else " (another shape: the content is the same)"
        print(f"one latent at {height}x{width} and at the trained size: {value:.1f} dB{note}")


if __name__ == "__main__":
    main()
