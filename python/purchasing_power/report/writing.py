"""Turns the warehouse's content into the page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from purchasing_power import __version__
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.report import charts
from purchasing_power.report.charts import Axis, Series
from purchasing_power.report.data import Example, ReportData, read_report
from purchasing_power.report.texts import Texts
from purchasing_power.reporting import Reporter
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import MeasuredCurve, open_registry

_METHODS = ("model", "persistence", "majority")
_METRICS = {
    "normalized_gini": "{:.3f}",
    "spearman": "{:.3f}",
    "mae_over_mean": "{:.3f}",
    "bias": "{:+.1%}",
    "buy_auc": "{:.3f}",
    "tier_accuracy": "{:.1%}",
    "tier_macro_recall": "{:.1%}",
    "tier_macro_f1": "{:.3f}",
    "coverage_p10_p90": "{:.0%}",
}
_STAGES = ("prospect", "new", "active", "rising", "cooling", "lapsing", "lost")


@dataclass(frozen=True)
class Table:
    """Numbers as text, the first column naming its row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A picture, how to read it, and the numbers behind it."""

    name: str
    title: str
    picture: Markup
    read: str
    table: Table


def write_report(
    project: Project, output: Path, reporter: Reporter, *, language: str = "en", users: int = 4
) -> None:
    """Writes the report as one HTML file, which needs nothing else to be looked at.

    Args:
        project: the dbt project, built and scored.
        output: the file, which appears when it is complete.
        reporter: where it is told.
        language: one of LANGUAGES.
        users: how many users to show as examples.

    Raises:
        PurchasingPowerError: there are no scores, no such language, or the file cannot be written.
    """
    texts = Texts(language)
    if users < 0:
        raise PurchasingPowerError(f"--users is {users}: give 0 or more users to show as examples.")
    with open_registry(project, read_only=True) as registry:
        data = read_report(registry, project, users)
    page = _Page(data, texts).render()
    try:
        _write_whole(output, page)
    except OSError as error:
        raise PurchasingPowerError(
            f"The report cannot be written to {output}: {error.strerror or error}; name another file with "
            "--output."
        ) from error
    reporter.say(f"Wrote the report to {output} ({len(page.encode()) / 1024:,.0f} kB): open it in a browser.")


def _write_whole(output: Path, page: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(partial).chmod(0o644)
        Path(partial).replace(output)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


class _Page:
    """Draws the sections that the data suffice for."""

    def __init__(self, data: ReportData, texts: Texts) -> None:
        self.data, self.texts = data, texts
        self.curves = {
            (curve.method, curve.curve, curve.series): curve for curve in data.curves if curve.points
        }
        self.currency = data.settings.contract.currency

    def render(self) -> str:
        environment = Environment(
            loader=PackageLoader("purchasing_power.report"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        data, texts = self.data, self.texts
        totals = data.totals
        return environment.get_template("report.html.j2").render(
            t=texts,
            language=texts.language,
            as_of=totals["as_of_date"],
            horizon=totals["horizon_days"],
            cut=data.cut,
            facts=[
                (texts("users"), f"{totals['users']:,}", ""),
                (texts("buyers"), f"{totals['buyers']:,.0f}", f"{totals['probability']:.0%}"),
                (texts("revenue"), self.money(totals["spend"]), ""),
                (texts("average"), self.money(totals["spend"] / totals["users"], cents=True), ""),
                (texts("model"), totals["model_version"], self._trained()),
            ],
            tiers=self._tiers(),
            segments=self._segments(),
            metrics=self._metrics(),
            quality=[figure for figure in self._quality() if figure is not None],
            loss=self._loss(),
            importance=self._importance(),
            alarms=self._alarms(),
            drift=[
                figure
                for figure in (self._drift(), self._logs(), self._feature_drift(), self._matured())
                if figure is not None
            ],
            examples=[self._example(example) for example in data.examples],
            audiences=self._audiences(),
            bands=self._bands(),
            watchlist=self._watchlist(),
            made=texts("made", version=__version__, at=f"{datetime.now(UTC):%Y-%m-%d %H:%M}"),
        )

    def money(self, amount: float, *, cents: bool = False) -> str:
        """Writes money; amounts of a currency that nobody named stand alone."""
        number = f"{amount:,.2f}" if cents else f"{amount:,.0f}"
        return number if self.currency == "unspecified" else f"{self.currency} {number}"

    def _figure(self, name: str, picture: Markup, table: Table, **values: object) -> Figure:
        return Figure(name, self.texts(name), picture, self.texts(f"{name}_read", **values), table)

    def _trained(self) -> str:
        champion = self.data.champion
        return "" if champion is None else self.texts("trained_until", date=champion.train_cutoff)

    def _tiers(self) -> Figure:
        t, tiers = self.texts, list(reversed(self.data.tiers))
        whole = sum(row["spend"] for row in tiers) or 1.0
        picture = charts.bars(
            [row["tier"] for row in tiers], [row["spend"] for row in tiers], self.money, title=t("tiers")
        )
        table = Table(
            (t("tier"), t("users"), t("probability"), t("average"), t("revenue"), t("share")),
            [
                (
                    row["tier"],
                    f"{row['users']:,}",
                    f"{row['probability']:.0%}",
                    self.money(row["spend"] / row["users"], cents=True),
                    self.money(row["spend"]),
                    f"{row['spend'] / whole:.0%}",
                )
                for row in tiers
            ],
        )
        return self._figure("tiers", picture, table)

    def _segments(self) -> Figure | None:
        t, found = self.texts, self.data.segments
        if not found:
            return None
        tiers = list(dict.fromkeys(row["purchasing_power_tier"] for row in found))
        users = {(row["purchasing_power_tier"], row["lifecycle"]): row["users"] for row in found}
        stages = [t.name("", stage) for stage in _STAGES]
        values = [[float(users.get((tier, stage), 0)) for stage in _STAGES] for tier in tiers]
        picture = charts.heat(tiers, stages, values, lambda value: f"{value:,.0f}", title=t("segments"))
        rows = [(tier, *(f"{value:,.0f}" for value in row)) for tier, row in zip(tiers, values, strict=True)]
        return self._figure("segments", picture, Table((t("tier"), *stages), rows))

    def _metrics(self) -> Table | None:
        if not self.data.backtest:
            return None
        t = self.texts
        values = {(row.method, row.metric): row.value for row in self.data.backtest}
        methods = [name for name in _METHODS if any(method == name for method, _ in values)]
        rows = [
            (
                t(f"m_{metric}"),
                *(
                    form.format(values[method, metric]) if (method, metric) in values else "-"
                    for method in methods
                ),
            )
            for metric, form in _METRICS.items()
            if ("model", metric) in values
        ]
        return Table((t("metric"), *(t(f"method_{name}") for name in methods)), rows)

    def _quality(self) -> list[Figure | None]:
        return [
            self._gain(),
            self._lift(),
            self._roc(),
            self._calibration("calibration_probability", "{:.0%}".format, ("", "{:.0%}".format)),
            self._calibration("calibration_spend", self.money, (self._each(), "{:,.0f}".format)),
            self._confusion(),
            self._distribution(),
        ]

    def _of_methods(self, name: str) -> list[tuple[str, MeasuredCurve]]:
        return [
            (self.texts(f"method_{method}"), self.curves[method, name, ""])
            for method in _METHODS[:2]
            if (method, name, "") in self.curves
        ]

    def _gain(self) -> Figure | None:
        return self._percentages("gain", self._of_methods("gain"), "gain_x", "gain_y")

    def _roc(self) -> Figure | None:
        return self._percentages("roc", self._of_methods("roc"), "roc_x", "roc_y")

    def _percentages(
        self, name: str, curves: Sequence[tuple[str, MeasuredCurve]], x: str, y: str
    ) -> Figure | None:
        if not curves:
            return None
        t, percent = self.texts, "{:.0%}".format
        picture = charts.lines(
            [Series(label, curve.points) for label, curve in curves],
            Axis(t(x), percent),
            Axis(t(y), percent),
            title=t(name),
            diagonal=True,
        )
        return self._figure(name, picture, _table_of(t(x), percent, percent, curves))

    def _lift(self) -> Figure | None:
        curves = [
            (label, [(x, y / x) for x, y in curve.points if x > 0])
            for label, curve in self._of_methods("gain")
        ]
        if not curves:
            return None
        t, percent, times = self.texts, "{:.0%}".format, "{:.1f}".format
        picture = charts.lines(
            [Series(label, points) for label, points in curves],
            Axis(t("gain_x"), percent),
            Axis(t("lift_y"), times),
            title=t("lift"),
        )
        return self._figure("lift", picture, _points_table(t("gain_x"), percent, times, curves))

    def _each(self) -> str:
        """Names an axis of money a user."""
        each = self.texts("each")
        return each if self.currency == "unspecified" else f"{each}, {self.currency}"

    def _calibration(self, name: str, show: Any, axis: tuple[str, Any]) -> Figure | None:
        curve = self.curves.get(("model", name, ""))
        if curve is None:
            return None
        t = self.texts
        labels = [str(place + 1) for place in range(len(curve.points))]
        predicted, came = ([point[side] for point in curve.points] for side in (0, 1))
        picture = charts.columns(
            labels,
            [(t("expected"), predicted), (t("realised"), came)],
            Axis(*axis),
            title=t(name),
        )
        rows = [
            (t("decile", place=label), show(low), show(high))
            for label, low, high in zip(labels, predicted, came, strict=True)
        ]
        return self._figure(name, picture, Table(("", t("expected"), t("realised")), rows))

    def _confusion(self) -> Figure | None:
        t, tiers = self.texts, list(self.data.settings.contract.tier_names)
        found = [self.curves.get(("model", "confusion", tier)) for tier in tiers]
        if any(curve is None for curve in found):
            return None
        values = [[y for _, y in curve.points] for curve in found if curve is not None]
        picture = charts.heat(tiers, tiers, values, lambda value: f"{value:,.0f}", title=t("confusion"))
        rows = [(tier, *(f"{value:,.0f}" for value in row)) for tier, row in zip(tiers, values, strict=True)]
        figures = {row.metric: row.value for row in self.data.backtest if row.method == "model"}
        return self._figure(
            "confusion",
            picture,
            Table((t("tier"), *tiers), rows),
            accuracy=f"{figures.get('tier_accuracy', 0):.0%}",
            recall=f"{figures.get('tier_macro_recall', 0):.0%}",
            f1=f"{figures.get('tier_macro_f1', 0):.2f}",
        )

    def _distribution(self) -> Figure | None:
        t = self.texts
        found = {
            series: self.curves.get(("model", "spend_distribution", series))
            for series in ("realised", "expected")
        }
        realised, expected = found["realised"], found["expected"]
        if realised is None or expected is None:
            return None
        edges = [x for x, _ in realised.points]
        labels = [f"{edge:,.0f}+" if edge else "0" for edge in edges]
        picture = charts.columns(
            labels,
            [
                (t(name), [y for _, y in curve.points])
                for name, curve in (("realised", realised), ("expected", expected))
            ],
            Axis(t("users"), lambda value: f"{value:,.0f}"),
            title=t("spend_distribution"),
        )
        rows = [
            (label, f"{one:,.0f}", f"{other:,.0f}")
            for label, (_, one), (_, other) in zip(labels, realised.points, expected.points, strict=True)
        ]
        return self._figure(
            "spend_distribution", picture, Table((t("each"), t("realised"), t("expected")), rows)
        )

    def _loss(self) -> Figure | None:
        t = self.texts
        curves = [(t(curve.series), list(curve.points)) for curve in reversed(self.data.loss)]
        if not curves:
            return None
        whole, shown = "{:.0f}".format, "{:.3f}".format
        picture = charts.lines(
            [Series(label, points) for label, points in curves],
            Axis(t("loss_x"), whole),
            Axis(t("loss_y"), "{:.2f}".format),
            title=t("loss"),
            from_zero=False,
        )
        return self._figure("loss", picture, _points_table(t("loss_x"), whole, shown, curves))

    def _importance(self) -> Figure | None:
        if not self.data.importance:
            return None
        t = self.texts
        labels = [t.name("g_", group) for group, _ in self.data.importance]
        shares = [share for _, share in self.data.importance]
        picture = charts.bars(labels, shares, "{:.0%}".format, title=t("importance"))
        rows = [(label, f"{share:.1%}") for label, share in zip(labels, shares, strict=True)]
        return self._figure("importance", picture, Table(("", t("share")), rows))

    def _alarms(self) -> Table | None:
        if not self.data.alarms:
            return None
        t = self.texts
        form = {"count": "{:,.0f}", "value": "{:,.2f}", "psi": "{:.2f}", "silent": "{:.0f}"}

        def shown(row: dict[str, Any], name: str) -> str:
            return "-" if row[name] is None else form.get(row["kind"], "{:.1%}").format(row[name])

        return Table(
            (t("where"), t("what"), t("today"), t("usual")),
            [
                (
                    row["place"],
                    t("a_unseen", name=row["name"])
                    if row["kind"] == "unseen"
                    else t(f"a_{row['kind']}", name=row["name"])
                    if row["kind"] in ("psi", "silent")
                    else row["name"],
                    shown(row, "value"),
                    shown(row, "usual_value"),
                )
                for row in self.data.alarms
            ],
        )

    def _logs(self) -> Figure | None:
        t, found = self.texts, [row for row in self.data.logs if row["usual_value"]]
        days = sorted({row["observed_on"] for row in found})
        if len(days) < 2:
            return None
        place = {day: float(at - len(days) + 1) for at, day in enumerate(days)}
        names = list(dict.fromkeys(row["input_name"] for row in found))
        curves = [
            (
                name,
                [
                    (place[row["observed_on"]], row["value"] / row["usual_value"])
                    for row in found
                    if row["input_name"] == name
                ],
            )
            for name in names
        ]
        picture = charts.lines(
            [Series(name, points) for name, points in curves],
            Axis(t("days_back"), "{:.0f}".format),
            Axis(t("of_usual"), "{:.0%}".format),
            title=t("logs"),
        )
        rows = [(str(row["observed_on"]), row["input_name"], f"{row['value']:,.0f}") for row in found[-21:]]
        return self._figure("logs", picture, Table((t("date"), t("where"), t("rows")), rows))

    def _feature_drift(self) -> Figure | None:
        t, found = self.texts, self.data.drift[:12]
        if not found:
            return None
        names = [row["feature_name"] for row in found]
        picture = charts.bars(
            names, [row["recent_psi"] for row in found], "{:.2f}".format, title=t("feature_drift")
        )
        rows = [
            (
                row["feature_name"],
                f"{row['recent_psi']:.3f}",
                f"{row['psi']:.3f}",
                f"{row['usual_psi'] or 0:.3f}",
            )
            for row in found
        ]
        return self._figure("feature_drift", picture, Table(("", t("recent"), t("today"), t("usual")), rows))

    def _matured(self) -> Figure | None:
        t, found = self.texts, self.data.matured
        if not found:
            return None
        labels = [row["group_name"] for row in found]
        predicted, came = (
            [row[name] / row["users"] for row in found] for name in ("predicted_spend", "realised_spend")
        )
        picture = charts.columns(
            labels,
            [(t("expected"), predicted), (t("realised"), came)],
            Axis(self._each(), "{:,.0f}".format),
            title=t("matured"),
        )
        rows = [
            (t("decile", place=label), self.money(low, cents=True), self.money(high, cents=True))
            for label, low, high in zip(labels, predicted, came, strict=True)
        ]
        table = Table(("", t("expected"), t("realised")), rows)
        return self._figure("matured", picture, table, date=found[0]["as_of_date"])

    def _drift(self) -> Figure | None:
        t, history = self.texts, self.data.history
        if len(history) < 2:
            return None
        picture = charts.columns(
            [str(row["as_of_date"]) for row in history],
            [(t("average"), [row["average"] for row in history])],
            Axis(t("average"), self.money),
            title=t("drift"),
        )
        rows = [
            (
                str(row["as_of_date"]),
                f"{row['users']:,}",
                self.money(row["average"], cents=True),
                f"{row['probability']:.1%}",
            )
            for row in history
        ]
        return self._figure(
            "drift", picture, Table((t("date"), t("users"), t("average"), t("probability")), rows)
        )

    def _example(self, example: Example) -> dict[str, Any]:
        t, score = self.texts, example.score
        weeks = [f"{day:%m-%d}" for day, _ in example.weeks]
        spent = [amount for _, amount in example.weeks]
        groups = [t.name("g_", group) for group, _ in example.reasons]
        amounts = [amount for _, amount in example.reasons]

        def signed(amount: float) -> str:
            return f"{amount:+,.2f}"

        title = t(
            "example",
            user=score["user_id"],
            expected=self.money(score["expected_spend"], cents=True),
            low=self.money(score["spend_p10"]),
            high=self.money(score["spend_p90"]),
            probability=f"{score['purchase_probability']:.0%}",
        )
        why = t("reasons", average=self.money(self.data.average or 0.0, cents=True))
        return {
            "title": title,
            "tier": score["purchasing_power_tier"],
            "timeline": Figure(
                "timeline",
                t("timeline"),
                charts.columns(
                    weeks,
                    [(t("timeline"), spent)],
                    Axis("", lambda value: f"{value:,.0f}"),
                    title=t("timeline"),
                ),
                "",
                Table(
                    (t("date"), t("realised")),
                    [(str(day), f"{amount:,.2f}") for day, amount in example.weeks if amount],
                ),
            ),
            "reasons": Figure(
                "reasons",
                why,
                charts.bars(groups, amounts, signed, title=why),
                "",
                Table(
                    ("", self.currency),
                    [(group, signed(amount)) for group, amount in zip(groups, amounts, strict=True)],
                ),
            ),
        }

    def _audiences(self) -> Table:
        t = self.texts
        return Table(
            (t("audience"), t("users"), t("probability"), t("revenue"), t("at_stake"), t("brings")),
            [
                (
                    row["audience"],
                    f"{row['users']:,}",
                    f"{row['average_purchase_probability'] or 0:.0%}",
                    self.money(row["expected_revenue"]),
                    self.money(row["value_at_stake"]),
                    self.money(row["expected_value"]),
                )
                for row in self.data.audiences
            ],
        )

    def _bands(self) -> Table | None:
        if not self.data.bands:
            return None
        return Table(
            ("", self.texts("hit_rate")),
            [(row["method"], f"{row['hit_rate']:.1%}") for row in self.data.bands],
        )

    def _watchlist(self) -> Table | None:
        if not self.data.watchlist:
            return None
        t = self.texts
        rows = [
            (row["user_id"], t.name("", row["severity"]), self._suspicion(row)) for row in self.data.watchlist
        ]
        return Table((t("user"), t("severity"), t("why")), rows)

    def _suspicion(self, row: dict[str, Any]) -> str:
        t = self.texts
        found = []
        if row["has_spend_spike"]:
            usual = self.money(row["usual_purchase"])
            found.append(t("w_spike", recent=self.money(row["largest_recent_purchase"]), usual=usual))
        if row["has_order_burst"]:
            found.append(t("w_burst", recent=row["recent_orders"], usual=f"{row['usual_orders']:.1f}"))
        if row["has_refunds"]:
            recent = f"{min(row['refunded_share'], 1):.0%}"
            found.append(t("w_refunds", recent=recent, usual=f"{row['usual_refunded_share']:.0%}"))
        if row["is_outlier"]:
            found.append(t("w_outlier"))
        return " ".join(found)


def _table_of(x: str, show_x: Any, show_y: Any, curves: Sequence[tuple[str, MeasuredCurve]]) -> Table:
    return _points_table(x, show_x, show_y, [(label, list(curve.points)) for label, curve in curves])


def _points_table(
    x: str, show_x: Any, show_y: Any, curves: Sequence[tuple[str, list[tuple[float, float]]]]
) -> Table:
    """Gives the points of curves that share their x, of many a tenth."""
    points = [dict(found) for _, found in curves]
    along = sorted(points[0])
    every = max(1, len(along) // 10)
    kept = [value for place, value in enumerate(along) if place % every == 0 or value == along[-1]]
    rows = [(show_x(at), *(show_y(found[at]) if at in found else "-" for found in points)) for at in kept]
    return Table((x, *(label for label, _ in curves)), rows)
