"""Expressions made by a translator, judged against the true pictures.

    python examples/judge_expressions.py MODEL... --data_dir=DIR [--out=runs/expressions]

MODEL is an entry of the zoo, a run's folder, or a .keras file: a translator whose domains are the
eight expressions of avatar_expressions. Of people that it has not seen, each neutral face is
translated to every expression, and compared with the true picture of that person:

    right     share that a classifier takes for the asked-for expression; it is trained here, on
              real faces of the training split only, and kept as OUT/judge_SIZE.keras
    person    share whose nearest true picture with that expression is the right person's
    PSNR, SSIM, L1   to the true picture

with the mean over the seven expressions other than neutral. Rows beside it: the neutral face itself
(what copying reaches), and the true pictures (what the classifier reaches).
"""

import argparse
import json
import pathlib

import keras
import numpy as np
from keras import layers

import keras_gans
from keras_gans.data import load_pairs, save_grid
from keras_gans.metrics import psnr, ssim

DATA, NEUTRAL = "avatar_expressions", "neutral"
EXPRESSIONS = (
    NEUTRAL,
    "happy",
    "sad",
    "angry",
    "surprised",
    "fearful",
    "disgusted",
    "contemptuous",
)
FIGURES = ("right", "person", "PSNR", "SSIM", "L1")


def people(size, split, data_dir):
    """Faces (expressions, people, size, size, 3) in [-1, 1], the same people in the same order."""
    faces = {}
    for other in EXPRESSIONS[1:]:
        pair = load_pairs(
            DATA, NEUTRAL, other, image_size=size, split=split, data_dir=data_dir, key="identity"
        )
        order = np.lexsort(pair[0].reshape(len(pair[0]), -1)[:, ::97].T)
        faces[NEUTRAL], faces[other] = (x[order] for x in pair)
    return np.stack([faces[name] for name in EXPRESSIONS])


def classifier(size, seed=0):
    """A small network of expressions; it sees the whole face, shifted a little."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 3))
    x = layers.RandomTranslation(0.05, 0.05, fill_mode="nearest")(inputs)
    for width in (16, 32, 64, 64):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(len(EXPRESSIONS))(x))


def judge_of(size, epochs, out, data_dir):
    """The classifier, trained once for a size."""
    path = out / f"judge_{size}.keras"
    if not path.is_file():
        faces = people(size, "train", data_dir)
        labels = np.repeat(np.arange(len(EXPRESSIONS)), faces.shape[1])
        model = classifier(size)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
        model.fit(faces.reshape(-1, *faces.shape[2:]), labels, 64, epochs=epochs, verbose=2)
        model.save(path)
    return keras.saving.load_model(path)


def opened(name):
    """What translates: an entry, a run's model, or a file's."""
    path = pathlib.Path(name)
    if (path / "model.keras").is_file():
        path = path / "model.keras"
    return keras.saving.load_model(path) if path.is_file() else keras_gans.zoo.load(name)


def judged(made, truth, judge):
    """Figures of pictures (expressions, people, ...): each a list, one for every expression."""
    found = {name: [] for name in FIGURES}
    for number, (images, real) in enumerate(zip(made, truth, strict=True)):
        images = np.clip(images, -1, 1)
        said = np.argmax(judge.predict(images, verbose=0), axis=-1)
        apart = [np.square(images[i] - real).mean((1, 2, 3)).argmin() for i in range(len(images))]
        pair = (real + 1) / 2, (images + 1) / 2
        found["right"].append(np.mean(said == number))
        found["person"].append(np.mean(np.asarray(apart) == np.arange(len(images))))
        found["PSNR"].append(np.mean(psnr(*pair, 1.0)))
        found["SSIM"].append(np.mean(ssim(*pair, 1.0)))
        found["L1"].append(np.mean(np.abs(images - real)))
    return {name: [round(float(x), 5) for x in values] for name, values in found.items()}


def told(name, found):
    """A line of the table: means over the expressions other than neutral."""
    print(f"| {name} | " + " | ".join(f"{np.mean(found[k][1:]):.4g}" for k in FIGURES) + " |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--data_dir")
    parser.add_argument("--split", default="test")
    parser.add_argument("--epochs", type=int, default=8, help="of the classifier")
    parser.add_argument("--out", default="runs/expressions")
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    rows, shown = {}, None
    print("| row | " + " | ".join(FIGURES) + " |\n" + "| --- " * (1 + len(FIGURES)) + "|")
    for name in options.models:
        model = opened(name)
        size = model.image_shape[0]
        judge = judge_of(size, options.epochs, out, options.data_dir)
        if shown != size:
            shown, truth = size, people(size, options.split, options.data_dir)
            rows[f"copied, {size} px"] = judged(np.stack([truth[0]] * len(truth)), truth, judge)
            rows[f"true pictures, {size} px"] = judged(truth, truth, judge)
            for row in list(rows)[-2:]:
                told(row, rows[row])
        made = np.stack([model.translate(truth[0], n) for n in range(len(EXPRESSIONS))])
        rows[name] = judged(made, truth, judge)
        told(name, rows[name])
        panels = [np.concatenate([truth[:, i], made[:, i]]) for i in range(min(8, truth.shape[1]))]
        picture = f"{pathlib.Path(name).name.replace('.keras', '')}_{size}.png"
        save_grid(np.concatenate(panels), out / picture, columns=len(EXPRESSIONS))
    (out / "expressions.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
