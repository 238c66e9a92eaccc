"""Training and export of the model; needs the extra `train` (TensorFlow, Keras, tf2onnx)."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# TensorFlow prints start-up notes about optional CPU features; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# oneDNN sums in another order on another processor, so without it equal seeds give equal models more often.
# It gains nothing at these sizes (43 s without, 63 s with it), and prints notes that no level hides.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

if TYPE_CHECKING:
    from purchasing_power.training.config import TrainingConfig
    from purchasing_power.training.dataset import SequenceDataset
    from purchasing_power.training.export import ExportedModel, ParityReport
    from purchasing_power.training.model import TrainedModel
    from purchasing_power.training.progress import EpochReport
    from purchasing_power.training.trainer import train

__all__ = [
    "EpochReport",
    "ExportedModel",
    "ParityReport",
    "SequenceDataset",
    "TrainedModel",
    "TrainingConfig",
    "train",
]

_MODULES = {
    "EpochReport": "progress",
    "ExportedModel": "export",
    "ParityReport": "export",
    "SequenceDataset": "dataset",
    "TrainedModel": "model",
    "TrainingConfig": "config",
    "train": "trainer",
}


def __getattr__(name: str) -> Any:
    # Late, because TensorFlow takes seconds to import, and the command line shows the options of a training
    # run also where the extra is not installed.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
