"""Adam with coupled L2 regularization, as `torch.optim.Adam(weight_decay=...)` defines it."""

import math

import keras
from keras import ops

from keras_gans import registry
from keras_gans.typing import Any, Config, Tensor


def _bias_correction(beta, step):
    """1 - beta**step; written out it would lose four digits of float32 at beta = 0.999."""
    if isinstance(beta, (int, float)):
        return -ops.expm1(step * math.log(beta)) if beta > 0 else 1.0
    return -ops.expm1(step * ops.log(beta))


@registry.optimizer("adam_l2")
@keras.saving.register_keras_serializable(package="keras_gans")
class AdamL2(keras.optimizers.Optimizer):
    """Adam whose L2 penalty goes through the moments ("weight decay" of published GAN code).

    The gradient is `g + l2 * w` before the moments are updated, for every variable, biases and
    norms included; Keras's `weight_decay` is decoupled (AdamW) and is another method. Epsilon is
    added to `sqrt(v_hat)` after the bias correction, as in Kingma and Ba's Algorithm 1 (ICLR 2015)
    and in torch; Keras's own Adam adds it before.

    Args:
        learning_rate: float, schedule or callable.
        beta_1: float in [0, 1), decay of the first moment.
        beta_2: float in [0, 1), decay of the second moment.
        epsilon: float, added to the root of the corrected second moment.
        l2: float, the coefficient of `w` in the gradient (torch's `weight_decay`).
        **kwargs: `clipnorm`, `global_clipnorm`, `gradient_accumulation_steps`, ... of
            `keras.optimizers.Optimizer`. Clipping acts before the L2 term is added.

    Example:

    >>> optimizer = keras_gans.training.AdamL2(2e-4, beta_1=0.0, beta_2=0.999, l2=1e-4)
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        l2: float = 0.0,
        name: str = "adam_l2",
        **kwargs: Any,
    ):
        if l2 < 0:
            raise ValueError(f"l2 is {l2}; expected a number of 0 or more.")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.l2 = l2
        # What schedules say in the step that is being made or traced, in the place of the arguments
        # above; beta_2 in the bias correction too: 1 - beta_2 ** t, as if it had always been that.
        # No variables: saved, they would be taken for what the schedules start from.
        self.beta_2_now: Tensor = None
        self.learning_rate_now: Tensor = None

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )

    def _get_current_learning_rate(self):
        if self.learning_rate_now is not None:
            return self.learning_rate_now
        return super()._get_current_learning_rate()

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        dtype = variable.dtype
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, dtype)
        beta_2 = self.beta_2 if self.beta_2_now is None else ops.cast(self.beta_2_now, dtype)
        gradient = ops.cast(gradient, dtype) + self.l2 * ops.convert_to_tensor(variable)
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, beta_2 * v + (1 - beta_2) * ops.square(gradient))
        m_hat = m / _bias_correction(self.beta_1, step)
        v_hat = v / _bias_correction(beta_2, step)
        update = ops.cast(learning_rate, dtype) * m_hat / (ops.sqrt(v_hat) + self.epsilon)
        self.assign_sub(variable, update)

    def get_config(self) -> Config:
        config = super().get_config()
        return {
            **config,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "l2": self.l2,
        }
