"""How good predictions are, beside what costs nothing; needs NumPy and SciPy only."""

from purchasing_power.evaluation.baselines import evaluate_baselines, majority, persistence
from purchasing_power.evaluation.metrics import evaluate, evaluate_scores
from purchasing_power.evaluation.prediction import Prediction

__all__ = ["Prediction", "evaluate", "evaluate_baselines", "evaluate_scores", "majority", "persistence"]
