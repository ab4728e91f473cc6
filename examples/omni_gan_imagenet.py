"""Omni-GAN and Omni-INR-GAN on ImageNet at 128 or 256 pixels with the paper's hyper-parameters.

python examples/omni_gan_imagenet.py --data_dir=DIR --size=256 --inr      # repeat it to continue
python examples/omni_gan_imagenet.py --dataset=photos/ --size=128 --width=16 --batch_size=16

Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021, App. J: Adam (0, 0.999),
learning rates 1e-4 and 4e-4, L2 ("weight decay", coupled) of 1e-5 for D and of 1e-3 (128 pixels) or
1e-4 (256) for G; two D updates for one of G at 256, where half of the batch of 256 is taken at a
time and the gradients of two are accumulated. The authors trained on eight V100 for 25 to 87 days.
`--dataset` takes a folder of images whose sub-folders are classes, too.
"""

import argparse
import pathlib

import keras

import keras_gans
from keras_gans.training import AdamL2

# D updates for one of G, gradient accumulation, L2 of G
SETTINGS = {128: (1, 1, 1e-3), 256: (2, 2, 1e-4)}


def make_model(classes, options):
    """The compiled model."""
    d_steps, accumulation, g_l2 = SETTINGS[options.size]
    networks = keras_gans.networks.biggan(
        image_size=options.size,
        width=options.width,
        num_classes=classes,
        d_head="omni",
        head="inr" if options.inr else "conv",
        seed=options.seed,
    )
    method = keras_gans.models.OmniINRGAN if options.inr else keras_gans.models.OmniGAN
    model = method(
        *networks,
        num_classes=classes,
        d_steps=d_steps,
        ema=0.9999,
        ema_start=20000,
        seed=options.seed,
    )

    def adam(rate, l2):
        several = {"gradient_accumulation_steps": accumulation} if accumulation > 1 else {}
        return AdamL2(rate, beta_1=0.0, beta_2=0.999, epsilon=1e-6, l2=l2, **several)

    model.compile({"generator": adam(1e-4, g_l2), "discriminator": adam(4e-4, 1e-5)})
    return model


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="imagenet2012", help="or a folder of images")
    parser.add_argument("--data_dir", default=None, help="folder of TensorFlow Datasets")
    parser.add_argument("--labels", default=True, help="which label, where there are several")
    parser.add_argument("--size", type=int, choices=sorted(SETTINGS), default=128)
    parser.add_argument("--inr", action="store_true", help="Omni-INR-GAN: images of any size")
    parser.add_argument("--width", type=int, default=96, help="ch of the networks")
    parser.add_argument("--batch_size", type=int, default=256, help="images of one update")
    parser.add_argument("--epochs", type=int, default=800, help="passes over the data")
    parser.add_argument("--split", default="train", help="part of it, such as train[:5%%]")
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/omni_gan_imagenet")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    if options.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    d_steps, accumulation, _ = SETTINGS[options.size]
    data = keras_gans.data.load(
        options.dataset,
        data_dir=options.data_dir,
        labels=options.labels,
        split=options.split,
        image_size=options.size,
        batch_size=options.batch_size * d_steps // accumulation,
        augment=("flip",),
        seed=options.seed,
    )
    model = make_model(len(data.class_names), options)
    callbacks = [
        keras_gans.callbacks.TerminateOnCollapse(raise_error=True),
        keras_gans.callbacks.SampleGrid(options.out / "step-{step:07d}.png", freq=5000, n=36),
        keras_gans.callbacks.TensorBoard(options.out / "tensorboard"),
        keras_gans.callbacks.BackupAndRestore(options.out / "backup", save_freq=1000),
    ]
    model.fit(data, epochs=options.epochs, callbacks=callbacks)
    model.save(options.out / "model.keras")
    return model


if __name__ == "__main__":
    main()
