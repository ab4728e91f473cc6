"""Several positive labels an image: digits of two domains, one Omni-GAN (App. E of its paper).

python examples/omni_two_domains.py --data_dir=DIR          # writes runs/two_domains

Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021, App. E mixes MNIST and house
numbers. Here the domains are the 1,797 digits of scikit-learn (8 x 8 pixels, enlarged) and
`mnist_10k`; D predicts three attributes of an image: its digit, its domain, and whether it is real
(Eqs. 25-29). G has 20 classes, class = 2 * digit + domain; `attributes` says what each stands for.
"""

import argparse
import pathlib

import numpy as np

import keras_gans
from keras_gans.training import AdamL2

DOMAINS = ("digits", "mnist_10k")
# Of G's class c: the digit, and the domain.
ATTRIBUTES = np.array([(c // 2, c % 2) for c in range(20)])


def read(options):
    """Images of both domains, as many of each, and their classes."""
    digits, of_digits = keras_gans.data.load_arrays("digits", image_size=32)
    batches = keras_gans.data.load(
        "mnist_10k", data_dir=options.data_dir, image_size=32, labels=True, batch_size=100
    )
    mnist, of_mnist = (
        np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)
    )
    count = min(len(digits), len(mnist))
    images = np.concatenate([digits[:count], mnist[:count]])
    return images, 2 * np.concatenate([of_digits[:count], of_mnist[:count]]) + np.repeat(
        [0, 1], count
    )


def make_model(options):
    """The compiled model: D has 10 + 2 + 2 scores."""
    networks = keras_gans.networks.biggan(
        image_size=32,
        channels=1,
        width=options.width,
        num_classes=len(ATTRIBUTES),
        latent_dim=64,
        d_head=14,
        seed=options.seed,
    )
    model = keras_gans.models.OmniGAN(
        *networks, num_classes=len(ATTRIBUTES), attributes=ATTRIBUTES, ema=0.99, seed=options.seed
    )
    adam = {"learning_rate": options.rate, "beta_1": 0.0, "beta_2": 0.999}
    model.compile({"generator": AdamL2(**adam, l2=1e-3), "discriminator": AdamL2(**adam, l2=1e-2)})
    return model


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of mnist_10k")
    parser.add_argument(
        "--width", type=int, default=8, help="ch of the networks; the paper's is 16"
    )
    parser.add_argument("--epochs", type=int, default=10, help="passes over 3,594 images")
    parser.add_argument(
        "--rate", type=float, default=5e-4, help="learning rate; the paper's is 2e-4"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/two_domains")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    model = make_model(options)
    callbacks = [
        # One row of each class: digit 0 of both domains, digit 1, ...
        keras_gans.callbacks.SampleGrid(options.out / "epoch-{epoch:03d}.png", n=100, columns=20),
        keras_gans.callbacks.BackupAndRestore(options.out / "backup", save_freq=100),
    ]
    images, classes = read(options)
    model.fit(images, classes, batch_size=32, epochs=options.epochs, callbacks=callbacks, verbose=2)
    model.save(options.out / "model.keras")
    return model


if __name__ == "__main__":
    main()
