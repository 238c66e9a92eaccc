"""One seeded, resumable training run."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.training.boosting import LARGEST_SAMPLE, BoostedTrees, fit_trees
from purchasing_power.training.config import TrainingConfig
from purchasing_power.training.dataset import AnchorBatch, AnchorSelection, AnchorSequence, SequenceDataset
from purchasing_power.training.forest import fit_forest
from purchasing_power.training.labels import label_scale
from purchasing_power.training.losses import level_loss, multi_target_loss, tweedie_slope
from purchasing_power.training.model import TrainedModel
from purchasing_power.training.network import (
    LARGEST_AMOUNT,
    LabelScale,
    Network,
    SpendParameters,
    build_network,
)
from purchasing_power.training.private import GradientNoise, PoissonSequence, PrivacyBudget
from purchasing_power.training.progress import EpochReport, Progress
from purchasing_power.training.tree_graph import TREE_TARGETS

_CHECKPOINT_FILE = "checkpoint.npz"
# As small for a million users as for a thousand; the last fine enough to place one in ten thousand.
_DEVIATION_GRID = np.linspace(-LARGEST_AMOUNT, LARGEST_AMOUNT, 8_001)
_DISTANCE_GRID = np.linspace(0, 20, 4_001)
_LOGIT_GRID = np.linspace(-8, 8, 32_001, dtype=np.float32)
# Anchors that sums and shares are measured on; more change nothing.
_CALIBRATION_ANCHORS = 500_000
# Of fewer, the four fifths that an interval should hold are a matter of chance.
_FEWEST_PURCHASES = 200
_COVERED = 0.8


def train(
    dataset: SequenceDataset,
    config: TrainingConfig | None = None,
    *,
    cutoff: dt.date,
    seed: int | None = None,
    work_dir: Path,
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains on every anchor whose label window ends on or before the cutoff.

    Stops when held-back users ('validation') no longer gain, and keeps the weights that were best for them.
    The same dataset, config and seed give the same model. A run that was interrupted goes on from its last
    complete epoch and ends where an uninterrupted one would.

    Args:
        dataset: The sequences.
        config: Hyperparameters; None takes the defaults.
        cutoff: No label window ends after it.
        seed: Overrides the config's seed.
        work_dir: Where the checkpoint goes; it is removed when training is complete.
        progress: Called after every epoch.

    Raises:
        PurchasingPowerError: A split has no anchor before the cutoff, the labels allow no tiers, or the loss
            is not finite.
    """
    config = config or TrainingConfig()
    if seed is not None:
        config = replace(config, seed=seed)
    parts = {name: dataset.selection(split=name, cutoff=cutoff) for name in ("train", "validation")}
    for name, part in parts.items():
        if not len(part.users):
            raise PurchasingPowerError(
                f"No user of the split '{name}' has an anchor whose {dataset.contract.horizon_days} days "
                "end by "
                f"{cutoff.isoformat()}; bring more history, or shorten the horizon."
            )
    scale = label_scale(parts["train"].label_sample(), len(dataset.contract.tier_names))
    run = _Run(dataset, parts["train"], parts["validation"], scale, config)
    checkpoint = _Checkpoint(work_dir / _CHECKPOINT_FILE, _fingerprint(dataset, config, cutoff, scale))
    history = checkpoint.restore(run)
    for report in history:
        _tell(progress, report, resumed=True)
    while len(history) < config.epochs and not _is_over(history, config.patience):
        loss, validation_loss = run.epoch(len(history))
        if not np.isfinite([loss, validation_loss]).all():
            raise PurchasingPowerError(
                f"The loss is not finite after epoch {len(history) + 1}; lower the learning rate "
                f"(it is {config.learning_rate})."
            )
        best = min([validation_loss, *(item.validation_loss for item in history)])
        if best == validation_loss:
            run.keep_as_best()
        history.append(EpochReport(len(history) + 1, config.epochs, loss, validation_loss, best, False))
        checkpoint.save(run, history)
        _tell(progress, history[-1], resumed=False)
    run.restore_best()
    trees = None
    if config.trees:
        half_life = config.half_life_horizons * dataset.contract.horizon_days
        sample = parts["train"].sample(LARGEST_SAMPLE, half_life_days=half_life, seed=config.seed)
        trees = fit_trees(sample, trees=config.trees, seed=config.seed)
    run.calibrate(trees)
    checkpoint.path.unlink(missing_ok=True)
    forest = fit_forest(parts["train"].newest_context(), outlier_share=config.outlier_share, seed=config.seed)
    return TrainedModel(
        network=run.network,
        trees=trees,
        forest=forest,
        contract=dataset.contract,
        cutoff=cutoff,
        config=config,
        history=history,
        budget=run.budget,
    )


class _Run:
    """Weights, optimiser and batches of a training run; an epoch at a time."""

    def __init__(
        self,
        dataset: SequenceDataset,
        training: AnchorSelection,
        validation: AnchorSelection,
        scale: LabelScale,
        config: TrainingConfig,
    ) -> None:
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(config.seed)
        self.config = config
        self.network: Network = build_network(
            n_channels=dataset.n_channels,
            n_context=dataset.n_context,
            scale=scale,
            cell=config.cell,
            layers=config.layers,
            hidden_size=config.hidden_size,
            head_sizes=config.head_sizes,
            members=config.members,
            dropout=config.dropout,
            l2=config.l2,
            objective=config.objective,
            seed=config.seed,
        )
        purchases_per_user = scale.buy_rate * float(training.n_anchors.mean())
        batch_size = config.users_per_batch(len(training.users), purchases_per_user)
        half_life = config.half_life_horizons * dataset.contract.horizon_days
        self.budget = PrivacyBudget.plan(config, len(training.users)) if config.private_epsilon else None
        # What outputs' constants are fitted to; and, unless training is private, the weights.
        self._shuffled = AnchorSequence(
            training,
            batch_size=batch_size,
            seed=config.seed,
            half_life_days=half_life,
            users_per_epoch=config.users_per_epoch,
        )
        self._batches: AnchorSequence = self._shuffled
        if self.budget is not None:
            self._batches = PoissonSequence(training, self.budget, half_life_days=half_life)
            self._noise = GradientNoise(self.budget)
        self._validation = AnchorSequence(
            validation.at_most(config.users_per_epoch // 4), batch_size=batch_size, half_life_days=half_life
        )
        total_steps = config.epochs * len(self._batches)
        rate = keras.optimizers.schedules.CosineDecay(
            0.1 * config.learning_rate,
            decay_steps=max(1, total_steps * 9 // 10),
            warmup_target=config.learning_rate,
            warmup_steps=max(1, total_steps // 10),
        )
        self._optimizer = keras.optimizers.Adam(rate)
        weights = self.network.model.trainable_variables
        self._optimizer.build(weights)
        self._average = [tf.Variable(weight.value, trainable=False) for weight in weights]
        self._best = _values(weights)
        # The same divisor for every batch, so that an anchor counts alike in small and in large batches.
        self._mean_weight = self._shuffled.mean_weight()
        self._signature = _signature(dataset)
        step = self._step if self.budget is None else self._private_step
        self._train_step = tf.function(step, input_signature=self._signature)
        self._loss_sum = tf.function(self._sum_of_losses, input_signature=self._signature)

    def epoch(self, index: int) -> tuple[float, float]:
        """Runs one epoch and gives the training and the validation loss of an anchor."""
        self._batches.start_epoch(index)
        for layer in (layer for head in self.network.heads for layer in head.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                # Tied to the epoch, so that a resumed run drops what an uninterrupted one would have dropped.
                layer.seed_generator.state.assign([layer.seed, index])
        loss = _mean(self._train_step, self._batches)
        return loss, self._with_average(lambda: _mean(self._loss_sum, self._validation))

    def _with_average(self, measure: Callable[[], float]) -> float:
        weights = self.network.model.trainable_variables
        current = _values(weights)
        _assign(weights, self._average)
        result = measure()
        _assign(weights, current)
        return result

    def keep_as_best(self) -> None:
        self._best = _values(self._average)

    def restore_best(self) -> None:
        _assign(self.network.model.trainable_variables, self._best)

    def calibrate(self, trees: BoostedTrees | None) -> None:
        """Fits the outputs' constants, of the network and the trees together.

        Amounts' slope and intervals' width are fitted to held-back users, the others to training users:
        predicted and actual spend add up to the same sum, and each tier is predicted as often as it occurs.
        With a threshold of one half the top tier is called too rarely, because its users are uncertain.
        """
        outputs = self.network.outputs
        predict = self._predictor(trees)
        slope, interval_scale = self._fitted_to_held_back(predict)
        outputs.amount_slope.assign(slope)
        outputs.interval_scale.assign(interval_scale)
        # Drawn in an order of their own, so that the first batches are a sample of users of all lengths.
        self._shuffled.start_epoch(0)
        cuts = np.array(outputs.scale.tier_cut_points)
        sums, actual, anchors = np.zeros(2), np.zeros(len(cuts)), 0
        counts = np.zeros((len(cuts), len(_LOGIT_GRID) + 1))
        for batch in map(self._shuffled.__getitem__, range(len(self._shuffled))):
            part = predict(batch)
            predicted = np.exp(part.log_expected)
            logits = outputs.tier_logits(part).numpy()
            sums += [(predicted * batch.weight).sum(), (batch.spend * batch.weight).sum()]
            for tier, cut in enumerate(cuts):
                actual[tier] += batch.weight[batch.spend >= cut].sum()
                place = np.searchsorted(_LOGIT_GRID, logits[..., tier].ravel(), side="right")
                counts[tier] += np.bincount(place, weights=batch.weight.ravel(), minlength=counts.shape[1])
            anchors += batch.weight.size
            if anchors > _CALIBRATION_ANCHORS:
                break
        outputs.log_correction.assign(np.log(sums[1] / sums[0]))
        # The weight of all logits from each grid point up; the first that is small enough is the threshold.
        above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]
        places = (above > actual[:, None]).sum(axis=1).clip(max=len(_LOGIT_GRID) - 1)
        outputs.tier_thresholds.assign(_LOGIT_GRID[places])

    def _predictor(self, trees: BoostedTrees | None) -> Callable[[AnchorBatch], SpendParameters]:
        plane = tf.TensorSpec((None, None, len(TREE_TARGETS)), tf.float32)
        signature = [*self._signature[:3], *([] if trees is None else [plane])]

        def compute(steps: Any, steps_before: Any, context: Any, said: Any = None) -> SpendParameters:
            raw = self.network.model([steps, steps_before, context], training=False)
            return self.network.outputs.parameters(tf.reduce_mean(raw, axis=-2), said)

        function = tf.function(compute, input_signature=signature)

        def predict(batch: AnchorBatch) -> SpendParameters:
            tensors = [batch.steps, batch.steps_before, batch.context]
            if trees is not None:
                flat = batch.context.reshape(-1, batch.context.shape[-1])
                tensors.append(trees.predict(flat).reshape(*batch.spend.shape, -1))
            part: SpendParameters = function(*tensors)
            return part

        return predict

    def _fitted_to_held_back(self, predict: Callable[[AnchorBatch], SpendParameters]) -> tuple[float, float]:
        """Gives amounts' slope and the scale of intervals that held-back buyers bear out.

        The slope is the share of buyers' predicted differences, on the log scale, that held: where buyers are
        few, amounts are learnt from few, and differences that did not hold would only spoil the ranking that
        the probabilities give. The scale is that at which four fifths of these buyers spend between the 10 %
        and the 90 % quantile of what buyers spend (split conformal: Papadopoulos et al. 2002).
        """
        scale = self.network.outputs.scale
        weight, spend = np.zeros((2, len(_DEVIATION_GRID) + 1))
        distances, purchases = np.zeros(len(_DISTANCE_GRID) + 1), 0
        for batch in map(self._validation.__getitem__, range(len(self._validation))):
            part = SpendParameters(*(value.numpy() for value in predict(batch)))
            deviation = (part.log_amount - np.log(scale.mean_of_buyers)) / scale.log_std
            place = np.searchsorted(_DEVIATION_GRID, deviation.ravel())
            of_buyers = (batch.weight * batch.bought).ravel()
            weight += np.bincount(place, of_buyers, len(weight))
            spend += np.bincount(place, of_buyers * batch.spend.ravel(), len(spend))
            spent = (batch.weight > 0) & (batch.spend > 0)
            away = np.log(batch.spend[spent]) - part.median[spent]
            away /= np.where(away < 0, -part.lower[spent], part.upper[spent])
            place = np.searchsorted(_DISTANCE_GRID, away)
            distances += np.bincount(place, batch.weight[spent], len(distances))
            purchases += int(spent.sum())
        log_mean = scale.log_std * np.append(_DEVIATION_GRID, _DEVIATION_GRID[-1])
        slope = tweedie_slope(log_mean, weight, spend)
        if purchases < _FEWEST_PURCHASES:
            return slope, 1.0
        inside = np.cumsum(distances)[:-1] / distances.sum()
        widest = _DISTANCE_GRID[min(int(np.searchsorted(inside, _COVERED)), len(_DISTANCE_GRID) - 1)]
        # In a log-logistic distribution the 90 % quantile is log 9 spreads above the median.
        return slope, float(np.clip(widest / np.log(9), 0.5, 2.0))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Gives everything the next epoch depends on."""
        groups = {
            "weight": _values(self.network.model.trainable_variables),
            "average": _values(self._average),
            "best": self._best,
            "optimizer": _values(self._optimizer.variables),
        }
        return {f"{name}_{i}": value for name, group in groups.items() for i, value in enumerate(group)}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes over what `arrays` gave."""
        weights = self.network.model.trainable_variables
        for name, group in (
            ("weight", weights),
            ("average", self._average),
            ("optimizer", self._optimizer.variables),
        ):
            _assign(group, [arrays[f"{name}_{i}"] for i in range(len(group))])
        self._best = [arrays[f"best_{i}"] for i in range(len(self._best))]

    def _losses(self, batch: AnchorBatch, *, training: bool) -> Any:
        inputs = [batch.steps, batch.steps_before, batch.context]
        spend, bought = batch.spend[..., None], batch.bought[..., None]
        # Every member learns on its own; only predictions are averaged.
        if self.network.levels is None:
            raw = self.network.model(inputs, training=training)
            each = multi_target_loss(self.network.outputs, raw, spend, bought)
        else:
            raw, level = self.network.levels(inputs, training=training)
            each = multi_target_loss(self.network.outputs, raw, spend, bought)
            each += level_loss(self.network.outputs.scale, spend, level)
        return tf.reduce_mean(each, axis=-1)

    def _step(self, *tensors: Any) -> tuple[Any, Any]:
        batch = AnchorBatch(*tensors)
        weights = self.network.model.trainable_variables
        with tf.GradientTape() as tape:
            loss_sum = tf.reduce_sum(self._losses(batch, training=True) * batch.weight)
            loss = loss_sum / self._mean_weight + tf.add_n(self.network.model.losses or [0.0])
        gradients, _ = tf.clip_by_global_norm(
            tape.gradient(loss, [weight.value for weight in weights]), self.config.clip_norm
        )
        self._apply(gradients)
        return loss_sum, tf.reduce_sum(batch.weight)

    def _private_step(self, *tensors: Any) -> tuple[Any, Any]:
        """Trains on a batch; a user's loss is the mean of their anchors', so that it is nobody else's."""
        batch, weights = AnchorBatch(*tensors), self.network.model.trainable_variables

        def loss_of(user: AnchorBatch) -> Any:
            losses = tf.reduce_sum(self._losses(user, training=True) * user.weight)
            return losses / tf.maximum(tf.reduce_sum(user.weight), 1e-6)

        gradients, losses = self._noise.gradient(loss_of, batch, weights)
        self._apply(gradients)
        return losses, tf.cast(tf.shape(batch.weight)[0], tf.float32)

    def _apply(self, gradients: Any) -> None:
        weights = self.network.model.trainable_variables
        self._optimizer.apply(gradients, weights)
        # The average starts fast, so that the random initial weights are forgotten within a few batches.
        done = tf.cast(self._optimizer.iterations, tf.float32)
        decay = tf.minimum(self.config.weight_average, (1.0 + done) / (10.0 + done))
        for average, weight in zip(self._average, weights, strict=True):
            average.assign(decay * average + (1.0 - decay) * weight.value)

    def _sum_of_losses(self, *tensors: Any) -> tuple[Any, Any]:
        batch = AnchorBatch(*tensors)
        return tf.reduce_sum(self._losses(batch, training=False) * batch.weight), tf.reduce_sum(batch.weight)


class _Checkpoint:
    """The state after the last complete epoch, replaced in one step."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self._fingerprint = fingerprint

    def save(self, run: _Run, history: list[EpochReport]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        about = json.dumps({"fingerprint": self._fingerprint, "history": [asdict(item) for item in history]})
        partial = self.path.with_suffix(".partial")
        with open(partial, "wb") as file:
            np.savez(file, allow_pickle=False, about=np.array(about), **run.arrays())
        os.replace(partial, self.path)

    def restore(self, run: _Run) -> list[EpochReport]:
        if not self.path.is_file():
            return []
        with np.load(self.path, allow_pickle=False) as saved:
            about = json.loads(str(saved["about"]))
            # Another dataset, cutoff or config: its checkpoint would silently give another model.
            if about["fingerprint"] != self._fingerprint:
                return []
            run.load({name: saved[name] for name in saved.files if name != "about"})
        return [EpochReport(**item) for item in about["history"]]


def _is_over(history: list[EpochReport], patience: int) -> bool:
    losses = [report.validation_loss for report in history]
    return len(losses) > patience and min(losses) < min(losses[-patience:])


def _tell(progress: Progress | None, report: EpochReport, *, resumed: bool) -> None:
    if progress is not None:
        progress(replace(report, resumed=resumed))


def _mean(function: Any, batches: AnchorSequence) -> float:
    total = np.zeros(2)
    for index in range(len(batches)):
        total += [float(value) for value in function(*_tensors(batches[index]))]
    return float(total[0] / total[1])


def _tensors(batch: AnchorBatch) -> tuple[npt.NDArray[Any], ...]:
    return (batch.steps, batch.steps_before, batch.context, batch.spend, batch.bought, batch.weight)


def _signature(dataset: SequenceDataset) -> list[tf.TensorSpec]:
    plane = tf.TensorSpec((None, None), tf.float32)
    return [
        tf.TensorSpec((None, None, dataset.n_channels), tf.float32),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((None, None, dataset.n_context), tf.float32),
        plane,
        plane,
        plane,
    ]


def _values(variables: Any) -> list[npt.NDArray[Any]]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Any, values: Any) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _fingerprint(dataset: SequenceDataset, config: TrainingConfig, cutoff: dt.date, scale: LabelScale) -> str:
    about = json.dumps(
        [asdict(dataset.contract), asdict(config), cutoff.isoformat(), asdict(scale), dataset.fingerprint]
    )
    return hashlib.sha256(about.encode()).hexdigest()
