"""Engine-free scoring core: Arrow record batches in, Arrow record batches out, onnxruntime between."""

from purchasing_power.scoring.encoder import ENCODER_OUTPUT_SCHEMA, encode
from purchasing_power.scoring.explanations import (
    CONTRIBUTIONS_SCHEMA,
    FeatureGroups,
    Population,
    Users,
    explain,
)
from purchasing_power.scoring.head import HEAD_OUTPUT_SCHEMA, score
from purchasing_power.scoring.histories import gather_histories
from purchasing_power.scoring.input_models import ProjectionModel, SentimentModel
from purchasing_power.scoring.inputs import (
    FACTORS_OUTPUT_SCHEMA,
    SENTIMENT_OUTPUT_SCHEMA,
    project_embeddings,
    read_sentiment,
)
from purchasing_power.scoring.metadata import FeatureContract, ModelMetadata
from purchasing_power.scoring.model import ScoringModel, model_sha256

__all__ = [
    "CONTRIBUTIONS_SCHEMA",
    "ENCODER_OUTPUT_SCHEMA",
    "FACTORS_OUTPUT_SCHEMA",
    "HEAD_OUTPUT_SCHEMA",
    "SENTIMENT_OUTPUT_SCHEMA",
    "FeatureContract",
    "FeatureGroups",
    "ModelMetadata",
    "Population",
    "ProjectionModel",
    "ScoringModel",
    "SentimentModel",
    "Users",
    "encode",
    "explain",
    "gather_histories",
    "model_sha256",
    "project_embeddings",
    "read_sentiment",
    "score",
]
