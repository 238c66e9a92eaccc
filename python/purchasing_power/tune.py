"""Searches training settings on windows before the backtest's, so that the backtest stays a test."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

import yaml

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.fitting import MODEL_METHOD, Prepared, measure, prepare
from purchasing_power.reporting import Reporter, Tick
from purchasing_power.training import EpochReport, TrainingConfig, train
from purchasing_power.training.config import TRAINING_VAR
from purchasing_power.warehouse.project import Project

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise PurchasingPowerError("Tuning needs Optuna: install purchasing_power[tune].") from error

# What is minimised. A change of it starts another study.
OBJECTIVE = "1 - normalised Gini + 1 - buy AUC + MAE / mean"

_MOST_CUTS = 2
_HEAD_SIZES = ("32", "64,32", "128,64")
# No trial is stopped before it had these epochs, nor before as many trials as these are complete.
_EPOCHS_BEFORE_PRUNING = 3
_TRIALS_BEFORE_PRUNING = 5
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_ASKED, _MEASURED = "asked", "measured"
_FIGURES = {"normalized_gini": "norm. Gini", "buy_auc": "buy AUC", "mae_over_mean": "MAE / mean"}


@dataclass(frozen=True)
class Tried:
    """Settings that were measured on every window.

    Attributes:
        config: the settings.
        cost: what is minimised; see OBJECTIVE.
        figures: metric -> mean over the windows.
    """

    config: TrainingConfig
    cost: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class TuningOutcome:
    """What a search found.

    Attributes:
        cuts: where the windows begin, the latest first.
        trials: settings that were tried, those included that were given up early.
        current: the settings that the search began with.
        best: the best ones; the current ones where nothing was better.
    """

    cuts: list[date]
    trials: int
    current: Tried
    best: Tried


def run_tuning(
    project: Project,
    config: TrainingConfig,
    reporter: Reporter,
    *,
    trials: int = 30,
    timeout_minutes: float | None = None,
) -> TuningOutcome:
    """Searches for better settings than the current ones; goes on with what an earlier call left.

    Args:
        project: the dbt project, with its features built.
        config: the current settings, which are tried first; what is not searched stays as it is here.
        reporter: where progress and the table go.
        trials: settings to try in all, earlier calls included.
        timeout_minutes: no trial starts after so many minutes; None for no limit.

    Raises:
        PurchasingPowerError: the features are not built, there is too little history, or the current settings
            cannot be trained.
    """
    if trials < 1:
        raise PurchasingPowerError(f"--trials is {trials} but must be at least 1.")
    prepared = prepare(project, reporter)
    cuts = tuning_cuts(prepared)
    reporter.say(
        f"Predicted windows begin on {' and '.join(map(str, cuts))}; none goes beyond "
        f"{prepared.settings.newest_matured_anchor}, where the backtest begins"
    )
    search = _Search(prepared, cuts, config)
    search.run(trials, None if timeout_minutes is None else timeout_minutes * 60, reporter)
    outcome = search.outcome()
    _show(outcome, list(search.space), reporter)
    return outcome


def tuning_cuts(prepared: Prepared) -> list[date]:
    """Chooses up to two anchors to predict from, the latest first, half a horizon or more apart.

    Their label windows end where the backtest's begins or before, and anchors to train on come before them.

    Raises:
        PurchasingPowerError: there is none.
    """
    dataset, newest = prepared.dataset, prepared.settings.newest_matured_anchor
    horizon = timedelta(days=dataset.contract.horizon_days)
    cuts: list[date] = []
    for anchor in reversed(dataset.anchors()):
        is_apart = not cuts or cuts[-1] - anchor >= horizon / 2
        if anchor + horizon > newest or not is_apart or not dataset.labels(anchor).orders.any():
            continue
        if all(len(dataset.selection(split=split, cutoff=anchor).users) for split in ("train", "validation")):
            cuts.append(anchor)
        if len(cuts) == _MOST_CUTS:
            break
    if not cuts:
        raise PurchasingPowerError(
            f"Tuning needs a window of {horizon.days} days that ends by {newest}, where the backtest begins, "
            "with labels to train on before it, and there is none: bring more history, or shorten "
            "purchasing_power__horizon_days."
        )
    return cuts


def settings_yaml(config: TrainingConfig) -> str:
    """Gives settings as the dbt var that holds them; what is as by default is left out."""
    changed = {
        item.name: list(value) if isinstance(value, tuple) else value
        for item in fields(config)
        if (value := getattr(config, item.name)) != item.default
    }
    text: str = yaml.safe_dump({"vars": {TRAINING_VAR: changed}}, sort_keys=False)
    return text


class _Search:
    """One study: its trials, stored as they happen, and the next ones."""

    def __init__(self, prepared: Prepared, cuts: Sequence[date], config: TrainingConfig) -> None:
        self.space = _space(config)
        self._prepared = prepared
        self._cuts = list(cuts)
        self._config = config
        self._current = _parameters(config, self.space)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        folder = prepared.work_dir.parent / "tuning"
        folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "journal.log")))
        self._study = optuna.create_study(
            storage=storage, study_name=self._name(), direction="minimize", load_if_exists=True
        )
        # Another seed for every call: the same one would draw the same first trials again.
        seed = config.seed + len(self._study.get_trials(deepcopy=False))
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        self._study.pruner = optuna.pruners.MedianPruner(
            n_startup_trials=_TRIALS_BEFORE_PRUNING, n_warmup_steps=_EPOCHS_BEFORE_PRUNING
        )
        self._enqueue()

    def run(self, trials: int, seconds: float | None, reporter: Reporter) -> None:
        """Tries settings until there are so many in all, or no time is left to start another.

        The current ones are tried whatever the limits, because the others are compared with them.
        """
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        with reporter.progress("tuning") as tick:
            while True:
                done = len(self._trials(*_FINISHED))
                is_over = done >= trials or time.monotonic() >= deadline
                if is_over and self._current in self._parameters(TrialState.COMPLETE):
                    return
                self._try(max(trials, done + 1), tick)

    def outcome(self) -> TuningOutcome:
        """Gives the best settings beside the current ones."""
        complete = self._trials(TrialState.COMPLETE)
        current = next(trial for trial in complete if trial.params == self._current)
        # The first of equals: the current ones, where nothing is better.
        best = min([current, *complete], key=_cost)
        return TuningOutcome(
            self._cuts, len(self._trials(*_FINISHED)), self._tried(current), self._tried(best)
        )

    def _name(self) -> str:
        """Binds the study to all that its figures depend on, but for what is searched."""
        fixed = {name: value for name, value in asdict(self._config).items() if name not in self.space}
        about = [
            self._prepared.dataset.fingerprint,
            asdict(self._prepared.dataset.contract),
            [cut.isoformat() for cut in self._cuts],
            OBJECTIVE,
            fixed,
            {name: repr(distribution) for name, distribution in self.space.items()},
        ]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def _enqueue(self) -> None:
        """Puts first what an interruption cut off, which may have a checkpoint, and the current settings."""
        for trial in self._trials(TrialState.RUNNING):
            # Its process died before it could say so.
            self._study.tell(trial.number, state=TrialState.FAIL)
        known = self._parameters(*_FINISHED)
        cut_off = [params for params in self._parameters(TrialState.FAIL)[-1:] if params not in known]
        if self._current not in self._parameters(TrialState.COMPLETE):
            cut_off.append(self._current)
        waiting = [trial.user_attrs[_ASKED] for trial in self._trials(TrialState.WAITING)]
        for params in cut_off:
            if params not in waiting:
                self._study.enqueue_trial(params, user_attrs={_ASKED: params})
                waiting.append(params)

    def _try(self, trials: int, tick: Tick) -> None:
        trial = self._study.ask(self.space)
        done, number = len(self._trials(*_FINISHED)), trial.number + 1

        def tell(text: str) -> None:
            tick(done, trials, f"trial {number}, {text}", False)

        try:
            cost, figures = self._measure(trial, tell)
        except optuna.TrialPruned:
            self._study.tell(trial, state=TrialState.PRUNED)
            tick(done + 1, trials, f"trial {number}: given up early", True)
            return
        except BaseException:
            # Ctrl-C too: the trial is begun again by the next call, and goes on from its checkpoint.
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr(_MEASURED, figures)
        self._study.tell(trial, cost)
        best = min(map(_cost, self._trials(TrialState.COMPLETE)))
        tick(done + 1, trials, f"trial {number}: {cost:.4f} (best {best:.4f})", True)

    def _measure(self, trial: optuna.Trial, tell: Callable[[str], None]) -> tuple[float, dict[str, float]]:
        """Trains and measures at every cut; the current settings are never given up.

        Raises:
            TrialPruned: they are worse than half of the others at the same point, or cannot be trained.
            PurchasingPowerError: the current settings cannot be trained.
        """
        is_current = trial.params == self._current
        config = _settings(self._config, trial.params, self._current)

        def report(value: float, step: int) -> None:
            trial.report(value, step)
            if not is_current and trial.should_prune():
                raise optuna.TrialPruned

        costs: list[float] = []
        each: list[dict[str, float]] = []
        for cut in self._cuts:

            def show(epoch: EpochReport, cut: date = cut) -> None:
                tell(f"window {cut}: epoch {epoch.epoch} of {epoch.epochs}")
                if cut == self._cuts[0]:
                    report(epoch.validation_loss, epoch.epoch)

            try:
                model = train(
                    self._prepared.dataset,
                    config,
                    cutoff=cut,
                    work_dir=self._prepared.work_dir / "tuning",
                    progress=show,
                )
            except PurchasingPowerError as error:
                if is_current:
                    raise
                raise optuna.TrialPruned from error
            measured = measure(self._prepared, model, anchor_on=cut, dataset_name="tuning")
            each.append({row.metric: row.value for row in measured.figures if row.method == MODEL_METHOD})
            costs.append(cost_of(each[-1]))
            # Losses of epochs stand at the steps before.
            report(sum(costs) / len(costs), config.epochs + len(costs))
        figures = {
            name: sum(found[name] for found in each) / len(each)
            for name in _FIGURES
            if all(name in found for found in each)
        }
        return sum(costs) / len(costs), figures

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _parameters(self, *states: TrialState) -> list[dict[str, Any]]:
        return [trial.params for trial in self._trials(*states)]

    def _tried(self, trial: FrozenTrial) -> Tried:
        config = _settings(self._config, trial.params, self._current)
        return Tried(config, _cost(trial), trial.user_attrs[_MEASURED])


def cost_of(figures: Mapping[str, float]) -> float:
    """Gives what is minimised of a window's figures; 0 is perfect.

    Ranking users, telling buyers and getting amounts right count alike; what the window does not define, such
    as the AUC where everybody buys, is left out of all trials alike.
    """
    ranking = sum(1 - figures[name] for name in ("normalized_gini", "buy_auc") if name in figures)
    return ranking + figures.get("mae_over_mean", 0.0)


def _cost(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _space(config: TrainingConfig) -> dict[str, BaseDistribution]:
    """Gives what is searched, by field; wide enough to hold the current settings."""
    heads = list(dict.fromkeys([*_HEAD_SIZES, _joined(config.head_sizes)]))
    space: dict[str, BaseDistribution] = {
        "cell": CategoricalDistribution(("lstm", "gru", "rnn")),
        "layers": IntDistribution(1, max(2, config.layers)),
        "hidden_size": _around(config.hidden_size, 16, 128, step=16),
        "learning_rate": _around(config.learning_rate, 3e-4, 1e-2),
    }
    if config.objective == "full":
        space["head_sizes"] = CategoricalDistribution(heads)
        space["dropout"] = FloatDistribution(0.0, max(0.4, config.dropout))
    # What is turned off stays off: 0 has no logarithm.
    if config.l2:
        space["l2"] = _around(config.l2, 1e-6, 1e-2)
    if config.half_life_horizons:
        space["half_life_horizons"] = _around(config.half_life_horizons, 0.25, 4.0)
    return space


def _around(current: float, low: float, high: float, step: int | None = None) -> BaseDistribution:
    low, high = min(low, current), max(high, current)
    if step is None:
        return FloatDistribution(low, high, log=True)
    fits = (current - low) % step == 0 and (high - low) % step == 0
    return IntDistribution(int(low), int(high), step=step if fits else 1)


def _parameters(config: TrainingConfig, space: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: getattr(config, name) for name in space}
    return {name: _joined(value) if name == "head_sizes" else value for name, value in values.items()}


def _settings(
    config: TrainingConfig, params: Mapping[str, Any], current: Mapping[str, Any]
) -> TrainingConfig:
    """Gives the settings of a trial: new numbers to three digits, which is what is written down of them."""
    values: dict[str, Any] = {
        name: float(f"{value:.3g}") if isinstance(value, float) and value != current[name] else value
        for name, value in params.items()
    }
    if "head_sizes" in values:
        values["head_sizes"] = tuple(int(size) for size in values["head_sizes"].split(",") if size)
    return replace(config, **values)


def _joined(sizes: Sequence[int]) -> str:
    return ",".join(map(str, sizes))


def _show(outcome: TuningOutcome, names: Sequence[str], reporter: Reporter) -> None:
    current, best = outcome.current, outcome.best

    def shown(value: Any) -> str:
        return _joined(value) if isinstance(value, tuple) else str(value)

    def figure(tried: Tried, name: str) -> str:
        return f"{tried.figures[name]:.3f}" if name in tried.figures else "-"

    # Not the table's title, which would be folded to the table's width.
    reporter.say(f"The best of {outcome.trials} settings on earlier windows; minimised: {OBJECTIVE}")
    reporter.table(
        ("", "current", "best"),
        [
            *(
                (name, shown(getattr(current.config, name)), shown(getattr(best.config, name)))
                for name in names
            ),
            *((header, figure(current, name), figure(best, name)) for name, header in _FIGURES.items()),
            ("minimised", f"{current.cost:.4f}", f"{best.cost:.4f}"),
        ],
    )
    if best.config == current.config:
        reporter.say("Nothing was better than the current settings.")
