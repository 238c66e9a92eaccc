"""What the package says it does to input rows before it makes features of them, in plain Python, a row at a time.

Nothing here is shared with the SQL: it is written from the descriptions of the columns and the vars.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
from reference_settings import LOGS, Rule, Settings

Row = dict[str, Any]
KEYS = {"order_lines": "order_line_id", "browse_events": "event_id", "reviews": "review_id"}
# In what order rows of one instant count as earlier and later.
WITHIN_AN_INSTANT = {
    "order_lines": ("order_line_id", "order_id", "product_id", "amount", "quantity", "discount_amount"),
    "browse_events": (
        "event_id",
        "session_id",
        "event_type",
        "product_id",
        "event_count",
        "duration_seconds",
    ),
    "reviews": ("review_id", "product_id", "rating", "review_text"),
}
MONEY = {"amount", "discount_amount"}
FEWEST_ROWS_FOR_A_FENCE, FEWEST_ROWS_FOR_A_PRICE = 100, 10


@dataclass(frozen=True)
class Parameters:
    """What was fitted on one column's rows; NaN-free, None where there is nothing to know."""

    row_count: int
    upper_fence: float | None
    mean: float | None
    median: float | None


Cleaning = dict[tuple[str, str, str | None], Parameters]
NOTHING_FITTED = Parameters(0, None, None, None)


@dataclass
class Staged:
    """The usable rows of each relation, cleaned, and the others with their reasons."""

    as_of: dt.date
    cleaning: Cleaning
    rows: dict[str, list[Row]] = field(default_factory=dict)
    refused: dict[str, list[Row]] = field(default_factory=dict)


def stage(inputs: Mapping[str, pd.DataFrame], settings: Settings, frozen: Cleaning | None = None) -> Staged:
    """Judges and cleans every relation.

    Args:
        inputs: relation -> frame with the contract's columns: text and None, naive UTC datetimes, Decimals for money, floats.
            Relations that are not mapped may be left out.
        settings: the vars.
        frozen: cleaning parameters of an earlier run, which hold instead of new ones.
    """
    given = {name: _records(name, frame, settings) for name, frame in inputs.items() if settings.has(name)}
    staged_products, refused_products = _judge_products(given.get("products", []))
    rates, refused_rates = _judge_rates(given.get("exchange_rates", []))
    categories = {row["product_id"]: row["category"] for row in staged_products}
    lines = [
        _priced(row, rates, settings) | {"category": categories.get(row["product_id"])}
        for row in given.get("order_lines", [])
    ]
    events = [_without_negatives(row) for row in given.get("browse_events", [])]
    logs = {"order_lines": lines, "browse_events": events, "reviews": given.get("reviews", [])}
    bots = _bots(events, settings)

    as_of = _as_of(logs, bots, settings)
    cleaning = frozen or _fitted(logs, staged_products, as_of, settings)
    staged = Staged(as_of, cleaning)
    staged.rows["products"], staged.refused["products"] = staged_products, refused_products
    staged.rows["exchange_rates"] = [{"currency": key, "rate": rate} for key, rate in rates.items()]
    staged.refused["exchange_rates"] = refused_rates
    staged.rows["customers"], staged.refused["customers"] = _judge_customers(
        given.get("customers", []), as_of, settings
    )
    for relation, rows in logs.items():
        usable, refused = _judge_log(relation, rows, bots, as_of, cleaning, settings)
        staged.refused[relation] = refused
        staged.rows[relation] = _cleaned(relation, usable, cleaning, settings)
    return staged


def money(value: float | Decimal) -> Decimal:
    """An amount to four places."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _records(relation: str, frame: pd.DataFrame, settings: Settings) -> list[Row]:
    """Rows as the mapping gives them: a column that is not mapped is empty, an own channel is the column it names."""
    present = frame.astype(object).where(frame.notna(), None)
    for column in present.columns:
        if not settings.has(f"{relation}.{column}"):
            present[column] = None
    for channel in settings.own_channels(relation):
        present[f"extra_{channel['name']}"] = frame[channel["expression"]].astype(object)
    return present.where(present.notna(), None).to_dict("records")


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


# ---------------------------------------------------------------- who and when


def _is_test_user(user_id: str, settings: Settings) -> bool:
    def pattern(like: str) -> str:
        return "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in like.lower())

    return user_id in settings.test_users or any(
        re.fullmatch(pattern(like), user_id.lower(), re.DOTALL) for like in settings.test_user_patterns
    )


def _is_somebody(row: Row, settings: Settings) -> bool:
    return row["user_id"] is not None and not _is_test_user(row["user_id"], settings)


def _bots(events: Iterable[Row], settings: Settings) -> dict[str, dt.datetime]:
    """The first day, for each user that has one, with more events than a person makes."""
    if settings.bot_events_per_day is None:
        return {}
    counts: dict[tuple[str, dt.date], int] = defaultdict(int)
    earliest = dt.datetime.fromisoformat(settings.earliest_date)
    for row in events:
        moment = row["occurred_at"]
        if _is_somebody(row, settings) and moment is not None and moment >= earliest:
            counts[row["user_id"], moment.date()] += 1 if row["event_count"] is None else row["event_count"]
    bots: dict[str, dt.datetime] = {}
    for (user_id, day), count in sorted(counts.items()):
        if count > settings.bot_events_per_day:
            bots.setdefault(user_id, _midnight(day))
    return bots


def _as_of(logs: Mapping[str, list[Row]], bots: Mapping[str, dt.datetime], settings: Settings) -> dt.date:
    """The day after the newest usable row that is not later than today, at the start of a step."""
    if settings.as_of_date is not None:
        return dt.date.fromisoformat(settings.as_of_date)
    today = dt.datetime.now(dt.UTC).date()
    tomorrow = _midnight(today + dt.timedelta(days=1))
    newest = [
        row[LOGS[relation]]
        for relation, rows in logs.items()
        for row in rows
        if _reason(relation, row, bots, tomorrow, settings) is None
    ]
    last_day = max(newest).date() if newest else today
    return settings.step_start(last_day + dt.timedelta(days=1))


def _reason(
    relation: str, row: Row, bots: Mapping[str, dt.datetime], end: dt.datetime, settings: Settings
) -> str | None:
    """Why a log's row cannot be used, outliers and duplicates aside: the first reason that holds."""
    time_column = LOGS[relation]
    moment = row[time_column]
    if row["user_id"] is None:
        return "missing_user_id"
    if _is_test_user(row["user_id"], settings):
        return "test_user"
    if moment is None:
        return f"invalid_{time_column}"
    if moment < dt.datetime.fromisoformat(settings.earliest_date):
        return "before_earliest_date"
    if moment >= end:
        return "after_as_of_date"
    if relation == "browse_events" and row["user_id"] in bots and moment >= bots[row["user_id"]]:
        return "bot"
    if relation == "order_lines" and not row["has_rate"]:
        return "unknown_currency"
    if (
        relation == "order_lines"
        and settings.rules(relation)["amount"].fill == "reject"
        and row["amount"] is None
    ):
        return "invalid_amount"
    return None


# ---------------------------------------------------------------- reference tables


def _ascending(row: Row, columns: Iterable[str]) -> tuple[Any, ...]:
    """A sort key in which what is missing comes last."""
    return tuple((row.get(column) is None, row.get(column) or 0) for column in columns)


def _first_a_key(
    rows: list[Row], key: Callable[[Row], Any], order: Callable[[Row], Any]
) -> tuple[list[Row], list[Row]]:
    """Of the rows that share a key, the first in an order, and the others; rows without a key all stay."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    kept, others = [], []
    for row in rows:
        if key(row) is None:
            kept.append(row)
        else:
            groups[key(row)].append(row)
    for group in groups.values():
        first, *rest = sorted(group, key=order)
        kept.append(first)
        others.extend(row | {"reason": "duplicate"} for row in rest)
    return kept, others


def _judge_products(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    refused = [row | {"reason": "missing_product_id"} for row in rows if row["product_id"] is None]
    usable, duplicates = _first_a_key(
        [row for row in rows if row["product_id"] is not None],
        lambda row: row["product_id"],
        lambda row: _ascending(row, ("category", "brand", "list_price")),
    )
    usable = [row | {"list_price": None} if (row.get("list_price") or 0) < 0 else row for row in usable]
    return usable, refused + duplicates


def _judge_rates(rows: list[Row]) -> tuple[dict[str, list[tuple[dt.datetime, float]]], list[Row]]:
    """For each currency its rates in time; the first holds since ever."""
    refused, usable = [], []
    for row in rows:
        reason = (
            "missing_currency"
            if row["currency"] is None
            else "invalid_rate"
            if (row["rate"] or 0) <= 0
            else None
        )
        (usable if reason is None else refused).append(row | {"reason": reason})
    kept, duplicates = _first_a_key(
        usable, lambda row: (row["currency"].upper(), row["valid_from"]), lambda row: -row["rate"]
    )
    rates: dict[str, list[tuple[dt.datetime, float]]] = defaultdict(list)
    for row in kept:
        rates[row["currency"].upper()].append((row["valid_from"] or dt.datetime.min, row["rate"]))
    return {currency: sorted(found) for currency, found in rates.items()}, refused + duplicates


def _judge_customers(rows: list[Row], as_of: dt.date, settings: Settings) -> tuple[list[Row], list[Row]]:
    refused, usable = [], []
    for row in rows:
        reason = None
        if row["user_id"] is None:
            reason = "missing_user_id"
        elif _is_test_user(row["user_id"], settings):
            reason = "test_user"
        elif row["signed_up_at"] is not None and row["signed_up_at"] >= _midnight(as_of):
            reason = "after_as_of_date"
        (usable if reason is None else refused).append(row | {"reason": reason})
    kept, duplicates = _first_a_key(
        usable, lambda row: row["user_id"], lambda row: _ascending(row, ("signed_up_at",))
    )
    return kept, refused + duplicates


# ---------------------------------------------------------------- one currency


def _priced(row: Row, rates: Mapping[str, list[tuple[dt.datetime, float]]], settings: Settings) -> Row:
    """Money at the rate of the day of the order; what is in no known currency has no amount."""
    currency = row.get("currency")
    if currency is None or currency.upper() == settings.currency.upper():
        return row | {"has_rate": True}
    known = rates.get(currency.upper(), [])
    if not known or row["ordered_at"] is None:
        # Without a time there is no rate of the day; such a row is refused for its time.
        return row | {"has_rate": False} | dict.fromkeys(MONEY)
    in_force = [rate for since, rate in known if since <= row["ordered_at"]]
    rate = Decimal(repr(in_force[-1] if in_force else known[0][1]))
    return (
        row
        | {"has_rate": True}
        | {column: None if row[column] is None else money(row[column] * rate) for column in MONEY}
    )


def _without_negatives(row: Row) -> Row:
    """A negative count or duration is taken for one that was not given."""
    return row | {
        column: None if row[column] is None or row[column] < 0 else row[column]
        for column in ("event_count", "duration_seconds")
    }


# ---------------------------------------------------------------- fences and fills


def _rounded(value: float) -> float:
    return math.copysign(math.floor(abs(value) * 1e6 + 0.5) / 1e6, value)


def parameters_of(
    values: Iterable[float | Decimal], rule: Rule | None, *, of_category: bool = False
) -> Parameters:
    """Fence, mean and median of the values that are there.

    The fence looks at the sizes of what is not zero: by `iqr`, so many interquartile ranges of log(1 + size) above the upper
    quartile, and not below five times a category's upper quartile, ten times that of all rows. Mean and median leave out negative values.
    """
    known = np.array([float(value) for value in values])
    sizes = np.abs(known[known != 0])
    natural = known[known >= 0]
    fence = None
    if rule is not None and len(sizes) and rule.method == "iqr":
        lower, upper = np.log1p(np.percentile(sizes, [25, 75]))
        least = (5 if of_category else 10) * math.expm1(upper)
        fence = max(math.expm1(upper + rule.factor * (upper - lower)), least)
    elif rule is not None and len(sizes) and rule.method == "quantile":
        fence = float(np.percentile(sizes, 100 * rule.quantile))
    return Parameters(
        len(known),
        None if fence is None else _rounded(fence),
        _rounded(float(natural.mean())) if len(natural) else None,
        _rounded(float(np.median(natural))) if len(natural) else None,
    )


def _fitted(
    logs: Mapping[str, list[Row]], products: list[Row], as_of: dt.date, settings: Settings
) -> Cleaning:
    """Parameters of every cleaned column: over all rows, and over each category with enough of them."""
    earliest = dt.datetime.fromisoformat(settings.earliest_date)
    fitted_before = _midnight(as_of - dt.timedelta(days=settings.horizon_days))
    cleaning: Cleaning = {}

    def fit(relation: str, column: str, rows: list[Row], rule: Rule | None) -> None:
        known = [row for row in rows if row[column] is not None]
        if known:
            cleaning[relation, column, None] = parameters_of((row[column] for row in known), rule)
        by_category = defaultdict(list)
        for row in known:
            by_category[row.get("category")].append(row[column])
        for category, values in by_category.items():
            fewest = FEWEST_ROWS_FOR_A_PRICE if rule is None else FEWEST_ROWS_FOR_A_FENCE
            if category is not None and len(values) >= fewest:
                cleaning[relation, column, category] = parameters_of(values, rule, of_category=True)

    for relation, rows in logs.items():
        looked_at = [
            row
            for row in rows
            if _is_somebody(row, settings)
            and row[LOGS[relation]] is not None
            and earliest <= row[LOGS[relation]] < fitted_before
            and settings.split(row["user_id"]) == "train"
        ]
        for column, rule in settings.rules(relation).items():
            fit(relation, column, looked_at, rule)
        if relation == "order_lines":
            fit(relation, "unit_price", [row | {"unit_price": unit_price(row)} for row in looked_at], None)
    fit("products", "list_price", products, None)
    # Without an order there is nothing to freeze yet.
    return cleaning if ("order_lines", "amount", None) in cleaning else {}


def unit_price(row: Row) -> float | None:
    """What one piece cost; a line that says no quantity is one piece."""
    quantity = 1 if row["quantity"] is None else row["quantity"]
    return None if row["amount"] is None or quantity == 0 else float(row["amount"]) / quantity


def _fence(relation: str, column: str, row: Row, cleaning: Cleaning) -> float | None:
    """The fence of the product's category where that has one, else that of all rows."""
    for category in (row.get("category"), None):
        fence = cleaning.get((relation, column, category), NOTHING_FITTED).upper_fence
        if fence is not None:
            return fence
    return None


def _is_beyond(relation: str, column: str, row: Row, cleaning: Cleaning) -> bool:
    fence = _fence(relation, column, row, cleaning)
    return row[column] is not None and fence is not None and abs(row[column]) > fence


def _judge_log(
    relation: str,
    rows: list[Row],
    bots: Mapping[str, dt.datetime],
    as_of: dt.date,
    cleaning: Cleaning,
    settings: Settings,
) -> tuple[list[Row], list[Row]]:
    refused, usable = [], []
    for row in rows:
        reason = _reason(relation, row, bots, _midnight(as_of), settings)
        for column, rule in settings.rules(relation).items():
            if reason is None and rule.method != "none" and rule.action == "reject":
                reason = f"outlier_{column}" if _is_beyond(relation, column, row, cleaning) else None
        (usable if reason is None else refused).append(row | {"reason": reason})

    def latest(row: Row) -> tuple[Any, ...]:
        amount = row.get("amount")
        return (-row[LOGS[relation]].timestamp(), amount is None, -(amount or 0))

    kept, duplicates = _first_a_key(usable, lambda row: row[KEYS[relation]], latest)
    return kept, refused + duplicates


def _cleaned(relation: str, rows: list[Row], cleaning: Cleaning, settings: Settings) -> list[Row]:
    """Rows within their fences and without gaps, each user's in time."""
    rules = settings.rules(relation)
    time_column = LOGS[relation]
    newest_known: dict[tuple[str, str], Any] = {}
    cleaned = []
    in_time = sorted(rows, key=lambda row: (row[time_column], _ascending(row, WITHIN_AN_INSTANT[relation])))
    for row in in_time:
        clean = dict(row)
        clean["is_outlier"] = any(_is_beyond(relation, column, row, cleaning) for column in rules)
        for column, rule in rules.items():
            value = row[column]
            if rule.action == "cap" and rule.method != "none" and _is_beyond(relation, column, row, cleaning):
                value = _as_type(column, math.copysign(_fence(relation, column, row, cleaning) or 0, value))
            clean[f"is_{column}_missing"] = value is None
            place = (row["user_id"], column)
            if value is None:
                value = _as_type(
                    column, _fill(relation, column, rule, row, newest_known.get(place), cleaning)
                )
            else:
                newest_known[place] = value
            clean[column] = value
        cleaned.append(clean)
    return cleaned


def _fill(
    relation: str, column: str, rule: Rule, row: Row, nearest: Any, cleaning: Cleaning
) -> float | Decimal:
    overall = cleaning.get((relation, column, None), NOTHING_FITTED)
    of_category = cleaning.get((relation, column, row.get("category")), overall)
    candidates = {
        "zero": [0],
        "mean": [overall.mean],
        "median": [overall.median],
        "group_median": [of_category.median, overall.median],
        "nearest": [nearest, overall.median],
    }.get(rule.fill, [rule.fill])  # type: ignore[arg-type]
    return next((value for value in candidates if value is not None), 0)


def _as_type(column: str, value: float | Decimal) -> Any:
    if column in MONEY:
        return money(value)
    return round(value) if column == "event_count" else float(value)
