"""The only place of this library that knows which backend runs.

Each of `tensorflow.py`, `jax.py` and `torch.py` defines the same names:

- `vjp(fn, variables, inputs)`: forward now, backward when asked (see `gradients.py`);
- `run_step(model, step, *args)`: Keras's `train_step` of that backend around an imperative step;
- `compiled(step, written, read)`: an imperative step of tensors, compiled where the backend
  compiles, that writes some variables and reads others;
- `guarded_step(model, step, arguments)` and the mixin `KeepsState`: nothing is lost when a step or
  a `predict` raises, or is interrupted;
- `synced(model)`: a context in which the variables hold the state of a running `fit`;
- `predict(network, inputs, batch_size)`: outputs of many inputs; `padded(run, inputs)`: of few, in
  a batch of one of a few sizes where each is compiled anew;
- `replica()`: which replica this is in a train step, and of how many (`MirroredStrategy`, torch
  processes); outside a step everything works alone, (0, 1);
- `process()`: which process this is, and of how many: the first one writes files;
- `devices(model)`: in how many parts a batch comes, and how many devices share each of them;
  `of_replicas(model, fn, batch)`: a batch whose parts, a list, went through `fn` (None for None);
  `fed(data, feed, shuffle)`: data whose batches have to be looked at before the step draws them;
- `on_devices(count)`: a context in which models are made for so many devices, or for all (None);
  `processes_of(count)`: in how many processes of this machine;
- `launched()`: whether this is one of several processes of a run; `joined()`: a context in which
  they work together; there `agreed(number)` is the largest number that one of them gave, which
  waits for all of them, and `alone()` a context for what one of them does by itself;
- `average_gradients(gradients)`: their means over the replicas, so that these take the step of one
  device with the global batch; `takes_means(optimizer)`: an optimizer, told that it gets those;
- `apply_if(finite, optimizer, gradients)`: an update, or none where a scalar says so;
- `replica_mean(x)`: a mean over the replicas for losses that couple the instances of a batch;
- `forward(network, training)`: a function, inputs -> outputs, of a network that somebody else
  holds, for few calls: it starts sooner than `predict`; in training mode its state moves along;
- `no_gradients()`: a context for evaluation, which keeps no intermediate results on torch;
- `convolution` and `transposed_convolution`: those of `keras.ops`, faster where that is possible;
- `batch_norm(inputs, scale, offset, epsilon)`: (outputs, mean, variance) by a fused kernel, or None
  where Keras's own is good enough;
- `at_hand(x)`: the numbers of a small tensor, a list, where shapes may depend on them; None where
  steps are programs of fixed shapes;
- `gpu()`: the name of the GPU that computes, or None on a CPU; `VERSION`: the backend's;
- `ONNX_PACKAGES`: what Keras writes ONNX with there, none where this library leaves it out;
  `prepare_onnx()`: what has to be known there first;
- `seeded_normal(seed, shape)`: normal numbers of a seed that is a tensor, for served programs, and
  `write_litert(network, specs, path)`: a LiteRT file; both None where there is no such thing.

Facts that steer layers and callbacks without their importing a backend stand beside them:
`TRANSPOSED_CONVOLUTION_BY_PHASES`, `GROUPS_APART` and `sync(model)`.
"""

from collections.abc import Callable

import keras

from keras_gans.typing import Any

_NAME = keras.backend.backend()
if _NAME == "tensorflow":
    from keras_gans.training.backend import tensorflow as _backend
elif _NAME == "jax":
    from keras_gans.training.backend import jax as _backend
elif _NAME == "torch":
    from keras_gans.training.backend import torch as _backend
else:
    raise ImportError(
        f"keras_gans trains on the tensorflow, jax and torch backends of Keras, not on {_NAME!r}: "
        "set KERAS_BACKEND to one of them before the first import."
    )

vjp: Callable[..., Any] = _backend.vjp
run_step: Callable[..., Any] = _backend.run_step
compiled: Callable[..., Any] = _backend.compiled
guarded_step: Callable[..., Any] = _backend.guarded_step
KeepsState = _backend.KeepsState
synced: Callable[..., Any] = _backend.synced
predict: Callable[..., Any] = _backend.predict
padded: Callable[..., Any] = _backend.padded
at_hand: Callable[..., Any] = _backend.at_hand
replica: Callable[..., Any] = _backend.replica
process: Callable[..., Any] = _backend.process
devices: Callable[..., Any] = _backend.devices
on_devices: Callable[..., Any] = _backend.on_devices
processes_of: Callable[..., Any] = _backend.processes_of
launched: Callable[..., Any] = _backend.launched
joined: Callable[..., Any] = _backend.joined
agreed: Callable[..., Any] = _backend.agreed
alone: Callable[..., Any] = _backend.alone
of_replicas: Callable[..., Any] = _backend.of_replicas
fed: Callable[..., Any] = _backend.fed
average_gradients: Callable[..., Any] = _backend.average_gradients
apply_if: Callable[..., Any] = _backend.apply_if
takes_means: Callable[..., Any] = _backend.takes_means
broadcast: Callable[..., Any] = _backend.broadcast
check_compile: Callable[..., Any] = _backend.check_compile
replica_mean: Callable[..., Any] = _backend.replica_mean
forward: Callable[..., Any] = _backend.forward
no_gradients: Callable[..., Any] = _backend.no_gradients
average_logs: Callable[..., Any] = _backend.average_logs
gpu: Callable[..., Any] = _backend.gpu
convolution: Callable[..., Any] = _backend.convolution
transposed_convolution: Callable[..., Any] = _backend.transposed_convolution
batch_norm: Callable[..., Any] | None = _backend.batch_norm
VERSION: str = _backend.VERSION
TRANSPOSED_CONVOLUTION_BY_PHASES: bool = _backend.TRANSPOSED_CONVOLUTION_BY_PHASES
GROUPS_APART: bool = _backend.GROUPS_APART
ONNX_PACKAGES: tuple[str, ...] = _backend.ONNX_PACKAGES
prepare_onnx: Callable[..., Any] = _backend.prepare_onnx
seeded_normal: Callable[..., Any] | None = _backend.seeded_normal
write_litert: Callable[..., Any] | None = _backend.write_litert
# What writes ONNX, the best first, for a backend that has no packages of its own for it.
ONNX_WRITERS: dict[str, tuple[str, ...]] = {
    "torch": ("torch", "onnx"),
    "tensorflow": ("tensorflow", "onnx", "tf2onnx"),
}


def sync(model: keras.Model) -> None:
    """Put the state of a running `fit` back into the model's variables (needed on JAX only)."""
    getattr(model, "jax_state_sync", lambda: None)()
