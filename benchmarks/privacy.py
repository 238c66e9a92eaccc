"""What training with differential privacy costs in accuracy, and what an attack learns of who was trained on.

The attack (Yeom et al. 2018, "Privacy risk in machine learning") knows a user's scores and what the user then
did. Whoever was predicted better than others is taken for one of the training users; held-back users were not
trained on. AUC 0.5 is a coin.

    python benchmarks/privacy.py [--only complete_journey] [--users 8000] [--seeds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from document import write_table
from shops import Built, build, complete_journey, simulated_tables

from purchasing_power.evaluation import evaluate, prediction_from_scores
from purchasing_power.evaluation.metrics import area_under_roc
from purchasing_power.training import SequenceDataset, TrainedModel, TrainingConfig, train

_SHOWN = ("normalized_gini", "spearman", "mae_over_mean", "buy_auc", "tier_macro_f1")
_EPSILONS = (8.0, 3.0, 1.0)
# Anchors that the attack looks at, spread over those that were trained on.
_ATTACKED_ANCHORS = 12
_FALSE_ALARMS = 0.01


@dataclass(frozen=True)
class Attack:
    """How well training users were told from held-back ones.

    Attributes:
        auc: Probability that a training user was predicted better than a held-back one.
        interval: 95 % of it, by resampling users.
        found: Share of the training users that are found where one in a hundred others is taken for one.
    """

    auc: float
    interval: tuple[float, float]
    found: float

    def __str__(self) -> str:
        """Shows it as cells of a table."""
        return f"{self.auc:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}] | {self.found:.1%}"


def attack(model: TrainedModel, dataset: SequenceDataset) -> Attack:
    """Tells training users from others by how well their scores fit."""
    members, others = (_fit_of_users(model, dataset, split) for split in ("train", "validation"))
    random = np.random.default_rng(0)
    resampled = [
        _auc(random.choice(members, len(members)), random.choice(others, len(others))) for _ in range(400)
    ]
    low, high = np.quantile(resampled, [0.025, 0.975])
    threshold = np.quantile(others, 1 - _FALSE_ALARMS)
    return Attack(_auc(members, others), (float(low), float(high)), float((members > threshold).mean()))


def _auc(members: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float:
    is_member = np.arange(len(members) + len(others)) < len(members)
    return area_under_roc(is_member, np.concatenate([members, others]))


def _fit_of_users(model: TrainedModel, dataset: SequenceDataset, split: str) -> npt.NDArray[np.float64]:
    """Gives how well each user's scores fit what they did: minus the mean loss over their anchors."""
    # The labels of these anchors, and of those between, were trained on.
    known = [day for day in dataset.anchors() if (model.cutoff - day).days >= dataset.contract.horizon_days]
    places = np.linspace(0, len(known) - 1, min(_ATTACKED_ANCHORS, len(known))).astype(int)
    losses: dict[str, list[float]] = {}
    for place in np.unique(places):
        labels = dataset.labels(known[place], split=split)
        if not len(labels.spend):
            continue
        scores = model.predict_table(dataset, known[place], split=split)
        chance = np.clip(scores["purchase_probability"].to_numpy(), 1e-6, 1 - 1e-6)
        bought = labels.orders > 0
        loss = -np.log(np.where(bought, chance, 1 - chance))
        loss += np.abs(np.log1p(labels.spend) - np.log1p(scores["expected_spend"].to_numpy()))
        for user, value in zip(labels.user_id.to_pylist(), loss.tolist(), strict=True):
            losses.setdefault(user, []).append(value)
    return np.array([-np.mean(each) for each in losses.values()])


def measure(name: str, title: str, built: Built, seeds: int) -> None:
    """Trains each kind of model, and writes the table of one shop, longer with each kind."""
    task = built.task
    labels = task.dataset.labels(task.cut)
    private = TrainingConfig.preset("private")
    kinds = {
        "defaults": TrainingConfig(),
        "private settings, no noise": replace(private, private_epsilon=0.0),
        **{f"epsilon {epsilon:g}": replace(private, private_epsilon=epsilon) for epsilon in _EPSILONS},
    }
    users = len(task.dataset.selection(split="train", cutoff=task.cut).users)
    lines = [
        f"### {title}",
        "",
        f"{users:,} training users, {task.dataset.contract.horizon_days} days predicted from {task.cut}; "
        f"medians of {seeds} trainings.",
        "",
        f"| training | noise | {' | '.join(_SHOWN)} | attack's AUC [95 %] | found at 1 % false alarms |",
        f"|---|---|{'---|' * len(_SHOWN)}---|---|",
    ]
    for kind, config in kinds.items():
        runs, attacks, noise = [], [], "-"
        for seed in range(seeds):
            model = train(
                task.dataset, config, cutoff=task.cut, seed=seed, work_dir=task.work_dir / uuid.uuid4().hex
            )
            prediction = prediction_from_scores(
                model.predict_table(task.dataset, task.cut), model.contract.tier_names
            )
            runs.append(evaluate(prediction, labels.spend, labels.orders, task.tier_cut_points))
            attacks.append(attack(model, task.dataset))
            if model.budget is not None:
                noise = f"{model.budget.noise_multiplier:.2f}"
            print(f"  {title}, {kind}, seed {seed}: {attacks[-1]}", flush=True)
        middle = sorted(attacks, key=lambda each: each.auc)[len(attacks) // 2]
        cells = [f"{_median([run[metric] for run in runs]):.3f}" for metric in _SHOWN]
        lines.append(f"| {kind} | {noise} | {' | '.join(cells)} | {middle} |")
        print(lines[-1], flush=True)
        write_table(name, "\n".join(lines))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def main() -> None:
    """Measures on Complete Journey and on a simulated shop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=("complete_journey", "simulated"), help="one shop")
    parser.add_argument("--users", type=int, default=8_000, help="users of the simulated shop")
    parser.add_argument("--days", type=int, default=300, help="days of the simulated shop")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.only != "simulated":
            built = complete_journey(folder / "complete_journey")
            measure("privacy-real", "Complete Journey", built, arguments.seeds)
        if arguments.only != "complete_journey":
            variables = simulated_tables(folder / "shop", arguments.users, arguments.days, dirt=0.0)
            built = build(folder / "simulated", variables)
            measure("privacy-simulated", "Simulated shop", built, arguments.seeds)


if __name__ == "__main__":
    main()
