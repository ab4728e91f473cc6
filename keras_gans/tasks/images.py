"""Images of images: translations to a domain, a coloring, a reconstruction."""

import numpy as np

from keras_gans import registry
from keras_gans.tasks import image_panels
from keras_gans.tasks.base import Picture, Task, View
from keras_gans.tasks.image_panels import panel_rows
from keras_gans.tasks.playing import Panel
from keras_gans.typing import Any, PathLike, Tensor

ROWS = 8  # images that a run, or an entry, is shown by


@registry.task("images")
class Images(Task):
    """Images of images, and of a domain, label or guide beside them: `translate`."""

    verb, command, makes = "translate", "translate", "images of images"
    kind = "translator"
    pipeline = "image-to-image"

    def wrap(self, network: Any) -> Any:
        from keras_gans.models import Translator

        return Translator(network)

    def network(self, source: Any) -> Any:
        return source.inference_network()

    def served(self, network: Any) -> Any:
        from keras_gans.models.serving import images_only

        return images_only(network)

    def view(self, model: Any, recipe: dict[str, Any], seed: int = 0) -> View:
        from keras_gans.recipes import reading

        inputs, targets = reading.examples_of(recipe, ROWS)
        # To every domain, not to the images' own.
        return Panels(inputs[:1] if model.condition == "domains" else inputs, targets)

    def examples(self, recipe: dict[str, Any]) -> dict[str, Any]:
        from keras_gans.recipes import reading

        return dict(zip(("examples", "targets"), reading.examples_of(recipe, ROWS), strict=True))

    def stored_examples(self, source: Any) -> Any:
        examples = getattr(source, "examples", None)
        return None if examples is None else examples()

    def panels(self, source: Any, names: list[str] | None = None) -> list[Panel]:
        return image_panels.panels(source, self.stored_examples(source), names or [])

    def usage(self, architecture: dict[str, Any]) -> str:
        return "entry.translate(*entry.examples())  # float32 (N, H, W, C)"

    def facts(self, architecture: dict[str, Any]) -> list[str]:
        parts = ", ".join(f"{n} {count:,}" for n, count in architecture["parts"].items())
        lines = [*super().facts(architecture), f"- The translator's parts, parameters: {parts}"]
        condition, count = architecture["condition"], architecture["num_domains"]
        if count is not None:
            lines.append(
                f"- {condition.capitalize()}: {count}, `translate(images, domain=0)` to "
                f"`domain={count - 1}`"
            )
        elif condition is not None:
            lines.append(f"- Beside images: {condition}, `translate(images, {condition})`")
        return lines

    def next_command(self, folder: PathLike) -> str:
        return f"keras-gans translate {folder} IMAGES --out=translated.png"


class Panels(View):
    """Fixed images beside what a model makes of them, a row an image.

    Args:
        inputs: tuple of what the model's `panels` takes.
        targets: images (N, H, W, C) for a last column, or None.
    """

    def __init__(self, inputs: Tensor, targets: Any = None):
        self.inputs = inputs
        self.targets = targets

    def draw(self, model: Any) -> Picture:
        return panels_picture(model.panels(*self.inputs), self.targets)


def panels_picture(panels: dict[str, np.ndarray], targets: Any = None) -> Picture:
    """The `Picture` of panels, with the targets as a last column where there are any."""
    panels = panels if targets is None else {**panels, "target": targets}
    images, columns = panel_rows(panels)
    return Picture(images, columns, f"{len(images) // columns} images: {', '.join(panels)}")
