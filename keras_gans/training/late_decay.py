"""A learning rate that falls late."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.typing import Config, Tensor


@registry.schedule("late_decay")
@keras.saving.register_keras_serializable(package="keras_gans")
class LateDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant up to a step, then linear down to 0: the schedule of CycleGAN and its followers.

    Zhu et al., ICCV 2017, App. 7.1.

    Args:
        learning_rate: float, the constant rate.
        start: integer, the step where it begins to fall.
        end: integer, the step where it is 0, later than `start`; it stays 0 behind it.

    Raises:
        ValueError: an end that is not later than the start.

    Example:

    >>> rate = keras_gans.training.LateDecay(1.0, start=10, end=20)
    >>> [round(float(rate(step)), 2) for step in (0, 10, 15, 20, 30)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, learning_rate: float, start: int, end: int):
        if not 0 <= start < end:
            raise ValueError(f"start is {start} and end {end}; expected 0 <= start < end.")
        self.learning_rate: float = float(learning_rate)
        self.start: int = int(start)
        self.end: int = int(end)

    def __call__(self, step: Tensor) -> Tensor:
        left = (self.end - ops.cast(step, "float32")) / (self.end - self.start)
        return self.learning_rate * ops.clip(left, 0.0, 1.0)

    def get_config(self) -> Config:
        return {"learning_rate": self.learning_rate, "start": self.start, "end": self.end}
