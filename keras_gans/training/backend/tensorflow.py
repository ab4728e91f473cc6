"""The engine's primitives on TensorFlow: gradient tapes and distribution strategies."""

import contextlib
import weakref

import tensorflow as tf

VERSION = tf.__version__
TRANSPOSED_CONVOLUTION_BY_PHASES = False
no_gradients = contextlib.nullcontext


def vjp(fn, variables, inputs):
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


def forward(network, training=False):
    """See `keras_gans.training.backend`."""
    reference = weakref.ref(network)
    return lambda inputs: reference()(inputs, training=training)


def run_step(model, step, data):
    """One training step; `data` is one replica's batch."""
    step(data)
    return model.get_metrics_result()


def keep_state(model, arguments):
    """The variables hold the state at all times."""


def gpu():
    """Name of the GPU that computes, or None."""
    devices = tf.config.get_visible_devices("GPU")
    if not devices:
        return None
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "unknown")


def replica():
    """(index of this replica, number of replicas)."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def broadcast(variables):
    """Replicas share their variables already."""


def average_gradients(gradients):
    """Keras's optimizers sum over the replicas when they apply: divide first."""
    _, count = replica()
    return gradients if count == 1 else [g / count for g in gradients]


def replica_mean(x):
    """Mean over the replicas, differentiable: its gradient is the mean of theirs."""
    _, count = replica()
    return x if count == 1 else tf.distribute.get_replica_context().all_reduce("MEAN", x)


def average_logs(logs):
    """Keras's metrics are summed over replicas already."""
    return logs


def check_compile(optimizers, jit_compile, steps_per_execution):
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
