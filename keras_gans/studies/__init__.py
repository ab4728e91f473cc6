"""Studies: one file of rows x seeds that is trained, resumed, and reported with its spread."""

from keras_gans.studies.statistics import Difference, Summary, paired_difference, summarize
from keras_gans.studies.study import Cell, Study, load

__all__ = [
    "Cell",
    "Difference",
    "Study",
    "Summary",
    "load",
    "paired_difference",
    "summarize",
]
