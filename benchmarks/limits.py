"""Measures scoring, features and training beside what the machine can do and what others write.

Every ratio comes from one run in which ours and the other take turns. Shops are simulated. Rows go into the
table of docs/benchmarks.md in the place of those of the same name; rows that were not measured stay.

    python benchmarks/limits.py [--only scoring features] [--users 20000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from daily_shop import add_day, change_past, link_shop
from document import read_table, write_table
from features_check import ANCHORS, GIVEN, STEPS, freeze, require_equal
from measuring import (
    ChildRun,
    DbtRun,
    Ledger,
    Row,
    clean_up_when_terminated,
    interleaved,
    merge_rows,
    run_child,
    show_models,
    slope,
    times_faster,
)
from shops import Built
from workbench import DAILY, EVERYTHING, FEATURES, FULL, SCORING, Shop, Workbench, cores, package_key

from purchasing_power.cli.output import ConsoleReporter, make_console
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.fitting import prepare
from purchasing_power.reporting import Silent
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.features import read_settings
from purchasing_power.warehouse.project import Project

HERE = Path(__file__).parent
DAILY_SHARE = 0.01
# What is compared after some days: each table's key, and what differs between runs by its nature.
OUTPUTS = {
    "purchasing_power__user_steps": (("user_id", "step_index"), ()),
    "int_purchasing_power__running_totals": (("user_id", "step_index"), ()),
    "purchasing_power__users": (("user_id",), ()),
    "purchasing_power__rejected_rows": (("relation", "reason", "row_key", "raw_values"), ()),
    "purchasing_power__user_states": (("user_id",), ()),
    "purchasing_power__scores": (("user_id",), ("scored_at",)),
}
PHASES = ("build", "train", "score", "day")
# Rows of the table, in its order; those of a group share a beginning.
ORDER = (
    "scoring over the onnxruntime limit: the models",
    "scoring over the onnxruntime limit: whole `dbt run`",
    "scoring over pandas + Keras: the models",
    "scoring over pandas + Keras: whole `dbt run`",
    "onnxruntime's LSTM over NumPy's sgemm",
    "features over Polars: the models",
    "features over Polars: whole `dbt run`",
    "features over pandas: the models",
    "features over pandas: whole `dbt run`",
    "training over Keras `fit`, a padded sequence an anchor",
    "daily run over a full one, 1 % active: scoring",
    "daily run over a full one, 1 % active: features and scoring",
    "daily run over a full one, 1 % active: the models, by size",
    "daily runs and one of the last day: difference",
    *(f"peak memory: {phase}" for phase in PHASES),
    *(f"cost against size: {phase}" for phase in PHASES),
)
GOALS = {
    "scoring over the onnxruntime limit": ">= 0.85 x",
    "scoring over pandas + Keras": ">= 10 x",
    "features over Polars": ">= 1.0 x",
    "features over pandas": ">= 10 x",
    "training over Keras `fit`, a padded sequence an anchor": ">= 10 x",
    "daily run over a full one, 1 % active": "<= 5 %",
    "daily runs and one of the last day": "<= 1e-5 on every output",
    "peak memory": "<= 1.15 x from 100,000 to 1,000,000 users; scoring under 1 GB",
    "cost against size": "<= 1.05",
}


@dataclass(frozen=True)
class Limits:
    """The benchmark: a method a part of it, each gives its rows.

    Attributes:
        bench: Where it works.
        options: What was asked for.
    """

    bench: Workbench
    options: argparse.Namespace

    def scoring(self) -> list[Row]:
        """Times dbt's scoring, onnxruntime on ready tensors, Keras on padded ones, and NumPy's products."""
        # Most people leave TensorFlow as it comes; training turns this off where it is not set.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        from scoring_peers import ReadyTensors, score_with_keras, sgemm, train_and_promote

        from purchasing_power.training import TrainingConfig

        shop, project = self._built
        reporter = self.bench.reporter
        built = Built(project, prepare(project, Silent()))
        # The weights do not matter for how long scoring takes, their number does, so one epoch is enough.
        model = train_and_promote(built, TrainingConfig(epochs=self.options.epochs), reporter)
        self.bench.dbt(project, (*SCORING, FULL))
        ready = ReadyTensors(project)
        # Once each before it counts: TensorFlow compiles, files come into memory.
        score_with_keras(project, model)
        ready.run()
        found = interleaved(
            self.options.rounds,
            {
                "dbt run of scoring": lambda: self.bench.dbt(project, (*SCORING, FULL)),
                "onnxruntime, ready tensors": ready.run,
                "NumPy sgemm": sgemm,
                "pandas + Keras": lambda: score_with_keras(project, model),
            },
            reporter,
        )
        runs, loops, products, keras = found.values()
        show_models(runs, "Scoring, median seconds a model", reporter)
        parts = {name: median(run.parts[name] for run in keras) for name in keras[0].parts}
        reporter.say("pandas + Keras: " + ", ".join(f"{name} {took:.2f} s" for name, took in parts.items()))
        reporter.say(
            f"onnxruntime: encoder {median(loop.encoder for loop in loops):.3f} s, head "
            f"{median(loop.head for loop in loops):.3f} s, for {ready.steps:,} steps"
        )
        models = [run.span for run in runs]
        wholes = [run.seconds for run in runs]
        limit, peer = [loop.seconds for loop in loops], [run.seconds for run in keras]
        limit_text = (
            f"{_rate(ready.users, limit, 'users')}, onnxruntime {version('onnxruntime')} on ready tensors"
        )
        peer_text = (
            f"{_rate(ready.users, peer, 'users')}, pandas {version('pandas')}, Keras {version('keras')}, "
            f"TensorFlow {version('tensorflow_cpu')}; padded in {keras[0].chunks} chunk(s)"
        )
        measured_on = self._measured_on(shop, "duckdb", "onnxruntime")
        achieved = [ready.flops() / loop.encoder for loop in loops]
        return [
            *(
                self._row(
                    f"{name}: {what}",
                    _times(times_faster(own, other)),
                    _rate(ready.users, own, "users"),
                    text,
                    measured_on,
                )
                for name, other, text in (
                    ("scoring over the onnxruntime limit", limit, limit_text),
                    ("scoring over pandas + Keras", peer, peer_text),
                )
                for what, own in (("the models", models), ("whole `dbt run`", wholes))
            ),
            self._row(
                "onnxruntime's LSTM over NumPy's sgemm",
                # More operations a second are less time each.
                _times(times_faster([1 / flops for flops in achieved], [1 / flops for flops in products])),
                f"{median(achieved) / 1e9:.0f} GFLOP/s in the encoder's calls, matrix products alone",
                f"{median(products) / 1e9:.0f} GFLOP/s, NumPy {version('numpy')}, 2048 x 2048",
                measured_on,
            ),
        ]

    def features(self) -> list[Row]:
        """Times dbt from raw Parquet to steps and anchors, and the same by hand in Polars and pandas."""
        shop, project = self._built
        frozen = self.bench.folder / "frozen"
        freeze(project, shop.folder, frozen)
        arguments = ("run", "--select", f"+{STEPS}", f"+{ANCHORS}", "--exclude", *GIVEN, FULL)

        def by_hand(library: str) -> ChildRun:
            out = self.bench.folder / f"by-{library}"
            command = [sys.executable, "-W", "ignore", str(HERE / f"features_{library}.py"), str(shop.folder)]
            return run_child([*command, str(frozen), str(out)], self.bench.folder)

        found = interleaved(
            self.options.rounds,
            {
                "dbt run of the features": lambda: self.bench.dbt(project, arguments),
                "Polars": lambda: by_hand("polars"),
                "pandas": lambda: by_hand("pandas"),
            },
            self.bench.reporter,
        )
        apart = {
            library: require_equal(project, self.bench.folder / f"by-{library}", library)
            for library in ("polars", "pandas")
        }
        runs: list[DbtRun] = found["dbt run of the features"]
        reporter = self.bench.reporter
        show_models(runs, "Features, median seconds a model", reporter, count=20)
        reporter.say(
            "Processor seconds, imports and dbt's parsing included: "
            + ", ".join(f"{name} {median(run.cpu for run in each):.1f}" for name, each in found.items())
        )
        reporter.say(
            f"Equal to ours: largest difference {', '.join(f'{k} {v:.0e}' for k, v in apart.items())}"
        )
        rows = []
        for library, name in (("polars", "Polars"), ("pandas", "pandas")):
            took = [float(json.loads(run.output)["seconds"]) for run in found[name]]
            peak = max(run.peak for run in found[name])
            text = (
                f"{_rate(shop.events, took, 'events')}, {name} {version(library)}, {_gigabytes(peak)} at most"
            )
            for what, own in (
                ("the models", [run.span for run in runs]),
                ("whole `dbt run`", [run.seconds for run in runs]),
            ):
                most = _gigabytes(max(run.peak for run in runs))
                ours = f"{_rate(shop.events, own, 'events')}, {most} at most"
                figure = _times(times_faster(own, took))
                measured_on = self._measured_on(shop, "duckdb")
                rows.append(self._row(f"features over {name}: {what}", figure, ours, text, measured_on))
        return rows

    def training(self) -> list[Row]:
        """Times epochs of training, and of Keras' `fit` with one padded sequence an anchor."""
        users, epochs = self.options.training_users, self.options.training_epochs
        shop = self.bench.shop(users, self.options.dirt)
        project = self.bench.project("training", shop)
        self.bench.build(project)
        prepare(project, Silent())

        def child(script: str) -> dict[str, Any]:
            command = [sys.executable, str(HERE / script), str(project.project_dir), str(epochs)]
            found: dict[str, Any] = json.loads(run_child(command, project.project_dir).output)
            return found

        found = interleaved(
            self.options.rounds,
            {"ours": lambda: child("training_ours.py"), "Keras fit": lambda: child("training_keras.py")},
            self.bench.reporter,
        )
        ours, theirs = found.values()
        anchors = ours[0]["anchors"]
        # Epochs after the first: both compile in that one.
        own, other = ([median(run["seconds"][1:]) for run in runs] for runs in (ours, theirs))
        loss, other_loss = (median(run["validation_loss"] for run in runs) for runs in (ours, theirs))
        measured_on = (
            f"{self._measured_on(shop, 'tensorflow_cpu')}; {anchors:,} training anchors; epochs 2 to "
            f"{epochs} of {epochs} with validation; the same network, optimiser and loss, no trees"
        )
        text = (
            f"{_rate(anchors, other, 'anchors')}, held-back loss {other_loss:.3f}; "
            f"Keras {version('keras')}, padded to {theirs[0]['longest']} steps"
        )
        return [
            self._row(
                "training over Keras `fit`, a padded sequence an anchor",
                _times(times_faster(own, other)),
                f"{_rate(anchors, own, 'anchors')}, held-back loss {loss:.3f} after as many epochs",
                text,
                measured_on,
            )
        ]

    def daily(self) -> list[Row]:
        """Times a day on which one user in a hundred was active, and a full run over the same rows."""
        bench, reporter = self.bench, self.bench.reporter
        original = bench.shop(self.options.users, self.options.dirt)
        shop, project = self._living(original)
        days = 0
        active: list[int] = []

        def next_day() -> None:
            nonlocal days
            days += 1
            active.append(self._add_day(project, shop, days))

        def a_day() -> tuple[DbtRun, DbtRun, pa.Table]:
            """Gives the one command of a day, and scoring alone of the day after it."""
            next_day()
            whole = bench.dbt(project, DAILY)
            next_day()
            bench.dbt(project, FEATURES)
            return whole, bench.dbt(project, SCORING), _scores(project)

        def everything() -> tuple[DbtRun, DbtRun, pa.Table]:
            whole = bench.dbt(project, (*EVERYTHING, FULL))
            return whole, bench.dbt(project, (*SCORING, FULL)), _scores(project)

        found = interleaved(self.options.rounds, {"daily": a_day, "full": everything}, reporter)
        apart = max(_largest_difference(one[2], all_[2]) for one, all_ in zip(*found.values(), strict=True))
        if not apart <= 1e-5:
            raise PurchasingPowerError(
                f"A daily run and a full one give other scores: they differ by {apart:.1e}."
            )
        measured_on = (
            f"{self._measured_on(original, 'duckdb')}; {median(active):,.0f} users active a day; scores "
            f"equal to {apart:.0e}"
        )
        rows = []
        for name, place in (("scoring", 1), ("features and scoring", 0)):
            daily, full = ([run[place] for run in runs] for runs in found.values())
            show_models(daily, f"A day, {name}: median seconds a model", reporter)
            show_models(full, f"Everything, {name}: median seconds a model", reporter)
            share = 1 / times_faster([run.seconds for run in daily], [run.seconds for run in full])
            of_models = 1 / times_faster([run.span for run in daily], [run.span for run in full])
            rows.append(
                self._row(
                    f"daily run over a full one, 1 % active: {name}",
                    f"{share:.0%} (models alone {of_models:.0%})",
                    _whole_and_models(daily),
                    f"full refresh: {_whole_and_models(full)}",
                    measured_on,
                )
            )
        return rows

    def days(self) -> list[Row]:
        """Compares every output after some daily runs with that of one full run over the same rows."""
        bench, reporter = self.bench, self.bench.reporter
        original = bench.shop(self.options.training_users, self.options.dirt)
        shop, project = self._living(original)
        changed = 0
        for number in range(1, self.options.daily_runs + 1):
            self._add_day(project, shop, number)
            changed += change_past(shop.folder, number, share=0.0005)
            bench.dbt(project, DAILY)
            with connect(project, read_only=True) as connection:
                rebuilt = project.relation("int_purchasing_power__users_to_rebuild")
                (found,) = connection.fetch(f"select count(*) as users from {rebuilt}")
            reporter.say(f"  day {number}: {found['users']:,} users made anew")
        daily = {name: _rows(project, name, *how) for name, how in OUTPUTS.items()}
        bench.dbt(project, (*EVERYTHING, FULL))
        apart = {
            name: _largest_difference_of(daily[name], _rows(project, name, *how), name)
            for name, how in OUTPUTS.items()
        }
        reporter.say(", ".join(f"{name}: {value:.1e}" for name, value in apart.items()))
        return [
            self._row(
                "daily runs and one of the last day: difference",
                f"{max(apart.values()):.0e}",
                f"{self.options.daily_runs} daily runs; {changed:,} rows came late, were corrected or went, "
                "prices among them",
                "a full refresh over the same rows: " + ", ".join(name.split("__")[1] for name in OUTPUTS),
                f"{original}; {self._versions('duckdb')}",
            )
        ]

    def _living(self, original: Shop) -> tuple[Shop, Project]:
        """Gives a shop that days can be added to, and a project over it that is built, trained and scored."""
        shop = self._linked(original)
        project = self.bench.project("daily", shop)
        self.bench.build(project)
        self.bench.train(project, self.options.epochs)
        self.bench.dbt(project, SCORING)
        return shop, project

    def _linked(self, original: Shop) -> Shop:
        """Gives the shop in a folder where days can be added to it, in the place of the last such one."""
        shop = Shop(self.bench.folder / "daily-shop", original.users, original.days, original.events)
        link_shop(original.folder, shop.folder)
        # The vars of the original name its own folder.
        variables = shop.folder / "purchasing_power_vars.yml"
        text = variables.read_text(encoding="utf-8").replace(str(original.folder), str(shop.folder))
        variables.unlink()
        variables.write_text(text, encoding="utf-8")
        return shop

    def _add_day(self, project: Project, shop: Shop, number: int) -> int:
        """Adds the day after the warehouse's last; gives how many users are active on it."""
        with connect(project, read_only=True) as connection:
            day = read_settings(connection, project).as_of_date
        return add_day(shop.folder, day, number, DAILY_SHARE)

    def memory(self) -> list[Row]:
        """Measures the most memory that building, training, scoring and a day take, at some sizes."""
        found = {users: self._a_size(users) for users in self.options.sizes}
        first, last = self.options.sizes[-2:] if len(self.options.sizes) > 1 else self.options.sizes * 2
        rows = []
        for phase in PHASES:
            peaks = {users: size[phase]["peak"] for users, size in found.items()}
            shown = "; ".join(
                f"{users:,}: {_gigabytes(size[phase]['peak'])}, without mapped files "
                f"{_gigabytes(size[phase]['private'])}"
                for users, size in found.items()
            )
            rows.append(
                self._row(
                    f"peak memory: {phase}",
                    f"{peaks[last] / peaks[first]:.2f} x from {first:,} to {last:,} users",
                    shown,
                    f"DuckDB's memory_limit: {self._memory_limit(phase)}",
                    f"{self.bench.days} days; resident set of the process; {self._versions('duckdb')}",
                )
            )
        return rows

    def cost(self) -> list[Row]:
        """Measures what building, training, scoring and a day take against the number of events."""
        found = [self._a_size(users) for users in self.options.sizes]
        events = [size["events"] for size in found]
        rows = []
        for phase in PHASES:
            took = [size[phase]["seconds"] for size in found]
            models = [size[phase]["span"] for size in found]
            of_models = f" (models alone {slope(events, models):.2f})" if phase != "train" else ""
            ours = "; ".join(
                f"{count:,} events: {seconds:.0f} s" for count, seconds in zip(events, took, strict=True)
            )
            rows.append(
                self._row(
                    f"cost against size: {phase}",
                    f"slope {slope(events, took):.2f}{of_models}",
                    ours,
                    "slope of log time over log events: 1 is linear",
                    f"{self.bench.days} days; {self.options.epochs} epoch(s); {self._versions('duckdb')}",
                )
            )
        parts = [
            (users, size["day"]["span"], size["build"]["span"] + size["score"]["span"])
            for users, size in zip(self.options.sizes, found, strict=True)
        ]
        rows.append(
            self._row(
                "daily run over a full one, 1 % active: the models, by size",
                f"{parts[-1][1] / parts[-1][2]:.1%} at {parts[-1][0]:,} users",
                "; ".join(f"{users:,} users: {day:.1f} s ({day / full:.1%})" for users, day, full in parts),
                "building and scoring everything, the tables of training too: "
                + "; ".join(f"{users:,} users: {full:.1f} s" for users, _, full in parts),
                f"{self.bench.days} days; one run each; {self._versions('duckdb')}",
            )
        )
        return rows

    def _a_size(self, users: int) -> dict[str, Any]:
        """Builds, trains and scores a shop of so many users once, then a day more; keeps what it took."""
        key = json.dumps(
            [
                users,
                self.bench.days,
                self.options.dirt,
                self.bench.memory_limit,
                self.options.scoring_memory_limit,
                self.options.epochs,
                package_key(),
            ]
        )

        def measure() -> dict[str, Any]:
            shop = self._linked(self.bench.shop(users, self.options.dirt))
            project = self.bench.project("sized", shop)
            runs: dict[str, DbtRun | ChildRun] = {
                "build": self.bench.build(project),
                "train": self.bench.train(project, self.options.epochs),
            }
            self.bench.limit_memory(project, self.options.scoring_memory_limit)
            runs["score"] = self.bench.dbt(project, SCORING, poll=True)
            self.bench.limit_memory(project, self.bench.memory_limit)
            self._add_day(project, shop, 1)
            runs["day"] = self.bench.dbt(project, DAILY, poll=True)
            for phase, run in runs.items():
                if isinstance(run, DbtRun):
                    title = f"{users:,} users: {phase}, seconds a model"
                    show_models([run], title, self.bench.reporter, count=10)
            self.bench.drop(project)
            return {
                "events": shop.events,
                **{
                    phase: {
                        "seconds": run.seconds,
                        "span": run.span if isinstance(run, DbtRun) else run.seconds,
                        "peak": run.peak,
                        "private": run.private,
                    }
                    for phase, run in runs.items()
                },
            }

        found: dict[str, Any] = self._ledger.once(key, measure)
        return found

    def _memory_limit(self, phase: str) -> str:
        own = self.options.scoring_memory_limit if phase == "score" else None
        return own or self.bench.memory_limit or "its default"

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self.bench.folder / "sizes.json")

    @cached_property
    def _built(self) -> tuple[Shop, Project]:
        """Builds the shop that scoring and features share."""
        shop = self.bench.shop(self.options.users, self.options.dirt)
        project = self.bench.project("limits", shop)
        self.bench.build(project)
        return shop, project

    def _row(self, what: str, figure: str, ours: str, other: str, measured_on: str) -> Row:
        goal = next((goal for name, goal in GOALS.items() if what.startswith(name)), "-")
        return Row(what, figure, goal, ours, other, measured_on)

    def _measured_on(self, shop: Shop, *libraries: str) -> str:
        return f"{shop}; {self.options.rounds} rounds; {self._versions(*libraries)}"

    def _versions(self, *libraries: str) -> str:
        shown = ", ".join(f"{library} {version(library)}" for library in libraries)
        return f"{shown}, {cores()} cores"


def _rate(count: int, seconds: Sequence[float], of: str) -> str:
    return f"{count / median(seconds):,.0f} {of}/s ({median(seconds):.2f} s)"


def _whole_and_models(runs: Sequence[DbtRun]) -> str:
    return f"{median(run.seconds for run in runs):.1f} s (models {median(run.span for run in runs):.1f} s)"


def _times(ratio: float) -> str:
    return f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def _scores(project: Project) -> pa.Table:
    """Gives everybody's probability and expected spend, in the order of their ids."""
    relation = project.relation("purchasing_power__scores")
    with connect(project, read_only=True) as connection:
        query = f"select user_id, purchase_probability, expected_spend from {relation} order by user_id"
        return connection.query(query).read_all()


def _largest_difference(some: pa.Table, others: pa.Table) -> float:
    """Gives the largest difference of scores, relative where values exceed 1; infinity for other users."""
    if some.column("user_id") != others.column("user_id"):
        return math.inf
    apart = [0.0]
    for name in ("purchase_probability", "expected_spend"):
        one, other = some.column(name).to_numpy(), others.column(name).to_numpy()
        apart.append(float((np.abs(one - other) / np.maximum(1.0, np.abs(one))).max()))
    return max(apart)


def _rows(project: Project, name: str, key: Sequence[str], left_out: Sequence[str]) -> pa.Table:
    """Gives a table in the order of its key, which comes first."""
    relation = project.relation(name)
    with connect(project, read_only=True) as connection:
        query = f"select * from {relation} order by {', '.join(key)}"
        rows = connection.query(query).read_all()
    others = sorted({*rows.column_names} - {*key, *left_out})
    return rows.select([*key, *others])


def _largest_difference_of(some: pa.Table, others: pa.Table, name: str) -> float:
    """Gives the largest difference of two tables' numbers, relative where values exceed 1.

    Raises:
        PurchasingPowerError: They have other rows, or something that is no float differs.
    """
    if some.num_rows != others.num_rows or some.column_names != others.column_names:
        raise PurchasingPowerError(
            f"{name} has {some.num_rows:,} rows after daily runs and {others.num_rows:,} after a full one."
        )
    largest = 0.0
    for column in some.column_names:
        one, other = (table.column(column).combine_chunks() for table in (some, others))
        if pa.types.is_list(one.type):
            one, other = one.flatten(), other.flatten()
        if pa.types.is_floating(one.type) and len(one) == len(other):
            pair = [np.nan_to_num(values.to_numpy(zero_copy_only=False), nan=-1e9) for values in (one, other)]
            apart = np.abs(pair[0] - pair[1]) / np.maximum(1.0, np.abs(pair[1]))
            largest = max(largest, float(apart.max(initial=0.0)))
        elif one != other:
            raise PurchasingPowerError(f"{name}.{column} differs between daily runs and a full one.")
    return largest


def _numbers(text: str) -> list[int]:
    numbers = sorted({int(part) for part in text.split(",")})
    if not numbers or numbers[0] < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of sizes such as 10000,100000")
    return numbers


PARTS: dict[str, Callable[[Limits], list[Row]]] = {
    "scoring": Limits.scoring,
    "features": Limits.features,
    "training": Limits.training,
    "daily": Limits.daily,
    "days": Limits.days,
    "memory": Limits.memory,
    "cost": Limits.cost,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add(
        "--only",
        nargs="+",
        choices=tuple(PARTS),
        default=list(PARTS),
        help="parts to measure; all by default",
    )
    add("--users", type=int, default=20_000, help="users of the shop for scoring, features and daily runs")
    add("--days", type=int, default=365, help="days of every shop")
    add("--dirt", type=float, default=0.2, help="dirt of every shop")
    add("--rounds", type=int, default=3, help="rounds in which ours and the other take turns")
    add("--epochs", type=int, default=1, help="epochs of training where it is not what is compared")
    add("--training-users", type=int, default=1000, help="users of the shop that training is compared on")
    add("--training-epochs", type=int, default=4, help="epochs of both trainings that are compared")
    add("--daily-runs", type=int, default=30, help="days after which daily runs and a full one are compared")
    add("--sizes", type=_numbers, default=[5_000, 20_000], help="users at which memory and cost are measured")
    add("--memory-limit", help="DuckDB's memory_limit, such as 2GB; its own default if not given")
    add("--scoring-memory-limit", help="the same while scoring is measured at some sizes")
    add(
        "--folder",
        type=Path,
        help="folder to keep shops and what memory and cost found in; a temporary one if not given",
    )
    add("--dry", action="store_true", help="print the rows and leave docs/benchmarks.md as it is")
    return parser.parse_args(arguments)


def main() -> None:
    """Measures what was asked for; each part's rows are written as soon as they are there."""
    options = parse()
    clean_up_when_terminated()
    reporter = ConsoleReporter(make_console())
    with tempfile.TemporaryDirectory(prefix="limits-") as name:
        folder = (options.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        limits = Limits(Workbench(folder, options.days, options.memory_limit, reporter), options)
        for part in options.only:
            reporter.heading(part)
            rows = PARTS[part](limits)
            for row in rows:
                reporter.say(
                    f"{row.what}: {row.figure} (goal {row.goal}); ours {row.ours}; other {row.other}"
                )
            if not options.dry:
                write_table("limits", merge_rows(read_table("limits"), rows, ORDER))


if __name__ == "__main__":
    main()
