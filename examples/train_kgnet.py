"""Train kgnet, the feature network that ships with keras_gans, on three small data sets at once.

python examples/train_kgnet.py --data_dir ../shared/tfds      # about 15 minutes of one CPU core

One trunk and one softmax over all 24 classes of cifar10, emoji_styles/64 and digits. It writes
kgnet.npz (the weights, batch norms folded) and kgnet.json (how they came about) to --out_dir. Every
draw comes from --seed, so that one backend on one machine gives the same network again.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import time

import keras
import numpy as np
from keras import layers

import keras_gans
from keras_gans.data.augment import augment_arrays, draw
from keras_gans.data.order import permutation
from keras_gans.metrics.kgnet import CLASSES, N_CLASSES, RESIZE, SIZE, STAGES

# Images of each data set in a batch of 100: the easy and small ones need few.
SHARES = {"cifar10": 80, "emoji_styles": 10, "digits": 10}
# scikit-learn's digits have no test split: the last 297 are held out.
SPLITS = {
    "train": {"cifar10": "train", "emoji_styles": "train", "digits": "train[:1500]"},
    "test": {"cifar10": "test", "emoji_styles": "test", "digits": "train[1500:]"},
}
LICENCES = {
    "cifar10": "Krizhevsky, 2009; its authors state no licence. Here as JPEGs of quality 75.",
    "emoji_styles": "Noto Emoji (Apache-2.0), Twemoji (CC BY 4.0), OpenMoji (CC BY-SA 4.0), "
    "Fluent Emoji flat (MIT); see the data set's README.",
    "digits": "UCI Optical Recognition of Handwritten Digits, as in scikit-learn (CC BY 4.0).",
}


class Mixture(keras.utils.PyDataset):
    """Batches with `SHARES` of each data set; a function of (seed, epoch, batch) alone.

    Args:
        data: dictionary, name -> (uint8 images (N, 32, 32, 3), labels (N,) among all classes).
        steps: batches in an epoch.
        seed: integer.
    """

    def __init__(self, data, steps, seed):
        super().__init__()
        self.data, self.steps, self.seed, self.epoch = data, steps, seed, 0
        self._order = functools.lru_cache(maxsize=8)(permutation)

    def __len__(self):
        return self.steps

    def on_epoch_end(self):
        self.epoch += 1

    def __getitem__(self, index):
        batch = [self._part(i, name, index) for i, name in enumerate(SHARES)]
        images, labels = (np.concatenate(parts) for parts in zip(*batch, strict=True))
        return keras_gans.data.from_uint8(images), np.eye(N_CLASSES, dtype="float32")[labels]

    def _part(self, i, name, index):
        images, labels = self.data[name]
        seed, count = 10 * self.seed + i, SHARES[name]
        start = (self.epoch * self.steps + index) * count
        # Every image once, in an order of its own, before any comes again.
        rounds, places = np.divmod(np.arange(start, start + count), len(images))
        chosen = [
            self._order(seed, int(r), len(images))[p] for r, p in zip(rounds, places, strict=True)
        ]
        images, labels = images[chosen], labels[chosen]
        if name == "cifar10":  # a mirrored digit is no digit
            flips, shifts = draw(seed, self.epoch, index, count, images.shape[1:3])
            images = augment_arrays(images, ("flip", "crop"), flips, shifts)
        return images, labels


def read(split, data_dir):
    """Dictionary, data set -> (uint8 images (N, 32, 32, 3), labels among all classes)."""
    offset, data = 0, {}
    for name, classes in CLASSES.items():
        part = SPLITS[split][name]
        if name == "digits":
            images, labels = keras_gans.data.load_arrays("digits", split=part, dtype="uint8")
            images = images.repeat(3, axis=-1)
        else:
            batches = keras_gans.data.load(
                "emoji_styles/64" if name == "emoji_styles" else name,
                split=part,
                data_dir=data_dir,
                image_size=SIZE,
                labels="style" if name == "emoji_styles" else True,
                shuffle=False,
                drop_remainder=False,
            )
            pairs = [(keras_gans.data.to_uint8(x.numpy()), y.numpy()) for x, y in batches]
            images, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        data[name] = images, labels + offset
        offset += len(classes)
    return data


def trained_network():
    """kgnet as it is trained, with batch norms: images -> logits."""
    x = inputs = keras.Input((SIZE, SIZE, 3))
    for i, (filters, pool) in enumerate(STAGES, 1):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{i}")(x)
        # Pooled first, on fewer pixels. Without a scale of its own (the next kernel has one), so
        # that the norm never turns a maximum into a minimum and folds into the convolution.
        if pool:
            x = layers.MaxPooling2D(2)(x)
        x = layers.BatchNormalization(momentum=0.95, scale=False, name=f"norm{i}")(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(N_CLASSES, name="logits")(x))


def folded(network):
    """The arrays of `kgnet.npz`: kernels as float16, biases as float32."""
    arrays = {}
    for i in range(1, len(STAGES) + 1):
        (kernel,) = network.get_layer(f"conv{i}").get_weights()
        norm = network.get_layer(f"norm{i}")
        beta, mean, variance = (w.astype("float64") for w in norm.get_weights())
        scale = 1 / np.sqrt(variance + norm.epsilon)
        arrays[f"conv{i}.kernel"] = (kernel * scale).astype("float16")
        arrays[f"conv{i}.bias"] = (beta - mean * scale).astype("float32")
    kernel, bias = network.get_layer("logits").get_weights()
    arrays["logits.kernel"], arrays["logits.bias"] = kernel.astype("float16"), bias
    return arrays


def train(data, options):
    """A trained network and the seconds it took: (wall, CPU)."""
    network = trained_network()
    total = options.epochs * options.steps
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, total - total // 10, warmup_target=options.rate, warmup_steps=total // 10
    )
    network.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() == "jax",  # XLA is the slower one on TensorFlow's CPU
    )
    wall, cpu = time.perf_counter(), time.process_time()
    batches = Mixture(data, options.steps, options.seed)
    # Keras would shuffle the batches once more, with a generator of its own.
    network.fit(batches, epochs=options.epochs, shuffle=False)
    return network, (time.perf_counter() - wall, time.process_time() - cpu)


def evaluate(network, data):
    """Dictionary, data set -> share of its images classified right, among all 24 classes."""
    accuracy = {}
    for name, (images, labels) in data.items():
        predicted = network(images).logits.argmax(axis=1)
        accuracy[name] = {"images": len(labels), "accuracy": float(np.mean(predicted == labels))}
    return accuracy


def processor():
    """The name of the machine's processor, and its count."""
    name = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} logical cores"


def write(network, seconds, options):
    """Write `kgnet.npz` and `kgnet.json`, which tells how the weights came about."""
    folder = pathlib.Path(options.out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kgnet.npz"
    np.savez_compressed(path, **folded(network))
    # What the file holds is measured, not the network that was trained.
    stored = keras_gans.metrics.kgnet(weights=path)
    steps = options.epochs * options.steps
    facts = {
        "network": "kgnet",
        "sha256": stored.checksum,
        "parameters": stored.model.count_params(),
        "features": stored.model.output["features"].shape[-1],
        "classes": CLASSES,
        "input": f"{SIZE} x {SIZE} x 3 in [-1, 1], resized: {RESIZE}",
        "script": "examples/train_kgnet.py",
        "seed": options.seed,
        "steps": steps,
        "images_seen": {name: steps * count for name, count in SHARES.items()},
        "optimizer": f"AdamW, weight decay 0.05, cosine from {options.rate}, first tenth warm-up; "
        "label smoothing 0.1; cifar10 flipped and shifted by up to 4 pixels",
        "splits": SPLITS,
        "test_accuracy": evaluate(stored, read("test", options.data_dir)),
        "seconds": {"wall": round(seconds[0]), "cpu": round(seconds[1])},
        "hardware": processor(),
        "software": f"keras {keras.__version__}, {keras.backend.backend()}, "
        f"numpy {np.__version__}, python {platform.python_version()}",
        "data": LICENCES,
    }
    text = json.dumps(facts, indent=2) + "\n"
    (folder / "kgnet.json").write_text(text, encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 {stored.checksum}")
    for name, found in facts["test_accuracy"].items():
        print(f"{name}: {found['accuracy']:.4f} of {found['images']} test images right")
    return path


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of the tfds data sets")
    parser.add_argument("--out_dir", default="runs/kgnet", help="where kgnet.npz, kgnet.json go")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=220, help="batches of 100 in an epoch")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    keras.utils.set_random_seed(options.seed)
    network, seconds = train(read("train", options.data_dir), options)
    return write(network, seconds, options)


if __name__ == "__main__":
    main()
