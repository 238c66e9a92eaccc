"""How good predictions are, beside what costs nothing; needs NumPy and SciPy only."""

from purchasing_power.evaluation.baselines import evaluate_baselines, majority, persistence
from purchasing_power.evaluation.bootstrap import Bootstrap, Interval, bootstrap_figures
from purchasing_power.evaluation.metrics import evaluate, evaluate_scores
from purchasing_power.evaluation.prediction import Prediction, prediction_from_scores

__all__ = [
    "Bootstrap",
    "Interval",
    "Prediction",
    "bootstrap_figures",
    "evaluate",
    "evaluate_baselines",
    "evaluate_scores",
    "majority",
    "persistence",
    "prediction_from_scores",
]
