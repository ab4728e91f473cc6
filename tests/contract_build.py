"""A tiny model of any declared method, and data that it learns from: all from its declaration.

Nothing here names a method. The networks are those of the first builder in the declaration that
the method accepts at the smallest size; arguments of builders and methods go by their names.
"""

import functools
import inspect
import itertools

import keras
import numpy as np

from keras_gans import layers, losses, models, registry
from keras_gans.training import AdversarialModel

CLASSES, CHANNELS, BATCH, STEPS = 3, 3, 4, 2
SIZES = (8, 16, 32, 64)  # of images, in the order in which they are tried

# Arguments of network builders by their names. Anything else keeps its default.
SMALL = {
    "channels": CHANNELS,
    "in_channels": CHANNELS,
    "guide_channels": CHANNELS,
    "num_classes": CLASSES,
    "num_domains": CLASSES,
    "latent_dim": 4,
    "shared_dim": 4,
    "hidden": 4,
    "d_layers": 1,
    "blocks": 1,
    # Spectral normalization divides by small numbers where narrow kernels start small.
    "init": "orthogonal",
    # Keras draws dropout from each backend's own generator: no two backends would agree.
    "dropout": 0.0,
}
# What a method may need instead of a builder's default: tried in turn, the default first.
CHOICES = {
    "d_head": sorted(
        name
        for name, declared in registry.all("objective").items()
        if issubclass(declared.value, losses.ClassObjective)
    ),
    "score_map": [4],
    "head": ["inr"],
}
# Of the random images, by what is learned from; 7 for the others. With many seeds a value lies
# beside a kink (of L1, LeakyReLU, hinge), and rounding decides where it falls. Weights that were
# moved by 1.2e-7 of themselves, six times, moved a variable of SPADE by 8e-4 of its step with 7, by
# more than 1e-3 with 18 of the 33 seeds from there to 39, by 1e-5 with this one (PyTorch).
SEEDS = {"label_maps": 28}


def features():
    """In the place of VGG-19: five maps of an image."""
    inputs = keras.Input((None, None, CHANNELS))
    kernel = layers.SeededNormal(0.3, 5)
    return keras.Model(inputs, [keras.layers.Conv2D(2, 3, kernel_initializer=kernel)(inputs)] * 5)


def make(name):
    """The method of this name on its tiny networks, not compiled; every call gives the same."""
    return _assembled(registry.get("method", name).value, *_fitting(name))


def arguments(cls):
    """The arguments of a method, those of its bases that have a default included."""
    found = {}
    for base in cls.__mro__[: cls.__mro__.index(AdversarialModel) + 1]:
        own = inspect.signature(base.__init__).parameters if "__init__" in vars(base) else {}
        inherited = bool(found)
        for p in list(own.values())[1:]:
            named = p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            named = named and p.name not in ("name", "dtype", "trainable")  # of Keras
            if named and not (inherited and p.default is p.empty):
                found.setdefault(p.name, p.default)
    return found


@functools.cache
def _fitting(name):
    """(builder, its arguments): the smallest of the declared networks that the method takes."""
    declared, refusals = registry.get("method", name), []
    for size, network in itertools.product(SIZES, declared.networks):
        builder = registry.get("network", network).value
        for given in _tiny(builder, size):
            try:
                _assembled(declared.value, builder, given)
                return builder, given
            except ValueError as error:
                refusals.append(f"{network}({given}): {error}")
    raise AssertionError(
        f"{name} takes no networks of {declared.networks}:\n" + "\n".join(refusals)
    )


def _tiny(builder, size):
    """Arguments of a builder for tiny networks, the simplest first."""
    known = inspect.signature(builder).parameters
    given = {key: value for key, value in SMALL.items() if key in known}
    given |= {key: 2 for key in known if key == "width" or key.endswith("_width")}
    # Batch norm would make replicas differ, and gradients of biases before it rounding noise.
    given |= {key: "layer" for key in known if key == "norm" or key.endswith("_norm")}
    given |= {"image_size": size, "seed": 1}
    chosen = {key: values for key, values in CHOICES.items() if key in known}
    classes = "num_classes" in known and known["num_classes"].default is None
    for number in (None, CLASSES) if classes else (given.get("num_classes"),):
        for values in itertools.product(*([None, *values] for values in chosen.values())):
            other = {k: v for k, v in zip(chosen, values, strict=True) if v is not None}
            own = {} if number is None else {"num_classes": number}
            yield {k: v for k, v in given.items() if k != "num_classes"} | own | other


def _assembled(cls, builder, given):
    known = arguments(cls)
    built = {network.name: network for network in builder(**given)}
    if any(p is inspect.Parameter.empty and name not in built for name, p in known.items()):
        # A network that no builder makes: that of the decoupled form of another method.
        coupled = [x.value for x in registry.all("method").values()]
        coupled = [c for c in coupled if getattr(c, "decoupled_class", None) is cls]
        if not coupled:
            raise ValueError(f"the networks are {', '.join(built)}")
        return models.decouple(_assembled(coupled[0], builder, given))
    options = {"seed": 2, "ema": 0.5, "num_classes": given.get("num_classes")}
    # Published weights reach 1000: with those, no learning rate would go with every method.
    options |= {"reconstruction_weight": 1.0}
    weights = getattr(cls, "defaults", {})
    options |= {"term_weights": {name: min(weight, 1.0) for name, weight in weights.items()}}
    options |= {"features": features()} if "features" in known else {}
    options |= {name: network for name, network in built.items()}
    return cls(**{name: value for name, value in options.items() if name in known})


def batches(name, model):
    """`STEPS` batches of random images of what the method learns from, as its `fit` takes them."""
    size = _fitting(name)[1]["image_size"]
    seed = SEEDS.get(model.learns_from, 7)
    count = BATCH * getattr(model, "d_steps", 1)
    random = np.random.default_rng(seed)

    def images():
        return random.uniform(-1, 1, (STEPS * count, size, size, CHANNELS)).astype("float32")

    def maps():
        return random.integers(0, CLASSES + 1, (STEPS * count, size, size)).astype("int32")

    labels = (np.arange(STEPS * count) % CLASSES).astype("int32")
    labeled = getattr(model, "num_classes", None) is not None
    made = {
        "images": lambda: (images(), labels) if labeled else (images(),),
        "labels": lambda: (images(), labels),
        "pairs": lambda: (images(), images()),
        "label_maps": lambda: (images(), maps()),
        "quadruples": lambda: (tuple(images() for _ in range(4)),),
    }
    arrays = made[model.learns_from]()
    if keras.backend.backend() == "tensorflow":  # what MirroredStrategy can share out
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(arrays).batch(count, drop_remainder=True)
    return _Batches(arrays, count)


class _Batches(keras.utils.PyDataset):
    def __init__(self, arrays, count):
        super().__init__()
        self.arrays, self.count = arrays, count

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        where = slice(index * self.count, (index + 1) * self.count)
        return keras.tree.map_structure(lambda x: x[where], self.arrays)


def compiled(model, eagerly=False):
    """With SGD, whose steps are proportional to the gradients, rounding noise included.

    Adam would make full steps of a gradient that is zero but for rounding.
    """
    optimizers = {n: keras.optimizers.SGD(0.05, 0.9) for n in model.players}
    model.compile(optimizers, run_eagerly=eagerly)
    return model


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v), "float64") for v in variables]


def trained(name, model=None, epoch=0):
    """An epoch of `STEPS` steps: the model, its logs, and how far each variable moved."""
    model = compiled(make(name)) if model is None else model
    data, before = batches(name, model), values(model.variables)
    options = {"epochs": epoch + 1, "initial_epoch": epoch, "shuffle": False, "verbose": 0}
    logs = model.fit(data, **options).history
    after = values(model.variables)
    return model, {
        "logs": {key: np.array(found[-1]) for key, found in logs.items()},
        "moved": [b - a for a, b in zip(before, after, strict=True)],
        "steps": model.steps_done,
    }
