"""Measures what each kind of input adds, and what dirt takes away.

On simulated shops, and on the real sessions of the Google Merchandise Store where their file is given. Each
shop is built by dbt from its mapping, trained with the defaults on what ends before the cut, and measured on
the horizon after it. The table goes to docs/benchmarks.md.

    python benchmarks/inputs.py [--sessions FILE] [--seeds 3]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import lightgbm
import numpy as np
import pyarrow as pa
import yaml
from document import write_table

from purchasing_power.evaluation import Prediction, evaluate, evaluate_baselines, evaluate_scores
from purchasing_power.evaluation.metrics import normalized_gini, spearman
from purchasing_power.fitting import Prepared, prepare
from purchasing_power.prepare import run_prepare
from purchasing_power.reporting import Silent
from purchasing_power.scoring.columns import list_column
from purchasing_power.simulator import ShopConfig, simulate
from purchasing_power.training import SequenceDataset, TrainingConfig, train
from purchasing_power.training.labels import tier_cut_points
from purchasing_power.warehouse.project import Project

PACKAGE = Path(__file__).parents[1]
HORIZON = 56
METRICS = ("normalized_gini", "spearman", "buy_auc", "average_precision", "bias")
SESSIONS_MAPPING = Path(__file__).parent / "google_merchandise.yml"
FEATURES = ("build", "--selector", "purchasing_power_features")


@dataclass(frozen=True)
class Row:
    """A method's figures on a shop, one set a seed."""

    shop: str
    inputs: str
    method: str
    figures: tuple[Mapping[str, float], ...]


def build(folder: Path, variables: Mapping[str, Any]) -> Prepared:
    """Builds a project of these vars with dbt, input models included, and copies its sequences."""
    folder.mkdir()
    project = {"name": "benchmark", "config-version": 2, "profile": "benchmark", "vars": dict(variables)}
    target = {"type": "duckdb", "path": "warehouse.duckdb", "threads": 2}
    profiles = {"benchmark": {"target": "duckdb", "outputs": {"duckdb": target}}}
    for name, content in (
        ("dbt_project.yml", project),
        ("profiles.yml", profiles),
        ("packages.yml", {"packages": [{"local": str(PACKAGE)}]}),
    ):
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    (folder / "selectors.yml").write_text((PACKAGE / "selectors.yml").read_text(encoding="utf-8"))
    found = Project.find(folder)
    found.run_dbt(["deps"])
    found.run_dbt(FEATURES)
    outcome = run_prepare(found, Silent())
    if outcome.sentiment or outcome.embedding:
        found.run_dbt(FEATURES)
    return prepare(found, Silent())


def measure(shop: str, inputs: str, prepared: Prepared, seeds: int, *, peer: bool) -> list[Row]:
    """Trains once a seed and measures at the newest matured anchor, beside what costs less."""
    cut, data = prepared.settings.newest_matured_anchor, prepared.dataset
    labels = data.labels(cut)
    own = []
    for seed in range(seeds):
        work = prepared.work_dir / uuid.uuid4().hex
        model = train(data, TrainingConfig(seed=seed), cutoff=cut, work_dir=work)
        own.append(
            evaluate_scores(
                model.predict_table(data, cut),
                labels.spend,
                labels.orders,
                tier_names=model.contract.tier_names,
                tier_cut_points=model.tier_cut_points,
            )
        )
        print(f"{shop}, {inputs}, seed {seed}: {_line(own[-1])}", flush=True)
    rows = [Row(shop, inputs, "lstm", tuple(own))]
    if peer:
        rows.append(Row(shop, inputs, "LightGBM, same context", tuple(boosted_trees(data, cut, seeds))))
    baselines = evaluate_baselines(labels, model.tier_cut_points)
    rows.append(Row(shop, inputs, "persistence", (baselines["persistence"],)))
    return rows


def boosted_trees(data: SequenceDataset, cut: date, seeds: int) -> Iterator[dict[str, float]]:
    """LightGBM on the context of the same anchors: a classifier for the purchase, Tweedie trees for spend."""
    days = [day for day in data.anchors() if (cut - day).days >= data.contract.horizon_days]
    context = np.concatenate([_context(data, day) for day in days])
    past = [data.labels(day) for day in days]
    spend = np.concatenate([labels.spend for labels in past])
    bought = np.concatenate([labels.orders for labels in past]) > 0
    labels, now = data.labels(cut), _context(data, cut)
    cuts = tier_cut_points(spend, len(data.contract.tier_names))
    for seed in range(seeds):
        settings = {
            "n_estimators": 200,
            "learning_rate": 0.03,
            "num_leaves": 15,
            "min_child_samples": 100,
            "subsample": 0.8,
            "subsample_freq": 1,
            "colsample_bytree": 0.5,
            "reg_lambda": 5.0,
            "random_state": seed,
            "n_jobs": 2,
            "verbose": -1,
        }
        buy = lightgbm.LGBMClassifier(**settings).fit(context, bought)
        amount = lightgbm.LGBMRegressor(objective="tweedie", **settings).fit(context, spend)
        expected = amount.predict(now)
        prediction = Prediction(
            purchase_probability=buy.predict_proba(now)[:, 1],
            expected_spend=expected,
            spend_p50=expected,
            tier=np.searchsorted(np.asarray(cuts), expected, side="right").astype(np.int64),
        )
        yield evaluate(prediction, labels.spend, labels.orders, cuts)


def _context(data: SequenceDataset, day: date) -> np.ndarray:
    blocks = []
    for _, context in data.records(day, rows=65_536):
        column = list_column(pa.record_batch({"context": context}), "context", nullable=False)
        blocks.append(column.matrix(data.n_context))
    return np.concatenate(blocks)


def simulated(folder: Path, users: int, days: int, seeds: int) -> Iterator[Row]:
    """A clean shop by its orders alone and by everything, its dirty twin, and how far the truth comes."""
    for dirt in (0.0, 0.2):
        shop = folder / f"shop-{dirt}"
        simulate(ShopConfig(users, days, horizon_days=HORIZON, dirt=dirt), shop, Silent())
        proposed = yaml.safe_load((shop / "purchasing_power_vars.yml").read_text(encoding="utf-8"))["vars"]
        name = f"simulated, {users:,} users, {'clean' if not dirt else f'dirt {dirt}'}"
        choices = {"all": proposed} if dirt else {"orders alone": _orders_alone(proposed), "all": proposed}
        for inputs, variables in choices.items():
            prepared = build(folder / f"project-{dirt}-{inputs.replace(' ', '-')}", variables)
            yield from measure(name, inputs, prepared, seeds, peer=False)
        yield Row(name, "-", "the truth's own ranking", (_ceiling(prepared, shop),))


def _ceiling(prepared: Prepared, shop: Path) -> dict[str, float]:
    cut = prepared.settings.newest_matured_anchor
    labels = prepared.dataset.labels(cut)
    query = f"select customer_id, expected_spend from '{shop}/truth.parquet' where as_of_date = date '{cut}'"
    truth = dict(duckdb.sql(query).fetchall())
    expected = np.array([truth[user] for user in labels.user_id.to_pylist()])
    return {
        "normalized_gini": normalized_gini(labels.spend, expected),
        "spearman": spearman(labels.spend, expected),
        "bias": float(expected.sum() / labels.spend.sum() - 1),
    }


def _orders_alone(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The same shop without what people browse and say; who its customers are stays known."""
    left = copy.deepcopy(dict(variables))
    for name in ("browse_events", "reviews"):
        left["purchasing_power__inputs"].pop(name, None)
    left.pop("purchasing_power__extra_channels", None)
    return left


def real_sessions(folder: Path, sessions: Path, seeds: int) -> Iterator[Row]:
    """The Google Merchandise Store's visitors, by their orders alone and with their visits."""
    visitors = folder / "visitors.parquet"
    duckdb.sql(
        f"copy (select visitor_id, min(visit_start_utc) as first_visit_utc from '{sessions}' "
        f"where visitor_id is not null group by 1) to '{visitors}'"
    )
    text = SESSIONS_MAPPING.read_text(encoding="utf-8")
    text = text.replace("relation: SESSIONS", f"relation: {sessions}")
    variables = yaml.safe_load(text.replace("relation: VISITORS", f"relation: {visitors}"))
    for inputs, chosen in (("orders alone", _orders_alone(variables)), ("visits too", variables)):
        prepared = build(folder / f"sessions-{inputs.replace(' ', '-')}", chosen)
        yield from measure("Google Merchandise Store", inputs, prepared, seeds, peer=True)


def table(rows: Sequence[Row]) -> str:
    """Writes the figures as Markdown."""
    lines = [
        "Median (smallest to largest) of the seeds, at the newest cut, trained with the defaults before it.",
        "",
        "| shop | inputs | method | norm. Gini | Spearman | buy AUC | avg. precision | bias |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [_cell(name, row.figures) for name in METRICS]
        lines.append(f"| {row.shop} | {row.inputs} | {row.method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, figures: Sequence[Mapping[str, float]]) -> str:
    values = [found[name] for found in figures if name in found]
    if not values:
        return "-"
    shown = f"{np.median(values):{'+' if name == 'bias' else ''}.3f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):.3f} to {max(values):.3f})"


def _line(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {figures[name]:.4f}" for name in METRICS)


def main() -> None:
    """Measures on what is given, and says what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--sessions", type=Path, help="Parquet file of the Google Merchandise Store's sessions"
    )
    parser.add_argument("--users", type=int, default=4000, help="users of the simulated shops")
    parser.add_argument("--days", type=int, default=400, help="days of the simulated shops")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each")
    arguments = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.sessions:
            rows.extend(real_sessions(folder, arguments.sessions.resolve(), arguments.seeds))
        rows.extend(simulated(folder, arguments.users, arguments.days, arguments.seeds))
    text = table(rows)
    print(text)
    if not arguments.sessions:
        raise SystemExit("Real sessions left out, and nothing written: give their file with --sessions.")
    write_table("inputs", text)


if __name__ == "__main__":
    main()
