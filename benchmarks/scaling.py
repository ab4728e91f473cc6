"""Images per second of one, two, four devices, and how much of the bound they reach.

    KERAS_BACKEND=torch python benchmarks/scaling.py --devices=1,2 --rounds=3

DCGAN networks, one-stage training, synthetic images; the batch of one device is the same for every
number of devices, so that N devices see N times the images of a step. Each number of devices runs
in processes of its own, in turn, round after round, so that whatever else the machine does falls on
all; medians and ranges are printed, and

- efficiency: images per second of N devices over N times those of one device;
- alone: the same with N runs of one device side by side that know nothing of each other, which is
  the bound: cores share memory and caches, and a machine has only so many.

GPUs are taken where there are some (torch, TensorFlow, JAX), else parts of the CPU: torch starts
processes, TensorFlow makes logical devices, JAX host devices. One thread for each, unless the
variables below are set:

    OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1
"""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from absl import app, flags  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_list("devices", ["1", "2"], "Numbers of devices; 1 has to be among them.")
flags.DEFINE_integer("image_size", 64, "Side of the images.")
flags.DEFINE_integer("width", 32, "Width of the networks.")
flags.DEFINE_integer("batch_size", 32, "Images of one device in a step.")
flags.DEFINE_integer("steps", 12, "Steps that are timed, after four that are not.")
flags.DEFINE_integer("rounds", 3, "Interleaved rounds.")
flags.DEFINE_string("json", None, "File to write the figures to.")
flags.DEFINE_integer("child", None, "Internal: the number of devices of this process.")


def measure(count):
    """Images per second of `count` devices, in this process and those that share its run."""
    import numpy as np

    from keras_gans import models, networks, training
    from keras_gans.training import backend

    size, batch = FLAGS.image_size, FLAGS.batch_size * count
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (batch, size, size, 3)).astype("float32")
    with backend.joined(), training.on_devices(count):
        model = models.OSGAN(*networks.dcgan(size, 3, FLAGS.width, d_norm="group"))
        model.compile("adam")
        for steps in (2, 2, FLAGS.steps):  # a second fit may compile once more
            data = np.concatenate([images] * steps)
            began = time.perf_counter()
            model.fit(data, batch_size=batch, verbose=0)
            took = time.perf_counter() - began
        if backend.process()[0] == 0:
            print(json.dumps(batch * FLAGS.steps / took))


def start(count, rank=0, port=0):
    """A process that measures; of several, `rank` and `port` say which."""
    environment = dict(os.environ)
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
    if port:
        environment |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    command = [sys.executable, __file__, f"--child={count}", *sys.argv[1:]]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def together(count):
    """Images per second of one run on `count` devices."""
    if count == 1 or os.environ["KERAS_BACKEND"] != "torch":
        return total([start(count)])
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return total([start(count, rank, port) for rank in range(count)])


def alone(count):
    """Images per second of `count` runs side by side, their sum."""
    return total([start(1) for _ in range(count)])


def total(processes):
    """The sum of what processes print, once all have ended well."""
    told = [p.communicate()[0] for p in processes]
    if any(p.returncode for p in processes):
        raise SystemExit("A process failed, see above.")
    return sum(json.loads(text.splitlines()[-1]) for text in told if text.strip())


def main(_):
    """Measure in turn, and print."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if FLAGS.child:
        measure(FLAGS.child)
        return
    counts = sorted({int(count) for count in FLAGS.devices})
    if counts[0] != 1:
        raise SystemExit("--devices: 1 has to be among them, which the others are compared with.")
    runs = {
        (kind, n): [] for n in counts for kind in (together, alone) if n > 1 or kind is together
    }
    for done in range(FLAGS.rounds):
        for (kind, n), found in runs.items():
            found.append(kind(n))
        print(f"round {done + 1} of {FLAGS.rounds}", file=sys.stderr, flush=True)
    one = statistics.median(runs[together, 1])
    lines = [
        {
            "devices": n,
            "what": "one run" if kind is together else "alone",
            "images_per_second": statistics.median(found),
            "range": [min(found), max(found)],
            "efficiency": statistics.median(found) / (n * one),
        }
        for (kind, n), found in runs.items()
    ]
    cores = os.cpu_count()
    print(
        f"{os.environ['KERAS_BACKEND']}, {platform.machine()}, {cores} cores; {FLAGS.rounds} rounds"
    )
    print(
        f"{FLAGS.image_size} px, width {FLAGS.width}, {FLAGS.batch_size} images a device and step"
    )
    for x in lines:
        low, high = x["range"]
        print(
            f"{x['devices']} {x['what']:<8} {x['images_per_second']:8.1f} images/s "
            f"({low:.1f} to {high:.1f}), efficiency {x['efficiency']:.2f}"
        )
    if FLAGS.json:
        with open(FLAGS.json, "w", encoding="utf-8") as f:
            json.dump(lines, f, indent=1)


if __name__ == "__main__":
    app.run(main)
