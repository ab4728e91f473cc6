"""One-stage adversarial training: one forward of G, one of D, one backward, both updated.

Shen et al., Training Generative Adversarial Networks in One Stage, CVPR 2021 ("OSGAN").
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from keras_gans.training import backend, loss_scale
from keras_gans.training.gradients import value_and_grad, vjp
from keras_gans.typing import Any, Tensor


class OneStage(NamedTuple):
    """What `one_stage` returns."""

    d_loss: Tensor
    g_loss: Tensor
    d_gradients: list[Tensor]
    g_gradients: list[Tensor]
    fakes: Tensor
    real_scores: Tensor
    fake_scores: Tensor
    gamma: Tensor
    gamma_std: Tensor


class Seam(NamedTuple):
    """What `one_stage_seam` returns."""

    d_loss: Tensor
    g_loss: Tensor
    d_gradients: list[Tensor]
    seam: Tensor
    real_scores: Tensor
    fake_scores: Tensor
    gamma: Tensor
    gamma_std: Tensor


# The floor under |dL_D/dD(x)| as a fraction of the batch's largest |dL_G/dD(x)|: small enough that
# its own part of D's gradient is below float32's resolution, large enough that the seam, a multiple
# of it, is computed at full precision. float16 resolves less, and has no room for numbers so small.
_FLOOR, _FLOOR_OF_FLOAT16 = 2.0**-24, 2.0**-12


def score_gradients(
    loss: Callable[[Tensor, Tensor], Tensor], real_scores: Tensor, fake_scores: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean of a per-instance loss, and its gradients for the two tensors of scores."""
    value, pullback = vjp(
        lambda real, fake: ops.mean(loss(real, fake)), (), (real_scores, fake_scores)
    )
    return value, *pullback(ops.ones_like(value), wrt="inputs")[1]


def seam_ratio(c_d: Tensor, c_g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """gamma = c_G / c_D per instance (Eq. 7), safe where c_D vanishes.

    A saturated hinge fake has c_D = 0 and c_G != 0: no finite ratio carries c_G through D. So
    sign(c_D) * max(|c_D|, floor) takes c_D's place before it is divided by AND before it is pulled
    back: their product is c_G exactly, and D's gradient changes by the floor's own pullback only.

    Args:
        c_d: dL_D/dD(x) at the fakes, shape (B, 1) or (B,).
        c_g: dL_G/dD(x) at the fakes, the same shape.

    Returns:
        `(c_d', gamma, unsaturated)`: the floored c_d, the ratio, and a float mask, 0 where the
        floor acted.
    """
    # The smallest normal number keeps the division finite where c_G is zero for the whole batch.
    share = _FLOOR_OF_FLOAT16 if loss_scale.active() else _FLOOR
    floor = ops.maximum(share * ops.max(ops.abs(c_g)), 1.2e-38)
    unsaturated = ops.abs(c_d) >= floor
    sign = ops.where(c_d < 0, -1.0, 1.0)
    floored = ops.where(unsaturated, c_d, sign * floor)
    return floored, c_g / floored, ops.cast(unsaturated, "float32")


def one_stage(
    generate: Callable[[], Tensor],
    g_variables: list[keras.Variable],
    discriminate: Callable[[Tensor], tuple[Tensor, Tensor]],
    d_variables: list[keras.Variable],
    objective: Any,
    separate_seam: bool = False,
) -> OneStage:
    """Losses and exact gradients of both players from one forward of each network.

    In every layer of a discriminator that treats instances independently, dL_G and dL_D differ by
    one scalar per instance, gamma_i = c_G,i / c_D,i, known at its output (Eqs. 7 and S7). So D's
    gradient with respect to the fake images (the seam), scaled by gamma_i, is G's: the "simple"
    form, Eq. S8, which gives the gradients of the instance loss, Eq. 9.

    Args:
        generate: function () -> fake images (B, H, W, C); called once.
        g_variables: the generator's variables.
        discriminate: function (fakes) -> (scores of the real images, scores of the fakes); called
            once.
        d_variables: the discriminator's variables.
        objective: a `keras_gans.losses.Objective`.
        separate_seam: whether the seam gets a backward pass of its own through D, which is needed
            where gamma varies within an instance (patch maps, several scores).

    Returns:
        `OneStage` with float32 scalars for the losses, lists of gradients, the fakes and scores,
        and the mean and standard deviation of gamma over the instances whose c_D is not saturated
        (None with `separate_seam`).
    """
    fakes, pull_generator = vjp(generate, g_variables)
    step = one_stage_seam(fakes, discriminate, d_variables, objective, separate_seam)
    g_gradients, _ = pull_generator(step.seam, wrt="variables")
    return OneStage(*step[:3], g_gradients, fakes, *step[4:])


def one_stage_seam(
    fakes: Tensor,
    discriminate: Callable[[Tensor], tuple[Tensor, Tensor]],
    d_variables: list[keras.Variable],
    objective: Any,
    separate_seam: bool = False,
) -> Seam:
    """The discriminator's half of `one_stage`: L_G's gradient for fakes of any origin (the seam).

    Args:
        fakes: images (B, H, W, C), or codes (B, N).
        discriminate, d_variables, objective, separate_seam: see `one_stage`.

    Returns:
        `Seam`: as `OneStage`, with the gradient of L_G for `fakes` in the place of G's gradients.
    """
    scores, pull_discriminator = vjp(discriminate, d_variables, [fakes])
    d_loss, c_real, c_d = score_gradients(objective.discriminator.call, *scores)
    g_loss, _, c_g = score_gradients(objective.generator.call, *scores)
    gamma = gamma_std = None
    if objective.symmetric:
        d_gradients, (seam,) = pull_discriminator((c_real, c_d))
        seam = -seam
        gamma, gamma_std = -1.0, 0.0
    elif separate_seam:
        d_gradients, _ = pull_discriminator((c_real, c_d), wrt="variables")
        _, (seam,) = pull_discriminator((ops.zeros_like(c_real), c_g), wrt="inputs")
    else:
        c_d, ratio, unsaturated = seam_ratio(c_d, c_g)
        d_gradients, (seam,) = pull_discriminator((c_real, c_d))
        per_instance = ops.reshape(ratio, (-1,) + (1,) * (len(seam.shape) - 1))
        seam = seam * ops.cast(per_instance, seam.dtype)
        gamma, gamma_std = _mean_and_std(ratio, unsaturated)
    return Seam(d_loss, g_loss, d_gradients, seam, *scores, gamma, gamma_std)


def one_stage_with_slopes(
    generate: Callable[[], Tensor],
    g_variables: list[keras.Variable],
    scores_and_slopes: Callable[[Tensor], tuple[Any, list[Tensor]]],
    d_variables: list[keras.Variable],
    objective: Any,
    penalty: Callable[[list[Tensor]], Tensor],
) -> OneStage:
    """`one_stage` for a discriminator with a penalty on its slopes at the images (R1, R2).

    A zero-centered penalty needs g_i, the gradient of each fake's own score for that fake. It is
    all that G's gradient needs of D as well: in a discriminator that treats instances
    independently, L_G's gradient for fake i is c_G,i g_i, with c_G,i = dL_G/dD(G(z_i)). So g is
    computed once, and pulled into G by hand. Scaling D's whole gradient at the seam instead, as
    without a penalty, would send the penalty into G, whose loss it is not; and no ratio is needed
    that overflows where D is sure.

    Args:
        generate, g_variables, d_variables, objective: see `one_stage`.
        scores_and_slopes: function (fakes) -> ((scores of the real images, of the fakes), [the
            gradients of the sum of all scores for the real images, for the fakes]).
        penalty: function (these gradients) -> one value an instance (B,), added to D's loss.

    Returns:
        `OneStage`.
    """
    fakes, pull_generator = vjp(generate, g_variables)

    def loss():
        scores, slopes = scores_and_slopes(fakes)
        return objective.discriminator.call(*scores) + penalty(slopes), (*scores, slopes[1])

    d_loss, d_gradients, aux = value_and_grad(loss, d_variables, has_aux=True)
    real_scores, fake_scores, slope = aux
    _, _, c_d = score_gradients(objective.discriminator.call, real_scores, fake_scores)
    g_loss, _, c_g = score_gradients(objective.generator.call, real_scores, fake_scores)
    per_instance = ops.reshape(c_g, (-1,) + (1,) * (len(slope.shape) - 1))
    seam = slope * ops.cast(per_instance, slope.dtype)
    g_gradients, _ = pull_generator(ops.cast(seam, fakes.dtype), wrt="variables")
    _, ratio, unsaturated = seam_ratio(c_d, c_g)
    gammas = _mean_and_std(ratio, unsaturated)
    return OneStage(
        d_loss, g_loss, d_gradients, g_gradients, fakes, real_scores, fake_scores, *gammas
    )


def _mean_and_std(values, mask):
    """Mean and standard deviation of the entries whose mask is 1; 0 where there are none.

    Of all replicas' entries: the mean of their deviations would be another number.
    """
    count = backend.replica_mean(ops.sum(mask))
    count = ops.where(count > 0, count, 1.0)
    kept = ops.where(mask > 0, values, 0.0)
    mean = backend.replica_mean(ops.sum(kept)) / count
    variance = backend.replica_mean(ops.sum(mask * ops.square(kept - mean))) / count
    return mean, ops.sqrt(variance)
