"""Fits the models that make inputs of features, on what the shop has, and registers them.

Rated review texts give a classifier that reads the sentiment of those without a rating; product embeddings
give a projection to a few factors. Both are fitted on training users alone, and on nothing after the
backtest's cut, as the scaling is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Reporter
from purchasing_power.scoring.columns import list_column
from purchasing_power.scoring.input_models import (
    EMBEDDING,
    SENTIMENT,
    ProjectionMetadata,
    ProjectionModel,
    SentimentMetadata,
    SentimentModel,
)
from purchasing_power.scoring.text import hash_texts
from purchasing_power.training.input_graphs import export_classifier, export_projection
from purchasing_power.training.projection import fit_projection
from purchasing_power.training.sentiment import SentimentConfig, fit_sentiment
from purchasing_power.warehouse.input_models import (
    FitSettings,
    RegisteredInputModel,
    open_input_data,
    register_input_model,
)
from purchasing_power.warehouse.project import Project

# Below it a classifier is no better than guessing, and its measured accuracy is mostly luck.
FEWEST_TEXTS = 200
FEWEST_PRODUCTS = 20
# More of either changes the fit by less than its own noise, and would only take memory and time.
MOST_TEXTS = 50_000
MOST_PRODUCTS = 50_000

_TEXTS_COMPARED = 2_000
_LARGEST_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class PrepareOutcome:
    """What was registered; None where there was nothing to fit or nothing new.

    Attributes:
        sentiment: Version of the classifier.
        embedding: Version of the projection.
    """

    sentiment: str | None
    embedding: str | None


@dataclass(frozen=True)
class _Fitted:
    model: RegisteredInputModel
    said: tuple[str, ...]


def run_prepare(
    project: Project, reporter: Reporter, config: SentimentConfig | None = None
) -> PrepareOutcome:
    """Fits what the shop has material for, checks that onnxruntime computes the same, and registers it.

    Args:
        project: The dbt project, with its features built.
        reporter: Where it is told what was fitted, on how much, and how good it is.
        config: Choices of the classifier's fit; the defaults when None.

    Raises:
        PurchasingPowerError: The features are not built, a setting does not fit the embeddings, or an
            exported graph computes something else.
    """
    with open_input_data(project) as data:
        settings = data.settings
        unrated, embedded = data.unrated_texts(), data.embedded_products()
        texts, positive, available = data.rated_texts(MOST_TEXTS) if unrated else ([], [], 0)
        embeddings = data.embeddings(MOST_PRODUCTS) if embedded else None
    # The database is closed by now, so that the fits keep nobody out of it.
    fitted_at = datetime.now(UTC)
    versions: dict[str, str | None] = {SENTIMENT: None, EMBEDDING: None}

    if not unrated:
        reporter.say(
            "Review sentiment: no review has a text but no rating, so no classifier is needed; none was "
            "fitted."
        )
    elif too_few := _too_few_texts(positive):
        reporter.say(
            f"Review sentiment: {too_few}; none was fitted, and reviews without a rating are neutral."
        )
    else:
        found = _fit_sentiment(
            texts, positive, available, unrated, settings, fitted_at, config or SentimentConfig()
        )
        versions[SENTIMENT] = _register(project, found, reporter)

    if embeddings is None:
        reporter.say("Product embeddings: none is mapped; no projection was fitted.")
    elif len(embeddings) < FEWEST_PRODUCTS:
        reporter.say(
            f"Product embeddings: {len(embeddings)} products with one were ordered by training users before "
            f"{settings.fitted_before}, and a projection needs {FEWEST_PRODUCTS}; none was fitted."
        )
    else:
        versions[EMBEDDING] = _register(
            project, _fit_projection(embeddings, embedded, settings, fitted_at), reporter
        )

    if any(versions.values()):
        reporter.say(
            "Build the features with it: dbt build --selector purchasing_power_features, then train."
        )
    return PrepareOutcome(versions[SENTIMENT], versions[EMBEDDING])


def _too_few_texts(positive: list[bool]) -> str:
    classes = (sum(positive), len(positive) - sum(positive))
    if len(positive) < FEWEST_TEXTS:
        return f"{len(positive)} rated texts of training users are too few, a classifier needs {FEWEST_TEXTS}"
    # A fifth is held out, and five folds each need both classes.
    if min(classes) < FEWEST_TEXTS // 10:
        return (
            f"of {len(positive):,} rated texts of training users {classes[0]:,} are positive and "
            f"{classes[1]:,} negative, and a classifier needs {FEWEST_TEXTS // 10} of either"
        )
    return ""


def _fit_sentiment(
    texts: list[str],
    positive: list[bool],
    available: int,
    unrated: int,
    settings: FitSettings,
    fitted_at: datetime,
    config: SentimentConfig,
) -> _Fitted:
    fit = fit_sentiment(texts, np.array(positive), config)
    chosen = {**asdict(config), "rating_scale": [settings.rating_lowest, settings.rating_highest]}
    classifier = fit.classifier
    version = _version(
        SENTIMENT, settings.fitted_before, chosen, classifier.weights.tobytes() + classifier.bias.tobytes()
    )
    metadata = SentimentMetadata(
        model_version=version,
        fitted_before=settings.fitted_before.isoformat(),
        settings_sha256=_settings_sha256(chosen),
        buckets=config.buckets,
        shortest=config.shortest,
        longest=config.longest,
    )
    content = export_classifier(classifier, metadata)
    compared = texts[:_TEXTS_COMPARED]
    expected = 1 / (1 + np.exp(-classifier.score(hash_texts(compared, config.hashing))))
    difference = _agreement(SENTIMENT, SentimentModel(content).probability(compared), expected)
    card = {
        "fitted_on": "distinct texts of training users' rated reviews",
        "texts": fit.texts,
        "texts_available": available,
        "positive_texts": fit.positive,
        "held_out_texts": fit.held_out,
        "held_out_accuracy": round(fit.accuracy, 6),
        "held_out_majority": round(fit.majority, 6),
        "strength": classifier.strength,
        "settings": chosen,
    }
    return _Fitted(
        RegisteredInputModel(version, SENTIMENT, content, settings.fitted_before, fitted_at, card),
        (
            f"Review sentiment: fitted on {fit.texts:,} of {available:,} rated texts of training users, "
            f"written before {settings.fitted_before}; {fit.positive / fit.texts:.1%} are positive",
            f"Of {fit.held_out:,} texts held out, {fit.accuracy:.1%} were called right; guessing the "
            f"majority calls {fit.majority:.1%} right",
            f"NumPy and onnxruntime agree on {len(compared):,} texts: probabilities to {difference:.1e}; "
            f"{unrated:,} texts without a rating are there to be read",
        ),
    )


def _fit_projection(table: pa.Table, embedded: int, settings: FitSettings, fitted_at: datetime) -> _Fitted:
    (batch,) = table.combine_chunks().to_batches()
    column = list_column(batch, "embedding", nullable=False)
    widths, counts = np.unique(column.lengths, return_counts=True)
    # The most frequent length; of two as frequent ones the longer.
    width = int(widths[len(counts) - 1 - counts[::-1].argmax()])
    factors = settings.embedding_channels
    alike = np.flatnonzero(column.lengths == width)
    if factors > min(width, len(alike) - 1):
        raise PurchasingPowerError(
            f"purchasing_power__embedding_channels is {factors}, but {len(alike)} embeddings of {width} "
            f"numbers can be projected to {min(width, len(alike) - 1)} at most: set it to that or fewer."
        )
    values = column.values[column.starts[alike, None] + np.arange(width)].astype(np.float64)
    projection = fit_projection(values, factors)
    chosen = {"factors": factors, "width": width}
    version = _version(
        EMBEDDING, settings.fitted_before, chosen, projection.weights.tobytes() + projection.bias.tobytes()
    )
    metadata = ProjectionMetadata(
        model_version=version,
        fitted_before=settings.fitted_before.isoformat(),
        settings_sha256=_settings_sha256(chosen),
        width=width,
        factors=factors,
    )
    content = export_projection(projection, metadata)
    expected = values @ projection.weights + projection.bias
    difference = _agreement(EMBEDDING, ProjectionModel(content).factors(values.astype(np.float32)), expected)
    card = {
        "fitted_on": "embeddings of products that training users ordered",
        "products": len(alike),
        "products_of_another_length": len(batch) - len(alike),
        "explained_variance": [round(share, 6) for share in projection.explained],
        "settings": chosen,
    }
    left_out = f", {len(batch) - len(alike):,} of another length left out" if len(batch) > len(alike) else ""
    return _Fitted(
        RegisteredInputModel(version, EMBEDDING, content, settings.fitted_before, fitted_at, card),
        (
            f"Product embeddings: {factors} factors fitted on {len(alike):,} products that training users "
            f"ordered before {settings.fitted_before} ({width} numbers each{left_out}); {embedded:,} have an "
            "embedding",
            f"The factors explain {sum(projection.explained):.1%} of the variance; NumPy and onnxruntime "
            f"agree to {difference:.1e}",
        ),
    )


def _register(project: Project, fitted: _Fitted, reporter: Reporter) -> str | None:
    for line in fitted.said:
        reporter.say(line)
    model = fitted.model
    if not register_input_model(project, model):
        reporter.say(f"{model.model_version} is in use already: nothing new to register.")
        return None
    reporter.say(
        f"Registered {model.model_version} ({len(model.onnx) / 1e6:.1f} MB); it is in use from now on."
    )
    return model.model_version


def _agreement(kind: str, found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    difference = float(np.max(np.abs(found - expected), initial=0.0))
    # Written so that NaN fails too.
    if not difference <= _LARGEST_DIFFERENCE:
        raise PurchasingPowerError(
            f"The exported {kind} graph differs from what was fitted by {difference:.1e} (allowed: "
            f"{_LARGEST_DIFFERENCE:.0e}); use the locked versions of onnx and onnxruntime."
        )
    return difference


def _settings_sha256(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _version(kind: str, fitted_before: date, settings: Mapping[str, Any], numbers: bytes) -> str:
    """Names a model by what it is, so that fitting the same again gives the same name and the same bytes."""
    digest = hashlib.sha256(_settings_sha256(settings).encode() + numbers).hexdigest()
    return f"{kind}-{fitted_before:%Y%m%d}-{digest[:12]}"
