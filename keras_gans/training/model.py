"""The base of every method: a `keras.Model` with several players and one imperative train step."""

import functools
import threading
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_gans.training import backend, ema, loss_scale
from keras_gans.training.feeding import as_fit_gives_it
from keras_gans.training.fitting import FitMixin
from keras_gans.training.gradients import value_and_grad
from keras_gans.training.optimizer import make_players_optimizer, serialize_optimizer
from keras_gans.training.random import StepRandom
from keras_gans.training.saving import SavingMixin
from keras_gans.training.signatures import make_explicit
from keras_gans.typing import Any, Config, Self, Tensor

# One entry per replica thread: the random numbers of the step that is being run or traced.
_current = threading.local()

_SHORT = {"generator": "g", "discriminator": "d"}
_INSTEAD = {
    "optimizer": (
        'write compile(optimizers={%s}), one for each player, or compile(optimizers="adam") for all'
    ),
    "loss": (
        "leave it out; the losses belong to the method, and are chosen where the model is made, "
        'such as GAN(generator, discriminator, objective="hinge")'
    ),
    "metrics": (
        'leave it out, and write fit(..., callbacks=[keras_gans.callbacks.Evaluate(data, ["fd"])])'
    ),
}


def _adapt(step):
    """Turn `train_step(self, data)` into the `train_step` that the backend's trainer calls."""

    @functools.wraps(step)
    def train_step(self, *args):
        if getattr(_current, "random", None) is not None:
            return step(self, *args)  # super().train_step(data) from within a step
        return backend.run_step(self, functools.partial(self._begin, step), *args)

    return train_step


def check_precision(player: str, network: keras.Model) -> None:
    """Raise `ValueError`, in one line, for a network in a precision that does not train.

    The network's own, whatever the policy of the moment is: it may be built under another one.
    """
    for v in network.weights:
        if v.dtype in ("bfloat16", "float16"):
            raise ValueError(
                f"{v.path} of the {player} is {v.dtype}, which rounds small updates away (an Adam "
                f'of beta_2 = 0.999 stands still): build it under the "mixed_{v.dtype}" policy '
                '(keras.config.set_dtype_policy), or "float32".'
            )


def computes_in_float16(model: keras.Model) -> bool:
    """Whether a layer of a model, or of a network in it, does, so that gradients need scaling."""
    # A model is named after its own layers: what holds them computes nothing.
    layers = (x for x in model._flatten_layers() if not isinstance(x, keras.Model))
    return any(x.compute_dtype == "float16" for x in layers)


class AdversarialModel(FitMixin, SavingMixin, backend.KeepsState, keras.Model):
    """Base class of adversarial methods: players, their losses, and the order of the updates.

    A subclass builds its networks in `__init__`, names them in `players`, and writes
    `train_step(self, data)` once, imperatively, in `keras.ops` and the methods below. The same code
    runs under plain `fit` on TensorFlow (graph or XLA), JAX (jit) and PyTorch.

    Args:
        seed: integer; all random numbers of training are a function of it and the step.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    In `train_step`:

    - `self.minimize(player, loss_fn)` differentiates a loss and updates the player;
      `self.apply(player, gradients)` updates with gradients from `keras_gans.training.vjp`.
    - `self.random.normal(shape)` draws noise; `self.log(name=value)` reports a number.
    - `self.split(data, n)` cuts a batch for n updates of one player.

    Each player's loss and gradient norm are logged by themselves: `d_loss`, `g_loss`,
    `<player>_loss`, `d_grad_norm`, ... What else is logged is named in `log_names`.

    Example: `examples/write_your_own_method.py`.
    """

    log_names: tuple[str, ...] = ()
    images_per_step: int | None = None
    learns_from = "images"  # or "labels" beside them, "pairs", "quadruples": the data of a batch
    batches_per_update = 1  # of D: 2 where G's update looks at real images of its own
    needs_classes = False  # whether it makes no sense without labels
    objectives = None  # the names that the argument `objective` takes; None for all objectives

    def __init__(self, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed: int = int(seed)
        self._averages = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "train_step" in cls.__dict__:
            cls.train_step = _adapt(cls.__dict__["train_step"])
        make_explicit(cls)

    # What a method defines

    @property
    def players(self) -> dict[str, Any]:
        """Dictionary, player name -> its network, or a list of its networks."""
        raise NotImplementedError(f"{type(self).__name__} has to define the property `players`.")

    def train_step(self, data: Any) -> None:
        """One training step on one batch: the method itself."""
        raise NotImplementedError(f"{type(self).__name__} has to define `train_step(self, data)`.")

    @staticmethod
    def default_d_steps(objective: Any) -> int:
        """Updates of D in a step, where nobody says how many."""
        return 1

    def default_optimizers(self) -> Any:
        """The optimizers of a `compile` without any, as its argument; None for Adam(2e-4, 0.5)."""
        return None

    # What a method uses

    @property
    def random(self) -> StepRandom:
        """The random numbers of this step (`keras_gans.training.StepRandom`)."""
        random = getattr(_current, "random", None)
        if random is None:
            raise RuntimeError("`self.random` exists inside train_step only.")
        return random

    @property
    def scheduled(self) -> dict[str, Any]:
        """What schedules say in this step: what `begin_step` returned."""
        return getattr(_current, "scheduled", None) or {}

    def player_variables(self, player: str) -> list[keras.Variable]:
        """The trainable variables of a player."""
        networks = self.players[player]
        networks = networks if isinstance(networks, (list, tuple)) else [networks]
        return [v for network in networks for v in network.trainable_variables]

    def minimize(self, player: str, loss_fn: Callable[[], Any], has_aux: bool = False) -> Any:
        """Update one player along the gradient of the mean of `loss_fn()`.

        Args:
            player: name of the player.
            loss_fn: function without arguments -> scalar, or one loss per instance. A
                `keras.losses.Loss` is called by its `call`, or made with `reduction=None`: its
                reductions divide by the number of replicas, which the engine does itself.
            has_aux: bool, whether `loss_fn` returns `(loss, anything)`.

        Returns:
            The mean loss, or `(mean loss, anything)`.
        """
        loss, gradients, *aux = value_and_grad(loss_fn, self.player_variables(player), has_aux)
        self.apply(player, gradients, loss)
        return (loss, *aux) if has_aux else loss

    def apply(self, player: str, gradients: list[Tensor], loss: Tensor = None) -> None:
        """Update one player with gradients in the order of `player_variables(player)`."""
        short = _SHORT.get(player, player)
        gradients = backend.average_gradients(list(gradients))
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients]
        logs = {f"{short}_grad_norm": ops.sqrt(functools.reduce(ops.add, squares))}
        if loss is not None:
            logs[f"{short}_loss"] = loss
        self.log(**logs)
        self.optimizer.apply_player(player, gradients)

    def log(self, **values: Any) -> None:
        """Report scalars; the progress bar and History show their means over the epoch."""
        for name, value in backend.average_logs(values).items():
            if name not in self._trackers:
                raise ValueError(
                    f"{name!r} is logged but not declared: add it to log_names of "
                    f"{type(self).__name__} (declared: {sorted(self._trackers)})."
                )
            kept = None
            if loss_scale.active():  # a step that is taken back does not count in the means
                hopeless = ops.logical_not(loss_scale.may_shrink())
                kept = ops.logical_or(ops.isfinite(value), hopeless)
                value, kept = ops.where(kept, value, 0.0), ops.cast(kept, "float32")
            self._trackers[name].update_state(value, kept)

    def split(self, data: Any, pieces: int) -> list[Any]:
        """Deal every tensor of a batch out into equal pieces: piece i holds i, i + pieces, ...

        Several updates of one player per step take their own part of a larger batch; up to
        `pieces` - 1 instances of a partial batch are left over. Dealt, not cut, so that replicas
        with a part of the batch each form the pieces of one device with all of it.

        Returns:
            List of `pieces` structures like `data`.
        """
        if pieces == 1:
            return [data]
        flat = keras.tree.flatten(data)
        static = flat[0].shape[0]
        if static is not None and static < pieces:
            raise ValueError(
                f"A batch of {static} cannot be split for {pieces} updates: the batch must hold at "
                f"least {pieces} images (batch size of one update times the number of updates)."
            )
        size = ops.shape(flat[0])[0] // pieces
        return [
            keras.tree.map_structure(lambda x, i=i: x[i : size * pieces : pieces], data)
            for i in range(pieces)
        ]

    def track_average(
        self, network: keras.Model, decay: float, start: int = 0, warmup: bool = False
    ) -> keras.Model:
        """An EMA copy of `network`, updated after every step.

        Args:
            network: a network in training.
            decay: float in [0, 1).
            start: integer, the first step, counted from 1, that averages; before, the average is a
                plain copy.
            warmup: bool, whether the decay grows, see `keras_gans.training.ema.warm_decay`; with a
                `start` above 0 it does not, as the plain copies come before.

        Returns:
            The copy: a network of its own, saved with the model.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"ema is {decay}; expected a decay in [0, 1), such as 0.999.")
        average = ema.average_copy(network)
        warm = bool(warmup) and int(start) <= 0
        self._averages.append((average, network, float(decay), int(start), warm))
        return average

    def average_of(self, network: keras.Model) -> keras.Model | None:
        """The average that `track_average` made of a network, or None.

        No property that lists them: Keras walks those of a model when it saves one.
        """
        found = [average for average, of, *_ in self._averages if of is network]
        return found[0] if found else None

    @property
    def steps_done(self) -> int:
        """Integer, the train steps that the model has made, in earlier runs too."""
        return int(ops.convert_to_numpy(self.optimizer.iterations))

    # What Keras calls

    def _begin(self, step, data):
        """Everything that is common to the steps of all methods, around `train_step`."""
        data = as_fit_gives_it(data)
        iterations = self.optimizer.iterations
        _current.random = StepRandom(self.seed, iterations, backend.replica())
        _current.scheduled = self.begin_step(data)
        try:
            with loss_scale.using(self.optimizer.loss_scales.values()):
                step(self, data)
            for average, network, decay, start, warm in self._averages:
                now = ops.where(ops.cast(iterations, "int32") + 1 < start, 0.0, decay)
                now = ema.warm_decay(decay, iterations) if warm else now
                ema.update_average(average, network, self.scheduled.get("average_decay", now))
        finally:
            _current.random, _current.scheduled = None, {}
            self.end_step()
        self.optimizer.finish_step()

    def begin_step(self, data: Any) -> dict[str, Any]:
        """What is read from schedules once for the whole step: name -> value, for `scheduled`.

        "average_decay" stands for the decay of all averages.
        """
        return {}

    def end_step(self) -> None:
        """Undo what `begin_step` did for the length of the step."""

    def compile(
        self,
        optimizers: Any = None,
        run_eagerly: bool = False,
        jit_compile: bool | str = "auto",
        steps_per_execution: int = 1,
        *,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
    ) -> None:
        """Give every player its optimizer.

        Args:
            optimizers: dictionary, player name -> `keras.optimizers.Optimizer`, name or config
                (schedules, `clipnorm`, `gradient_accumulation_steps` are the optimizer's own); one
                name or config for all players; or None for `default_optimizers()`, which are
                Adam(2e-4, beta_1=0.5) unless the method says otherwise.
            run_eagerly: bool, for debugging.
            jit_compile: bool or "auto" (XLA where it helps; refused on torch).
            steps_per_execution: integer, train steps per call of the compiled function.
            optimizer, loss, metrics: refused; there is an optimizer for each player, the losses are
                the method's, and `keras_gans.callbacks.Evaluate` measures.

        Raises:
            ValueError: a player without an optimizer, an unknown player, variables of 16 bits, or a
                combination that the backend cannot run.
        """
        names = list(self.players)
        for name, value in (("optimizer", optimizer), ("loss", loss), ("metrics", metrics)):
            if value is not None:
                instead = _INSTEAD[name].replace("%s", ", ".join(f'"{n}": ...' for n in names))
                raise ValueError(f"compile({name}=...) is of other models: {instead}.")
        optimizers = self.default_optimizers() if optimizers is None else optimizers
        composite = make_players_optimizer(optimizers, names)
        backend.check_compile(composite.players, jit_compile, steps_per_execution)
        self._check_players()
        self._compile_arguments = {
            "run_eagerly": run_eagerly,
            "jit_compile": jit_compile,
            "steps_per_execution": steps_per_execution,
        }
        super().compile(optimizer=composite, auto_scale_loss=False, **self._compile_arguments)
        variables = {name: self.player_variables(name) for name in names}
        composite.build_players(variables, computes_in_float16(self))
        logged = [f"{_SHORT.get(n, n)}_loss" for n in names]
        logged += [f"{_SHORT.get(n, n)}_grad_norm" for n in names]
        self._trackers = {
            name: keras.metrics.Mean(name=name) for name in [*logged, *self.log_names]
        }

    def _check_players(self):
        owner = {}
        for name in self.players:
            for v in self.player_variables(name):
                if id(v) in owner:
                    raise ValueError(
                        f"{v.path} belongs to two players, {owner[id(v)]!r} and {name!r}: every "
                        "variable is updated by one optimizer."
                    )
                owner[id(v)] = name
            networks = self.players[name]
            for network in networks if isinstance(networks, (list, tuple)) else [networks]:
                check_precision(name, network)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        # Exactly what is logged: with any other tracker, History keeps the last batch's values.
        return list(getattr(self, "_trackers", {}).values())

    def get_compile_config(self) -> Config:
        if not self.compiled:
            return {}
        optimizers = {n: serialize_optimizer(o) for n, o in self.optimizer.players.items()}
        return {"optimizers": optimizers, **self._compile_arguments}

    def compile_from_config(self, config: Config) -> None:
        config = dict(config)
        optimizers = {n: keras.optimizers.get(o) for n, o in config.pop("optimizers").items()}
        self.compile(optimizers, **config)

    def get_config(self) -> Config:
        return {"name": self.name, "seed": self.seed}

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        config = {
            key: keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        return cls(**config)

    def _seed_states(self):
        # Keras saves no layer's random state: a resumed run would repeat its dropout masks.
        return [v for v in self.non_trainable_variables if v.name == "seed_generator_state"]

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        for i, state in enumerate(self._seed_states()):
            store[f"seed_{i}"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store: Any) -> None:
        seeds = {k: store[k] for k in store.keys() if k.startswith("seed_")}
        super().load_own_variables({k: store[k] for k in store.keys() if k not in seeds})
        for i, state in enumerate(self._seed_states()):
            if f"seed_{i}" in seeds:
                state.assign(np.asarray(seeds[f"seed_{i}"]))
