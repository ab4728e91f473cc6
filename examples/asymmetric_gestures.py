"""Gesture to gesture: your own hand photos follow the skeletons of others.

python examples/extract_hand_keypoints.py PHOTOS --out=hands.npz      # or any other detector
python examples/asymmetric_gestures.py hands.npz
python examples/asymmetric_gestures.py --drawn                        # hands made of lines, to try

Tang & Sebe, Asymmetric GANs for Image-to-Image Translation, Sec. 3.2 and 4.2: two photos of one
person or background (a group in the file) and their skeletons are a quadruple; G^t draws the first
one's hand in the pose of the second. The defaults are the paper's (20 epochs, batch 4, Adam 2e-4
with beta_1 0.5, linear decay in the second half); they need a GPU, and the perceptual loss the
weights of VGG-19 (--vgg; without it there is none). Writes OUT/epoch-XXX.png (photo, skeleton,
translation, true photo), and OUT/model.keras.
"""

import argparse
import pathlib

import keras
import numpy as np

import keras_gans
from keras_gans.data import QuadrupleDataset, draw_hand, from_uint8, save_grid, to_uint8


def drawn_hands(count, size, seed):
    """Skeletons as photos: poses drawn at random, skin and background by the group."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(-(-count // 8)), 8)[:count]
    images, points = [], []
    for group in groups:
        spread = random.uniform(0.5, 1.3)
        bend = random.uniform(0.5, 1.0, 5)
        wrist = np.array([0.5, 0.85]) + random.uniform(-0.08, 0.08, 2)
        hand = [wrist]
        for finger in range(5):
            angle = spread * (finger - 2) * 0.32
            way = np.array([np.sin(angle), -np.cos(angle)])
            hand += [wrist + way * (0.25 + 0.11 * j * bend[finger]) for j in range(4)]
        points.append(hand)
        skin, ground = np.random.default_rng((seed, group)).uniform(-1, 1, (2, 3))
        flesh = draw_hand(hand, size, line_width=size / 14).max(-1, keepdims=True) > -0.5
        images.append(np.where(flesh, skin, ground))
    return to_uint8(np.array(images)), np.array(points), groups


def quadruples(images, keypoints, groups, per_image, seed):
    """Pairs of photos of one group with their skeletons."""
    random = np.random.default_rng(seed)
    size = images.shape[1:3]
    guides = to_uint8(np.stack([draw_hand(p, size) for p in keypoints]))
    first, second = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        for i in members:
            others = members[members != i]
            for j in random.permutation(others)[:per_image]:
                first.append(i)
                second.append(j)
    if not first:
        raise SystemExit("No group has two photos or more: there is nothing to pair.")
    return images[first], guides[first], images[second], guides[second]


class Grid(keras.callbacks.Callback):
    """Photo, target skeleton, translation and true photo, after every epoch."""

    def __init__(self, parts, folder, count=8):
        super().__init__()
        chosen = np.linspace(0, len(parts[0]) - 1, count).astype(int)
        x, _, y, guide = (from_uint8(p[chosen]) for p in parts)
        self.columns, self.folder = (x, guide, y), folder

    def on_epoch_end(self, epoch, logs=None):
        x, guide, y = self.columns
        rows = np.stack([x, guide, self.model.translate(x, guide), y], axis=1)
        path = self.folder / f"epoch-{epoch + 1:03d}.png"
        save_grid(rows.reshape(-1, *x.shape[1:]), path, columns=4)


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", help="an .npz with images, keypoints and groups")
    parser.add_argument("--drawn", action="store_true", help="hands made of lines in its place")
    parser.add_argument("--size", type=int, default=64, help="of drawn hands")
    parser.add_argument("--count", type=int, default=400, help="drawn hands")
    parser.add_argument("--per_image", type=int, default=4, help="pairs of each photo")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--r_width", type=int, default=4)
    parser.add_argument("--d_width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--vgg", help="path of VGG-19's weights, or imagenet to download them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/asymmetric_gestures")
    options = parser.parse_args(arguments)
    if (options.file is None) != options.drawn:
        parser.error("give a file of hands, or --drawn")
    return options


def main(arguments=None):
    options = parse(arguments)
    if options.drawn:
        hands = drawn_hands(options.count, options.size, options.seed)
    else:
        with np.load(options.file) as stored:
            hands = [stored[name] for name in ("images", "keypoints", "groups")]
    parts = quadruples(*hands, options.per_image, options.seed)
    networks = keras_gans.networks.asymmetric_supervised(
        parts[0].shape[1:3],
        width=options.width,
        r_width=options.r_width,
        blocks=options.blocks,
        d_width=options.d_width,
        seed=options.seed,
    )
    features, term_weights = None, {"perceptual": 0.0}
    if options.vgg is not None:
        features, term_weights = keras_gans.networks.vgg19_features(options.vgg), None
    model = keras_gans.models.SupervisedAsymmetricGAN(
        *networks, features=features, term_weights=term_weights, seed=options.seed
    )
    data = QuadrupleDataset(*parts, options.batch_size, seed=options.seed)
    steps = options.epochs * len(data)
    rate = keras_gans.training.LateDecay(options.rate, steps // 2, steps)
    model.compile({n: keras.optimizers.Adam(rate, beta_1=0.5) for n in model.players})
    options.out.mkdir(parents=True, exist_ok=True)
    backup = keras_gans.callbacks.BackupAndRestore(options.out / "backup")
    model.fit(data, epochs=options.epochs, callbacks=[Grid(parts, options.out), backup], verbose=2)
    model.save(options.out / "model.keras")
    return model


if __name__ == "__main__":
    main()
