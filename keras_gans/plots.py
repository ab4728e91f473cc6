"""Curves as PNG files, drawn with Pillow: axes, ticks, a legend, nothing else to install."""

import math
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_gans.errors import nearest
from keras_gans.files import replacing
from keras_gans.typing import Any, PathLike

# After Okabe and Ito: colors that color-blind readers tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5E3C99", "#000000")
# Every round of colors has a dash of its own: lengths of ink and gap, in pixels.
DASHES = (None, (12, 7), (3, 5))
_INK, _GREY, _GRID = "#222222", "#777777", "#E3E3E3"
_OVERSAMPLING = 3  # Pillow's lines have hard edges: draw large, then shrink
_FORMS = ("line", "points", "both")


def line_plot(
    curves: dict[str, Any],
    path: PathLike,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    x_start: float = 0,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    form: str = "line",
    point_labels: dict[str, Sequence[str | None]] = None,
    size: tuple[int, int] = (960, 600),
    bands: dict[str, Any] | None = None,
) -> None:
    """Draw curves on one pair of axes and write them as a PNG file, whole or not at all.

    Args:
        curves: dictionary, name in the legend -> values y (N,), or a pair (x, y) of such. Values
            that are not finite leave a gap.
        path: the file, ending in `.png`; its folder is made where it is missing.
        title: one line above the axes.
        x_label, y_label: what the axes show.
        x_start: number, the x of the first value of a curve that comes without x.
        x_range, y_range: (lowest, highest) of an axis; by default what the curves span. Values
            outside are drawn at the edge.
        form: `"line"`, `"points"` or `"both"`.
        point_labels: dictionary, name of a curve -> texts (N,) beside its points; None or "" for a
            point without.
        size: (width, height) in pixels, 320 x 240 at least.
        bands: dictionary, name of a curve -> (lowest, highest), values (N,) each, such as those of
            several seeds, filled behind it.

    Raises:
        ValueError: no curve with a finite value, x and y of different lengths, another ending.
        OSError: the file cannot be written; what was there before is kept.

    Example:

    >>> keras_gans.plots.line_plot({"d_loss": [1.2, 0.9, 0.8]}, "loss.png", x_label="epoch")
    """
    from PIL import Image

    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path} does not end in .png: plots are written as PNG files.")
    if form not in _FORMS:
        raise ValueError(f"form is {form!r}{nearest(form, _FORMS)}; expected one of {_FORMS}.")
    if len(size) != 2 or size[0] < 320 or size[1] < 240:
        raise ValueError(f"size is {size}; expected (width, height) of 320 x 240 pixels or more.")
    curves = {str(name): _points(name, curve, x_start) for name, curve in curves.items()}
    edges = {n: np.asarray(bands[n], "float64") for n in curves if n in (bands or {})}
    spans = [[x for x, _ in curves.values()], [y for _, y in curves.values()]]
    spans[1] += [edge for both in edges.values() for edge in both]
    ranges = [
        _range(name, spans[axis], given, pad)
        for name, axis, given, pad in (
            ("x_range", 0, x_range, 0 if form == "line" else 0.04),
            ("y_range", 1, y_range, 0.04),
        )
    ]
    figure = _Figure(size, ranges, list(curves))
    figure.axes(title, x_label, y_label)
    for i, name in enumerate(curves):
        if name in edges:
            figure.band(i, curves[name][0], *edges[name])
    for i, (name, points) in enumerate(curves.items()):
        figure.curve(i, points, form, (point_labels or {}).get(name))
    figure.legend()
    picture = figure.image.resize(tuple(size), Image.Resampling.BOX)
    with replacing(path, suffix=".png") as temporary:
        picture.save(temporary, format="PNG")


def ticks(low: float, high: float, most: int = 8) -> tuple[list[float], list[str]]:
    """Round numbers in [low, high], at most `most`, and their texts.

    Steps are 1, 2 or 5 times a power of ten.

    >>> ticks(0, 1, 6)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
    """
    rough = (high - low) / max(1, most - 1)
    power = 10.0 ** _power(rough)
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Products, not sums: no rounding piles up.
    values = [round(i * step, 12 - _power(step)) for i in range(first, last + 1)]
    largest = max(map(abs, values), default=0.0)
    if 1e-3 <= step and largest < 1e7:
        return values, [f"{v + 0.0:.{max(0, -_power(step))}f}" for v in values]
    digits = _power(largest or step) - _power(step)
    return values, [f"{v + 0.0:.{digits}e}" if v else "0" for v in values]


def _power(x):
    """The power of ten of a positive number's first digit."""
    return math.floor(math.log10(x) + 1e-9)


def _points(name, curve, x_start):
    pair = isinstance(curve, tuple) and len(curve) == 2 and np.ndim(curve[0]) == 1
    y = np.asarray(curve[1] if pair else curve, "float64")
    x = np.asarray(curve[0], "float64") if pair else x_start + np.arange(y.size, dtype="float64")
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"The curve {name!r} has x of shape {x.shape} and y of shape {y.shape}; (N,) each is "
            "wanted."
        )
    return x, y


def _range(name, values, given, pad):
    if given is not None:
        low, high = (float(v) for v in given)
        if not (math.isfinite(low) and low < high < math.inf):
            raise ValueError(f"{name} is {given}; expected (lowest, highest).")
        return low, high
    values = np.concatenate([*values, np.zeros(0)])
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError("There is nothing to draw: no curve has a finite value.")
    low, high = float(values.min()), float(values.max())
    if low == high:
        # A constant curve runs through the middle.
        margin = abs(low) / 2 or 0.5
    else:
        margin = pad * (high - low)
    return low - margin, high + margin


class _Figure:
    """An image with axes; coordinates are pixels of the final size, scaled only when drawn."""

    def __init__(self, size, ranges, names):
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", [_OVERSAMPLING * s for s in size], "white")
        self.draw = ImageDraw.Draw(self.image)
        self.size, self.ranges, self.names = size, ranges, names
        self.left, self.top = 84, 50
        self.bottom = size[1] - 64
        # The legend stands to the right of the axes, where it can hide nothing.
        widest = max(self.width(self.short(name), 15) for name in names)
        self.right = size[0] - int(min(widest + 60, 0.4 * size[0])) - 24

    def short(self, name):
        """A legend's text, cut where it would take more than 0.4 of the width."""
        room = 0.4 * self.size[0] - 60
        if self.width(name, 15) <= room:
            return name
        while name and self.width(name + "...", 15) > room:
            name = name[:-1]
        return name + "..."

    def font(self, size):
        from PIL import ImageFont

        return ImageFont.load_default(size * _OVERSAMPLING)

    def width(self, text, size):
        return self.font(size).getlength(text) / _OVERSAMPLING

    def place(self, x, y):
        """Pixels of a point of the data."""
        (x0, x1), (y0, y1) = self.ranges
        return (
            self.left + (x - x0) / (x1 - x0) * (self.right - self.left),
            self.bottom - (y - y0) / (y1 - y0) * (self.bottom - self.top),
        )

    def line(self, points, color, width):
        scaled = [(_OVERSAMPLING * x, _OVERSAMPLING * y) for x, y in points]
        self.draw.line(scaled, color, round(_OVERSAMPLING * width), joint="curve")

    def text(self, x, y, text, size, anchor, color=_INK, halo=0):
        at = (_OVERSAMPLING * x, _OVERSAMPLING * y)
        around = {"stroke_width": _OVERSAMPLING * halo, "stroke_fill": "white"} if halo else {}
        self.draw.text(at, text, color, self.font(size), anchor=anchor, **around)

    def axes(self, title, x_label, y_label):
        """The frame, grid, ticks and texts."""
        for value, text in zip(*ticks(*self.ranges[0], most=9), strict=True):
            x, _ = self.place(value, self.ranges[1][0])
            self.line([(x, self.top), (x, self.bottom)], _GRID, 1)
            self.line([(x, self.bottom), (x, self.bottom + 5)], _INK, 1)
            self.text(x, self.bottom + 9, text, 14, "ma")
        for value, text in zip(*ticks(*self.ranges[1], most=7), strict=True):
            _, y = self.place(self.ranges[0][0], value)
            self.line([(self.left, y), (self.right, y)], _GRID, 1)
            self.line([(self.left - 5, y), (self.left, y)], _INK, 1)
            self.text(self.left - 9, y, text, 14, "rm")
        corners = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)]
        self.line(corners, _INK, 1.4)
        middle = (self.left + self.right) / 2
        self.text(middle, self.size[1] - 14, x_label, 16, "ms")
        self.text(self.left, self.top - 16, title, 18, "ls")
        self.upright(16, (self.top + self.bottom) / 2, y_label, 16)

    def upright(self, x, y, text, size):
        """Text that runs upwards, centered at (x, y)."""
        from PIL import Image, ImageDraw

        if not text:
            return
        font = self.font(size)
        box = (math.ceil(font.getlength(text)) + 4, round(1.5 * size * _OVERSAMPLING))
        label = Image.new("RGB", box, "white")
        center = (box[0] / 2, box[1] / 2)
        ImageDraw.Draw(label).text(center, text, _INK, font, anchor="mm")
        label = label.rotate(90, expand=True)
        corner = (x * _OVERSAMPLING - label.width / 2, y * _OVERSAMPLING - label.height / 2)
        self.image.paste(label, (max(0, round(corner[0])), max(0, round(corner[1]))))

    def style(self, i):
        dashes = DASHES[i // len(COLORS) % len(DASHES)]
        return COLORS[i % len(COLORS)], dashes

    def curve(self, i, points, form, labels):
        """One curve; what lies outside the ranges is drawn at the edge."""
        color, dashes = self.style(i)
        (x0, x1), (y0, y1) = self.ranges
        x, y = np.clip(points[0], x0, x1), np.clip(points[1], y0, y1)
        shown = np.isfinite(points[0]) & np.isfinite(points[1])
        pixels = [self.place(*p) if ok else None for *p, ok in zip(x, y, shown, strict=True)]
        if form != "points":
            for run in _runs(pixels):
                for part in _dashed(run, dashes):
                    self.line(part, color, 2.2)
        # A value between two gaps would vanish without a mark.
        alone = [run[0] for run in _runs(pixels) if len(run) == 1]
        for at in [p for p in pixels if p] if form != "line" else alone:
            self.dot(at, color)
        for at, label in zip(pixels, labels or (), strict=False):
            if at and label:
                self.text(at[0] + 7, at[1] - 6, str(label), 13, "ls", _GREY, halo=2)

    def band(self, i, x, low, high):
        """What lies between two lines, in the curve's color made pale."""
        from PIL import Image, ImageDraw

        (x0, x1), (y0, y1) = self.ranges
        shown = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        if shown.sum() < 2:
            return
        x, low, high = (
            np.clip(v[shown], *r)
            for v, r in zip((x, low, high), ((x0, x1), (y0, y1), (y0, y1)), strict=True)
        )
        outline = [*zip(x, low, strict=True), *zip(x[::-1], high[::-1], strict=True)]
        mask = Image.new("L", self.image.size, 0)
        places = [tuple(_OVERSAMPLING * c for c in self.place(*p)) for p in outline]
        ImageDraw.Draw(mask).polygon(places, fill=46)
        self.image.paste(Image.new("RGB", self.image.size, self.style(i)[0]), mask=mask)

    def dot(self, at, color, radius=3.6):
        box = [_OVERSAMPLING * (c + d) for d in (-radius, radius) for c in at]
        self.draw.ellipse(box, color)

    def legend(self):
        """Names beside pieces of their curves."""
        y = self.top + 10
        # Many curves stand closer.
        step = min(24, (self.size[1] - y - 10) / len(self.names))
        for i, name in enumerate(self.names):
            color, dashes = self.style(i)
            for part in _dashed([(self.right + 20, y), (self.right + 50, y)], dashes):
                self.line(part, color, 3)
            self.text(self.right + 58, y, self.short(name), 15, "lm")
            y += step


def _runs(pixels):
    """The stretches without a gap."""
    runs = [[]]
    for p in pixels:
        if p is None:
            runs.append([])
        else:
            runs[-1].append(p)
    return [run for run in runs if run]


def _dashed(points, dashes):
    """A polyline cut into dashes (lengths of ink and gap), which go on around its corners."""
    if dashes is None or len(points) < 2:
        return [points] if len(points) > 1 else []
    parts, part, left, ink = [], [points[0]], dashes[0], True
    for a, b in zip(points, points[1:], strict=False):
        length = math.dist(a, b)
        done = 0.0
        while length - done > left:
            done += left
            at = tuple(p + (q - p) * done / length for p, q in zip(a, b, strict=True))
            if ink:
                parts.append([*part, at])
            ink = not ink
            part, left = [at], dashes[0] if ink else dashes[1]
        left -= length - done
        part.append(b)
    return [*parts, part] if ink and len(part) > 1 else parts
