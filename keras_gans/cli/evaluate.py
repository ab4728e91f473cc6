"""`keras-gans evaluate`: scores of a trained model, as a table, as JSON, and over truncations."""

import functools
import json
import pathlib

from keras_gans import registry
from keras_gans.cli import devices, sharing, startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.runs.folder import same_data
from keras_gans.typing import Any, PathLike
from keras_gans.zoo.cards import SAMPLES

NETWORKS = ("kgnet", "inception_2015", "none")
# What the pictures of a truncation curve show: x, y.
CURVES = (("fd", "is"), ("precision", "recall"))
_MOST = 200  # truncations of a curve
_LABELS = 8  # points of a curve that say their truncation, about


def _text():
    measured = "; ".join(
        f"{name} ({d['says']}; {'lower' if d['lower_is_better'] else 'higher'} is better)"
        for name, d in registry.in_source("metric").items()
    )
    return (
        "Measure a trained model. SOURCE is the name of a zoo entry, a folder that keras-gans "
        "train wrote, or a .keras file. Without --dataset the real images are those it was trained "
        "on, as its recipe says; then the scores are those of a card. Models that translate images "
        "are measured on held-out ones, the split test. Scores are comparable only where all is "
        "equal that the table and the JSON say beside them: feature network, real images and their "
        f"number, number of generated ones. There are {measured}. The network kgnet ships with "
        "keras_gans and gives scores of its own (fd_kgnet); fid, kid and is of papers are those of "
        "inception_2015, whose weights have to be fetched once."
    )


def _metrics():
    """Name -> facts of all metrics."""
    from keras_gans.metrics.base import facts

    return {name: facts(declared) for name, declared in registry.all("metric").items()}


def _flags():
    real = functools.partial(Flag, group="Real images")
    how = functools.partial(Flag, group="Measurement")
    data = "digits, a folder of images, an .npz, or a name of TensorFlow Datasets"
    split = "part of the data, such as test or train[:80%]"
    own_split = "the recipe's, else train; of digits train[:1500]"
    cache = "folder that keeps the statistics of real images, measured once"
    own_cache = "statistics in KERAS_GANS_HOME, else ~/.keras/keras_gans/statistics"
    own_metrics = "those of a card, and the others that are no slower"
    beside = "measure untrained networks, mean images and held-out ones beside it, as cards do"
    network = "what looks at the images: kgnet, inception_2015, or none for their pixels"
    weights = "file of that network's weights"
    judge = ".keras file of the segmentation network of mean_iou and pixel_accuracy"
    samples = "generated images, as many as of a card; papers take 10000 to 50000 for fid"
    truncation = (
        "scale of the latents' standard deviation: one number, or FIRST:LAST:STEP for the "
        "trade-off of realism and variety, as pictures"
    )
    out = "folder for evaluation.json and the pictures"
    return [
        real("dataset", "string", data, shown="the recipe's", value="NAME"),
        real("data_dir", "string", "where that data lies", value="DIR"),
        real("split", "string", split, shown=own_split),
        real("cache_dir", "string", cache, shown=own_cache, value="DIR"),
        how("metrics", "string", _some_metrics, shown=own_metrics, value="NAMES"),
        how("baselines", "boolean", beside, False),
        how("network", "string", network, "kgnet", choices=NETWORKS),
        how("weights", "string", weights, shown="its own, or where it is kept", value="FILE"),
        how("judge", "string", judge, shown="none", value="FILE"),
        how("samples", "integer", samples, SAMPLES),
        how("seed", "integer", "seed of the noise", 0),
        how("batch_size", "integer", "images at once", 64),
        how("truncation", "string", truncation, "1.0", value="T"),
        devices.flag("Measurement", "devices of this machine that share the images"),
        Flag("out", "string", out, "evaluation", value="DIR", group="Results"),
    ]


def _some_metrics():
    return f"some of {','.join(registry.in_source('metric'))}"


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    (source,) = positional
    truncations = parse_truncation(values.truncation)
    with sharing.shared(devices.count(values.devices), arguments) as part:
        return _evaluate(values, source, truncations, part)


def _evaluate(values, source, truncations, part):
    backend = startup.choose_backend(values.backend)
    from keras_gans.runs.opening import open_source
    from keras_gans.training.noise import check_integers
    from keras_gans.zoo import comparison, scoring

    check_integers(least=0, seed=values.seed)
    check_integers(least=2, samples=values.samples)
    named = [m for m in (values.metrics or "").split(",") if m]
    _check_metrics(named, values.network, truncations)
    network = _network(values.network, values.weights)
    model = open_source(source, None)
    recipe = scoring.find_recipe(model, recipe_of(source, model, values))
    compared = comparison.compare(
        model,
        recipe,
        values.data_dir,
        values.split,
        values.samples,
        values.seed,
        values.batch_size,
        values.judge,
    )
    left_out = _left_out(network, len(truncations) > 1)
    metrics = named or _default_metrics(compared, left_out)
    others = compared.others() if values.baselines else []
    others = [(x, [n for n in names if n in (named or names)]) for x, names in others]
    others = [(x, [n for n in names if n not in left_out]) for x, names in others]
    names = dict.fromkeys([*metrics, *(n for _, names in others for n in names)])
    measurement = compared.measurement(names, network, cache_dir=values.cache_dir)
    print(f"{source} against {compared.split}, {values.network}, {backend} backend.", flush=True)
    with scoring.Bar("real images", None) as progress:
        cached = measurement.prepare(progress) if part.first else ()
    if cached:
        print(f"The statistics of the real images are cached ({', '.join(cached)}).")

    def measured(images, metrics, what, truncation=1.0):
        with scoring.Bar(what, compared.source.count) as progress:
            aliases = scoring.aliases(metrics)
            return part.scores(measurement, images, truncation, progress, aliases)

    results = {}
    for t in truncations:
        what = "samples" if len(truncations) == 1 else f"samples at truncation {t:g}"
        results[t] = measured(compared.source if t == 1 else model, metrics, what, t)
    beside = {x.name: measured(x, names, x.name) for x, names in others if names}
    if not part.first:
        return 0
    data = {k: v for k, v in recipe["data"].items() if v is not None}
    about = {
        "source": source,
        "data": {**data, "split": compared.part},
        "samples": compared.source.count,
        "seed": values.seed,
        "labels": None if getattr(model, "num_classes", None) is None else "in turn",
        "backend": backend,
    }
    tell(results, beside, about, pathlib.Path(values.out))
    return 0


def tell(
    results: dict[float, Any], beside: dict[str, Any], about: dict[str, Any], out: pathlib.Path
) -> None:
    """Print the scores and what makes them weak, and write them to a folder."""
    first = next(iter(results.values()))
    print("\n" + (table(first, beside) if len(results) == 1 else curve_table(results)) + "\n")
    for line in _warnings({**results, **beside}):
        print(f"Note: {line}.")
    for path, what in write(results, beside, about, out).items():
        print(f"Wrote {path}: {what}.")


def _check_metrics(named, network, truncations):
    """Refuse metrics, by name, that cannot be measured."""
    from keras_gans import registry
    from keras_gans.metrics.base import facts

    for name in named:
        needs = facts(registry.get("metric", name))["needs"]
        if network == "none" and "classifier" in needs:
            raise ValueError(
                f"{name} needs a classifier: leave it out of --metrics, or use another network"
            )
    drawn = not named or {"fd", "is"} <= set(named) or "prdc" in named
    if len(truncations) > 1 and not drawn:
        raise ValueError(
            "--truncation draws is against fd and recall against precision: --metrics has to name "
            "fd and is, or prdc."
        )


def _left_out(network, several):
    """Names of the metrics that are measured only where somebody names them."""
    missing = set() if network.name.startswith("kgnet") else {"classes"}
    missing |= {"classifier"} if network.name == "pixels" else set()
    known = _metrics().items()
    return {n for n, facts in known if missing & set(facts["needs"]) or several and facts["slow"]}


def _default_metrics(compared, left_out):
    """What a card says, and the other metrics that are measured by default."""
    found = [*compared.metrics, *(n for n, facts in _metrics().items() if facts["default"])]
    return [n for n in dict.fromkeys(found) if n not in left_out and compared.serves(n)]


def parse_truncation(text: str) -> list[float]:
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


def recipe_of(source: str, model: Any, values: Any) -> dict[str, Any]:
    """The recipe that says what the real images are: the flags over the model's own recipe."""
    from keras_gans import recipes, tasks

    path = pathlib.Path(source)
    folder = path if path.is_dir() else path.parent
    recipe = getattr(model, "recipe", None)
    if recipe is None and (folder / "recipe.yaml").is_file() and (path.is_file() or path.is_dir()):
        recipe = folder / "recipe.yaml"
    plain = {} if recipe is None else recipes.load(recipe).as_dict()
    own = {k: v for k, v in (plain.get("data") or {}).items() if v is not None}
    if values.dataset is not None and not same_data(values.dataset, own.get("name")):
        if tasks.of(model).from_noise:
            own, plain = {}, {}  # other images have other labels
        # What a translator takes and makes stands in the same way in other data.
        there = {"name", "data_dir", "split", "class_names"}
        own = {k: v for k, v in own.items() if k not in there} | {"name": values.dataset}
    if not own.get("name"):
        raise ValueError(
            f"No recipe of {source} names its data: say which real images with --dataset."
        )
    shape = getattr(getattr(model, "generator", None), "output_shape", None) or (None,) * 4
    if tasks.of(model).from_noise and None not in shape[1:]:
        height, width, channels = (int(n) for n in shape[1:])
        size = height if height == width else [height, width]
        own |= {"image_size": size, "channels": channels}
    return {**plain, "data": own}


def _network(name, weights):
    from keras_gans.metrics.measuring import find_network

    if weights is None:
        return find_network(name)
    if name == "none":
        raise ValueError("--weights belongs to a network, and --network is none.")
    if name == "kgnet":
        from keras_gans.metrics.kgnet import kgnet

        return kgnet(weights=weights)
    from keras_gans.metrics.inception_weights import inception_2015

    return inception_2015(weights)


def table(scores: dict[str, Any], beside: dict[str, Any]) -> str:
    """One row a score: what it is, and on what it was measured; the others' scores after it."""
    rows = [("score", "value", "+/-", "real images", "generated", "network")]
    named = [(score.name, score) for score in scores.values()]
    named += [(f"{s.name}, {name}", s) for name, of in beside.items() for s in of.values()]
    for name, score in named:
        spread = score.details.get("std")
        network = f"{score.network} {(score.checksum or '')[:8]}"
        rows.append(
            (
                name,
                f"{score.value:.4f}",
                "" if spread is None else f"{spread:.4f}",
                f"{score.n_real} {score.split}" if score.n_real else "",
                str(score.n_fake),
                network.strip() + (f", {score.resize}" if score.resize else ""),
            )
        )
    return _aligned(rows)


def curve_table(results: dict[float, Any]) -> str:
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


def write(
    results: dict[float, Any], beside: dict[str, Any], about: dict[str, Any], out: pathlib.Path
) -> dict[pathlib.Path, str]:
    """Write `evaluation.json`, and the pictures of a curve; returns path -> what it is."""
    from keras_gans.files import replacing
    from keras_gans.version import __version__

    measured = [
        {"truncation": t, "scores": {a: s.as_dict() for a, s in scores.items()}}
        for t, scores in results.items()
    ]
    content = {**about, "keras_gans": __version__, "measurements": measured}
    if beside:
        of = {name: {a: s.as_dict() for a, s in scores.items()} for name, scores in beside.items()}
        content["baselines"] = of
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


def draw(results: dict[float, Any], x: str, y: str, path: PathLike, source: str) -> None:
    """Draw one score against another, a point for each truncation, as Fig. 1b of Omni-GAN."""
    from keras_gans.plots import line_plot

    points = [[scores[axis].value for scores in results.values()] for axis in (x, y)]
    scores = next(iter(results.values()))
    every = -(-len(results) // _LABELS)
    last = len(results) - 1
    marked = [i % every == 0 and last - i >= every or i == last for i in range(len(results))]
    texts = [f"{t:g}" if shown else None for t, shown in zip(results, marked, strict=True)]
    name = pathlib.PurePath(source).name or str(source)
    line_plot(
        {name: tuple(points)},
        path,
        title=f"{name}: numbers at the points are truncations",
        x_label=f"{scores[x].name} ({_better(x, 'realism')})",
        y_label=f"{scores[y].name} ({_better(y, 'variety')})",
        form="both",
        point_labels={name: texts},
    )


def _better(alias, says):
    """What an axis says of a score: precision and recall also what they measure."""
    found = next(facts for facts in _metrics().values() if alias in facts["scores"])
    better = f"{'lower' if found['lower_is_better'] else 'higher'} is better"
    return better if len(found["scores"]) == 1 else f"{says}, {better}"


COMMAND = Command(
    "evaluate",
    "scores of a trained model: Frechet distance, precision, ...",
    _text,
    _flags,
    (
        "keras-gans evaluate osgan_digits",
        "keras-gans evaluate osgan_digits --metrics=fd,diversity,novelty --baselines",
        "keras-gans evaluate runs/cifar10 --data_dir=DIR --split=test --metrics=fd,is",
        "keras-gans evaluate runs/cifar10 --data_dir=DIR --network=inception_2015 --samples=50000",
        "keras-gans evaluate osgan_digits --truncation=0.05:1.0:0.05 --out=tradeoff",
    ),
    run,
    ("SOURCE",),
)
