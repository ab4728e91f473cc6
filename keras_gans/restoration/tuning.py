"""The tuning of one generator towards one image: the objective, a step, the choice of latents."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import ops, tree

from keras_gans.networks.copying import copied
from keras_gans.networks.parts import generator_groups, image_features, inr_head
from keras_gans.restoration.degradations import Degradation
from keras_gans.restoration.instance import with_instance_norms
from keras_gans.restoration.schedules import Schedule
from keras_gans.training import AdamL2, backend, value_and_grad
from keras_gans.typing import Any, Tensor

_CANDIDATE_FEATURES = 3
_CANDIDATE_PIXELS = 2**18  # of the candidates that are looked at at once


class Tuner:
    """A copy of a generator, the latents of one image, and what changes them.

    Pan et al., Exploiting Deep Generative Prior, ECCV 2020, Eqs. 5 to 8; Zhou et al., Omni-GAN,
    ICCV 2021, App. I, Eq. 30: over z and the generator's weights theta,

        w_D sum_i mean|D_i(phi(G(z; theta))) - D_i(y)| + w_M mean (phi(G(z; theta)) - y)^2
        + w_z mean(z^2) / 2

    with the discriminator's features D_i, the degradation phi, and y, what is left of the image.
    Both networks are in evaluation mode: batch norm has its stored statistics, and spectral
    norm iterates once from its stored vector, which stays as it is.

    Args:
        generator, discriminator: Keras models of a trained method; both stay as they are.
        degradation: `Degradation`.
        schedule: `Schedule`.
        size: (height, width) of the images that are compared.
        cell: of the INR head, where there is one.
        pooled: "sum" for the discriminator's pooled vector as it is, a sum over positions; "area"
            for its value on an image of the size of the training, wherever `size` is another.

    Attributes:
        generator: the copy.
        latents: variable (1, latent_dim).
        groups: the generator's variables, a list for each group.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        degradation: Degradation,
        schedule: Schedule,
        size: tuple[int, int],
        cell: str = "trained",
        pooled: str = "area",
    ):
        self.degradation: Degradation = degradation
        self.schedule: Schedule = schedule
        self.size: tuple[int, ...] = tuple(size)
        self.cell: str = cell
        self._norms: list[Any] = []
        if schedule.norm == "instance":
            self.generator, self._norms = with_instance_norms(generator)
        else:
            self.generator: keras.Model = copied(generator, float32=True)
        self.generator.trainable = True
        self.conditional: bool = len(self.generator.inputs) > 1
        options = {"embedding": schedule.tune_embedding, "head": schedule.tune_head}
        self.groups: list[list[keras.Variable]] = generator_groups(self.generator, **options)
        self._draw = renderer(self.generator)
        self._discriminator = copied(discriminator, float32=True)
        self._features, names = image_features(self._discriminator)
        self.names: list[str] = names
        own = self.generator.output_shape[1:3]
        ratio = self.size[0] * self.size[1] / (own[0] * own[1])
        of_area = pooled == "area" and self.names[-1] == "pooled"
        self._scales = [1.0] * (len(self.names) - 1) + [1 / ratio if of_area else 1.0]
        self.latents: keras.Variable = keras.Variable(
            np.zeros((1, self.generator.inputs[0].shape[-1]), "float32"), name="z"
        )
        self._tuned = [self.latents, *(v for group in self.groups for v in group)]
        self._places = [0, *(1 + i for i, group in enumerate(self.groups) for _ in group)]
        # torch's Adam, as AdamL2 is without L2; a rate of 0 keeps the moments of a group going.
        self._optimizer = AdamL2(1.0, beta_1=0.0, beta_2=0.999, epsilon=1e-8)
        self._optimizer.build(self._tuned)
        self._start = self.generator.get_weights()
        written = [*self._tuned, *self._optimizer.variables]
        known = {id(v) for v in written}
        networks = (self.generator, self._discriminator)
        read = [v for network in networks for v in network.variables if id(v) not in known]
        self._step: Callable[..., Any] = backend.compiled(self._step_once, written, read)
        self._distance = backend.compiled(self._distances, [], [*written, *read])
        self._look = backend.compiled(self._compared, [], [*written, *read])

    def image(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """The generator's images (B, *size, C), float32, gradients flowing."""
        inputs = [z, labels] if self.conditional else z
        return ops.cast(self._draw(inputs, self.size, self.cell), "float32")

    def features(self, images: Tensor) -> list[Tensor]:
        """The discriminator's features, each a tensor with a leading batch axis."""
        found = self._features(images, training=False)
        found = found if isinstance(found, (list, tuple)) else [found]
        return [ops.cast(f, "float32") * s for f, s in zip(found, self._scales, strict=True)]

    def restart(self, z: np.ndarray) -> None:
        """The generator's own weights, the latents (1, latent_dim), and fresh moments."""
        self.generator.set_weights(self._start)
        for variable in self._optimizer.variables:
            if variable is not self._optimizer._learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        self.latents.assign(z)

    def choose(
        self, target: np.ndarray, label: int | None, classes: int | None, seed: int, index: int
    ) -> tuple[np.ndarray, int | None]:
        """The latents (1, latent_dim) and the class of the nearest of the candidates.

        Args:
            target: what the discriminator sees of the image, (1, H, W, C).
            label: the class where it is known; else each candidate has a random one.
            classes: how many there are, or None.
            seed: of the candidates.
            index: the image's, for what the degradation keeps of it.
        """
        schedule, random = self.schedule, np.random.default_rng(seed)
        count = schedule.candidates
        z = random.standard_normal((count, self.latents.shape[-1])) * schedule.std
        z = z.astype("float32")
        labels = None
        if classes is not None:
            drawn = random.integers(0, classes, count)
            labels = (drawn if label is None else np.full(count, label)).astype("int32")
        best = 0 if count == 1 else int(np.argmin(self._search(z, labels, target, index)))
        return z[best : best + 1], None if labels is None else int(labels[best])

    def _search(self, z, labels, target, index):
        """The distance of each candidate, (N,)."""
        self._set_norms("batch")
        wanted, extras = self._look(target), self.degradation.extras(slice(index, index + 1))
        part = min(len(z), max(1, _CANDIDATE_PIXELS // (self.size[0] * self.size[1])))
        found = []
        for start in range(0, len(z), part):
            # Each part as long as the first: another length would be compiled anew.
            rows = np.minimum(np.arange(start, start + part), len(z) - 1)
            of_rows = [] if labels is None else [labels[rows]]
            found.append(ops.convert_to_numpy(self._distance(z[rows], of_rows, wanted, extras)))
        return np.concatenate(found)[: len(z)]

    def _set_norms(self, mode):
        for norm in self._norms:
            norm.mode = mode

    def _distances(self, z, labels, wanted, extras):
        images = self.image(z, *labels or [None])
        pairs = zip(self.features(self.degradation.apply(images, *extras)), wanted, strict=True)
        last = [_instance_mean(ops.abs(f - w)) for f, w in pairs][-_CANDIDATE_FEATURES:]
        return sum(last)

    def _compared(self, target):
        return self.features(target)

    def tune(
        self, target: np.ndarray, label: int | None, index: int
    ) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Step after step: (the image before it, a tensor (1, H, W, C); its losses).

        Args:
            target, label, index: as in `choose`; `restart` comes before.
        """
        labels = [np.array([label], "int32")] if self.conditional else []
        wanted, extras = self._look(target), self.degradation.extras(slice(index, index + 1))
        self._set_norms("measure")
        if self._norms:
            with backend.no_gradients():
                classes = [ops.convert_to_tensor(x) for x in labels] or [None]
                self.image(ops.convert_to_tensor(self.latents), *classes)
        self._set_norms("instance")
        schedule = self.schedule
        for stage, steps in enumerate(schedule.steps):
            rates = [schedule.latent_rates[stage], *schedule.rates(stage, len(self.groups))]
            chosen = schedule.chosen(stage, len(self.names))
            weights = [schedule.feature_weights[stage], schedule.pixel_weights[stage]]
            weights.append(schedule.latent_weight)
            numbers = [np.asarray(x, "float32") for x in (rates, chosen, weights)]
            for _ in range(steps):
                image, losses = self._step(labels, target, wanted, extras, *numbers)
                names = ("loss", "feature", "pixel")
                values = [float(x) for x in ops.convert_to_numpy(losses)]
                yield image, dict(zip(names, values, strict=True))

    def _step_once(self, labels, target, wanted, extras, rates, chosen, weights):
        """One step of z and of all groups; (the image before it, [loss, feature, pixel])."""

        def objective():
            z = ops.convert_to_tensor(self.latents)
            image = self.image(z, *labels or [None])
            seen = self.degradation.apply(image, *extras)
            pairs = zip(self.features(seen), wanted, strict=True)
            distances = [ops.mean(ops.abs(f - w)) for f, w in pairs]
            feature = sum(d * chosen[i] for i, d in enumerate(distances))
            pixel = ops.mean(ops.square(seen - target))
            prior = ops.mean(ops.square(z)) / 2
            loss = feature * weights[0] + pixel * weights[1] + prior * weights[2]
            return loss, (image, feature, pixel)

        loss, gradients, aux = value_and_grad(objective, self._tuned, has_aux=True)
        image, feature, pixel = aux
        for gradient, variable, place in zip(gradients, self._tuned, self._places, strict=True):
            self._optimizer.update_step(gradient, variable, rates[place])
        self._optimizer.iterations.assign(self._optimizer.iterations + 1)
        return image, ops.stack([loss, feature, pixel])


def renderer(generator: keras.Model) -> Callable[..., Tensor]:
    """A function of (inputs, size, cell): images of a size, differentiable.

    Only a generator with an INR head makes images of another size than its own.
    """
    head = inr_head(generator)
    own = tuple(generator.output_shape[1:3])
    body = None if head is None else keras.Model(generator.inputs, head.input, name="body")

    def draw(inputs, size, cell="trained"):
        if body is None or size == own:
            return generator(inputs, training=False)
        features = body(tree.flatten(inputs), training=False)
        return head.render(features, size, cell, rows=size[0], differentiable=True)

    return draw


def _instance_mean(x):
    return ops.mean(ops.reshape(x, (ops.shape(x)[0], -1)), axis=1)
