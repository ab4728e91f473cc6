"""What changes while a method trains, by the number of images that its discriminator has seen."""

import keras
import numpy as np
from keras import ops

from keras_gans.layers import FadeIn
from keras_gans.training import AdamL2, BurnIn, backend
from keras_gans.training.burn_in import half_life_decay
from keras_gans.typing import Any, Tensor


def _faded(network):
    return [layer for layer in network._flatten_layers() if isinstance(layer, FadeIn)]


class Scheduled:
    """Mixin of models with a `burn_in`, an `ema_half_life` and a `fade_in`.

    A method whose D sees a part of each batch only overrides `seen_by_discriminator`.
    """

    def _start_burn_in(self, burn_in):
        self.burn_in: BurnIn | None = BurnIn.from_mapping(burn_in)
        # Counted, not computed from the steps: the size of the batches may change.
        self.images_seen: keras.Variable | None = None
        if self.burn_in is not None:
            self.images_seen = self.add_weight(
                shape=(),
                initializer="zeros",
                dtype="int32",
                trainable=False,
                aggregation="only_first_replica",
                name="images_seen",
            )
            if self.burn_in.gamma is not None and not self.slope_penalty:
                raise ValueError(
                    "burn_in.gamma is the weight of a penalty on D's slopes: give the model one, "
                    "such as penalty=ZeroCentered(2.0)."
                )

    def seen_by_discriminator(self, batch: Tensor) -> Tensor:
        """How many images of a batch of this many D is updated with."""
        return batch

    def _start_fade_in(self, fade_in):
        self.fade_in: tuple[int, int] | None = None
        if fade_in is None:
            return
        pair = tuple(fade_in) if isinstance(fade_in, (list, tuple)) else ()
        whole = all(isinstance(step, (int, np.integer)) and step >= 0 for step in pair)
        if len(pair) != 2 or not whole or pair[0] > pair[1]:
            raise ValueError(
                f"fade_in is {fade_in!r}; expected (first, last), the train steps between which "
                "the classes come in."
            )
        if any(not _faded(network) for network in self.players.values()):
            raise ValueError(
                "fade_in lets the classes in, and the networks have no place for that: build them "
                "with networks.dcgan(num_classes=, fade_in=True) (networks.fade_in in a recipe)."
            )
        self.fade_in = int(pair[0]), int(pair[1])

    def class_share(self) -> Tensor:
        """How much the classes count in this step, from 0 to 1."""
        first, last = self.fade_in
        steps = ops.cast(self.optimizer.iterations, "float32")
        share = ops.clip((steps - first) / max(last - first, 1), 0.0, 1.0)
        return ops.where(steps >= last, 1.0, share)

    def begin_step(self, data: Any) -> dict[str, Any]:
        now = super().begin_step(data)
        if self.fade_in is not None:
            share = self.class_share()
            for layer in [x for network in self.players.values() for x in _faded(network)]:
                layer.share.assign(share)
            self.log(class_share=share)
        if self.burn_in is None and self.ema_half_life is None:
            return now
        count = ops.shape(keras.tree.flatten(data)[0])[0] * backend.replica()[1]
        count = ops.cast(self.seen_by_discriminator(count), "int32")
        half_life = self.ema_half_life
        if self.burn_in is not None:
            seen = (
                ops.cast(self.images_seen, "int32") + 0
            )  # a value of its own, before it counts on
            now["burn_in"] = seen
            self.images_seen.assign(seen + count)
            for optimizer in self.optimizer.players.values():
                self._move_optimizer(optimizer, seen)
            if getattr(self.augment, "p", None) is not None and self.augment.target is None:
                self.augment.p.assign(self.burn_in.value(0.0, self.augment.start, seen))
            if half_life is not None:
                half_life = self.burn_in.value(0.0, half_life, seen)
        if half_life is not None:
            now["average_decay"] = half_life_decay(count, half_life)
        return now

    def _move_optimizer(self, optimizer, seen):
        for name in ("learning_rate", "beta_2"):
            final = getattr(self.burn_in, name)
            if final is not None:
                base = ops.convert_to_tensor(getattr(optimizer, name))
                setattr(optimizer, f"{name}_now", self.burn_in.value(base, final, seen))

    def end_step(self) -> None:
        for optimizer in self.optimizer.players.values():
            if isinstance(optimizer, AdamL2):
                optimizer.beta_2_now = optimizer.learning_rate_now = None

    @property
    def penalty_weight(self) -> Any:
        """A penalty's own weight -> its weight in this step; None where it stays."""
        if self.burn_in is None or self.burn_in.gamma is None:
            return None
        seen = self.scheduled["burn_in"]
        return lambda base: self.burn_in.value(base, self.burn_in.gamma, seen)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        moved = self.burn_in and {"learning_rate", "beta_2"} & {*self.burn_in.get_config()}
        for name, optimizer in self.optimizer.players.items() if moved else ():
            constant = isinstance(optimizer._learning_rate, keras.Variable)
            if not isinstance(optimizer, AdamL2) or not constant:
                raise ValueError(
                    f"burn_in moves {' and '.join(sorted(moved))}, and the optimizer of {name!r} "
                    f"is {type(optimizer).__name__}: give keras_gans.training.AdamL2 (adam_l2 in a "
                    "recipe) with a number as its learning rate."
                )
