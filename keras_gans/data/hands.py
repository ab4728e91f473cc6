"""Hand skeletons as guide images."""

import numpy as np
from PIL import Image, ImageDraw

from keras_gans.data.images import from_uint8
from keras_gans.typing import Any

# The 21 keypoints of OpenPose and MediaPipe: the wrist, then four from each finger's root to its
# tip, thumb first.
BONES = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
    for finger in range(5)
    for joint in range(4)
)
COLORS = ((230, 50, 40), (240, 200, 30), (60, 190, 60), (40, 130, 230), (190, 70, 220))
_OVERSAMPLING = 4  # Pillow's lines have hard edges: draw large, then shrink


def draw_hand(
    keypoints: Any,
    image_size: int | tuple[int, int] = 256,
    line_width: float | None = None,
    visible: Any = None,
) -> np.ndarray:
    """A hand's skeleton: a line for each bone, a color for each finger, on black.

    The guides of GestureGAN (Tang et al., ACM MM 2018) and AsymmetricGAN, which take OpenPose's 21
    keypoints; MediaPipe's are the same ones in the same order.

    Args:
        keypoints: numbers (21, 2), x and y as parts of the width and the height, 0 to 1 from the
            upper left corner; a point outside is drawn as far as it is seen, one with NaN left out
            with its bones.
        image_size: integer or (height, width).
        line_width: number of pixels; by default a fiftieth of the shorter side.
        visible: bools (21,); points that are False are left out too.

    Returns:
        float32 array (height, width, 3) in [-1, 1].

    Raises:
        ValueError: keypoints of another shape, or in pixels.

    Example:

    >>> points = np.random.default_rng(0).uniform(0.2, 0.8, (21, 2))
    >>> keras_gans.data.draw_hand(points, 64).shape
    (64, 64, 3)
    """
    points = np.asarray(keypoints, "float64")
    if points.shape != (21, 2):
        raise ValueError(f"keypoints have shape {points.shape}; expected (21, 2), x and y.")
    if np.nanmax(np.abs(points), initial=0.0) > 10:
        raise ValueError(
            f"keypoints reach {np.nanmax(np.abs(points)):.0f}; parts of the width and the height, "
            "0 to 1, are wanted: divide pixels by the image's size."
        )
    height, width = (image_size,) * 2 if np.ndim(image_size) == 0 else image_size
    if visible is not None:
        points = np.where(np.asarray(visible, bool)[:, None], points, np.nan)
    scale = np.array([width, height]) * _OVERSAMPLING
    line = (line_width or max(1.0, min(height, width) / 50)) * _OVERSAMPLING
    picture = Image.new("RGB", tuple(int(s) for s in scale))
    draw = ImageDraw.Draw(picture)

    def disc(point, color):
        draw.ellipse([*(point - line * 0.8), *(point + line * 0.8)], fill=color)

    for i, (a, b) in enumerate(BONES):
        ends = points[[a, b]] * scale
        if np.isfinite(ends).all():
            color = COLORS[i // 4]
            draw.line([tuple(p) for p in ends], fill=color, width=round(line))
            disc(ends[1], color)
    if np.isfinite(points[0]).all():
        disc(points[0] * scale, (255, 255, 255))
    return from_uint8(np.asarray(picture.resize((width, height), Image.Resampling.BOX)))
