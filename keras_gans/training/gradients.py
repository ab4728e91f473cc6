"""Gradients of ordinary, stateful Keras code, the same on every backend."""

from collections.abc import Callable, Sequence

import keras
from keras import ops, tree

from keras_gans.training import backend, loss_scale
from keras_gans.typing import Any, Tensor


def vjp(
    fn: Callable[..., Any], variables: Sequence[keras.Variable] = (), inputs: Sequence[Tensor] = ()
) -> tuple[Any, Callable[..., tuple[list[Tensor], list[Tensor]]]]:
    """Run `fn` now and return how to pull gradients back through it later.

    The one primitive the engine asks of a backend. `fn` may be any Keras code: layers that update
    their state (batch norm, spectral norm), metrics, other calls of `vjp` (a gradient penalty).

    Args:
        fn: function of the tensors in `inputs`; returns a tensor or a nested structure of them.
        variables: list of `keras.Variable`, the ones to differentiate with respect to.
        inputs: list or tuple of float tensors, passed to `fn` and differentiated as well.

    Returns:
        `(outputs, pullback)`. `pullback(cotangents, wrt="both")` takes gradients of the outputs
        (the same structure and shapes) and returns `(gradients of variables, gradients of inputs)`
        as two lists; `wrt="variables"` or `"inputs"` computes one of them and leaves the other
        list empty. It may be called several times. What does not depend on a source gives zeros.
        With float16 networks, in a train step, it scales what it pulls back, see `loss_scale.py`.

    Example:

    >>> import keras, keras_gans
    >>> layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    >>> x = keras.ops.ones((2, 3))
    >>> layer.build((None, 3))
    >>> y, pullback = keras_gans.training.vjp(layer, layer.trainable_variables, [x])
    >>> of_variables, of_inputs = pullback(keras.ops.ones((2, 1)))
    >>> of_variables[0].shape, of_inputs[0].shape
    ((3, 1), (2, 3))
    """
    outputs, pullback = backend.vjp(fn, list(variables), list(inputs))
    return outputs, loss_scale.scaled(pullback, variables)


def value_and_grad(
    fn: Callable[[], Any], variables: Sequence[keras.Variable], has_aux: bool = False
) -> tuple[Any, ...]:
    """The mean of `fn()` over all its entries, and its gradients for `variables`.

    Args:
        fn: function without arguments that returns a loss, a scalar or one value per instance;
            with `has_aux`, `(loss, aux)` where aux is a tensor or a nested structure of them.
        variables: list of `keras.Variable`.

    Returns:
        `(loss, gradients)` or `(loss, gradients, aux)`: a float32 scalar, a list of tensors.
    """

    def outputs():
        loss, aux = fn() if has_aux else (fn(), ())
        return ops.cast(ops.mean(loss), "float32"), aux

    (loss, aux), pullback = vjp(outputs, variables)
    zeros = tree.map_structure(ops.zeros_like, aux)
    gradients, _ = pullback((ops.ones_like(loss), zeros), wrt="variables")
    return (loss, gradients, aux) if has_aux else (loss, gradients)


def input_gradient(fn: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """The gradient of the sum of `fn(inputs)` with respect to `inputs`.

    With a discriminator that treats instances independently this is each instance's own gradient,
    as gradient penalties need it; inside another `vjp` it can be differentiated again.

    Args:
        fn: function of one tensor.
        inputs: float tensor.

    Returns:
        A tensor of the shape of `inputs`.
    """
    outputs, pullback = vjp(lambda x: ops.cast(fn(x), "float32"), [], [inputs])
    return pullback(ops.ones_like(outputs), wrt="inputs")[1][0]
