"""The engine's primitives on JAX: stateful Keras code made pure by a scope of its own."""

import contextlib
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import jax
import keras
import numpy as np
from keras.src.trainers.data_adapters import get_data_adapter

from keras_gans.training.backend.counting import check_devices
from keras_gans.training.backend.fed import Fed, looked_at
from keras_gans.training.backend.jax_processes import (  # noqa: F401
    agreed,
    alone,
    joined,
    launched,
    own_part,
    process,
    processes_of,
)
from keras_gans.typing import Any, Tensor

VERSION: str = jax.__version__
_ON_CPU = jax.default_backend() == "cpu"
# XLA on CPU computes a transposed convolution's weight gradient an order of magnitude too slowly.
TRANSPOSED_CONVOLUTION_BY_PHASES = _ON_CPU
GROUPS_APART: bool = _ON_CPU
ONNX_PACKAGES: tuple[str, ...] = ()
batch_norm = seeded_normal = write_litert = None
convolution: Any = keras.ops.conv
transposed_convolution: Any = keras.ops.conv_transpose
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


_QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
_predicts = weakref.WeakKeyDictionary()
# Held while a `fit` has moved the state out, and while images are made of a model.
_lock = threading.RLock()


class KeepsState:
    """Mixin of models: what Keras's trainer moves out comes back, whatever happens meanwhile."""

    def _get_jax_state(self, purge_model_variables: bool = False, **kinds: bool) -> Any:
        with _uninterrupted(), _lock:
            state = super()._get_jax_state(purge_model_variables=purge_model_variables, **kinds)
            if purge_model_variables:  # the variables are empty until this comes back
                self._jax_state = dict(zip((k for k in kinds if kinds[k]), state, strict=True))
                self._jax_state_synced = False
            return state

    def jax_state_sync(self) -> None:
        with _lock:
            super().jax_state_sync()

    def make_predict_function(self, force: bool = False) -> Any:
        if self.predict_function is None or force:
            super().make_predict_function(force)
            step = self.predict_function
            self.predict_function = lambda *arguments: guarded_step(self, step, arguments)
        return self.predict_function

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with _lock:
            self.jax_state_sync()
            try:
                return super().predict(*args, **kwargs)
            finally:
                self.jax_state_sync()
                self._jax_state = None


@contextlib.contextmanager
def synced(model: keras.Model) -> Iterator[None]:
    """The model's variables hold its state within the block, in whatever thread it trains."""
    with _lock:
        getattr(model, "jax_state_sync", lambda: None)()
        yield


@contextlib.contextmanager
def _uninterrupted():
    """Ctrl-C within the block acts behind it: a step's old state is gone before the new is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    came = []
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, lambda n, frame: came.append((n, frame)))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        for number, frame in came:
            handlers[number](number, frame)


def guarded_step(model: keras.Model, step: Callable[..., Any], arguments: Any) -> Any:
    """One call of Keras's `train_function` or `predict_function`, whose new state is kept at once.

    The state that goes in is gone behind it. A first step that fails (a wrong batch, say) leaves
    what went in, and Keras brings back what is kept here.
    """
    names = [f"{name}_variables" for name in ("trainable", "non_trainable", "optimizer", "metrics")]
    with _uninterrupted(), _lock:
        model._jax_state = dict(zip(names, arguments[0], strict=False))
        logs, state = step(*arguments)
        model._jax_state = dict(zip(names, state, strict=False))
        model._jax_state_synced = False
        return logs, state


def forward(
    network: keras.Model, training: bool = False, optimized: bool = False
) -> Callable[[Tensor], Tensor]:
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

            # Compiling outweighs few runs: without optimization and fusion it takes far less.
            options = _QUICK if _ON_CPU and not optimized else {}
            lowered = jax.jit(pure).lower(*state, inputs)
            try:
                compiled[key] = lowered.compile(compiler_options=options)
            except (ValueError, jax.errors.JaxRuntimeError) as error:
                if "No such compile option" not in str(error):
                    raise
                compiled[key] = lowered.compile()  # another XLA: the same values, later
        outputs, moved = compiled[key](*state, inputs)
        if training:
            for variable, value in zip(network.non_trainable_variables, moved, strict=True):
                variable.assign(value)
        return outputs

    return run


def predict(network: keras.Model, inputs: Any, batch_size: int) -> Any:
    """See `keras_gans.training.backend`.

    Keras's own empties the variables meanwhile: an error, Ctrl-C or a second thread would lose the
    weights. Here they stay where they are. The last batch is filled up to a power of two, since
    each size is compiled anew and kept for good.
    """
    if network not in _predicts:
        _predicts[network] = forward(network, optimized=True)
    parts, count = [], len(keras.tree.flatten(inputs)[0])
    for start in range(0, count, batch_size):
        some = keras.tree.map_structure(lambda x, i=start: x[i : i + batch_size], inputs)
        parts.append(padded(_predicts[network], some, batch_size))
    return keras.tree.map_structure(lambda *x: np.concatenate(x), *parts)


def padded(run: Callable[[Any], Any], inputs: Any, most: int | None = None) -> Any:
    """`run(inputs)` as NumPy arrays, of a batch filled up to a power of two, or to `most`."""
    count = len(keras.tree.flatten(inputs)[0])
    size = 1 << (count - 1).bit_length()
    size = size if most is None else min(size, most)
    index = np.minimum(np.arange(size), count - 1)  # the last one again
    outputs = run(keras.tree.map_structure(lambda x: np.asarray(x)[index], inputs))
    return keras.tree.map_structure(lambda x: np.asarray(x)[:count], outputs)


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


def compiled(
    step: Callable[..., Any], written: Sequence[keras.Variable], read: Sequence[keras.Variable] = ()
) -> Callable[..., Any]:
    """See `keras_gans.training.backend`."""

    def pure(values, fixed, arguments):
        mapping = [*zip(written, values, strict=True), *zip(read, fixed, strict=True)]
        with _Scope(mapping) as scope:
            outputs = step(*arguments)
        return outputs, [scope.get_current_value(v) for v in written]

    jitted = jax.jit(pure)

    def run(*arguments):
        arguments = keras.tree.map_structure(jax.numpy.asarray, arguments)
        values = ([v.value for v in variables] for variables in (written, read))
        outputs, moved = jitted(*values, arguments)
        for variable, value in zip(written, moved, strict=True):
            variable.assign(value)
        return outputs

    return run


def gpu() -> str | None:
    """Name of the GPU (or other accelerator) that computes, or None."""
    return None if _ON_CPU else jax.devices()[0].device_kind


def at_hand(x: Tensor) -> None:
    """Shapes are fixed in a compiled step."""


def replica() -> tuple[Tensor, int]:
    """JAX sees one program over the global batch: always (0, 1)."""
    return 0, 1


def devices(model: keras.Model) -> tuple[int, int]:
    """(parts that a batch comes in, devices that share each part)."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1, 1
    mesh = distribution.device_mesh
    return 1, mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


@contextlib.contextmanager
def on_devices(count: int | None) -> Iterator[int]:
    """`DataParallel` over the first `count` devices of this process."""
    found = keras.distribution.list_devices()
    hint = "XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of a CPU"
    check_devices(count, len(found), hint if _ON_CPU else None)
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found[:count]))
    try:
        yield len(found[:count])
    finally:
        keras.distribution.set_distribution(before)


def of_replicas(model: keras.Model, fn: Callable[[list[Any]], Any], batch: Any) -> Any:
    """See `keras_gans.training.backend`."""
    parts = fn([batch])
    return None if parts is None else parts[0]


class _Fed(Fed):
    def get_jax_iterator(self) -> Iterator[Any]:
        batches = looked_at(self.adapter.get_jax_iterator(), self.feed)
        return batches if self.feed.processes > 1 else map(own_part, batches)


def fed(data: Any, feed: Any, shuffle: bool) -> Any:
    """Data as `fit` takes it: with a distribution, Keras deals batches out before the step."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return data
    # Of several processes each takes its part of every batch, in the order that all share.
    distribution.auto_shard_dataset = False
    return _Fed(get_data_adapter(data, shuffle=shuffle), feed)


def broadcast(variables: list[keras.Variable]) -> None:
    """Replicas share their variables already."""


def average_gradients(gradients: list[Tensor]) -> list[Tensor]:
    """The compiler has summed over the devices already."""
    return gradients


def takes_means(optimizer: keras.optimizers.Optimizer) -> None:
    """Optimizers take gradients as they come."""


def apply_if(
    finite: Tensor, optimizer: keras.optimizers.Optimizer, gradients: list[Tensor]
) -> None:
    """See `keras_gans.training.backend`."""
    with _Scope([]) as scope:
        optimizer.apply(gradients)
    for variable, value in zip(*scope.updates(), strict=True):
        variable.assign(jax.numpy.where(finite, value, variable.value))


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


def prepare_onnx() -> None:
    """Nothing to prepare here."""
