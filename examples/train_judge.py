"""Train a judge: the segmentation network through which mean_iou and pixel_accuracy look at images.

python examples/train_judge.py --dataset avatar_expressions --maps segmentation --image_size 32 \
    --data_dir ../shared/tfds --out judge.keras      # 3 minutes of one CPU core

A small U-Net (Ronneberger et al., MICCAI 2015, with batch normalization), which sees real images
and their maps only, never a generated one. It is saved as a plain Keras model whose name says its
data and its size, and so do the scores that it gives. What it reaches on real images that it has
not seen is the ceiling of a generator's; maps in the mean color of each class are the floor.

    keras-gans evaluate runs/RUN --judge=judge.keras --metrics=mean_iou,pixel_accuracy --baselines
"""

import argparse

import keras
from keras import layers

import keras_gans
from keras_gans.data.sources import NoSplit

# What it learns from and what it is tried on, of data without a test part of their own.
PARTS = {"digits": ("train[:1500]", "train[1500:]")}
MANY = 2**15  # more classes than any data have


def unet(image_size, channels, num_classes, width, name):
    """A U-Net of two halvings: images (B, S, S, channels) -> scores (B, S, S, num_classes)."""

    def block(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        return x

    x = images = keras.Input((image_size, image_size, channels))
    kept = []
    for i in range(2):
        x = block(x, width * 2**i)
        kept.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = block(x, width * 4)
    for i in (1, 0):
        x = layers.Concatenate()([kept[i], layers.UpSampling2D(2)(x)])
        x = block(x, width * 2**i)
    return keras.Model(images, layers.Conv2D(num_classes, 1)(x), name=name)


def train(images, maps, num_classes, width, name, epochs=8, batch_size=32, seed=0):
    """A trained `unet`; pixels of the index `num_classes` ("don't care") teach nothing."""
    keras.utils.set_random_seed(seed)
    model = unet(images.shape[1], images.shape[-1], num_classes, width, name)
    data = keras_gans.data.LabelMapDataset(images, maps, batch_size=batch_size, augment="flip")
    steps = epochs * len(data)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=num_classes)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    model.fit(data, epochs=epochs, verbose=2)
    judge = keras.models.clone_model(model)  # without the optimizer, which is two thirds of a file
    judge.set_weights(model.get_weights())
    return judge


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--maps", default="ink", help="feature or folder of the label maps")
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--data_dir")
    parser.add_argument("--split", help="what it learns from; by default train, or most of digits")
    parser.add_argument("--test_split", help="what it is tried on; by default test, or the rest")
    parser.add_argument("--num_classes", type=int, help="by default as many as the maps have")
    parser.add_argument("--ignore_label", type=int)
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="judge.keras")
    args = parser.parse_args(arguments)

    own = PARTS.get(args.dataset, ("train", "test"))
    split, test_split = args.split or own[0], args.test_split or own[1]

    def read(split, num_classes):
        return keras_gans.data.load_label_maps(
            args.dataset,
            args.maps,
            image_size=args.image_size,
            split=split,
            data_dir=args.data_dir,
            num_classes=num_classes,
            ignore_label=args.ignore_label,
            dtype="uint8",
        )

    num_classes = args.num_classes
    if num_classes is None:
        # With so many, what is ignored has the index MANY: what lies below is counted.
        _, maps = read(split, MANY)
        num_classes = int(maps[maps < MANY].max()) + 1
    images, maps = read(split, num_classes)
    try:
        held_out, of_held_out = read(test_split, num_classes)
    except NoSplit as error:
        held_out = None
        print(f"It is not tried on images that it has not seen: {error}")
    name = f"{args.dataset.rstrip('/').rpartition('/')[2]}_{args.image_size}"
    model = train(images, maps, num_classes, args.width, name, args.epochs, seed=args.seed)
    model.save(args.out)
    judge = keras_gans.metrics.Judge(args.out)
    print(f"{judge.name}: {model.count_params():,} parameters, {num_classes} classes.")
    tried = [keras_gans.metrics.MeanIoU(judge), keras_gans.metrics.PixelAccuracy(judge)]
    for metric in tried if held_out is not None else ():
        metric.update_state(of_held_out, held_out)
        score = metric.result()
        each = score.details.get("iou") or score.details["accuracy"]
        print(f"{score.name} on {test_split}: {float(score):.4f}; of each class {each}")
    print(f"Wrote {args.out}.")


if __name__ == "__main__":
    main()
