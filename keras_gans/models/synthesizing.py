"""Images of label maps: what models that make them, zoo entries and bare networks share."""

import keras
import numpy as np
from keras import ops

from keras_gans.data.checks import check_shape
from keras_gans.data.label_maps import check_maps, color_labels
from keras_gans.layers import SemanticMap, instance_edges, resize_labels
from keras_gans.models import sampling
from keras_gans.models.serving import Served
from keras_gans.training import backend
from keras_gans.training.noise import check_integers, latents
from keras_gans.typing import Any, Shape, Tensor

# What a generator may take, in this order, and a discriminator of pairs beside images.
INPUTS = ("labels", "instances", "latents")


def map_layer(network: keras.Model) -> SemanticMap:
    """The layer that makes one-hot maps of a network's labels, or a `ValueError`."""
    found = [x for x in network._flatten_layers() if isinstance(x, SemanticMap)]
    names = [x.name for x in network.inputs]
    if len(found) != 1 or names[:1] != ["labels"] or not set(names) <= set(INPUTS):
        raise ValueError(
            f"The network takes {', '.join(names)}; a generator of label maps, as "
            "keras_gans.networks.spade makes it, is wanted."
        )
    return found[0]


def inputs_of(network: keras.Model, given: dict[str, Any]) -> Any:
    """What a network takes of `given`, by the names of its inputs."""
    chosen = [given[x.name] for x in network.inputs]
    return chosen if len(chosen) > 1 else chosen[0]


def by_scale(outputs: Any) -> list[list[Any]]:
    """A discriminator's outputs as a list for each scale: features, if any, and last its scores."""
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    # Keras takes the outer one of lists of one thing away.
    scales = outputs if isinstance(outputs[0], (list, tuple)) else [outputs]
    return [
        [x if isinstance(x, keras.KerasTensor) else ops.cast(x, "float32") for x in scale]
        for scale in scales
    ]


def check_networks(generator: keras.Model, discriminator: keras.Model) -> None:
    """Raise `ValueError` where a generator and a discriminator take other maps or images."""
    layer = map_layer(generator)
    judged, made = discriminator.inputs, generator.output_shape
    names = [x.name for x in judged]
    if names not in (["images"], ["images", "labels"], ["images", "labels", "instances"]):
        raise ValueError(
            f"The discriminator takes {', '.join(names)}; images, or images and their maps, are "
            "wanted."
        )
    if tuple(judged[0].shape[1:]) != tuple(made[1:]):
        raise ValueError(
            f"The generator makes images of shape {tuple(made[1:])}, and the discriminator takes "
            f"{tuple(judged[0].shape[1:])}."
        )
    others = [x for x in discriminator._flatten_layers() if isinstance(x, SemanticMap)]
    if any(x.num_classes != layer.num_classes for x in others):
        raise ValueError(
            f"The generator knows {layer.num_classes} classes, and the discriminator "
            f"{others[0].num_classes}."
        )


class Synthesizing(Served):
    """Mixin of what makes images of label maps with a `generator`: `synthesize`, `panels`.

    Attributes:
        generator: Keras model of "labels" (B, H, W), and "instances" and "latents" where it has
            them, -> images (B, H, W, C) in [-1, 1].
    """

    task = "label_maps"

    generator: keras.Model
    ema_generator = None

    @property
    def num_classes(self) -> int:
        """How many classes the maps have, C; the index C stands for "don't care"."""
        return map_layer(self.generator).num_classes

    @property
    def noise_dim(self) -> int:
        """Length of the latents; 0 of a generator that makes one image of a map."""
        found = [x.shape[-1] for x in self.generator.inputs if x.name == "latents"]
        return int(found[0]) if found else 0

    @property
    def has_instances(self) -> bool:
        """Whether it takes ids of instances beside the classes."""
        return "instances" in [x.name for x in self.generator.inputs]

    @property
    def image_shape(self) -> Shape:
        """(H, W, C) of the images; the maps are (H, W)."""
        return tuple(self.generator.output_shape[1:])

    # In training

    @property
    def label_count(self) -> int:
        return self.num_classes

    def check_image_shape(self, shape: Shape) -> None:
        """Raise `ValueError` where a batch of `shape` has other images than are made."""
        check_shape(shape, self.image_shape, "the generator makes")

    def check_labels(self, labels: np.ndarray) -> None:
        """Raise `ValueError` where the maps of a batch are not what the networks take."""
        check_maps(labels, self.image_shape[:2], self.num_classes)

    def unpack(self, data: Any) -> tuple[Tensor, Tensor, Any]:
        """A batch as images, maps, and instances or None."""
        parts = list(data) if isinstance(data, (tuple, list)) else [data]
        parts = [x for x in parts if x is not None]
        if len(parts) != 2 + self.has_instances:
            wanted = "(images, maps, instances)" if self.has_instances else "(images, maps)"
            raise ValueError(
                f"{type(self).__name__} learns from batches of {wanted}, and the data has "
                f"{len(parts)} part{'s' * (len(parts) != 1)}: see keras_gans.data.LabelMapDataset."
            )
        images, maps, *instances = parts
        return ops.cast(images, "float32"), maps, instances[0] if instances else None

    def draw(self, count: Tensor) -> Tensor:
        """Latents of a training step, or None."""
        return self.random.normal((count, self.noise_dim)) if self.noise_dim else None

    def run_generator(self, maps: Tensor, instances: Any, latents: Any) -> Tensor:
        """Images of the generator in training mode, float32."""
        given = {"labels": maps, "instances": instances, "latents": latents}
        images = self.generator(inputs_of(self.generator, given), training=True)
        return ops.cast(images, "float32")

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """The images of the generator, the averaged one if there is any."""
        return (self.ema_generator or self.generator)(inputs, training=training)

    # Afterwards

    def inference_network(self, averaged: bool = True) -> keras.Model:
        """The generator, the averaged one if `averaged` and there is any."""
        backend.sync(self)
        return (averaged and self.ema_generator) or self.generator

    def _served(self):
        return self.inference_network()

    def synthesize(
        self,
        maps: np.ndarray,
        instances: np.ndarray | None = None,
        samples: int | None = None,
        seed: int = 0,
        latents: np.ndarray | None = None,
        batch_size: int = 16,
    ) -> np.ndarray:
        """Images of label maps, from the averaged generator if there is one.

        Args:
            maps: integers (N, H, W) from 0 to num_classes - 1; num_classes is "don't care".
            instances: ids (N, H, W) where the generator takes them.
            samples: integer, images of each map, which differ in their latents; None for one.
            seed: integer, of the latents: map i's sample k has the same ones on every backend.
            latents: in their place, floats (N, noise_dim), or (N, H, W, noise_dim) for latents of
                each pixel; of one image a map.
            batch_size: integer, images at once.

        Returns:
            float32 NumPy array (N, H, W, C) in [-1, 1], or (N, samples, H, W, C).

        Raises:
            ValueError: maps that are no integers, of another size, or with an unknown index;
                samples of a generator without latents.
        """
        sampling.check_batch_size(batch_size)
        given = self.check_inputs(maps, instances)
        count = len(given["labels"])
        if samples is not None:
            check_integers(samples=samples)
            if not self.noise_dim and samples > 1:
                raise ValueError(
                    f"samples is {samples}, and the generator makes one image of a map: build it "
                    "with latents, networks.spade(noise=64)."
                )
            given = {k: np.repeat(x, samples, axis=0) for k, x in given.items()}
        given |= self._latents(latents, len(given["labels"]), seed)
        images = self._made(given, batch_size)
        return images if samples is None else images.reshape(count, samples, *images.shape[1:])

    def repaint(
        self,
        maps: np.ndarray,
        region: Any,
        instances: np.ndarray | None = None,
        seed: int = 0,
        new_seed: int = 1,
        batch_size: int = 16,
    ) -> np.ndarray:
        """The images of `synthesize(maps, seed=seed)` with other latents in one region.

        OASIS (Sushko et al., ICLR 2021, Fig. 1): latents stand at every pixel, so that those of a
        region can be drawn anew, and the rest of the image stays nearly as it is.

        Args:
            maps, instances, batch_size: of `synthesize`.
            region: a class of the maps, an integer; or booleans (H, W) or (N, H, W).
            seed: integer, of the latents elsewhere.
            new_seed: integer, of those in the region.

        Returns:
            float32 NumPy array (N, H, W, C) in [-1, 1].

        Raises:
            ValueError: as `synthesize`; a generator without latents, or a region of another shape.
        """
        checked = self.check_inputs(maps, instances)["labels"]
        if not self.noise_dim:
            raise ValueError(
                "The generator has no latents to draw anew: build it with networks.spade(noise=64)."
            )
        region = np.asarray(region)
        region = checked == region if region.ndim == 0 and region.dtype.kind in "iu" else region
        if region.dtype != bool or region.shape[-2:] != checked.shape[1:]:
            raise ValueError(
                f"region is {region.dtype} of shape {region.shape}; a class, or booleans of shape "
                f"{checked.shape[1:]}, are wanted."
            )
        region = np.broadcast_to(region, checked.shape)[..., None]
        drawn = (latents(len(checked), self.noise_dim, number) for number in (seed, new_seed))
        old, new = (z[:, None, None] for z in drawn)
        return self.synthesize(
            maps, instances, latents=np.where(region, new, old), batch_size=batch_size
        )

    def panels(
        self,
        maps: np.ndarray,
        instances: np.ndarray | None = None,
        samples: int = 1,
        seed: int = 0,
        batch_size: int = 16,
    ) -> dict[str, np.ndarray]:
        """What goes into a picture: the map in colors, its edges, what was made, what D sees there.

        Args:
            maps, instances, seed, batch_size: of `synthesize`.
            samples: integer, images of each map.

        Returns:
            Dictionary, name -> float32 NumPy array (N, H, W, 3 or 1): "map"; "edges" where there
            are instances; "output", or "output 1" and so on; "seen as", the classes that D tells
            in the (first) output, in the map's colors, where there is a D that tells classes.
        """
        checked = self.check_inputs(maps, instances)
        made = self.synthesize(maps, instances, samples, seed, batch_size=batch_size)
        panels = {"map": color_labels(checked["labels"], self.num_classes)}
        if self.has_instances:
            edges = ops.convert_to_numpy(instance_edges(checked["instances"]))
            panels["edges"] = 2.0 * edges - 1.0
        names = ["output"] if samples == 1 else [f"output {k + 1}" for k in range(samples)]
        panels |= {name: made[:, k] for k, name in enumerate(names)}
        seen = self.class_maps(made[:, 0], maps, instances, batch_size)
        if seen:
            full = resize_labels(seen[0], self.image_shape[:2])
            panels["seen as"] = color_labels(ops.convert_to_numpy(full), self.num_classes)
        return panels

    def class_maps(
        self,
        images: np.ndarray,
        maps: np.ndarray | None = None,
        instances: np.ndarray | None = None,
        batch_size: int = 16,
    ) -> list[np.ndarray]:
        """The class that D tells at each place of images, int32 (N, h, w) for each of its scales.

        Of a D that sees pairs this may be a copy of the map that it was given. An empty list where
        there is no D that tells classes.
        """
        order = getattr(getattr(self, "objective", None), "order", ())
        if not order:
            return []
        scales = self.score_maps(images, maps, instances, batch_size)
        first = 1 if order == ("fake",) else 0
        return [
            scores[..., first : first + self.num_classes].argmax(-1).astype("int32")
            for scores in scales
        ]

    def score_maps(
        self,
        images: np.ndarray,
        maps: np.ndarray | None = None,
        instances: np.ndarray | None = None,
        batch_size: int = 16,
    ) -> list[np.ndarray]:
        """D's scores of images, float32 (N, h, w, S) for each of its scales.

        Args:
            images: floats (N, H, W, C) in [-1, 1].
            maps, instances: of the images, where D sees pairs.
            batch_size: integer, images at once.
        """
        given = {"images": np.asarray(images, "float32")}
        if len(self.discriminator.inputs) > 1:
            given |= self.check_inputs(maps, instances)
        with backend.synced(self):
            inputs = inputs_of(self.discriminator, given)
            outputs = sampling.run(self.discriminator, inputs, batch_size)
        return [ops.convert_to_numpy(scale[-1]) for scale in by_scale(outputs)]

    def check_inputs(self, maps: Any, instances: Any = None) -> dict[str, np.ndarray]:
        """Dictionary of "labels", and "instances" where the generator takes them, int32."""
        size = self.image_shape[:2]
        given = {"labels": check_maps(maps, size, self.num_classes)}
        if self.has_instances:
            if instances is None:
                raise ValueError(
                    "The generator takes ids of instances beside the maps: give instances, "
                    "integers (N, H, W)."
                )
            given["instances"] = check_maps(instances, size, None, "instances")
            if len(given["instances"]) != len(given["labels"]):
                raise ValueError(
                    f"There are {len(given['labels'])} maps, and instances of "
                    f"{len(given['instances'])}."
                )
        elif instances is not None:
            raise ValueError("The generator takes maps alone: leave the instances out.")
        return given

    def _latents(self, given, count, seed):
        if not self.noise_dim:
            if given is not None:
                raise ValueError("The generator has no latents: leave them out.")
            return {}
        if given is None:
            return {"latents": latents(count, self.noise_dim, seed)}
        shape = (count, *(self.image_shape[:2] if np.ndim(given) == 4 else ()), self.noise_dim)
        return {"latents": sampling.finite("latents", given, shape)}

    def _made(self, given, batch_size):
        with backend.synced(self):
            network = self.ema_generator or self.generator
            if np.ndim(given.get("latents")) == 4:
                layer = map_layer(network)
                semantic = layer(
                    given["labels"], instances=given.get("instances"), noise=given["latents"]
                )
                network = keras.Model(layer.output, network.output)
                return sampling.run(network, ops.convert_to_numpy(semantic), batch_size)
            return sampling.run(network, inputs_of(network, given), batch_size)


class Synthesizer(Synthesizing):
    """A generator of label maps without the method that trained it: `synthesize`, `panels`.

    Args:
        generator: of `keras_gans.networks.spade`.

    Raises:
        ValueError: a network that takes anything else.

    Example:

    >>> g, d = keras_gans.networks.spade(32, num_classes=3, width=2, hidden=4, noise=2, d_width=2)
    >>> made = keras_gans.models.Synthesizer(g).synthesize(np.zeros((1, 32, 32), int), samples=3)
    >>> made.shape
    (1, 3, 32, 32, 3)
    """

    def __init__(self, generator: keras.Model):
        map_layer(generator)
        self.generator = generator
