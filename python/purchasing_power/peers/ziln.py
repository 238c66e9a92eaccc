"""A dense network with the zero-inflated lognormal loss (Wang, Liu, Miao 2019, arXiv 1912.07753)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers
from scipy.special import expit, ndtr, ndtri

from purchasing_power.evaluation import Prediction
from purchasing_power.evaluation.prediction import Values, level_among_buyers
from purchasing_power.peers.flat import flat_columns
from purchasing_power.peers.task import PeerTask
from purchasing_power.training.dataset import AnchorSample
from purchasing_power.training.labels import label_scale
from purchasing_power.training.losses import cross_entropy, lognormal_loss
from purchasing_power.training.network import LabelScale

_HIDDEN = (64, 32)
_EPOCHS = 20
_PATIENCE = 3
_LEARNING_RATE = 1e-3
_BATCHES = 64
_SMALLEST_BATCH = 256
_LARGEST_BATCH = 4096
_MINIMUM_SIGMA = 0.05


def predict(task: PeerTask) -> Prediction:
    """Fits on the training users' anchors, stops by the held-back users', and reads the mixture."""
    columns = flat_columns(task.dataset.contract)
    examples, held_back = task.examples("train"), task.examples("validation")
    scale = label_scale(examples.spend, len(task.dataset.contract.tier_names))
    keras.utils.set_random_seed(task.seed)
    network = _network(len(columns), scale)

    def rows(part: AnchorSample) -> tuple[npt.NDArray[Any], ...]:
        targets = np.stack([part.spend, part.bought], axis=1).astype(np.float32)
        return part.context[:, columns], targets, part.weight.astype(np.float32)

    _fit(network, rows(examples), rows(held_back), task.seed)
    now = task.context()[:, columns]
    raw = np.concatenate(
        [network.predict_on_batch(part) for part in np.array_split(now, -(-len(now) // _LARGEST_BATCH))]
    )
    return _mixture(raw.astype(np.float64), task.tier_cut_points, float(examples.spend.max()))


# Not `fit`, whose pipeline of data prints TensorFlow's internal errors under some pairs of versions.
def _fit(
    network: keras.Model,
    examples: tuple[npt.NDArray[Any], ...],
    held_back: tuple[npt.NDArray[Any], ...],
    seed: int,
) -> None:
    """Trains until the loss on held-back users has not fallen for a while, and keeps the best weights."""
    random = np.random.default_rng(seed)
    rows = len(examples[0])
    batch = int(np.clip(rows // _BATCHES, _SMALLEST_BATCH, _LARGEST_BATCH))
    smallest, best, waited = np.inf, network.get_weights(), 0
    for _ in range(_EPOCHS):
        for chosen in np.array_split(random.permutation(rows), -(-rows // batch)):
            network.train_on_batch(*(part[chosen] for part in examples))
        network.reset_metrics()
        loss = float(np.asarray(network.test_on_batch(*held_back)))
        waited = 0 if loss < smallest else waited + 1
        if not waited:
            smallest, best = loss, network.get_weights()
        if waited == _PATIENCE:
            break
    network.set_weights(best)


def _network(width: int, scale: LabelScale) -> keras.Model:
    """Outputs [n, 3]: logit of a purchase, mean of the log of spend, its deviation before softplus."""
    inputs = keras.Input((width,))
    hidden = inputs
    for size in _HIDDEN:
        hidden = layers.Dense(size, activation="relu")(hidden)
    # An untrained network gives everybody the shop's own rate and amounts.
    constant = [
        np.log(scale.buy_rate / (1 - scale.buy_rate)),
        scale.log_mean,
        np.log(np.expm1(scale.log_std)),
    ]
    last = layers.Dense(3, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(constant))
    network = keras.Model(inputs, last(hidden))

    def loss(target: Any, raw: Any) -> Any:
        spend, bought = target[:, 0], target[:, 1]
        sigma = tf.nn.softplus(raw[:, 2]) + _MINIMUM_SIGMA
        return cross_entropy(bought, raw[:, 0]) + lognormal_loss(spend, raw[:, 1], sigma, 1.0)

    network.compile(keras.optimizers.Adam(_LEARNING_RATE), loss=loss)
    return network


def _mixture(raw: Values, cuts: tuple[float, ...], largest: float) -> Prediction:
    """Reads the zero-inflated lognormal of each user.

    Args:
        raw: [n, 3] outputs of the network.
        cuts: Money at which each tier but the lowest begins.
        largest: No mean is above it: a mean of a lognormal grows without end with its deviation, where few
            buyers bound that.
    """
    probability, mu, sigma = expit(raw[:, 0]), raw[:, 1], np.logaddexp(0, raw[:, 2]) + _MINIMUM_SIGMA

    def quantile(level: float) -> Values:
        among_buyers = level_among_buyers(level, probability)
        money = np.exp(np.minimum(mu + sigma * ndtri(among_buyers), np.log(largest)))
        return np.where(among_buyers > 0, money, 0.0)

    reached = probability[:, None] * ndtr((mu[:, None] - np.log(cuts)) / sigma[:, None])
    at_least = np.concatenate([np.ones((len(raw), 1)), reached, np.zeros((len(raw), 1))], axis=1)
    return Prediction(
        purchase_probability=probability,
        expected_spend=probability * np.exp(np.minimum(mu + sigma**2 / 2, np.log(largest))),
        spend_p50=quantile(0.5),
        tier=(-np.diff(at_least, axis=1)).argmax(axis=1),
        spend_p10=quantile(0.1),
        spend_p90=quantile(0.9),
    )
