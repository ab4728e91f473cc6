"""The zoo of trained entries: a folder each, of plain files that every backend loads."""

from keras_gans.zoo.catalogue import card, load, write_index
from keras_gans.zoo.catalogue import list_entries as list
from keras_gans.zoo.entry import ZooEntry
from keras_gans.zoo.exporting import export
from keras_gans.zoo.gallery import write_gallery
from keras_gans.zoo.publishing import publish

__all__ = ["ZooEntry", "card", "export", "list", "load", "publish", "write_gallery", "write_index"]
