"""What the catalogues say each channel and each context feature is, in plain Python, a user and an anchor at a time.

Nothing here is shared with the SQL: it is written from the descriptions in the catalogues and the YAML. Counts are ints, money
is Decimal (both compared exactly), everything else floats.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from reference_settings import Settings
from reference_staging import Row, Staged, unit_price

NO_MONEY = Decimal(0)
EVERY_STEP = "every step"
COUNTERS = {"order_lines": "order_lines", "browse_events": "browse_events", "reviews": "reviews"}
SUMMED_OR_AVERAGED = (
    "browsing",
    "reviews",
    "price_level",
    "variety",
    "refunds",
    "missing",
    "embedding",
    "extra",
)


@dataclass(frozen=True)
class Channel:
    """A channel of the catalogue.

    `mean_of` names the channel above 0 in the steps over which a mean is taken, EVERY_STEP takes it over all of them.
    """

    name: str
    group: str
    requires: tuple[str, ...]
    of_step: Callable[[Step], Any]
    mean_of: str | None = None


@dataclass
class Step:
    """All of one user's activity in one period."""

    on: dt.date
    started_at: dt.datetime
    lines: list[Row]
    refunds: list[Row]
    events: list[Row]
    reviews: list[Row]
    days_since_previous_step: int = 0
    days_since_previous_order: int = 0

    @property
    def moments(self) -> list[dt.datetime]:
        """When each of its rows happened."""
        return [row["at"] for row in (*self.lines, *self.refunds, *self.events, *self.reviews)]

    @property
    def has_order(self) -> bool:
        """Whether anything was paid for."""
        return any(line["amount"] > 0 for line in self.lines)


# ---------------------------------------------------------------- activity


def sessions(events: list[Row], settings: Settings) -> list[Row]:
    """Marks of one user's events the first of each session, and how many seconds each took.

    A session is a session id's, or, where there is no id, what follows without too long a gap. Without a mapped duration an event
    took the time since its session's event before, or none after a gap.
    """
    gap = settings.session_gap_minutes * 60
    previous: dict[str | None, dt.datetime] = {}
    marked = []
    for event in sorted(events, key=lambda event: event["occurred_at"]):
        session, at = event["session_id"], event["occurred_at"]
        waited = int((at - previous[session]).total_seconds()) if session in previous else None
        begins = waited is None or (session is None and waited > gap)
        seconds = 0 if begins or waited is None or waited > gap else waited
        if settings.has("browse_events.duration_seconds"):
            seconds = event["duration_seconds"]
        marked.append(event | {"begins_session": begins, "seconds": seconds})
        previous[session] = at
    return marked


def review_sentiment(
    review: Row, settings: Settings, text_sentiment: Mapping[str, float] | None
) -> float | None:
    """From -1 to 1: from the rating where there is one on the scale, else from the text by its MD5, else nothing."""
    lowest, highest = settings.rating_scale
    if review["rating"] is not None and lowest <= review["rating"] <= highest:
        return round(2 * (review["rating"] - lowest) / (highest - lowest) - 1, 6)
    if text_sentiment is not None and review["review_text"] is not None:
        return text_sentiment.get(hashlib.md5(review["review_text"].encode()).hexdigest())
    return None


def _price_level(price: float | Decimal | None, usual: float | None) -> float | None:
    if price is None or usual is None or price <= 0 or usual <= 0:
        return None
    return round(math.log(float(price) / usual), 6)


def _usual_price(staged: Staged, relation: str, column: str, category: str | None) -> float | None:
    if category is None or (relation, column, category) not in staged.cleaning:
        return None
    return staged.cleaning[relation, column, category].median


def user_steps(
    staged: Staged,
    settings: Settings,
    text_sentiment: Mapping[str, float] | None = None,
    product_factors: Mapping[str, list[float]] | None = None,
) -> dict[str, list[Step]]:
    """Every user's steps in time."""
    factors = product_factors or {}
    end = dt.datetime.combine(staged.as_of, dt.time())
    products = {row["product_id"]: row for row in staged.rows["products"]}
    happened: dict[str, list[tuple[str, Row]]] = defaultdict(list)

    for line in staged.rows["order_lines"]:
        at = line["ordered_at"]
        # Without an order id, what a user pays for in one instant is one order.
        line = line | {"order_id": line["order_id"] or at, "at": at}
        if line["amount"] < 0:
            happened[line["user_id"]].append(("refunds", line))
            continue
        price = unit_price(line)
        usual = _usual_price(staged, "order_lines", "unit_price", line["category"])
        happened[line["user_id"]].append(
            (
                "lines",
                line
                | {"price_level": _price_level(price, usual), "factors": factors.get(line["product_id"])},
            )
        )
        cancelled_at = line["cancelled_at"]
        # Money comes back on the day on which that became known, and not before it was paid.
        if line["amount"] > 0 and cancelled_at is not None and max(cancelled_at, at) < end:
            happened[line["user_id"]].append(("refunds", line | {"at": max(cancelled_at, at)}))

    events_of: dict[str, list[Row]] = defaultdict(list)
    for event in staged.rows["browse_events"]:
        events_of[event["user_id"]].append(event)
    for user_id, events in events_of.items():
        for event in sessions(events, settings):
            product = products.get(event["product_id"], {})
            usual = _usual_price(staged, "products", "list_price", product.get("category"))
            happened[user_id].append(
                (
                    "events",
                    event
                    | {
                        "at": event["occurred_at"],
                        "event_type": (event["event_type"] or "view").lower(),
                        "category": product.get("category"),
                        "factors": factors.get(event["product_id"]),
                        "price_level": _price_level(product.get("list_price"), usual),
                    },
                )
            )

    for review in staged.rows["reviews"]:
        sentiment = review_sentiment(review, settings, text_sentiment)
        happened[review["user_id"]].append(
            ("reviews", review | {"at": review["reviewed_at"], "sentiment": sentiment})
        )
    return {user_id: _steps_of_user(rows, settings) for user_id, rows in happened.items()}


def _steps_of_user(rows: list[tuple[str, Row]], settings: Settings) -> list[Step]:
    periods: dict[Any, list[tuple[str, Row]]] = defaultdict(list)
    for kind, row in rows:
        at = row["at"]
        periods[at if settings.step_grain == "event" else settings.step_start(at)].append((kind, row))
    steps: list[Step] = []
    ordered_on = None
    for period in sorted(periods):
        kinds: dict[str, list[Row]] = {"lines": [], "refunds": [], "events": [], "reviews": []}
        for kind, row in periods[period]:
            kinds[kind].append(row)
        started_at = min(row["at"] for _, row in periods[period])
        step = Step(settings.step_start(started_at), started_at, **kinds)
        step.days_since_previous_step = (step.on - steps[-1].on).days if steps else 0
        if step.has_order:
            step.days_since_previous_order = (step.on - ordered_on).days if ordered_on else 0
            ordered_on = step.on
        steps.append(step)
    return steps


# ---------------------------------------------------------------- channels


def _distinct(rows: Iterable[Row], column: str) -> int:
    return len({row[column] for row in rows if row[column] is not None})


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else 0.0


def _entropy(rows: Iterable[Row]) -> float:
    counts = Counter(row["category"] for row in rows if row["category"] is not None)
    total = sum(counts.values())
    entropy = -sum(count / total * math.log(count / total) for count in counts.values()) if total else 0.0
    return abs(round(entropy, 6))


def _event_channel(event_type: str) -> str:
    written = event_type.lower()
    slug = re.sub("[^a-z0-9]+", "_", written)
    if re.fullmatch("[a-z0-9_]+", written):
        return f"events_{slug}"
    return f"events_{slug.strip('_')}_{hashlib.md5(written.encode()).hexdigest()[:6]}"


def _of_type(event_type: str) -> Callable[[Step], int]:
    return lambda step: sum(
        event["event_count"] for event in step.events if event["event_type"] == event_type.lower()
    )


def _missing(column: str) -> Callable[[Step], int]:
    return lambda step: sum(
        row.get(f"is_{column}_missing", False) for row in (*step.lines, *step.events, *step.reviews)
    )


def _factor(number: int) -> Callable[[Step], float]:
    return lambda step: _mean(
        row["factors"][number - 1] for row in (*step.lines, *step.events) if row["factors"] is not None
    )


def _own(channel: Mapping[str, str]) -> Callable[[Step], float]:
    column = f"extra_{channel['name']}"
    aggregate = {"sum": math.fsum, "avg": fmean, "min": min, "max": max}[channel.get("aggregate", "sum")]

    def of_step(step: Step) -> float:
        rows = {"order_lines": step.lines, "browse_events": step.events, "reviews": step.reviews}
        values = [float(row[column]) for row in rows[channel["input"]]]
        return aggregate(values) if values else 0.0

    return of_step


def _money(values: Iterable[Decimal]) -> Decimal:
    return sum(values, NO_MONEY)


def channels(settings: Settings) -> list[Channel]:
    """The channels whose inputs are mapped, in catalogue order."""
    week, day = 2 * math.pi / 7, 2 * math.pi / 24
    browsed_prices = ("browse_events.product_id", "products.category", "products.list_price")
    catalogue = [
        Channel("spend", "spend", ("order_lines",), lambda step: _money(
            [line["amount"] for line in step.lines] + [-abs(back["amount"]) for back in step.refunds]
        )),
        Channel("orders", "frequency", ("order_lines",), lambda step: len(
            {line["order_id"] for line in step.lines if line["amount"] > 0}
        )),
        Channel("order_lines", "frequency", ("order_lines",), lambda step: len(step.lines)),
        Channel("units", "frequency", ("order_lines.quantity",), lambda step: math.fsum(
            line["quantity"] for line in step.lines
        )),
        Channel("refunds", "refunds", ("order_lines",), lambda step: _money(
            abs(back["amount"]) for back in step.refunds
        )),
        Channel("discount", "price_level", ("order_lines.discount_amount",), lambda step: _money(
            line["discount_amount"] for line in step.lines
        )),
        Channel("highest_line_amount", "price_level", ("order_lines",), lambda step: max(
            (line["amount"] for line in step.lines), default=NO_MONEY
        )),
        Channel("price_level_bought", "price_level", ("products.category",), lambda step: _mean(
            line["price_level"] for line in step.lines
        ), "order_lines"),
        Channel("products_bought", "variety", ("order_lines.product_id",), lambda step: _distinct(
            step.lines, "product_id"
        )),
        Channel("categories_bought", "variety", ("products.category",), lambda step: _distinct(
            step.lines, "category"
        )),
        Channel("category_entropy", "variety", ("products.category",), lambda step: _entropy(
            step.lines
        ), "order_lines"),
        Channel("sessions", "browsing", ("browse_events",), lambda step: sum(
            event["begins_session"] for event in step.events
        )),
        Channel("browse_seconds", "browsing", ("browse_events",), lambda step: math.fsum(
            event["seconds"] for event in step.events
        )),
        Channel("most_events_at_once", "browsing", ("browse_events.event_count",), lambda step: max(
            (event["event_count"] for event in step.events), default=0
        )),
        Channel("products_browsed", "browsing", ("browse_events.product_id",), lambda step: _distinct(
            step.events, "product_id"
        )),
        Channel("categories_browsed", "variety", browsed_prices[:2], lambda step: _distinct(
            step.events, "category"
        )),
        Channel("price_level_viewed", "price_level", browsed_prices, lambda step: _mean(
            event["price_level"] for event in step.events
        ), "products_browsed"),
        *(
            Channel(_event_channel(event_type), "browsing", ("browse_events.event_type",), _of_type(event_type))
            for event_type in settings.event_types
        ),
        Channel("browse_events", "browsing", ("browse_events",), lambda step: sum(
            event["event_count"] for event in step.events
        )),
        Channel("reviews", "reviews", ("reviews",), lambda step: len(step.reviews)),
        Channel("sentiment", "reviews", ("reviews",), lambda step: math.fsum(
            review["sentiment"] or 0 for review in step.reviews
        )),
        Channel("days_since_previous_step", "recency", (), lambda step: step.days_since_previous_step),
        Channel("days_since_previous_order", "recency", ("order_lines",), lambda step: step.days_since_previous_order),
        Channel("weekday_sin", "season", (), lambda step: math.sin(step.on.weekday() * week)),
        Channel("weekday_cos", "season", (), lambda step: math.cos(step.on.weekday() * week)),
        Channel("hour_sin", "season", (), lambda step: fmean(
            round(math.sin(at.hour * day), 8) for at in step.moments
        )),
        Channel("hour_cos", "season", (), lambda step: fmean(
            round(math.cos(at.hour * day), 8) for at in step.moments
        )),
        *(
            Channel(f"embedding_{number}", "embedding", ("products.embedding",), _factor(number), EVERY_STEP)
            for number in range(1, settings.embedding_channels + 1)
        ),
        *(Channel(f"{column}_missing", "missing", (), _missing(column)) for column in settings.missing_indicators),
        *(
            Channel(
                own["name"], "extra", (own["input"],), _own(own),
                None if own.get("aggregate", "sum") == "sum" else COUNTERS[own["input"]],
            )
            for own in settings.extra_channels
        ),
    ]  # fmt: skip
    return [channel for channel in catalogue if all(map(settings.has, channel.requires))]


# ---------------------------------------------------------------- users and anchors


@dataclass(frozen=True)
class User:
    """A user that is known from any activity or as a customer."""

    first_seen_on: dt.date
    is_dated: bool
    split: str


def users(staged: Staged, steps: Mapping[str, list[Step]], settings: Settings) -> dict[str, User]:
    """Everybody, from the date of their first step or sign-up on; without either, as old as the log."""
    seen: dict[str, list[dt.date]] = {user_id: [own[0].on] for user_id, own in steps.items()}
    for customer in staged.rows["customers"]:
        dates = seen.setdefault(customer["user_id"], [])
        if customer["signed_up_at"] is not None:
            dates.append(customer["signed_up_at"].date())
    log_start = min(own[0].on for own in steps.values())
    return {
        user_id: User(min(dates, default=log_start), bool(dates), settings.split(user_id))
        for user_id, dates in seen.items()
    }


def drawn(everybody: Mapping[str, User], settings: Settings) -> dict[str, User]:
    """The users that are trained on: those with a date whose MD5, without what splits them, comes first."""
    dated = {user_id: user for user_id, user in everybody.items() if user.is_dated}
    order = sorted(dated, key=lambda user_id: (hashlib.md5(user_id.encode()).hexdigest()[2:], user_id))
    return {user_id: dated[user_id] for user_id in order[: settings.training_users]}


def anchor_dates(staged: Staged, steps: Mapping[str, list[Step]], settings: Settings) -> list[dt.date]:
    """Every so many days back from the newest date whose horizon has passed, as long as there is enough history."""
    newest = staged.as_of - dt.timedelta(days=settings.horizon_days)
    first_orders = [step.on for own in steps.values() for step in own if step.has_order]
    history = settings.anchor_min_history_days
    history = settings.horizon_days if history is None else history
    dates = [newest - dt.timedelta(days=k * settings.anchor_every_days) for k in range(settings.anchor_limit)]
    return [
        date
        for date in dates
        if date == newest or (first_orders and date >= min(first_orders) + dt.timedelta(days=history))
    ]


Measured = tuple[Step, dict[str, Any]]


def measured(steps: list[Step], catalogue: Iterable[Channel]) -> list[Measured]:
    """Each step beside its channels."""
    return [(step, {channel.name: channel.of_step(step) for channel in catalogue}) for step in steps]


def labels(steps: list[Measured], anchor_on: dt.date, settings: Settings) -> dict[str, Any]:
    """What the user did within the horizon, the anchor's own day included; what comes back is no negative demand."""
    ends_on = anchor_on + dt.timedelta(days=settings.horizon_days)
    within = [values for step, values in steps if anchor_on <= step.on < ends_on]
    return {
        "label_spend": max(_money(values["spend"] for values in within), NO_MONEY),
        "label_orders": sum(values["orders"] for values in within),
        "label_ends_on": ends_on,
    }


def context(
    steps: list[Measured],
    user: User,
    anchor_on: dt.date,
    catalogue: list[Channel],
    settings: Settings,
) -> dict[str, Any]:
    """Every context feature of one user at one anchor; nothing on the anchor's own day or after is looked at."""
    past = [(step, values) for step, values in steps if step.on < anchor_on]
    tenure = (anchor_on - user.first_seen_on).days
    horizon = settings.horizon_days
    has = {channel.name for channel in catalogue}
    found: dict[str, Any] = {}

    def window(longest: int | None, shortest: int = 0) -> list[dict[str, Any]]:
        return [
            values
            for step, values in past
            if shortest < (anchor_on - step.on).days
            and (longest is None or (anchor_on - step.on).days <= longest)
        ]

    def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "spend": _money(row["spend"] for row in rows),
            "orders": sum(row["orders"] for row in rows),
            "active_steps": len(rows),
        }

    # Sums of recent windows, rates of long ones: a sum over all the past grows with the age of the log.
    for days in {7, 28, horizon, 91}:
        found |= {f"{name}_{days}d": value for name, value in totals(window(days)).items()}
    before = totals(window(2 * horizon, horizon))
    found |= {f"{name}_before_last_{horizon}d": value for name, value in before.items()}
    year, ever = totals(window(365)), totals(window(None))
    for label, sums, days in (
        ("365d", year, min(max(tenure, 28), 365)),
        ("total", ever, max(tenure, 28)),
    ):
        found |= {f"{name}_rate_{label}": 28 * float(value) / days for name, value in sums.items()}

    for channel in catalogue:
        if channel.group in SUMMED_OR_AVERAGED and channel.name not in (
            "highest_line_amount",
            "most_events_at_once",
        ):
            for days in (7, 28, 91):
                rows = window(days)
                if channel.mean_of is None:
                    found[f"{channel.name}_{days}d"] = _sum(row[channel.name] for row in rows)
                elif days != 7:
                    having = [
                        row[channel.name]
                        for row in rows
                        if channel.mean_of == EVERY_STEP or row[channel.mean_of] > 0
                    ]
                    found[f"{channel.name}_{days}d"] = _mean(having)

    ordered_on = [step.on for step, values in past if values["orders"] > 0]
    gaps = [(later - earlier).days for earlier, later in pairwise(ordered_on) if later > earlier]
    between = (ordered_on[-1] - ordered_on[0]).days / (ever["orders"] - 1) if ever["orders"] > 1 else None
    since_order = (anchor_on - ordered_on[-1]).days if ordered_on else None
    last_year, quarter = window(365), window(91)
    given_back = _money(row["refunds"] for row in last_year)
    found |= {
        "highest_step_spend": max((row["spend"] for row in last_year), default=NO_MONEY),
        "tenure_days": tenure,
        "days_since_last_step": (anchor_on - past[-1][0].on).days if past else tenure + 1,
        "days_since_last_order": tenure + 1 if since_order is None else since_order,
        "days_per_order": float(tenure + 1) if between is None else between,
        "spend_per_order": _ratio(year["spend"], year["orders"]),
        "order_gap_variation": pstdev(gaps) / fmean(gaps) if len(gaps) > 1 else 1.0,
        "overdue": 1.0 if between is None or since_order is None else since_order / max(between, 1),
        "spend_trend": math.log1p(max(found[f"spend_{horizon}d"], 0))
        - math.log1p(max(found[f"spend_before_last_{horizon}d"], 0)),
        "lines_per_order": _ratio(sum(row["order_lines"] for row in last_year), year["orders"]),
        "refund_rate": _ratio(given_back, max(year["spend"] + given_back, given_back)),
    }
    if "discount" in has:
        off = max(_money(row["discount"] for row in quarter), NO_MONEY)
        found["discount_share"] = _ratio(off, off + max(found["spend_91d"], NO_MONEY))
    for event_type in ("cart", "view"):
        channel_name = _event_channel(event_type)
        if channel_name in has:
            found[f"{event_type}_to_order_rate"] = _ratio(
                found["orders_91d"], sum(row[channel_name] for row in quarter)
            )
    if "sessions" in has:
        begun = sum(row["sessions"] for row in quarter)
        found["seconds_per_session"] = _ratio(math.fsum(row["browse_seconds"] for row in quarter), begun)
        found["events_per_session"] = _ratio(sum(row["browse_events"] for row in quarter), begun)
    if "most_events_at_once" in has:
        found["most_events_at_once_91d"] = max((row["most_events_at_once"] for row in quarter), default=0)
    if settings.seasonal_features:
        turn = anchor_on.timetuple().tm_yday * 2 * math.pi / 365.25
        found |= {"season_sin": math.sin(turn), "season_cos": math.cos(turn)}
    return found | {"steps_before": len(past), "first_seen_on": user.first_seen_on}


def _sum(values: Iterable[Any]) -> Any:
    """A sum of its values' own kind: exact for money and counts."""
    known = list(values)
    return math.fsum(known) if any(isinstance(value, float) for value in known) else sum(known)


def _ratio(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else 0.0
