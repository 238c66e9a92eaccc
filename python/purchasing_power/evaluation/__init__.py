"""How good predictions are, beside what costs nothing; needs NumPy and SciPy only."""

from purchasing_power.evaluation.baselines import baselines, majority, persistence
from purchasing_power.evaluation.bootstrap import Bootstrap, Interval, bootstrap_figures
from purchasing_power.evaluation.curves import Curve, curves_of, loss_curves
from purchasing_power.evaluation.metrics import evaluate, evaluate_scores
from purchasing_power.evaluation.prediction import Prediction, prediction_from_scores

__all__ = [
    "Bootstrap",
    "Curve",
    "Interval",
    "Prediction",
    "baselines",
    "bootstrap_figures",
    "curves_of",
    "evaluate",
    "evaluate_scores",
    "loss_curves",
    "majority",
    "persistence",
    "prediction_from_scores",
]
