"""`keras_gans.data.load`: a `tf.data.Dataset` of images whose order is keyed by (seed, epoch)."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_gans.data.augment import augment_tensors, check_augment, draw
from keras_gans.data.checks import check_batch_size
from keras_gans.data.opening import open_source
from keras_gans.data.order import EpochKey, check_seed, derived_seed, permutation
from keras_gans.data.sources import Options, Source
from keras_gans.typing import Any, PathLike

# Images that are shuffled together where they do not fit into memory.
SHUFFLE_BUFFER = 10_000


def load(
    name_or_path: PathLike = "digits",
    image_size: int | tuple[int, int] | None = None,
    batch_size: int | None = 64,
    split: str = "train",
    data_dir: PathLike | None = None,
    shuffle: bool = True,
    augment: str | Sequence[str] = (),
    labels: bool | str = False,
    channels: int | None = None,
    seed: int = 0,
    drop_remainder: bool = True,
    cache: bool | None = None,
    resize: str | None = None,
    image_key: str | None = None,
    value_range: tuple[float, float] | None = None,
    download: bool = False,
    class_names: Sequence[str] | None = None,
    part: tuple[int, int] = (0, 1),
) -> Any:
    """Images in [-1, 1], batch by batch, as a `tf.data.Dataset` for any Keras backend.

    The order of the images and their augmentation are a pure function of (`seed`, epoch). The
    dataset's attribute `epoch_key` (`keras_gans.data.EpochKey`) says which epoch the next pass is;
    `fit` of an adversarial model sets it, so that a resumed run sees the batches that the
    interrupted one would have seen.

    Args:
        name_or_path: one of
            a data set that comes with the library: `"digits"`, the 1,797 handwritten 8x8 digits of
                scikit-learn;
            a folder of images (png, jpg, jfif, bmp, gif, webp, tiff, ppm), found in any depth; the
                sub-folders are the classes, in the order of their names, or of numbers where all
                names are whole ones; sub-folders train, test, val, ... are splits where all are, or
                where they hold the same classes. Transparency is laid on white, 16 bits are scaled
                to 8. A warning counts and names the files that are left out: of other endings,
                unreadable, pipes, links that lead back. With a `dataset.json`, as StyleGAN's
                dataset_tool writes it, the labels are those in there, and sub-folders neither
                classes nor splits;
            a `.zip` of such a folder;
            an `.npz` with an array `images`, `x` or `x_train`/`x_test` (or a single array) and, for
                labels, `labels`, `y` or `y_train`/`y_test`; or an `.npy`. uint8, or floats that
                span [-1, 1] or [0, 1]; pickles are never read;
            a name of TensorFlow Datasets: `"cifar10"`, `"emoji_styles/64"`.
            A file or folder that exists, here or in `data_dir`, goes before a name.
        image_size: integer or (height, width): images are cropped about their center to that shape
            and resized. By default their own size (32 for digits).
        batch_size: integer, images in a (global) batch; None for 64, or all of fewer images.
        split: `"train"`, `"test"`, ..., or a part of one: `"train[:80%]"`, `"train[100:]"`; of a
            folder, in an order that mixes its classes.
        data_dir: folder with data sets of TensorFlow Datasets (its default: ~/tensorflow_datasets).
        shuffle: bool, whether each epoch has an order of its own. Images that are kept in memory
            (see `cache`) and folders are permuted as a whole, streamed data sets of TensorFlow
            Datasets within a window of 10,000.
        augment: `"flip"` (left to right, every other image) and `"crop"` (a shift of up to an
            eighth of the size, by whole pixels, edges mirrored), with the layers of keras-cv.
        labels: False, True, or which label: a feature's name for TensorFlow Datasets with several,
            an array's name for `.npz`.
        channels: 1 (gray) or 3 (RGB) to convert the images.
        seed: integer, 0 or more.
        drop_remainder: bool, whether the last images that fill no batch are left out.
        cache: whether to decode all images once and keep them, as uint8, in memory; by default
            where they take up to 1 GiB.
        resize: `"nearest"`, `"bilinear"` (antialiased when it shrinks) or `"area"` (means). By
            default bilinear; nearest for digits at multiples of 8, where each of their pixels
            becomes a block.
        image_key: which feature or array holds the images, where there are several.
        value_range: (lowest, highest) of the values in an `.npz` or `.npy` file, where its dtype
            and values leave it open.
        download: bool, whether TensorFlow Datasets may download what `data_dir` does not hold.
        class_names: the names of the classes in the order of their numbers, such as a run keeps
            them in its recipe; by default the order of the data.
        part: (place, count), for one of `count` processes that share every batch: the dataset has
            images `place` * batch_size / count and following ones of each, and no others are read
            and decoded. By default it has all. `fit` takes the part of its own process only.

    Returns:
        `tf.data.Dataset` of float32 (B, H, W, C), or of (images, int32 (B,)) with labels. Its
        length is known. `num_images` is their number, `class_names` a list of strings, or None;
        `labels` are those of all images in their own order, or None where they are not at hand.

    Raises:
        ValueError: unknown data set, split, label or option; images of an unexpected range or
            number of channels; a batch larger than the data, or that the parts cannot share.
        FileNotFoundError: the data is not there.
        ImportError: TensorFlow is missing (`keras_gans.data.load_arrays` does without), or
            tensorflow-datasets, or keras-cv.

    Example:

    >>> data = keras_gans.data.load("digits", image_size=32, batch_size=64)
    >>> len(data), next(iter(data)).shape
    (28, TensorShape([64, 32, 32, 1]))
    """
    _import_tensorflow()
    options = Options(
        size=image_size,
        split=split,
        labels=labels,
        channels=channels,
        resize=resize,
        image_key=image_key,
        value_range=value_range,
        cache=cache,
        class_names=class_names,
    )
    seed, names, key = check_seed(seed), check_augment(augment), EpochKey(part=part)
    name = str(name_or_path)
    source = open_source(name, data_dir, download, options)
    batch_size = min(64, source.n) if batch_size is None else batch_size
    check_batch_size(batch_size, source.n, name)
    if key.part[1] > 1 and (batch_size % key.part[1] or not drop_remainder):
        raise ValueError(
            f"Batches of {batch_size} are to be shared in {key.part[1]} parts: use a batch size "
            f"that is a multiple of {key.part[1]}, and drop_remainder=True."
        )
    # Before the first batch, so that a missing package is told here.
    augmenter = augment_tensors(names) if names else None
    labeled = bool(labels) and (source.labels is not None or source.stream is not None)
    dataset = _pipeline(
        source, key, int(batch_size), labeled, shuffle, augmenter, seed, drop_remainder
    )
    dataset.epoch_key = key
    dataset.class_names, dataset.num_images = source.class_names, source.n
    dataset.labels = source.labels if labeled else None
    return dataset


def read(
    name_or_path: PathLike,
    labels: bool | str = False,
    data_dir: PathLike | None = None,
    download: bool = False,
    **options: Any,
) -> Source:
    """All of a data set at once, as a `Source` with `images`; arguments as in `load`."""
    options = Options(size=options.pop("image_size", None), labels=labels, cache=True, **options)
    return open_source(str(name_or_path), data_dir, download, options)


def _import_tensorflow():
    try:
        import tensorflow as tf
    except ImportError:
        raise ImportError(
            "keras_gans.data.load needs TensorFlow: pip install keras_gans[tensorflow-cpu], or use "
            "keras_gans.data.load_arrays."
        ) from None
    if keras.backend.backend() != "tensorflow":
        # TensorFlow would take all of the memory of a GPU that JAX or torch works on.
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError:
            pass  # Already in use, by the caller's choice.
    return tf


def _pipeline(source, key, batch_size, labeled, shuffle, augmenter, seed, drop_remainder):
    import tensorflow as tf

    steps = source.n // batch_size if drop_remainder else -(-source.n // batch_size)
    one_pass = _streamed_pass if source.stream is not None else _indexed_pass
    place, count = key.part
    own = slice(place * batch_size // count, (place + 1) * batch_size // count)
    batches_of = one_pass(source, batch_size, own, steps, shuffle, seed, drop_remainder)

    def numbers(epoch, index, n):
        flips, shifts = draw(seed, epoch, index, n if count == 1 else batch_size, source.shape[:2])
        return flips[own], shifts[own]

    def finish(epoch, index, images, labels):
        images.set_shape((batch_size // count if drop_remainder else None, *source.shape))
        if images.dtype == tf.uint8:
            images = (tf.cast(images, tf.float32) - 127.5) / 127.5
        if augmenter is not None:
            flips, shifts = tf.numpy_function(
                numbers,
                [epoch, index, tf.shape(images)[0]],
                [tf.float32, tf.float32],
                stateful=False,
            )
            flips.set_shape((images.shape[0], 1))
            shifts.set_shape((images.shape[0], 2))
            shape = images.shape
            images = tf.ensure_shape(augmenter(images, flips, shifts), shape)
        return (images, labels) if labeled else images

    def passes(_):
        # Once a pass, when its first batch is asked for; stateful, so never folded away.
        epoch = tf.numpy_function(lambda: np.int64(key.next()), [], tf.int64)
        epoch.set_shape(())
        return batches_of(epoch).map(
            lambda index, images, labels: finish(epoch, index, images, labels),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    dataset = tf.data.Dataset.from_tensors(0).flat_map(passes)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    options = tf.data.Options()
    options.deterministic = True
    # Workers of a strategy read all and keep their share: there are no files to share out.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def _indexed_pass(source, batch_size, own, steps, shuffle, seed, drop_remainder):
    """Function epoch -> Dataset of (index, images, labels) that picks the images by number.

    `own` is the slice of each batch that is wanted.
    """
    import tensorflow as tf

    # Not on a GPU, where the models are.
    with tf.device("CPU:0"):
        labels = tf.constant(
            np.zeros(source.n, "int32") if source.labels is None else source.labels
        )
        images = None if source.images is None else tf.constant(source.images)
    # One copy in memory is enough.
    source.images = None

    def order_of(epoch):
        return permutation(seed, epoch, source.n) if shuffle else np.arange(source.n)

    def batches_of(epoch):
        order = tf.numpy_function(order_of, [epoch], tf.int64, stateful=False)
        order.set_shape((source.n,))

        def batch(index):
            chosen = order[index * batch_size : (index + 1) * batch_size][own]
            if drop_remainder:
                chosen.set_shape((own.stop - own.start,))
            if images is not None:
                return index, tf.gather(images, chosen), tf.gather(labels, chosen)
            read = tf.numpy_function(source.read, [chosen], tf.uint8, stateful=False)
            return index, read, tf.gather(labels, chosen)

        return tf.data.Dataset.range(steps).map(
            batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    return batches_of


def _streamed_pass(source, batch_size, own, steps, shuffle, seed, drop_remainder):
    """As `_indexed_pass`, shuffled within a window; what is left is decoded behind that."""
    import tensorflow as tf

    examples, decoded = source.stream()

    def is_own(index, _):
        return tf.logical_and(index % batch_size >= own.start, index % batch_size < own.stop)

    def batches_of(epoch):
        data = examples
        if shuffle:
            # tf.data mixes in the seed of tf.random.set_seed, unless this function has its own.
            tf.compat.v1.set_random_seed(1)
            window_seed = tf.numpy_function(
                lambda e: derived_seed(seed, e), [epoch], tf.int64, stateful=False
            )
            window_seed.set_shape(())
            window = min(source.n, SHUFFLE_BUFFER)
            data = data.shuffle(window, seed=window_seed, reshuffle_each_iteration=False)
        size = own.stop - own.start
        if size < batch_size:
            data = data.take(steps * batch_size).enumerate().filter(is_own).map(lambda _, x: x)
        data = data.map(decoded, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        data = data.batch(size, drop_remainder=drop_remainder)
        return tf.data.Dataset.zip((tf.data.Dataset.range(steps), data)).map(
            lambda index, batch: (index, *batch)
        )

    return batches_of
