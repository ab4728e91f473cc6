"""The engine's primitives on JAX: stateful Keras code made pure by a scope of its own."""

import contextlib
import weakref
from collections.abc import Callable, Sequence

import jax
import keras

from keras_gans.typing import Any, Tensor

VERSION: str = jax.__version__
_ON_CPU = jax.default_backend() == "cpu"
# XLA on CPU computes a transposed convolution's weight gradient an order of magnitude too slowly.
TRANSPOSED_CONVOLUTION_BY_PHASES = _ON_CPU
no_gradients = contextlib.nullcontext


class _Scope(keras.StatelessScope):
    """A stateless scope that reads through to the enclosing one and remembers what was written.

    Keras's own scope answers only for the variables it was given: nested in another one (a gradient
    penalty in a loss in a train step), it would read the eager values of all others.
    """

    def __init__(self, mapping):
        super().__init__(mapping)
        self.original_scope = None
        self.written = {}

    def add_update(self, update):
        self.written[id(update[0])] = update[0]
        super().add_update(update)

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value

    def updates(self):
        """The variables written inside, and their new values."""
        variables = list(self.written.values())
        return variables, [self.get_current_value(v) for v in variables]


def vjp(
    fn: Callable[..., Any], variables: Sequence[keras.Variable], inputs: Sequence[Tensor]
) -> tuple[Any, Callable[..., tuple[list[Tensor], list[Tensor]]]]:
    """See `keras_gans.training.vjp`."""
    written = []

    def pure(values, inputs):
        with _Scope(list(zip(variables, values, strict=True))) as scope:
            outputs = fn(*inputs)
        written[:], new_values = scope.updates()
        return outputs, new_values

    outputs, pull, new_values = jax.vjp(
        pure, [v.value for v in variables], list(inputs), has_aux=True
    )
    # Moving averages, spectral norm's u, metrics: the enclosing scope takes them over.
    for variable, value in zip(written, new_values, strict=True):
        variable.assign(value)

    def pullback(cotangents, wrt="both"):
        of_variables, of_inputs = pull(cotangents)
        return (of_variables if wrt != "inputs" else [], of_inputs if wrt != "variables" else [])

    return outputs, pullback


def forward(network: keras.Model, training: bool = False) -> Callable[[Tensor], Tensor]:
    """See `keras_gans.training.backend`."""
    reference, compiled = weakref.ref(network), {}

    def run(inputs):
        network = reference()
        inputs = keras.tree.map_structure(jax.numpy.asarray, inputs)
        state = [
            [v.value for v in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        ]
        shapes = [(x.shape, x.dtype) for x in keras.tree.flatten(inputs)]
        key = (len(state[0]), *shapes)
        if key not in compiled:

            def pure(trainable, non_trainable, inputs):
                return network.stateless_call(trainable, non_trainable, inputs, training=training)

            # Compiling outweighs few runs; without optimization it takes half the time.
            options = {"xla_backend_optimization_level": 0} if _ON_CPU else {}
            lowered = jax.jit(pure).lower(*state, inputs)
            compiled[key] = lowered.compile(compiler_options=options)
        outputs, moved = compiled[key](*state, inputs)
        if training:
            for variable, value in zip(network.non_trainable_variables, moved, strict=True):
                variable.assign(value)
        return outputs

    return run


def run_step(model: keras.Model, step: Callable[..., None], state: Any, data: Any) -> Any:
    """Keras's stateless `train_step(state, data)` around an imperative step."""
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    mapping = [
        pair
        for variables, values in zip(groups, state, strict=True)
        for pair in zip(variables, values, strict=True)
    ]
    with _Scope(mapping) as scope:
        step(data)
        logs = model.get_metrics_result()
    return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)


def keep_state(model: keras.Model, arguments: tuple[Any, ...]) -> None:
    """Let Keras restore the variables if this step raises.

    Its trainer empties them before the first step and would leave them empty where that step fails
    (a wrong batch, say), the weights being lost.
    """
    names = ("trainable", "non_trainable", "optimizer", "metrics")
    state = zip(names, arguments[0], strict=True)
    model._jax_state = {f"{name}_variables": values for name, values in state}


def gpu() -> str | None:
    """Name of the GPU (or other accelerator) that computes, or None."""
    return None if _ON_CPU else jax.devices()[0].device_kind


def replica() -> tuple[Tensor, int]:
    """JAX sees one program over the global batch: always (0, 1)."""
    return 0, 1


def broadcast(variables: list[keras.Variable]) -> None:
    """Replicas share their variables already."""


def average_gradients(gradients: list[Tensor]) -> list[Tensor]:
    """The compiler has summed over the devices already."""
    return gradients


def replica_mean(x: Tensor) -> Tensor:
    """The global batch's already."""
    return x


def average_logs(logs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The global batch's already."""
    return logs


def check_compile(
    optimizers: dict[str, keras.optimizers.Optimizer],
    jit_compile: bool | str,
    steps_per_execution: int,
) -> None:
    """JAX refuses nothing."""
