"""`keras-gans evaluate`: scores of a trained model, as a table, as JSON, and over truncations."""

import json
import pathlib
import sys

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag

TEXT = (
    "Measure a trained model against real images. SOURCE is the name of a zoo entry, a folder that "
    "keras-gans train wrote, or a .keras file. Without --dataset the real images are those it was "
    "trained on, as its recipe says. Scores are comparable only where all is equal that the table "
    "and the JSON say beside them: feature network, real images and their number, number of "
    "generated ones. fd (Frechet distance: realism and variety in one number) and kd (kernel "
    "distance: the same, unbiased for few images) are better when lower; is (Inception score), "
    "precision and density (realism), recall and coverage (variety) when higher. The network kgnet "
    "ships with keras_gans and gives scores of its own (fd_kgnet); fid, kid and is of papers are "
    "those of inception_2015, whose weights have to be fetched once."
)
DEFAULT = {"kgnet": "fd,kd,is,prdc", "inception_2015": "fd,kd,is,prdc", "none": "fd,kd,prdc"}
# What the pictures of a truncation curve show: x, y.
CURVES = (("fd", "is"), ("precision", "recall"))
_MOST = 200  # truncations of a curve
_LABELS = 8  # points of a curve that say their truncation, about


def _flags():
    real, how, results = "Real images", "Measurement", "Results"
    return [
        Flag(
            "dataset",
            "string",
            "digits, a folder of images, an .npz, or a name of TensorFlow Datasets",
            shown="the recipe's",
            value="NAME",
            group=real,
        ),
        Flag("data_dir", "string", "where that data lies", value="DIR", group=real),
        Flag(
            "split",
            "string",
            "part of the data, such as test or train[:80%]",
            shown="the recipe's, else train",
            group=real,
        ),
        Flag(
            "cache_dir",
            "string",
            "folder that keeps the statistics of real images, measured once",
            shown="statistics in KERAS_GANS_HOME, else ~/.keras/keras_gans/statistics",
            value="DIR",
            group=real,
        ),
        Flag(
            "metrics",
            "string",
            "some of fd,kd,is,prdc; prdc is precision, recall, density and coverage",
            shown="all that the network gives; without kd for several truncations",
            value="NAMES",
            group=how,
        ),
        Flag(
            "network",
            "string",
            "what looks at the images: kgnet, inception_2015, or none for their pixels",
            "kgnet",
            choices=tuple(DEFAULT),
            group=how,
        ),
        Flag(
            "weights",
            "string",
            "file of that network's weights",
            shown="its own, or where it is kept",
            value="FILE",
            group=how,
        ),
        Flag(
            "samples",
            "integer",
            "generated images; papers take 10000 to 50000 for fid",
            5000,
            group=how,
        ),
        Flag("seed", "integer", "seed of the noise", 0, group=how),
        Flag("batch_size", "integer", "images at once", 64, group=how),
        Flag(
            "truncation",
            "string",
            "scale of the latents' standard deviation: one number, or FIRST:LAST:STEP for the "
            "trade-off of realism and variety, as pictures",
            "1.0",
            value="T",
            group=how,
        ),
        Flag(
            "out",
            "string",
            "folder for evaluation.json and the pictures",
            "evaluation",
            value="DIR",
            group=results,
        ),
    ]


def run(values, positional, arguments):
    """Run the command."""
    (source,) = positional
    if values.seed < 0:
        raise ValueError(f"--seed is {values.seed}; 0 or more is wanted.")
    truncations = parse_truncation(values.truncation)
    metrics = [m for m in (values.metrics or DEFAULT[values.network]).split(",") if m]
    if len(truncations) > 1 and values.metrics is None:
        metrics.remove("kd")  # the slowest one, and in no picture
    if values.network == "none" and "is" in metrics:
        raise ValueError("is needs a classifier: leave it out of --metrics, or use another network")
    if len(truncations) > 1 and not {"fd", "is"} <= set(metrics) and "prdc" not in metrics:
        raise ValueError(
            "--truncation draws is against fd and recall against precision: --metrics has to name "
            "fd and is, or prdc."
        )
    backend = startup.choose_backend(values.backend)
    from keras_gans.cli.sample import open_source
    from keras_gans.metrics.measuring import Measurement

    model = open_source(source)
    section = data_section(source, model, values)
    split = f"{section['name']}/{section.get('split') or 'train'}"
    measurement = Measurement(
        None if metrics == ["is"] else open_data(section),
        metrics,
        _network(values.network, values.weights),
        samples=values.samples,
        seed=values.seed,
        split=split,
        cache_dir=values.cache_dir,
        batch_size=values.batch_size,
    )
    print(f"{source} against {split}, {values.network}, {backend} backend.", flush=True)
    with _bar("real images", None) as progress:
        cached = measurement.prepare(progress)
    if cached:
        print(f"The statistics of the real images are cached ({', '.join(cached)}).")
    results = {}
    for t in truncations:
        what = "samples" if len(truncations) == 1 else f"samples at truncation {t:g}"
        with _bar(what, values.samples) as progress:
            results[t] = measurement.of(model, t, progress)
    print("\n" + (table(results[t]) if len(results) == 1 else curve_table(results)) + "\n")
    for line in _warnings(results):
        print(f"Note: {line}.")
    about = {
        "source": source,
        "data": section,
        "samples": values.samples,
        "seed": values.seed,
        "labels": None if getattr(model, "num_classes", None) is None else "in turn",
        "backend": backend,
    }
    for path, what in write(results, about, pathlib.Path(values.out)).items():
        print(f"Wrote {path}: {what}.")
    return 0


def parse_truncation(text):
    """`"0.7"` or `"0.05:1.0:0.05"` (the last included) as a list of floats above 0."""
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    good = len(numbers) in (1, 3) and all(0 < n < 1e6 for n in numbers)
    if good and len(numbers) == 3:
        first, last, step = numbers
        count = int((last - first) / step + 1e-6) + 1 if first <= last else 0
        good = 2 <= count <= _MOST
        numbers = [round(first + i * step, 10) for i in range(count)] if good else []
    if not good:
        raise ValueError(
            f"--truncation is {text!r}; a number above 0, or FIRST:LAST:STEP of 2 to {_MOST} "
            "values, is wanted, such as 0.05:1.0:0.05."
        )
    return numbers


def data_section(source, model, values):
    """The `data` section of a recipe for the real images: the flags over the model's recipe."""
    from keras_gans import recipes

    path = pathlib.Path(source)
    folder = path if path.is_dir() else path.parent
    recipe = getattr(model, "recipe", None)
    if recipe is None and (folder / "recipe.yaml").is_file() and (path.is_file() or path.is_dir()):
        recipe = recipes.load(folder / "recipe.yaml")
    own = {k: v for k, v in ((recipe or {}).get("data") or {}).items() if v is not None}
    for name in ("augment", "shuffle", "drop_remainder", "cache"):
        own.pop(name, None)  # all images, as they are
    section = own if values.dataset in (None, own.get("name")) else {"name": values.dataset}
    if not section.get("name"):
        raise ValueError(
            f"No recipe of {source} names its data: say which real images with --dataset."
        )
    given = {"data_dir": values.data_dir, "split": values.split}
    section |= {k: v for k, v in given.items() if v is not None}
    shape = getattr(getattr(model, "generator", None), "output_shape", None) or (None,) * 4
    if None not in shape[1:]:
        height, width, channels = (int(n) for n in shape[1:])
        size = height if height == width else (height, width)
        section |= {"image_size": size, "channels": channels}
    return section


def open_data(section):
    """The real images, each once and as it is, however few."""
    from keras_gans.recipes import building

    data = {**section, "shuffle": False, "drop_remainder": False}
    return building.build_data({"data": data, "networks": {}, "model": {}, "schedule": {}})


def _network(name, weights):
    from keras_gans.metrics.measuring import find_network

    if weights is None:
        return find_network(name)
    if name == "none":
        raise ValueError("--weights belongs to a network, and --network is none.")
    if name == "kgnet":
        from keras_gans.metrics.kgnet import kgnet

        return kgnet(weights=weights)
    from keras_gans.metrics.inception import inception_2015

    return inception_2015(weights)


class _bar:
    """Context manager: a progress bar of images on a terminal, else nothing."""

    def __init__(self, what, target):
        self.what, self.target = what, target

    def __enter__(self):
        if not sys.stdout.isatty():
            return None
        import keras

        self.bar, self.told = keras.utils.Progbar(self.target, unit_name="image"), False
        return self.update

    def update(self, done):
        if not self.told:
            print(f"Measuring {self.what}:", flush=True)
            self.told = True
        self.bar.update(done)

    def __exit__(self, *exception):
        if sys.stdout.isatty() and self.told and self.target is None:
            print()


def table(scores):
    """One row a score: what it is, and on what it was measured."""
    rows = [("score", "value", "+/-", "real images", "generated", "network")]
    for score in scores.values():
        spread = score.details.get("std")
        network = f"{score.network} {(score.checksum or '')[:8]}"
        rows.append(
            (
                score.name,
                f"{score.value:.4f}",
                "" if spread is None else f"{spread:.4f}",
                f"{score.n_real} {score.split}" if score.n_real else "",
                str(score.n_fake),
                network.strip() + (f", {score.resize}" if score.resize else ""),
            )
        )
    return _aligned(rows)


def curve_table(results):
    """One row a truncation."""
    names = [score.name for score in next(iter(results.values())).values()]
    rows = [("truncation", *names)]
    for t, scores in results.items():
        rows.append((f"{t:g}", *(f"{score.value:.4f}" for score in scores.values())))
    return _aligned(rows)


def _aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _warnings(results):
    """Each warning of the scores once, with the names of the scores."""
    found = {}
    for scores in results.values():
        for score in scores.values():
            for line in score.warnings:
                found.setdefault(line, dict.fromkeys(())).setdefault(score.name)
    return [f"{', '.join(names)}: {line}" for line, names in found.items()]


def write(results, about, out):
    """Write `evaluation.json`, and the pictures of a curve; returns path -> what it is."""
    from keras_gans.files import replacing
    from keras_gans.version import __version__

    measured = [
        {"truncation": t, "scores": {a: s.as_dict() for a, s in scores.items()}}
        for t, scores in results.items()
    ]
    content = {**about, "keras_gans": __version__, "measurements": measured}
    path = out / "evaluation.json"
    with replacing(path, suffix=".json") as temporary:
        text = json.dumps(content, indent=1, default=_plain) + "\n"
        pathlib.Path(temporary).write_text(text, encoding="utf-8")
    written = {path: "every score with all that it was measured on"}
    if len(results) > 1:
        for x, y in CURVES:
            if {x, y} <= set(measured[0]["scores"]):
                path = out / f"{y}_against_{x}.png"
                draw(results, x, y, path, about["source"])
                written[path] = f"{y} against {x} over {len(results)} truncations"
    return written


def _plain(value):
    return value.item() if hasattr(value, "item") else str(value)


def draw(results, x, y, path, source):
    """Draw one score against another, a point for each truncation, as Fig. 1b of Omni-GAN."""
    from keras_gans.plots import line_plot

    points = [[scores[axis].value for scores in results.values()] for axis in (x, y)]
    scores = next(iter(results.values()))
    every = -(-len(results) // _LABELS)
    last = len(results) - 1
    marked = [i % every == 0 and last - i >= every or i == last for i in range(len(results))]
    texts = [f"{t:g}" if shown else None for t, shown in zip(results, marked, strict=True)]
    name = pathlib.PurePath(source).name or str(source)
    better = {"fd": "lower is better", "is": "higher is better"}
    line_plot(
        {name: tuple(points)},
        path,
        title=f"{name}: numbers at the points are truncations",
        x_label=f"{scores[x].name} ({better.get(x, 'realism, higher is better')})",
        y_label=f"{scores[y].name} ({better.get(y, 'variety, higher is better')})",
        form="both",
        point_labels={name: texts},
    )


COMMAND = Command(
    "evaluate",
    "scores of a trained model: Frechet distance, precision, ...",
    TEXT,
    _flags,
    (
        "keras-gans evaluate osgan_digits --samples=2000",
        "keras-gans evaluate runs/cifar10 --data_dir=DIR --split=test --metrics=fd,is",
        "keras-gans evaluate runs/cifar10 --data_dir=DIR --network=inception_2015 --samples=50000",
        "keras-gans evaluate osgan_digits --truncation=0.05:1.0:0.05 --out=tradeoff",
    ),
    run,
    ("SOURCE",),
)
