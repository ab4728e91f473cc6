"""Time and peak memory of the metrics against the package torch-fidelity.

    KERAS_BACKEND=torch python benchmarks/metrics.py --rounds 3
    OMP_NUM_THREADS=1 KERAS_BACKEND=torch python benchmarks/metrics.py --parts inception

From precomputed features to scores: Frechet distance, kernel distance, Inception score, precision
and recall, with the settings of the papers. The two libraries run in turn, round after round, in
one process; medians are printed, and the median of the ratios within a round beside the aim, and
how far the scores are apart. Peak memory is that of a process of its own for each, above what it
held with the features loaded. The last table streams batches that nobody keeps, to show what the
memory of a metric depends on.

From images to features: the Inception of 2015 on one thread, in both libraries with the same random
weights. One thread is set for PyTorch; for other backends restrict the process (`taskset -c 0`).

`PARTS` is the table of what can be measured (`--parts`).
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 10_000, "Feature vectors a side.")
flags.DEFINE_integer("dimension", 2048, "Length of a feature vector.")
flags.DEFINE_integer("classes", 1008, "Logits of the Inception score.")
flags.DEFINE_integer("batch_size", 100, "Feature vectors that arrive at once.")
flags.DEFINE_integer("rounds", 3, "Interleaved rounds; each library runs once in each.")
flags.DEFINE_list("metrics", ["fd", "kd", "is", "prdc"], "What to measure of the statistics.")
flags.DEFINE_list("parts", ["statistics", "inception"], "What to measure.")
flags.DEFINE_integer("inception_images", 500, "Images through the Inception of 2015.")
flags.DEFINE_integer("inception_batch", 50, "Images that run through it at once.")
flags.DEFINE_integer("inception_size", 32, "Height and width of these images.")
flags.DEFINE_list("stream", ["5000", "20000"], "Numbers of images to stream for the memory table.")
flags.DEFINE_bool("memory", True, "Also measure peak memory (Linux), in processes of their own.")
flags.DEFINE_string("json", None, "File to write all figures to.")
flags.DEFINE_string("child", None, "Internal: what a process for peak memory runs.")


def make_features(count, seed):
    """Non-negative, correlated features, as Inception's are."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(0).standard_normal((64, FLAGS.dimension)).astype("float32") / 8
    x = random.standard_normal((count, 64), dtype="float32") @ mix
    x += 0.3 * random.standard_normal((count, FLAGS.dimension), dtype="float32")
    x += 0.01 * seed
    return np.maximum(x, 0, out=x)


def make_logits(count, seed):
    return 2 * np.random.default_rng(seed).standard_normal((count, FLAGS.classes), dtype="float32")


def make_metric(kind):
    from keras_gans import metrics

    return {
        "fd": metrics.FrechetDistance,
        "kd": metrics.KernelDistance,
        "is": lambda: metrics.InceptionScore(num_images=FLAGS.images),
        "prdc": metrics.PRDC,
    }[kind]()


def ours(kind, real, fake):
    """The library's metric, fed in batches as a network would feed it."""
    metric = make_metric(kind)
    for side, x in (("real", real), ("fake", fake)):
        if side in metric.sides:
            for start in range(0, len(x), FLAGS.batch_size):
                metric.update_state(**{side: x[start : start + FLAGS.batch_size]})
    result = metric.result()
    return [float(v) for v in result.values()][:2] if isinstance(result, dict) else [float(result)]


def import_fidelity():
    """torch-fidelity imports torchvision, which may not load beside a CPU-only torch."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_fidelity.library = library  # the operators live as long as it does
    from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc

    return metric_fid, metric_isc, metric_kid, metric_prc


def theirs(kind, real, fake):
    """torch-fidelity, from the same features in one tensor."""
    import torch

    fid, isc, kid, prc = import_fidelity()
    real, fake = torch.from_numpy(real), torch.from_numpy(fake)
    if kind == "fd":
        moments = [fid.fid_features_to_statistics(x) for x in (fake, real)]
        out = fid.fid_statistics_to_metric(*moments, False)
    elif kind == "kd":
        out = kid.kid_features_to_metric(fake, real, verbose=False)
    elif kind == "is":
        out = isc.isc_features_to_metric(fake)
    else:
        out = prc.prc_features_to_metric(fake, real, verbose=False)
    return list(out.values())[: 2 if kind == "prdc" else 1]


def write_weights(path):
    """A weight file of the Inception of 2015 with random weights, as the public one is laid out."""
    import torch

    from keras_gans.metrics.inception_weights import kernel_shapes

    random = np.random.default_rng(0)
    state = {}
    for layer, (height, width, inputs, outputs) in kernel_shapes().items():
        kernel = random.standard_normal((outputs, inputs, height, width), dtype="float32")
        state[f"{layer}.conv.weight"] = kernel * np.float32((height * width * inputs / 2) ** -0.5)
        for name, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", -0.1, 0.1),
            ("running_mean", -0.1, 0.1),
            ("running_var", 0.5, 1.5),
        ):
            state[f"{layer}.bn.{name}"] = random.uniform(low, high, outputs).astype("float32")
    state["fc.weight"] = 0.02 * random.standard_normal((1008, 2048), dtype="float32")
    state["fc.bias"] = random.standard_normal(1008, dtype="float32")
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)


def our_inception(path):
    from keras_gans import metrics

    network = metrics.inception_2015(path, batch_size=FLAGS.inception_batch, check=False)

    def run(images):
        outputs = [network(x) for x in batches(images)]
        return [np.concatenate([getattr(o, n) for o in outputs]) for n in ("features", "logits")]

    return run


def their_inception(path):
    """torch-fidelity's feature extractor, fed as torch-fidelity feeds it."""
    import torch

    import_fidelity()
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3(
        "random", ["2048", "logits_unbiased"], feature_extractor_weights_path=path
    )

    def run(images):
        with torch.no_grad():
            outputs = [network(torch.from_numpy(x.transpose(0, 3, 1, 2))) for x in batches(images)]
        return [torch.cat(o).numpy() for o in zip(*outputs, strict=True)]

    return run


def batches(images):
    for start in range(0, len(images), FLAGS.inception_batch):
        yield images[start : start + FLAGS.inception_batch]


def make_images(count):
    shape = (count, FLAGS.inception_size, FLAGS.inception_size, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype="uint8")


NETWORKS = {"keras_gans": our_inception, "torch-fidelity": their_inception}
LIBRARIES = {"keras_gans": ours, "torch-fidelity": theirs}


def data_of(kind):
    make = make_logits if kind == "is" else make_features
    return make(FLAGS.images, 1), make(FLAGS.images, 2)


class Peak:
    """How far resident memory rises within a block, in MB: read every 5 ms (Linux).

    Not `ru_maxrss`, which a process inherits from the one that started it.
    """

    def __enter__(self):
        self.before = self.highest = self.resident()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def resident(self):
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * resource.getpagesize() / 2**20

    def watch(self):
        while not self.done.wait(0.005):
            self.highest = max(self.highest, self.resident())

    def __exit__(self, *exception):
        self.done.set()
        self.thread.join()
        self.rise = max(self.highest, self.resident()) - self.before


def child(what):
    """One measurement of peak memory: "LIBRARY/KIND", or "stream/KIND/IMAGES"."""
    library, kind, *count = what.split("/")
    if kind == "inception":
        one_thread()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "random.pth")
            write_weights(path)
            run = NETWORKS[library](path)
        images = make_images(FLAGS.inception_images)
        with Peak() as peak:
            run(images)
    elif count:
        metric = make_metric(kind)
        make = make_logits if kind == "is" else make_features
        metric.num_images = metric.split_of = None
        make(FLAGS.batch_size, 0)
        with Peak() as peak:
            for i in range(int(count[0]) // FLAGS.batch_size):
                for side in metric.sides:
                    metric.update_state(**{side: make(FLAGS.batch_size, i)})
            metric.result()
    else:
        import keras_gans.metrics  # noqa: F401

        import_fidelity()
        data = data_of(kind)
        with Peak() as peak:
            LIBRARIES[library](kind, *data)
    print(peak.rise)


def peak_of(what):
    own = [a for a in sys.argv[1:] if not a.startswith("--child")]
    out = subprocess.run(
        [sys.executable, __file__, *own, f"--child={what}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(out.stdout.split()[-1])


def statistics_part():
    """Scores from precomputed features."""
    found = {}
    print(f"from {FLAGS.images} features of {FLAGS.dimension}, {FLAGS.rounds} rounds:")
    for kind in FLAGS.metrics:
        data = data_of(kind)
        times, work, scores = ({name: [] for name in LIBRARIES} for _ in range(3))
        for _ in range(FLAGS.rounds):
            for name, run in LIBRARIES.items():
                start, worked = time.perf_counter(), time.process_time()
                scores[name] = run(kind, *data)
                times[name].append(time.perf_counter() - start)
                work[name].append(time.process_time() - worked)
        del data
        memory = {name: peak_of(f"{name}/{kind}") for name in LIBRARIES if FLAGS.memory}
        for name in LIBRARIES:
            held = f"{memory[name]:8.0f} MB more at its peak" if memory else ""
            wall, cpu = statistics.median(times[name]), statistics.median(work[name])
            print(f"  {kind:5s} {name:15s} {wall:8.2f} s ({cpu:.2f} s of all cores) {held}")
        ratio, of_work = (
            statistics.median(a / b for a, b in zip(*t.values(), strict=True))
            for t in (times, work)
        )
        apart = np.max(np.abs(np.subtract(*scores.values()) / scores["torch-fidelity"]))
        print(
            f"        time ratio {ratio:.2f} (aim: 1.00 or less; of all cores {of_work:.2f}), "
            f"scores {apart:.1e} apart"
        )
        found[kind] = {
            "seconds": times,
            "core_seconds": work,
            "megabytes": memory,
            "scores": scores,
            "ratio": ratio,
        }
    if FLAGS.memory:
        print("  memory over what was held before, in MB, batches streamed and dropped:")
        for kind in FLAGS.metrics:
            streamed = {n: peak_of(f"stream/{kind}/{n}") for n in FLAGS.stream}
            row = ", ".join(f"{v:.0f} of {n} images" for n, v in streamed.items())
            grows = "grows with the images" if kind in ("kd", "prdc") else "aim: the same"
            print(f"  {kind:5s} {row} ({grows})")
            found.setdefault(kind, {})["stream_megabytes"] = streamed
    return found


def inception_part():
    """Features of images through the Inception of 2015, on one thread."""
    one_thread()
    images = make_images(FLAGS.inception_images)
    print(
        f"Inception of 2015, random weights, {len(images)} images, {FLAGS.inception_batch} at once,"
        f" one thread, {FLAGS.rounds} rounds:"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "random.pth")
        write_weights(path)
        networks = {name: make(path) for name, make in NETWORKS.items()}
    # A first batch pays for compilation, on backends that compile.
    outputs = {name: run(images[: FLAGS.inception_batch]) for name, run in networks.items()}
    apart = max(
        float(np.max(np.abs(a - b)) / np.max(np.abs(b)))
        for a, b in zip(*outputs.values(), strict=True)
    )
    times = {name: [] for name in networks}
    for i in range(FLAGS.rounds):
        order = list(networks) if i % 2 == 0 else list(networks)[::-1]
        for name in order:
            start = time.perf_counter()
            networks[name](images)
            times[name].append(time.perf_counter() - start)
    memory = {name: peak_of(f"{name}/inception") for name in networks if FLAGS.memory}
    for name in networks:
        wall = statistics.median(times[name])
        held = f", {memory[name]:.0f} MB more at its peak" if memory else ""
        print(f"  {name:15s} {wall:8.2f} s, {len(images) / wall:.1f} images/s{held}")
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    print(f"  time ratio {ratio:.2f} (aim: 1.00 or less), features {apart:.1e} apart")
    if memory:
        of_memory = memory["keras_gans"] / memory["torch-fidelity"]
        print(f"  memory ratio {of_memory:.2f} (aim: 1.00 or less)")
    return {"seconds": times, "megabytes": memory, "ratio": ratio, "apart": apart}


def one_thread():
    import torch

    torch.set_num_threads(1)


PARTS = {"statistics": statistics_part, "inception": inception_part}


def main(_):
    if FLAGS.child:
        child(FLAGS.child)
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    found = {name: PARTS[name]() for name in FLAGS.parts}
    if FLAGS.json:
        with open(FLAGS.json, "w") as f:
            json.dump(found, f, indent=1)


if __name__ == "__main__":
    app.run(main)
