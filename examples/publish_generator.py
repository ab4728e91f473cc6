"""Score a trained generator as a card of the zoo wants it, and publish it.

python examples/publish_generator.py runs/inr omni_inr_256 --card=card.yaml --data_dir=DIR
python examples/publish_generator.py omni_inr_256 --data_dir=DIR    # an entry: its scores again

The scores, over the features of `kgnet`, each beside what a trivial generator gets:

- fd_kgnet to the training images: of the generator, its untrained network, and the mean image;
- the same of as many held-out real images: what a perfect generator would get;
- accuracy: how often kgnet sees the class that was asked for (where it knows the classes);
- novelty: the mean distance in features of a sample to its nearest training image, relative to that
  of held-out real images. Near 0 is memorised, about 1 is as new as real ones;
- resolution (INR heads): the PSNR between images and those of twice the size, averaged down.

The card is a YAML file with `summary` and `data` (name, licence, attribution), and what else
`keras_gans.zoo.publish` takes. Class numbers of the data are found in kgnet by the data's name.
"""

import argparse
import pathlib

import keras
import numpy as np
import yaml

import keras_gans
from keras_gans.cli.sample import open_source
from keras_gans.metrics import ClassificationAccuracy, FrechetDistance, kgnet, psnr

# Data set -> kgnet's number of its first class.
FIRST_CLASS = {"cifar10": 0, "emoji_styles": 10, "digits": 14}
STEP = 100


def nearest(a, b):
    """Distance of each row of `a` to its nearest row of `b`."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares.min(1), 0))


def frechet(real, fake):
    """Frechet distance of two sets of features."""
    metric = FrechetDistance()
    metric.update_state(real, fake)
    return float(metric.result())


def score(model, recipe, options):
    """Name of a score -> what a card says of it."""
    network, name = kgnet(), recipe["data"]["name"]
    settings = {"image_size": recipe["data"]["image_size"], "data_dir": options.data_dir}
    settings["channels"] = int(model.generator.output_shape[-1])
    settings |= {"batch_size": STEP, "shuffle": False, "drop_remainder": False, "labels": False}
    if name == "digits":
        settings.pop("data_dir")
    parts = ("train[:1500]", "train[1500:]") if name == "digits" else ("train", "test")

    def real(split):
        """Features of the real images of a split, and their mean image."""
        found, total = [], 0.0
        for batch in keras_gans.data.load(name, split=split, **settings):
            images = keras.ops.convert_to_numpy(batch)
            found.append(network(images).features)
            total = total + images.sum(axis=0, dtype="float64")
        found = np.concatenate(found).astype("float64")
        return found, (total / len(found)).astype("float32")

    (train, mean), (test, _) = real(parts[0]), real(parts[1])
    count = options.samples

    def sample(generator):
        """Features and logits of samples, so many at a time."""
        found, accuracy = [], ClassificationAccuracy(network)
        first = FIRST_CLASS.get(name.partition("/")[0])
        for start in range(0, count, STEP):
            images = generator.generate(min(STEP, count - start), seed=start)
            found.append(network(images).features)
            if first is not None and model.num_classes:
                labels = np.arange(len(images)) % model.num_classes
                accuracy.update_state(first + labels, images)
        return np.concatenate(found).astype("float64"), float(accuracy.result()) if accuracy.count(
            "fake"
        ) else None

    fake, accuracy = sample(model)
    blank = keras_gans.models.Sampler(
        keras_gans.recipes.build_model(recipe, settings["channels"]).generator
    )
    untrained, _ = sample(blank)
    constant = np.repeat(network(mean[None]).features, count, axis=0)
    to = f"to the {len(train):,} images of {name} ({parts[0]}), features of kgnet"
    found = {
        "fd_kgnet": (frechet(train, fake), to),
        "fd_kgnet, untrained": (frechet(train, untrained), to),
        "fd_kgnet, mean image": (frechet(train, constant), to),
        "fd_kgnet, held-out real": (frechet(train, test), f"{len(test):,} real images of test"),
        "novelty": (
            float(nearest(fake, train).mean() / nearest(test, train).mean()),
            "distance to the nearest training image, relative to held-out real images",
        ),
    }
    if accuracy is not None:
        found["accuracy"] = (accuracy, f"kgnet sees the class; chance {1 / model.num_classes:.2g}")
    if hasattr(model.generator.get_layer(index=-1), "render"):
        height, width = model.generator.output_shape[1:3]
        small = model.generate(16, seed=0)
        large = model.generate(16, seed=0, size=(2 * height, 2 * width))
        down = large.reshape(16, height, 2, width, 2, -1).mean(axis=(2, 4))
        found["resolution"] = (
            float(np.mean(psnr(small, down, data_range=2.0))),
            f"PSNR in dB of {height}x{width} and {2 * height}x{2 * width} averaged down, 16 images",
        )
    counts = {"fd_kgnet, held-out real": len(test), "resolution": 16}
    return {
        n: {"value": float(f"{v:.4g}"), "samples": counts.get(n, count), "protocol": p}
        for n, (v, p) in found.items()
    }


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a run's folder, or the name of an entry")
    parser.add_argument("name", nargs="?", help="publish under this name")
    parser.add_argument("--card", type=pathlib.Path, help="YAML file of what the card says")
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of the tfds data sets")
    parser.add_argument("--samples", type=int, default=2000, help="generated images")
    parser.add_argument("--zoo", default="zoo", help="folder of entries to publish into")
    parser.add_argument("--overwrite", action="store_true", help="replace an entry of that name")
    options = parser.parse_args(arguments)
    if (options.name is None) != (options.card is None):
        parser.error("NAME and --card go together")
    return options


def main(arguments=None):
    options = parse(arguments)
    model = open_source(options.source)
    folder = pathlib.Path(options.source)
    path = folder / "recipe.yaml"
    recipe = keras_gans.recipes.load(path) if path.is_file() else model.recipe
    scores = score(model, recipe, options)
    for name, entry in scores.items():
        print(f"{name:<26}{entry['value']:<10}{entry['protocol']}")
    if options.name is None:
        return scores
    card = {**yaml.safe_load(options.card.read_text()), "scores": scores}
    published = keras_gans.zoo.publish(
        model, options.name, card, options.zoo, recipe=recipe, overwrite=options.overwrite
    )
    print(f"Wrote {published} ({keras.backend.backend()} backend).")
    return scores


if __name__ == "__main__":
    main()
