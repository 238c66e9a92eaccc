"""Networks of our own trainer under any hyperparameters."""

from __future__ import annotations

import uuid

from purchasing_power.evaluation import Prediction, prediction_from_scores
from purchasing_power.peers.task import PeerTask
from purchasing_power.training import TrainingConfig, train


def predict(task: PeerTask, config: TrainingConfig) -> Prediction:
    """Trains on the anchors whose labels end by the cut, and predicts through onnxruntime."""
    # A folder of its own, so that no run goes on from another's checkpoint.
    model = train(task.dataset, config, cutoff=task.cut, work_dir=task.work_dir / uuid.uuid4().hex)
    scores = model.predict_table(task.dataset, task.cut)
    return prediction_from_scores(scores, model.contract.tier_names)
