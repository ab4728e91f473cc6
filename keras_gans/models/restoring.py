"""Restoring images with what a method has trained: its generator and its discriminator."""

from collections.abc import Sequence

import keras

from keras_gans import restoration
from keras_gans.restoration import Degradation, Restoration, Schedule
from keras_gans.training import backend
from keras_gans.typing import Any


class Restoring:
    """Mixin of what has a generator of latents, a `discriminator` and `num_classes`: `restore`."""

    num_classes: int | None
    discriminator: keras.Model

    def _sampled(self) -> keras.Model:
        """The generator that images are sampled from."""
        raise NotImplementedError

    def restore(
        self,
        images: Any,
        task: str | Degradation = "reconstruct",
        factor: int = 4,
        mask: Any = None,
        labels: Any = None,
        seed: int | Sequence[int] = 0,
        schedule: str | Schedule | None = None,
        cell: str = "trained",
        pooled: str = "area",
        moments: int = 6,
        verbose: str | int = "auto",
    ) -> Restoration:
        """Color, enlarge, complete or reconstruct images: deep generative prior.

        Pan et al., Exploiting Deep Generative Prior, ECCV 2020; Zhou et al., Omni-GAN, ICCV 2021,
        App. I. For each image a latent is chosen among random ones, and then tuned together with
        a copy of the (averaged) generator until its image, degraded in the same way, has the
        discriminator features of the image that was given. Each image is tuned by itself, with
        fresh Adam moments: its result does not depend on the others. The model stays as it is.

        Args:
            images: uint8, or floats in [-1, 1], (N, H, W, C) or one (H, W, C): gray or in color for
                "color", small ones for "sr". With an INR head images may be of any size and shape;
                else H and W are the generator's (divided by `factor` for "sr").
            task: "reconstruct", "color", "sr" (super-resolution) or "inpaint"; or a `Degradation`
                of `keras_gans.restoration`.
            factor: even integer, for "sr": how many times larger the result is.
            mask: for "inpaint": (H, W), or (N, H, W), numbers above 0 where the image is lost.
            labels: classes of a conditional model, an integer or (N,); None chooses each with the
                latent.
            seed: integer of 0 or more, or N of them; another one gives another answer.
            schedule: a `keras_gans.restoration.Schedule`, or the name of one. None: the published
                one of the task for a generator of 10 million weights and more, else the short
                "compact", "compact_color" or "compact_sr".
            cell: "trained" or "true", of the INR head while it is tuned at another size.
            pooled: "area", or "sum" for the pooled features as released: a sum that grows with the
                size of the image.
            moments: integer, how many pictures of the way are kept.
            verbose: "auto" or 1 for a progress bar of each image, 0 for none.

        Returns:
            `keras_gans.restoration.Restoration`: `images`, `residual`, `render(size)` and more.

        Raises:
            ValueError: networks without blocks; images, mask, labels or factor that do not fit.

        Example:

        >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=3, d_head="omni")
        >>> model = keras_gans.models.OmniGAN(g, d, num_classes=3)
        >>> short = keras_gans.restoration.schedule("compact").changed(candidates=2).shortened(0.02)
        >>> small = np.zeros((1, 8, 8, 3), "uint8")
        >>> model.restore(small, "sr", labels=1, schedule=short, verbose=0).images.shape
        (1, 32, 32, 3)
        """
        with backend.synced(self):
            return restoration.restore(
                self._sampled(),
                self.discriminator,
                images,
                task,
                num_classes=self.num_classes,
                factor=factor,
                mask=mask,
                labels=labels,
                seed=seed,
                schedule=schedule,
                cell=cell,
                pooled=pooled,
                moments=moments,
                verbose=verbose,
            )
