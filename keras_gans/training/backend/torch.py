"""The engine's primitives on PyTorch: autograd on demand, and plain collectives."""

import contextlib
import datetime
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence

import keras
import torch
from keras import ops, tree

from keras_gans.training.backend.counting import LOST, check_devices
from keras_gans.training.backend.in_place import (  # noqa: F401
    KeepsState,
    fed,
    guarded_step,
    of_replicas,
    padded,
    predict,
    synced,
)
from keras_gans.training.backend.torch_kernels import (  # noqa: F401
    batch_norm,
    convolution,
    transposed_convolution,
)
from keras_gans.typing import Any, Tensor

_nesting = threading.local()

VERSION: str = torch.__version__
TRANSPOSED_CONVOLUTION_BY_PHASES = False
GROUPS_APART: bool = False
ONNX_PACKAGES: tuple[str, ...] = ("onnx",)
seeded_normal = write_litert = None
no_gradients = torch.no_grad


def vjp(
    fn: Callable[..., Any], variables: Sequence[keras.Variable], inputs: Sequence[Tensor]
) -> tuple[Any, Callable[..., tuple[list[Tensor], list[Tensor]]]]:
    """See `keras_gans.training.vjp`."""
    parameters = [v.value for v in variables]
    # An input that hangs on no graph becomes a leaf of this one; one that already does is inside
    # an enclosing vjp and must stay connected to it.
    inputs = [x if x.requires_grad else x.detach().requires_grad_() for x in inputs]
    depth = getattr(_nesting, "depth", 0)
    _nesting.depth = depth + 1
    try:
        with torch.enable_grad():
            outputs = fn(*inputs)
    finally:
        _nesting.depth = depth
    flat = tree.flatten(outputs)

    def pullback(cotangents, wrt="both"):
        chosen = (parameters if wrt != "inputs" else []) + (inputs if wrt != "variables" else [])
        pairs = [
            (o, c.to(o.dtype))
            for o, c in zip(flat, tree.flatten(cotangents), strict=True)
            if o.requires_grad
        ]
        nested = getattr(_nesting, "depth", 0) > 0
        gradients = [None] * len(chosen)
        if pairs and chosen:
            gradients = torch.autograd.grad(
                [o for o, _ in pairs],
                chosen,
                grad_outputs=[c for _, c in pairs],
                retain_graph=True,
                create_graph=nested,
                allow_unused=True,
            )
        gradients = [
            torch.zeros_like(x) if g is None else g for g, x in zip(gradients, chosen, strict=True)
        ]
        split = len(parameters) if wrt != "inputs" else 0
        return gradients[:split], gradients[split:]

    if depth == 0:
        outputs = tree.map_structure(lambda x: x.detach(), outputs)
    return outputs, pullback


def forward(network: keras.Model, training: bool = False) -> Callable[[Tensor], Tensor]:
    """See `keras_gans.training.backend`."""
    reference = weakref.ref(network)

    @torch.no_grad()
    def run(inputs):
        return reference()(inputs, training=training)

    return run


def run_step(model: keras.Model, step: Callable[..., None], data: Any) -> Any:
    """One training step; only `vjp` builds graphs."""
    _nesting.in_step = True
    try:
        with torch.no_grad():
            dealt = model._feed is not None and model._feed.processes > 1
            step(data if dealt else _own_part(data))
    finally:
        _nesting.in_step = False
    return model.get_metrics_result()


def compiled(
    step: Callable[..., Any], written: Sequence[keras.Variable], read: Sequence[keras.Variable] = ()
) -> Callable[..., Any]:
    """See `keras_gans.training.backend`."""

    @torch.no_grad()
    def run(*arguments):
        return step(*tree.map_structure(ops.convert_to_tensor, arguments))

    return run


def _distributed():
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _own_part(data):
    """This process's part of the global batch, which every process loads in the same order."""
    rank, count = process()
    if count == 1:
        return data

    def part(x):
        if len(x) % count:
            raise ValueError(
                f"A batch of {len(x)} cannot be shared among {count} processes: use a batch size "
                f"that is a multiple of {count}, and drop_remainder=True."
            )
        size = len(x) // count
        return x[rank * size : (rank + 1) * size]

    return tree.map_structure(part, data)


def devices(model: keras.Model) -> tuple[int, int]:
    """(parts that a batch comes in, devices that share each part)."""
    return 1, process()[1]


@contextlib.contextmanager
def on_devices(count: int | None) -> Iterator[int]:
    """One process has one device: several are several processes."""
    if count not in (None, process()[1]):
        raise ValueError(
            f"{count} devices are {count} processes on PyTorch: keras-gans train --devices={count} "
            "starts them, or torchrun (examples/train_torch_processes.py)."
        )
    yield process()[1]


def launched() -> bool:
    """Whether a launcher started this process, with RANK and so on."""
    return "RANK" in os.environ


def processes_of(count: int | None) -> int:
    """One for each device; without a GPU one for each core that is asked for."""
    gpus = torch.cuda.device_count()
    # Two share a core, where there is only one, to try what several would do.
    hint = None if gpus else "without a GPU each process wants a core of the CPU"
    check_devices(count, gpus or max(2, os.cpu_count() or 1), hint)
    return count or gpus or 1


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """See `keras_gans.training.backend`; RANK, WORLD_SIZE and so on say which processes."""
    if not launched() or _distributed():
        yield
        return
    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    # The others wait while the first one measures or publishes, which may take long.
    options = {"timeout": datetime.timedelta(hours=6)}
    torch.distributed.init_process_group("nccl" if gpus else "gloo", **options)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        raise RuntimeError(LOST) from error
    finally:
        torch.distributed.destroy_process_group()


alone = contextlib.nullcontext


def agreed(number: int) -> int:
    """See `keras_gans.training.backend`."""
    if not _distributed():
        return number
    value = torch.tensor(number, device="cuda" if torch.cuda.is_available() else "cpu")
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return int(value)


def broadcast(variables: list[keras.Variable]) -> None:
    """Give every process the variables of the first one."""
    if _distributed():
        for v in variables:
            torch.distributed.broadcast(v.value.data, src=0)


def gpu() -> str | None:
    """Name of the GPU that computes, or None."""
    device = ops.convert_to_tensor(0.0).device  # where Keras puts tensors
    if device.type == "cpu":
        return None
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def process() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    if not _distributed():
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def at_hand(x: Tensor) -> list[float]:
    """The numbers of a tensor of one axis."""
    return x.detach().cpu().tolist()


def replica() -> tuple[Tensor, int]:
    """(rank of this process, number of processes) in a train step; outside each works alone.

    The first process evaluates and draws pictures while the others do not: a collective there, of a
    batch norm that runs in training mode, say, would wait for ever.
    """
    return process() if getattr(_nesting, "in_step", False) else (0, 1)


def average_gradients(gradients: list[Tensor]) -> list[Tensor]:
    """Mean over the processes, in one flat all-reduce.

    `DistributedDataParallel` would not do: `autograd.grad` skips its hooks.
    """
    if not _distributed() or not gradients:
        return gradients
    flat = torch.cat([g.reshape(-1) for g in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    pieces = flat.split([g.numel() for g in gradients])
    return [p.reshape(g.shape) for p, g in zip(pieces, gradients, strict=True)]


def takes_means(optimizer: keras.optimizers.Optimizer) -> None:
    """Optimizers take gradients as they come."""


def apply_if(
    finite: Tensor, optimizer: keras.optimizers.Optimizer, gradients: list[Tensor]
) -> None:
    """See `keras_gans.training.backend`."""
    if finite:
        optimizer.apply(gradients)


class _ReplicaMean(torch.autograd.Function):
    """Mean over the processes of a tensor that each has; so is the gradient."""

    @staticmethod
    def forward(x):
        total = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total / torch.distributed.get_world_size()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return _ReplicaMean.apply(gradient)


def replica_mean(x: Tensor) -> Tensor:
    """Mean over the processes, differentiable: its gradient is the mean of theirs."""
    return _ReplicaMean.apply(x) if replica()[1] > 1 else x


def average_logs(logs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Mean over the processes of a dictionary of scalars."""
    if not _distributed() or not logs:
        return logs
    values = torch.stack([torch.as_tensor(v).detach().float() for v in logs.values()])
    torch.distributed.all_reduce(values)
    values /= torch.distributed.get_world_size()
    return dict(zip(logs, values, strict=True))


def check_compile(
    optimizers: dict[str, keras.optimizers.Optimizer],
    jit_compile: bool | str,
    steps_per_execution: int,
) -> None:
    """Refuse what stock Keras refuses on torch, with the reason."""
    if steps_per_execution > 1:
        raise ValueError(
            "steps_per_execution > 1 does not work on the torch backend: use 1, or TensorFlow/JAX."
        )
    if jit_compile is True:
        raise ValueError(
            "jit_compile=True does not work on the torch backend (torch.compile refuses double "
            'backward): use jit_compile="auto", or TensorFlow/JAX.'
        )


def prepare_onnx() -> None:
    """Teach PyTorch's writer of ONNX what it lacks.

    `ravel`, by which Keras's `take` passes its indices, and `movedim` with axes counted from the
    end, which ONNX has not.
    """

    def ravel(graph, x):
        return graph.op("Reshape", x, graph.op("Constant", value_t=torch.tensor([-1])))

    @torch.onnx.symbolic_helper.parse_args("v", "t", "t")
    def movedim(graph, x, sources, targets):
        rank = x.type().dim()
        sources = [axis % rank for axis in sources.view(-1).tolist()]
        targets = [axis % rank for axis in targets.view(-1).tolist()]
        order = [axis for axis in range(rank) if axis not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
        return graph.op("Transpose", x, perm_i=order)

    torch.onnx.register_custom_op_symbolic("aten::ravel", ravel, 9)
    torch.onnx.register_custom_op_symbolic("aten::movedim", movedim, 9)
