"""Data sets of images in [-1, 1], in an order that a resumed run repeats."""

from collections.abc import Callable

from keras_gans.data import embedded  # noqa: F401  (declares its data sets)
from keras_gans.data.arrays import ArrayDataset, load_arrays
from keras_gans.data.hands import draw_hand
from keras_gans.data.images import from_uint8, image_grid, save_grid, to_uint8
from keras_gans.data.label_maps import LabelMapDataset, color_labels
from keras_gans.data.loading import load
from keras_gans.data.map_files import load_label_maps
from keras_gans.data.order import EpochKey, epoch_key_of
from keras_gans.data.packing import pack
from keras_gans.data.pairs import PairDataset, load_pairs, outlines
from keras_gans.data.quadruples import QuadrupleDataset, load_quadruples
from keras_gans.errors import former_names
from keras_gans.typing import Any

__all__ = [
    "ArrayDataset",
    "EpochKey",
    "LabelMapDataset",
    "PairDataset",
    "QuadrupleDataset",
    "color_labels",
    "draw_hand",
    "epoch_key_of",
    "from_uint8",
    "image_grid",
    "load",
    "load_arrays",
    "load_label_maps",
    "load_pairs",
    "load_quadruples",
    "outlines",
    "pack",
    "save_grid",
    "to_uint8",
]

__getattr__: Callable[[str], Any] = former_names(__name__, load_paired=load_quadruples)
