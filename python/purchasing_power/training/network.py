"""The Keras network: recurrent members over steps, heads over state and context, outputs that mean money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

# What a cell is called in the settings, and the vectors that it carries from step to step.
CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
_VECTORS = {"lstm": 2, "gru": 1, "rnn": 1}

QUANTILE_LEVELS = (0.1, 0.5, 0.9)
# How far, in standard deviations of log spend, an amount may be from the mean of all buyers.
LARGEST_AMOUNT = 4.0

# Trees weigh as much as the network: on the earlier windows of four shops no other share was better
# everywhere, and held-back users are too few to learn one.
_SHARE_OF_TREES = 0.5
# Below this conditional level a quantile falls linearly to 0, where the buy probability puts it.
_QUANTILE_RAMP = 0.03
# The median is read as the mean of these quantiles: which side of one half a probability falls on is often a
# matter of luck, and a lone quantile would leap from 0 there.
_MIDDLE_LEVELS = tuple(level / 100 for level in range(30, 71, 5))
_MINIMUM_SIGMA = 0.05
# In standard deviations of log spend.
_LARGEST_SIGMA = 4.0
_LARGEST_DEVIATION = 8.0
_LOGIT_BOUND = 15.0
# The layer whose one output is the level: log(1 + spend), standardised, with the objective 'mse'.
_LEVEL = "level"
# In standard deviations of a context value; see `_head`.
_LARGEST_CONTEXT = 3.0


@dataclass(frozen=True)
class LabelScale:
    """Statistics of the training labels, so that an untrained network already gives sane outputs.

    Attributes:
        buy_rate: Share of labels above 0, within (0, 1).
        mean: Mean spend, > 0.
        log_mean: Mean of the log of positive spend.
        log_std: Its standard deviation, > 0.
        level_mean: Mean of log(1 + spend), zeros included.
        level_std: Its standard deviation, > 0.
        tier_cut_points: Money at which each tier but the lowest begins, strictly increasing, > 0.
    """

    buy_rate: float
    mean: float
    log_mean: float
    log_std: float
    level_mean: float
    level_std: float
    tier_cut_points: tuple[float, ...]

    @property
    def mean_of_buyers(self) -> float:
        """Mean spend of those who bought."""
        return self.mean / self.buy_rate


class SpendParameters(NamedTuple):
    """Raw outputs with their meaning; all [...].

    mu and sigma describe the log of positive spend; log_amount is the log of its mean, log_expected that of
    mean spend, zeros included. median, lower and upper are the log-logistic distribution of positive spend
    that quantiles and tiers are read from: the log of its median, and its spread below and above it.
    """

    buy_logit: Any
    mu: Any
    sigma: Any
    log_amount: Any
    log_expected: Any
    median: Any
    lower: Any
    upper: Any


@keras.saving.register_keras_serializable("purchasing_power")
class SpendOutputs(keras.layers.Layer):  # type: ignore[misc]
    """Gives raw outputs [..., 7] their meaning: probability, money, quantiles, tiers."""

    raw_size = 7

    def __init__(self, scale: LabelScale, **kwargs: Any) -> None:
        """Takes the label statistics that the raw outputs are relative to."""
        super().__init__(**kwargs)
        self.scale = scale
        # Set after training, so that predicted and actual spend add up to the same sum over the training
        # labels.
        self.log_correction = self.add_weight(
            name="log_correction", shape=(), initializer="zeros", trainable=False
        )
        # Set after training, on users that no weight was fitted to: how much of what amounts say holds.
        self.amount_slope = self.add_weight(
            name="amount_slope", shape=(), initializer="ones", trainable=False
        )
        # Set after training, on users that no weight was fitted to: makes intervals hold what they claim.
        self.interval_scale = self.add_weight(
            name="interval_scale", shape=(), initializer="ones", trainable=False
        )
        # Set after training, so that as many users are put into each tier as belong there.
        self.tier_thresholds = self.add_weight(
            name="tier_thresholds", shape=(len(scale.tier_cut_points),), initializer="zeros", trainable=False
        )

    def parameters(self, raw: Any, trees: Any = None) -> SpendParameters:
        """Gives raw outputs [..., 7] their meaning, averaged with boosted trees where there are any.

        Args:
            raw: [..., 7] raw outputs of the network.
            trees: [..., 3] what trees say: log-odds of a purchase, log of a buyer's mean and median spend.
        """
        scale = self.scale
        spread = scale.log_std
        buy_logit = raw[..., 0] + _logit(scale.buy_rate)
        # Bounded, because only buyers say how much is spent: where one user in a thousand buys, nothing else
        # would keep the amounts of all the others from growing without end.
        mu = scale.log_mean + spread * _bounded(raw[..., 1], _LARGEST_DEVIATION)
        sigma = spread * (_MINIMUM_SIGMA + _bounded(tf.nn.softplus(raw[..., 2]), _LARGEST_SIGMA))
        deviation = spread * _bounded(raw[..., 3], _LARGEST_DEVIATION)
        # A lognormal's mean, and what it gets wrong, around the mean of all buyers.
        center = float(np.log(scale.mean_of_buyers))
        log_amount = mu + 0.5 * tf.square(sigma) + deviation
        median = scale.log_mean + spread * _bounded(raw[..., 4], _LARGEST_DEVIATION)
        if trees is not None:
            buy_logit, log_amount, median = (
                (1.0 - _SHARE_OF_TREES) * network + _SHARE_OF_TREES * trees[..., target]
                for target, network in enumerate((buy_logit, log_amount, median))
            )
        buy_logit = tf.clip_by_value(buy_logit, -_LOGIT_BOUND, _LOGIT_BOUND)
        amount = _bounded((log_amount - center) / spread, LARGEST_AMOUNT)
        log_amount = center + self.amount_slope * spread * amount
        lower, upper = (
            self.interval_scale
            * spread
            * (_MINIMUM_SIGMA + _bounded(tf.nn.softplus(raw[..., place]), _LARGEST_SIGMA))
            for place in (5, 6)
        )
        return SpendParameters(
            buy_logit=buy_logit,
            mu=mu,
            sigma=sigma,
            log_amount=log_amount,
            log_expected=tf.math.log_sigmoid(buy_logit) + log_amount,
            median=median,
            lower=lower,
            upper=upper,
        )

    def quantile(self, part: SpendParameters, level: Any) -> Any:
        """Gives a quantile of spend, zeros included.

        With purchase probability p, the level q of spend is the level u = (q - (1 - p)) / p of positive
        spend, and 0 where that is not positive. Positive spend is log-logistic with its own spread on either
        side of the median: exp(median + spread * logit(u)); continuous and increasing in u, so quantiles
        cannot cross. Of parameters [..., 1] and levels [L] it gives [..., L].
        """
        # The probability is learnt by its own loss; a wrong amount must not bend it.
        probability = tf.stop_gradient(tf.nn.sigmoid(part.buy_logit))
        conditional = 1.0 - (1.0 - level) / probability
        ramp = tf.clip_by_value(conditional / _QUANTILE_RAMP, 0.0, 1.0)
        inside = tf.clip_by_value(conditional, _QUANTILE_RAMP, 1.0 - _QUANTILE_RAMP)
        logit = tf.math.log(inside / (1.0 - inside))
        spread = tf.where(logit < 0.0, part.lower, part.upper)
        return ramp * tf.exp(part.median + spread * logit)

    def tier_logits(self, part: SpendParameters) -> Any:
        """Gives the log-odds [..., T - 1] that spend reaches each cut point; they never rise from one on."""
        distance = part.median[..., None] - np.log(self.scale.tier_cut_points).astype(np.float32)
        spread = tf.where(distance > 0.0, part.lower[..., None], part.upper[..., None])
        # The log-odds of a product of two probabilities, from those of each. The purchase is learnt by
        # its own loss, as for quantiles.
        buys, reaches = tf.stop_gradient(part.buy_logit)[..., None], distance / spread
        return buys - tf.nn.softplus(buys - reaches + tf.nn.softplus(-buys))

    def call(self, raw: Any, trees: Any = None) -> dict[str, Any]:
        """Gives the head's outputs of raw outputs [n, 7] and trees [n, 3]; money over the horizon."""
        part = self.parameters(raw, trees)
        # All at once: half the nodes of the graph, which is what a call for a single user waits for.
        levels = tf.constant((QUANTILE_LEVELS[0], *_MIDDLE_LEVELS, QUANTILE_LEVELS[-1]), tf.float32)
        quantiles = self.quantile(SpendParameters(*(value[..., None] for value in part)), levels)
        tier_logits = self.tier_logits(part)
        reached = tf.nn.sigmoid(tier_logits)
        steps = tf.concat([tf.ones_like(reached[..., :1]), reached, tf.zeros_like(reached[..., :1])], axis=-1)
        return {
            "purchase_probability": tf.nn.sigmoid(part.buy_logit),
            "expected_spend": tf.exp(part.log_expected + self.log_correction),
            "spend_p10": quantiles[..., 0],
            "spend_p50": tf.reduce_mean(quantiles[..., 1:-1], axis=-1),
            "spend_p90": quantiles[..., -1],
            # Never below 0 but for the last digit.
            "tier_probabilities": tf.nn.relu(steps[..., :-1] - steps[..., 1:]),
            # A threshold of 0 is the median tier; uncertain users would then crowd the middle ones.
            "tier": tf.reduce_sum(tf.cast(tier_logits >= self.tier_thresholds, tf.int64), axis=-1),
        }

    def get_config(self) -> dict[str, Any]:
        """Gives what Keras needs to build the layer again."""
        return {**super().get_config(), "scale": asdict(self.scale)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SpendOutputs:
        """Builds the layer from `get_config`."""
        scale: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config.pop("scale").items()
        }
        return cls(LabelScale(**scale), **config)


@keras.saving.register_keras_serializable("purchasing_power")
class StateBeforeAnchor(keras.layers.Layer):  # type: ignore[misc]
    """Picks hidden states [b, t, H] after the last step before each anchor, zeros where no step came before.

    A causal cell's hidden state after step n has seen steps 1 to n only, so one pass serves all anchors.
    """

    def call(self, hidden: Any, steps_before: Any) -> Any:
        """Picks [b, a, H] by steps_before [b, a]."""
        from_zero = tf.pad(hidden, [[0, 0], [1, 0], [0, 0]])
        return tf.gather(from_zero, steps_before, axis=1, batch_dims=1)


@dataclass(frozen=True)
class Network:
    """The training model and the layers that the exported graphs share with it.

    Attributes:
        model: steps [b, t, C], steps_before [b, a], context [b, a, K] -> raw outputs [b, a, M, P].
        encoders: The M stacks of L cells each, the one that reads the steps first.
        heads: The M head models: hidden [..., H] and context [..., K] -> raw outputs [..., P].
        outputs: The layer that gives raw outputs their meaning.
        cell: One of CELLS.
        hidden_size: H.
        levels: With the objective 'mse', the same inputs -> raw outputs and the members' levels [b, a, M].
    """

    model: keras.Model
    encoders: Sequence[Sequence[keras.layers.RNN]]
    heads: Sequence[keras.Model]
    outputs: SpendOutputs
    cell: str
    hidden_size: int
    levels: keras.Model | None = None

    @property
    def state_size(self) -> int:
        """S: every vector of every layer of every member."""
        return int(self.vectors(len(self.encoders) - 1, -1)[-1].stop)

    def vectors(self, member: int, layer: int) -> list[slice]:
        """Gives where in a state a layer's vectors stand: the hidden one, then an LSTM's cell vector."""
        vectors, layers = _VECTORS[self.cell], len(self.encoders[member])
        start = (member * layers + range(layers)[layer]) * vectors * self.hidden_size
        places = (start + place * self.hidden_size for place in range(vectors))
        return [slice(place, place + self.hidden_size) for place in places]

    @property
    def n_channels(self) -> int:
        """C, the width of a step."""
        return int(self.model.inputs[0].shape[-1])

    @property
    def n_context(self) -> int:
        """K, the width of the context."""
        return int(self.model.inputs[2].shape[-1])


def build_network(
    *,
    n_channels: int,
    n_context: int,
    scale: LabelScale,
    cell: str,
    layers: int,
    hidden_size: int,
    head_sizes: Sequence[int],
    members: int,
    dropout: float,
    l2: float,
    objective: str,
    seed: int,
) -> Network:
    """Builds the network; the same arguments give the same initial weights.

    Args:
        n_channels: C, width of a step.
        n_context: K, width of the context.
        scale: Statistics of the training labels.
        cell: One of CELLS.
        layers: L, cells of a member, each over the hidden vectors of the one before.
        hidden_size: H, size of each cell's vectors.
        head_sizes: Sizes of each head's hidden layers.
        members: M, independently initialised stacks and heads whose raw outputs are averaged.
        dropout: Share of the head's inputs and hidden values dropped in training.
        l2: Weight of the squared kernels in the loss.
        objective: 'full', or 'mse' for heads that read everything from one number, without context.
        seed: Seeds the initial weights and the dropout.
    """
    outputs = SpendOutputs(scale, name="spend_outputs")
    steps = keras.Input((None, n_channels), name="steps")
    steps_before = keras.Input((None,), dtype="int32", name="steps_before")
    context = keras.Input((None, n_context), name="context")
    encoders, heads, raw, levels = [], [], [], []
    for member in range(members):
        seeds = iter(range(1000 * (seed * members + member), 1000 * (seed * members + member) + 1000))
        stack = [
            CELLS[cell](
                hidden_size,
                return_sequences=True,
                kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
                name=f"encoder_{member}_{layer}",
            )
            for layer in range(layers)
        ]
        if objective == "mse":
            head = _level_head(n_context, hidden_size, outputs.raw_size, l2, seeds, member)
        else:
            head = _head(n_context, hidden_size, head_sizes, outputs.raw_size, dropout, l2, seeds, member)
        value = steps
        for encoder in stack:
            value = encoder(value)
        hidden = StateBeforeAnchor(name=f"state_before_anchor_{member}")(value, steps_before)
        raw.append(head([hidden, context]))
        if objective == "mse":
            levels.append(head.get_layer(f"{_LEVEL}_{member}")(hidden)[..., 0])
        encoders.append(stack)
        heads.append(head)
    model = keras.Model([steps, steps_before, context], keras.ops.stack(raw, axis=-2), name="trainer")
    outputs.build((None, outputs.raw_size))
    with_levels = (
        keras.Model(model.inputs, [model.output, keras.ops.stack(levels, axis=-1)]) if levels else None
    )
    return Network(model, encoders, heads, outputs, cell, hidden_size, with_levels)


def _head(
    n_context: int,
    hidden_size: int,
    sizes: Sequence[int],
    raw_size: int,
    dropout: float,
    l2: float,
    seeds: Any,
    member: int,
) -> keras.Model:
    def dense(size: int, activation: str | None, **options: Any) -> keras.layers.Dense:
        return keras.layers.Dense(
            size,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            **options,
        )

    hidden = keras.Input((None, hidden_size), name="hidden")
    context = keras.Input((None, n_context), name="context")
    # What is rare is far out when standardised: where one user in a hundred ever ordered, an order stands at
    # ten deviations, and the deep path would learn those few users by heart.
    near = _LARGEST_CONTEXT * keras.ops.tanh(context / _LARGEST_CONTEXT)
    value = keras.ops.concatenate([hidden, near], axis=-1)
    for size in sizes:
        value = keras.layers.Dropout(dropout, seed=next(seeds))(value)
        value = dense(size, "relu")(value)
    value = keras.layers.Dropout(dropout, seed=next(seeds))(value)
    # The straight path lets log spend follow log past spend; the deep one learns the deviation from it.
    deep = keras.layers.Dense(raw_size, kernel_initializer="zeros", name="deep")(value)
    straight = keras.layers.Dense(
        raw_size,
        use_bias=False,
        kernel_initializer="zeros",
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name="straight",
    )(context)
    return keras.Model([hidden, context], deep + straight, name=f"head_{member}")


def _level_head(
    n_context: int, hidden_size: int, raw_size: int, l2: float, seeds: Any, member: int
) -> keras.Model:
    hidden = keras.Input((None, hidden_size), name="hidden")
    # Every head takes it; this one has no use for it.
    context = keras.Input((None, n_context), name="context")
    level = keras.layers.Dense(
        1,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        name=f"{_LEVEL}_{member}",
    )(hidden)
    # The level is learnt from its squared error alone; what is read from it must not bend it.
    raw = keras.layers.Dense(raw_size, kernel_initializer="zeros", name="reading")(
        keras.ops.stop_gradient(level)
    )
    return keras.Model([hidden, context], raw, name=f"head_{member}")


def _logit(rate: float) -> float:
    bounded = min(max(rate, 1e-5), 1 - 1e-5)
    return float(np.log(bounded / (1 - bounded)))


def _bounded(values: Any, limit: float) -> Any:
    # The identity near 0, and never beyond the limit.
    return limit * tf.tanh(values / limit)
