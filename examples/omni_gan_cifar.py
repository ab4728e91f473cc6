"""Omni-GAN on CIFAR-10 or CIFAR-100 with the hyper-parameters of the released code.

python examples/omni_gan_cifar.py --data_dir=DIR --dataset=cifar100       # repeat it to continue
python examples/omni_gan_cifar.py --dataset=cifar10 --width=8 --epochs=1 # what a CPU can try

Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021, Sec. 4.1 and App. F.5. What
makes it work is the L2 term in both Adams ("weight decay", coupled): without it the strong
supervision of the omni-loss ends in a collapse. A GPU of one's own and days are needed for the
paper's figures; --inr gives Omni-INR-GAN, --augment adds DiffAugment, --one_stage trains both
players from one pass.
"""

import argparse
import pathlib

import keras_gans
from keras_gans.training import AdamL2

# classes, D updates for one of G, L2 of D and of G
SETTINGS = {"cifar10": (10, 3, 1e-4, 1e-3), "cifar100": (100, 4, 5e-4, 1e-3)}


def make_model(options):
    """The compiled model."""
    classes, d_steps, d_l2, g_l2 = SETTINGS[options.dataset]
    networks = keras_gans.networks.biggan(
        image_size=32,
        width=options.width,
        num_classes=classes,
        latent_dim=128,
        d_head="omni",
        head="inr" if options.inr else "conv",
        seed=options.seed,
    )
    arguments = {
        "num_classes": classes,
        "ema": 0.9999,
        "ema_start": 5000,  # a plain copy before
        "augment": "color,translation,cutout" if options.augment else None,
        "seed": options.seed,
    }
    if options.one_stage:
        model = keras_gans.models.OSGAN(*networks, objective="omni", **arguments)
    else:
        method = keras_gans.models.OmniINRGAN if options.inr else keras_gans.models.OmniGAN
        model = method(*networks, d_steps=d_steps, **arguments)
    adam = {"learning_rate": 2e-4, "beta_1": 0.0, "beta_2": 0.999, "epsilon": 1e-8}
    model.compile({"generator": AdamL2(**adam, l2=g_l2), "discriminator": AdamL2(**adam, l2=d_l2)})
    return model


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", choices=sorted(SETTINGS), default="cifar10")
    parser.add_argument("--data_dir", default=None, help="folder of TensorFlow Datasets")
    parser.add_argument(
        "--download", action="store_true", help="fetch the data set if it is not there"
    )
    parser.add_argument("--width", type=int, default=64, help="ch of the networks")
    parser.add_argument("--epochs", type=int, default=1000, help="passes over the data")
    parser.add_argument("--split", default="train", help="part of it, such as train[:5%%]")
    parser.add_argument("--inr", action="store_true", help="Omni-INR-GAN: images of any size")
    parser.add_argument("--augment", action="store_true", help="DiffAugment before D")
    parser.add_argument("--one_stage", action="store_true", help="OSGAN's step: one pass for both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/omni_gan_cifar")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    model = make_model(options)
    data = keras_gans.data.load(
        options.dataset,
        data_dir=options.data_dir,
        download=options.download,
        labels=True,
        split=options.split,
        batch_size=32 * getattr(model, "d_steps", 1),
        augment=("flip",),
        seed=options.seed,
    )
    callbacks = [
        keras_gans.callbacks.TerminateOnCollapse(raise_error=True),
        keras_gans.callbacks.SampleGrid(options.out / "epoch-{epoch:04d}.png", n=100),
        keras_gans.callbacks.TensorBoard(options.out / "tensorboard"),
        keras_gans.callbacks.BackupAndRestore(options.out / "backup", save_freq=1000),
    ]
    model.fit(data, epochs=options.epochs, callbacks=callbacks)
    model.save(options.out / "model.keras")
    return model


if __name__ == "__main__":
    main()
