"""Several players' optimizers as the one optimizer that Keras saves, restores and traces."""

from collections.abc import Sequence

import keras
from absl import logging
from keras import ops

from keras_gans.errors import nearest
from keras_gans.training import backend, loss_scale
from keras_gans.typing import Any, Config, Self, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class PlayersOptimizer(keras.optimizers.Optimizer):
    """The optimizers of all players behind one `keras.optimizers.Optimizer`.

    Keras's JAX trainer carries `model.optimizer.variables` and nothing else, and so do its
    checkpoints: a second optimizer would silently start again at zero. This one owns no update
    rule; its `variables` are those of all players, and `iterations` counts train steps.

    Args:
        players: dictionary, player name -> `keras.optimizers.Optimizer`.

    `learning_rate` reads the first player's; setting it scales every player's by the same factor,
    so that `ReduceLROnPlateau` and `LearningRateScheduler` keep the ratio between players.
    """

    def __init__(self, players: dict[str, keras.optimizers.Optimizer], name: str = "players"):
        # A callable, so that the base class makes no learning rate variable of its own.
        super().__init__(learning_rate=lambda: 0.0, name=name)
        self.names: list[str] = list(players)
        self.loss_scales: dict[str, loss_scale.LossScale] = {}
        for player, optimizer in players.items():
            setattr(self, f"{player}_optimizer", optimizer)
            backend.takes_means(optimizer)
            # Keras loads what it finds inside as well, a variable at a time, as far as they fit.
            optimizer.load_own_variables = _with_all_players

    @property
    def players(self) -> dict[str, keras.optimizers.Optimizer]:
        """Dictionary, player name -> optimizer."""
        return {name: getattr(self, f"{name}_optimizer") for name in self.names}

    def build_players(
        self, variables: dict[str, list[keras.Variable]], float16: bool = False
    ) -> None:
        """Create each optimizer's variables.

        They must exist before the first trace and before weights are loaded: Keras restores
        nothing into what is not built.

        Args:
            variables: dictionary, player name -> list of `keras.Variable`.
            float16: bool, whether gradients pass through float16, which needs a scale a player.
        """
        for name, optimizer in self.players.items():
            if optimizer.built:
                raise ValueError(
                    f"The optimizer of {name!r} has been used before: give compile() a new one, "
                    "and each player its own."
                )
            with keras.name_scope(f"{name}_optimizer"):
                optimizer.build(variables[name])
        if float16:
            self.loss_scales = {n: loss_scale.LossScale(n, v) for n, v in variables.items()}
        self.built = True

    def build(self, variables: list[keras.Variable]) -> None:
        """Nothing: `build_players` has done it."""

    @property
    def variables(self) -> list[keras.Variable]:
        own = [*super().variables, *(v for o in self.players.values() for v in o.variables)]
        return own + self._scale_variables

    @property
    def _scale_variables(self):
        return [v for s in self.loss_scales.values() for v in s.variables]

    def check_trained(self, player: str, variables: list[keras.Variable]) -> None:
        """Raise `ValueError` unless a player's variables are those its optimizer was built with.

        Args:
            player: its name.
            variables: its trainable variables now.
        """
        if not variables:
            raise ValueError(
                f"The player {player!r} has no trainable variable, it is frozen as a whole: set "
                "trainable = True on some of its layers and call compile() again, or write a "
                "train_step that leaves it out of training."
            )
        built = {id(v): v for v in self.players[player]._trainable_variables}
        now = {id(v): v for v in variables}
        changed = [v.path for i, v in {**built, **now}.items() if (i in built) != (i in now)]
        if changed:
            more = f" and {len(changed) - 1} more variables" if changed[1:] else ""
            raise ValueError(
                f"Layers of the player {player!r} were frozen or unfrozen after compile(), "
                f"{changed[0]}{more}: call compile() again."
            )

    def load_own_variables(self, store: Any) -> None:
        """Load the players' states, each as a whole or, where an array does not fit, not at all.

        Half of a state is worse than none: Adam would take second moments of zero for means over
        many steps. A player whose state does not fit stays new, and the count of steps with it; a
        line says so. Scales of float16 stand last: a file of float32 has none, and one of float16
        goes on in float32.
        """
        groups = {"": super().variables, **{n: o.variables for n, o in self.players.items()}}
        place, fits = 0, {}
        for name, variables in groups.items():
            pairs = [(v, str(place + i)) for i, v in enumerate(variables)]
            place += len(pairs)
            shapes = [tuple(store[k].shape) if k in store.keys() else None for _, k in pairs]
            if shapes == [tuple(v.shape) for v in variables]:
                fits[name] = pairs
        last = [str(i) for i in range(place, len(store.keys()))]
        scales = len(last) == 2 * len(self.names) and all(store[k].shape == () for k in last)
        if len(store.keys()) != place and not scales:  # nobody knows where a player's begin
            fits = {}
        if len(fits) < len(groups):
            fits.pop("", None)
            new = ", ".join(n for n in self.names if n not in fits)
            logging.warning("The optimizer of %s starts anew: the file's is of another form.", new)
        elif scales and self.loss_scales:
            fits["scales"] = list(zip(self._scale_variables, last, strict=True))
        for variable, key in (pair for pairs in fits.values() for pair in pairs):
            variable.assign(store[key])

    def apply_player(self, name: str, gradients: list[Tensor]) -> None:
        """One update of one player; in float16 none where a gradient is not finite.

        Args:
            name: the player.
            gradients: means over the replicas, in the order of the variables it was built with.
        """
        if name not in self.loss_scales:
            self.players[name].apply(gradients)
            return
        finite = loss_scale.all_finite(gradients)
        backend.apply_if(finite, self.players[name], gradients)
        self.loss_scales[name].update(finite)

    def finish_step(self) -> None:
        """Count one train step."""
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
        for optimizer in self.players.values():
            optimizer.finalize_variable_values(optimizer._trainable_variables)
            # With `use_ema` variable and average would be one array, which JAX hands over once.
            for v in optimizer._trainable_variables if optimizer.use_ema else ():
                v.assign(ops.copy(v))

    @property
    def learning_rate(self) -> Tensor:
        return self.players[self.names[0]].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Tensor) -> None:
        old = float(ops.convert_to_numpy(self.learning_rate))
        if old == 0:
            raise ValueError(
                f"The learning rate of {self.names[0]!r} is 0, so the others cannot be scaled with "
                "it: set model.optimizer.players[name].learning_rate of each player."
            )
        factor = float(ops.convert_to_numpy(value)) / old
        for optimizer in self.players.values():
            current = float(ops.convert_to_numpy(optimizer.learning_rate))
            optimizer.learning_rate = current * factor

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "players": {n: serialize_optimizer(o) for n, o in self.players.items()},
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        players = {n: keras.optimizers.get(o) for n, o in config.pop("players").items()}
        return cls(players, **config)


def _with_all_players(store):
    """Nothing: `PlayersOptimizer.load_own_variables` has loaded this player's state."""


def serialize_optimizer(optimizer: keras.optimizers.Optimizer) -> Config:
    """Keras's configuration of an optimizer, loadable on every backend.

    On torch, `keras.optimizers.Adam()` is an instance of a subclass inside Keras's torch backend;
    stored under that name it would not load elsewhere.
    """
    config = keras.optimizers.serialize(optimizer)
    for cls in type(optimizer).__mro__:
        if getattr(keras.optimizers, cls.__name__, None) is cls:
            config.update(module="keras.optimizers", class_name=cls.__name__, registered_name=None)
            break
        if keras.saving.get_registered_name(cls) != cls.__name__:
            break  # registered by its author: loads under that name
    return config


def make_players_optimizer(optimizers: Any, player_names: Sequence[str]) -> PlayersOptimizer:
    """A `PlayersOptimizer` from what `compile(optimizers=...)` was given.

    Args:
        optimizers: dictionary, player name -> optimizer, its name or configuration; or one of
            these for all players (each gets a copy); or None for Adam(2e-4, beta_1=0.5), the
            DCGAN setting.
        player_names: the names that the model's players have.

    Raises:
        ValueError: a player is missing or unknown.
    """
    if optimizers is None:
        optimizers = {"class_name": "Adam", "config": {"learning_rate": 2e-4, "beta_1": 0.5}}
    is_config = isinstance(optimizers, dict) and "class_name" in optimizers
    if not isinstance(optimizers, dict) or is_config:
        prototype = keras.optimizers.get(optimizers)
        config = serialize_optimizer(prototype)
        # The name is left to Keras: two optimizers of one name would share variable paths.
        config["config"].pop("name", None)
        optimizers = {name: keras.optimizers.deserialize(config) for name in player_names}
    for name in optimizers:
        if name not in player_names:
            raise ValueError(
                f"There is no player {name!r} in this model{nearest(name, player_names)}; its "
                f"players are {list(player_names)}."
            )
    missing = [name for name in player_names if name not in optimizers]
    if missing:
        raise ValueError(
            f"compile(optimizers=...) has no optimizer for {missing}: give one for each of "
            f"{list(player_names)}."
        )
    players = {name: keras.optimizers.get(optimizers[name]) for name in player_names}
    for name, optimizer in players.items():
        wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if wrapped or optimizer.loss_scale_factor:
            raise ValueError(
                f"The optimizer of {name!r} scales a loss: leave that out, float16 is scaled by "
                "itself (keras_gans.training.loss_scale)."
            )
    if len({id(o) for o in players.values()}) < len(players):
        raise ValueError("Two players share one optimizer object: give each player its own.")
    return PlayersOptimizer(players)
