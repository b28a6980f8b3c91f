"""Tensors as pictures: computed once, drawn as often as wanted, into a file, a page or axes of your own.

Matplotlib is loaded when something is drawn, and its global state (pyplot) is never touched.
"""

from convitro.plots.charts import Bars, Curves, Histogram
from convitro.plots.colours import Scale
from convitro.plots.display import Display
from convitro.plots.maps import kernel_matrix, map_grid, map_rows
from convitro.plots.pictures import colour_filters, picture_grid, projection_sheet
from convitro.plots.sheet import Block, Sheet, Tile

__all__ = [
    "Bars",
    "Block",
    "Curves",
    "Display",
    "Histogram",
    "Scale",
    "Sheet",
    "Tile",
    "colour_filters",
    "kernel_matrix",
    "map_grid",
    "map_rows",
    "picture_grid",
    "projection_sheet",
]
