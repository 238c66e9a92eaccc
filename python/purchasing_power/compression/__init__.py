"""Smaller and faster forms of a registered model; needs onnx and SciPy, but no training library."""

from purchasing_power.compression.figures import Figures, compare, scores_of
from purchasing_power.compression.graphs import FORMS, Graphs, optimised, with_short_names
from purchasing_power.compression.thinning import DEFAULT_SHARE, thin_trees
from purchasing_power.compression.users import CONTEXT_COLUMNS, AnchorUsers, anchor_users, earlier_context

__all__ = [
    "CONTEXT_COLUMNS",
    "DEFAULT_SHARE",
    "FORMS",
    "AnchorUsers",
    "Figures",
    "Graphs",
    "anchor_users",
    "compare",
    "earlier_context",
    "optimised",
    "scores_of",
    "thin_trees",
    "with_short_names",
]
