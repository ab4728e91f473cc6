"""Images of label maps: `synthesize`."""

import numpy as np

from keras_gans import registry
from keras_gans.tasks import map_panels
from keras_gans.tasks.base import Picture, Task, View, shapes
from keras_gans.tasks.images import ROWS, panels_picture
from keras_gans.tasks.playing import Panel
from keras_gans.typing import Any, PathLike


@registry.task("label_maps")
class LabelMaps(Task):
    """Images of maps that say the class of every pixel: `synthesize`."""

    verb, command, makes = "synthesize", "synthesize", "images of label maps"
    kind = "synthesizer"
    pipeline = "image-to-image"

    def wrap(self, network: Any) -> Any:
        from keras_gans.models import Synthesizer

        return Synthesizer(network)

    def network(self, source: Any) -> Any:
        return source.inference_network()

    def view(self, model: Any, recipe: dict[str, Any], seed: int = 0) -> View:
        from keras_gans.recipes import reading

        inputs, targets = reading.maps_of(recipe, ROWS)
        return MapPanels(inputs, targets, seed)

    def examples(self, recipe: dict[str, Any]) -> dict[str, Any]:
        from keras_gans.recipes import reading

        return dict(zip(("examples", "targets"), reading.maps_of(recipe, ROWS), strict=True))

    def stored_examples(self, source: Any) -> Any:
        examples = getattr(source, "examples", None)
        return None if examples is None else examples()

    def panels(self, source: Any, names: list[str] | None = None) -> list[Panel]:
        return map_panels.panels(source, self.stored_examples(source), names or [])

    def usage(self, architecture: dict[str, Any]) -> str:
        samples = ", samples=4" if architecture.get("noise_dim") else ""
        more = "K, " if samples else ""
        return f"entry.synthesize(*entry.examples(){samples})  # float32 (N, {more}H, W, C)"

    def facts(self, architecture: dict[str, Any]) -> list[str]:
        count = architecture["num_classes"]
        lines = [
            f"- Images: {shapes(architecture)} (height, width, channels)",
            f'- Maps: integers 0 to {count - 1}, and {count} for "don\'t care"',
        ]
        if architecture.get("instances"):
            lines.append("- Beside maps: ids of instances, whose borders it sees")
        if architecture.get("noise_dim"):
            lines.append(f"- Latents of {architecture['noise_dim']}: several images of a map")
        return lines

    def next_command(self, folder: PathLike) -> str:
        return f"keras-gans synthesize {folder} --out=synthesized.png"


class MapPanels(View):
    """Fixed maps beside what a model makes of them, a row a map.

    Args:
        inputs: tuple of maps, and instances where there are any.
        targets: images (N, H, W, C) for a last column, or None.
        seed: integer, of the latents.
    """

    def __init__(self, inputs: tuple[np.ndarray, ...], targets: Any = None, seed: int = 0):
        self.inputs = inputs
        self.targets = targets
        self.seed = seed

    def draw(self, model: Any) -> Picture:
        return panels_picture(model.panels(*self.inputs, seed=self.seed), self.targets)
