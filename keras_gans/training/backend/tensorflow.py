"""The engine's primitives on TensorFlow: gradient tapes and distribution strategies."""

import contextlib
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence

import keras
import tensorflow as tf

from keras_gans.training.backend.counting import check_devices
from keras_gans.training.backend.in_place import (  # noqa: F401
    guarded_step,
    padded,
    synced,
)
from keras_gans.training.backend.tensorflow_processes import (  # noqa: F401
    KeepsState,
    agreed,
    all_processes,
    alone,
    fed,
    joined,
    launched,
    multi_worker,
    predict,
    process,
)
from keras_gans.typing import Any, Tensor

VERSION: str = tf.__version__
TRANSPOSED_CONVOLUTION_BY_PHASES = False
# Without a GPU, grouped convolutions go through XLA, whose gradients of them are slow there.
GROUPS_APART: bool = not tf.config.get_visible_devices("GPU")
ONNX_PACKAGES: tuple[str, ...] = ("onnx", "tf2onnx")
convolution: Any = keras.ops.conv
transposed_convolution: Any = keras.ops.conv_transpose
batch_norm: Any = None
no_gradients = contextlib.nullcontext


def vjp(
    fn: Callable[..., Any], variables: Sequence[keras.Variable], inputs: Sequence[Tensor]
) -> tuple[Any, Callable[..., tuple[list[Tensor], list[Tensor]]]]:
    """See `keras_gans.training.vjp`."""
    sources = ([v.value for v in variables], list(inputs))
    # Persistent: one forward may be pulled back several times (three players, patch outputs).
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(sources)
        outputs = fn(*inputs)

    def pullback(cotangents, wrt="both"):
        chosen = (
            sources[0] if wrt != "inputs" else [],
            sources[1] if wrt != "variables" else [],
        )
        gradients = tape.gradient(
            outputs,
            chosen,
            output_gradients=cotangents,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # An embedding's gradient comes as slices; every player and penalty wants tensors.
        return tf.nest.map_structure(tf.convert_to_tensor, gradients)

    return outputs, pullback


def forward(network: keras.Model, training: bool = False) -> Callable[[Tensor], Tensor]:
    """See `keras_gans.training.backend`."""
    reference = weakref.ref(network)
    return lambda inputs: reference()(inputs, training=training)


def run_step(model: keras.Model, step: Callable[..., None], data: Any) -> Any:
    """One training step; `data` is one replica's batch."""
    step(data)
    logs = model.get_metrics_result()
    if multi_worker(model.distribute_strategy):
        # Keras takes the mean over the processes of a first axis, which it expects.
        logs = {name: tf.reshape(value, [1]) for name, value in logs.items()}
    return logs


def compiled(
    step: Callable[..., Any], written: Sequence[keras.Variable], read: Sequence[keras.Variable] = ()
) -> Callable[..., Any]:
    """See `keras_gans.training.backend`."""
    function = tf.function(step)
    return lambda *arguments: function(*tf.nest.map_structure(tf.convert_to_tensor, arguments))


def gpu() -> str | None:
    """Name of the GPU that computes, or None."""
    devices = tf.config.get_visible_devices("GPU")
    if not devices:
        return None
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "unknown")


def at_hand(x: Tensor) -> None:
    """Shapes are fixed in a compiled step."""


def replica() -> tuple[Tensor, int]:
    """(index of this replica, number of replicas)."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def devices(model: keras.Model) -> tuple[int, int]:
    """(parts that a batch comes in, devices that share each part)."""
    count = model.distribute_strategy.num_replicas_in_sync
    return (1, count) if multi_worker(model.distribute_strategy) else (count, 1)


@contextlib.contextmanager
def on_devices(count: int | None) -> Iterator[int]:
    """`MirroredStrategy` over the first `count` GPUs; without a GPU, over parts of the CPU.

    Where there are several processes, over all of their devices.
    """
    if launched():
        with joined(), all_processes() as used:
            yield used
        return
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        found = [f"GPU:{i}" for i in range(len(gpus))]
    else:
        cpu = tf.config.get_visible_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * (count or 1)
        with contextlib.suppress(RuntimeError):  # TensorFlow is at work: what there is counts
            tf.config.set_logical_device_configuration(cpu, parts)
        found = [f"CPU:{i}" for i in range(len(tf.config.list_logical_devices("CPU")))]
    check_devices(count, len(found))
    strategy = tf.distribute.MirroredStrategy(found[:count])
    with strategy.scope():
        yield strategy.num_replicas_in_sync


def processes_of(count: int | None) -> int:
    """One process has all devices of a machine."""
    return 1


def of_replicas(model: keras.Model, fn: Callable[[list[Any]], Any], batch: Any) -> Any:
    """See `keras_gans.training.backend`."""
    strategy = model.distribute_strategy
    if multi_worker(strategy):  # looked at before it is dealt out
        parts = fn([batch])
        return None if parts is None else parts[0]
    parts = [
        keras.tree.map_structure(lambda x, i=i: strategy.experimental_local_results(x)[i], batch)
        for i in range(strategy.num_replicas_in_sync)
    ]
    before, parts = parts, fn(parts)
    if parts is None or len(parts) == 1:
        return None if parts is None else parts[0]
    if all(a is b for a, b in zip(parts, before, strict=True)):
        return batch

    def spread(*values):
        values = [tf.convert_to_tensor(x) for x in values]
        return strategy.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group]
        )

    return keras.tree.map_structure(spread, *parts)


def broadcast(variables: list[keras.Variable]) -> None:
    """Replicas share their variables already."""


def average_gradients(gradients: list[Tensor]) -> list[Tensor]:
    """Mean over the replicas, all in one call."""
    _, count = replica()
    if count == 1 or not gradients:
        return gradients
    return tf.distribute.get_replica_context().all_reduce("MEAN", gradients)


def takes_means(optimizer: keras.optimizers.Optimizer) -> None:
    """Keras sums gradients in an optimizer, behind its clipping, which has to see the mean."""
    optimizer._all_reduce_sum_gradients = list


def apply_if(
    finite: Tensor, optimizer: keras.optimizers.Optimizer, gradients: list[Tensor]
) -> None:
    """See `keras_gans.training.backend`."""

    def apply(*gradients):
        optimizer.apply(list(gradients))
        return True

    if replica()[1] == 1:
        tf.cond(finite, lambda: apply(*gradients), lambda: True)
        return

    # An optimizer leaves the replicas for its update, which it must not do within a `cond` of one.
    def together(strategy, finite, *gradients):
        finite = strategy.experimental_local_results(finite)[0]  # of means: all say the same

        def apply_on_all():
            strategy.extended.call_for_each_replica(apply, args=gradients)
            return True

        tf.cond(finite, apply_on_all, lambda: True)

    tf.distribute.get_replica_context().merge_call(together, args=(finite, *gradients))


def replica_mean(x: Tensor) -> Tensor:
    """Mean over the replicas, differentiable: its gradient is the mean of theirs."""
    _, count = replica()
    return x if count == 1 else tf.distribute.get_replica_context().all_reduce("MEAN", x)


def average_logs(logs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keras's metrics are summed over replicas already."""
    return logs


def check_compile(
    optimizers: dict[str, keras.optimizers.Optimizer],
    jit_compile: bool | str,
    steps_per_execution: int,
) -> None:
    """Refuse what `MirroredStrategy` cannot do in stock Keras either, before it fails inside."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return
    accumulates = [n for n, o in optimizers.items() if o.gradient_accumulation_steps]
    for name, asked in (
        ("jit_compile=True", jit_compile is True),
        ("steps_per_execution > 1", steps_per_execution > 1),
        (f"gradient accumulation (in {accumulates})", accumulates),
    ):
        if asked:
            raise ValueError(
                f"{name} does not work under {type(tf.distribute.get_strategy()).__name__} with "
                "several replicas: leave it out, or train on one device."
            )


def prepare_onnx() -> None:
    """Nothing to prepare here."""


def seeded_normal(seed: Tensor, shape: Any) -> Tensor:
    """Standard normal numbers, float32, which depend on an integer alone: a seed of a caller."""
    return tf.random.stateless_normal(shape, tf.stack([tf.cast(seed, "int32"), 0]))


def write_litert(network: keras.Model, specs: list[keras.InputSpec], path: str) -> None:
    """A LiteRT (TFLite) file with a dynamic batch, of built-in operations alone.

    Raises:
        ValueError: an operation that TensorFlow does not convert.
    """

    def images(*inputs):
        return network(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("images", images, input_signature=specs)
    with tempfile.TemporaryDirectory() as folder:
        # Only of a SavedModel does the converter make constants of the weights.
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["images"])
        try:
            data = converter.convert()
        except Exception as error:  # of the converter, whose types are not public
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"TensorFlow does not convert this to LiteRT: {line}") from None
    with open(path, "wb") as file:
        file.write(data)
