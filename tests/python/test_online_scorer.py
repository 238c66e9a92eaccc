"""The scorer on hand-written definitions: steps, late events, newcomers, bytes, and every sentence of refusal."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_shop import STATE_SIZE, TIERS, Compiled, NumpyModel

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.online import LONG_AGO, LateEventError, OnlineScorer, UserMemory
from purchasing_power.scoring import ModelMetadata

LEVELS: dict[str, dict[str, str | tuple[str, int | None, int]]] = {
    "activity": {
        "activity": "text",
        "occurred_at": "timestamp",
        "category": "text",
        "order_id": "text",
        "amount": "decimal(18, 4)",
        "event_count": "bigint",
        "is_amount_missing": "boolean",
    },
    "category": {"line_count": "activity = 'order_line' and category is not null"},
    "categories": {"spread": "round(ln(sum(line_count)) - sum(line_count * ln(line_count)) / sum(line_count), 6)"},
    "measure": {
        "spend": "coalesce(sum(amount), 0)",
        "orders": "count(distinct case when amount > 0 then order_id end)",
        "mean_amount": "coalesce(avg(amount), 0)",
        "highest": "coalesce(max(amount), 0)",
        "missing": "count(case when is_amount_missing then 1 end)",
        "events": "coalesce(sum(event_count), 0)",
    },
    "spacing": {
        "gap": "coalesce(days_between(previous_step_on, step_on), 0)",
        "order_gap": "case when orders > 0 then coalesce(days_between(previous_order_on, step_on), 0) else 0 end",
    },
    "step": {"variety": "coalesce(spread, 0)", "number": "step_index"},
    "point": {
        "is_step": "1",
        "step_on": "step_on",
        "order_on": "case when orders > 0 then step_on end",
        "spend": "spend",
        "gap": "nullif(gap, 0)",
    },
    "window": {
        "spend_7d": ("coalesce(sum(spend), 0)", 7, 0),
        "spend_before": ("coalesce(sum(spend), 0)", 14, 7),
        "highest_14d": ("coalesce(max(spend), 0)", 14, 0),
        "steps": ("coalesce(sum(is_step), 0)", None, 0),
        "gaps": ("coalesce(sum(gap) / nullif(count(gap), 0), 0)", None, 0),
        "gap_total": ("sum(gap)", None, 0),
        "last_order_on": ("max(order_on)", None, 0),
        "steps_before": ("coalesce(sum(is_step), 0)", None, 7),
    },
    "context": {
        "tenure": "days_between(first_seen_on, anchor_on)",
        "recency": "coalesce(days_between(last_order_on, anchor_on), days_between(first_seen_on, anchor_on) + 1)",
    },
}  # fmt: skip
CHANNELS = (
    "spend",
    "orders",
    "mean_amount",
    "highest",
    "missing",
    "events",
    "gap",
    "order_gap",
    "variety",
    "number",
)
CONTEXT = ("spend_7d", "spend_before", "highest_14d", "steps", "gaps", "steps_before", "tenure", "recency")
TRANSFORMS = ("identity", "log1p", "signed_log1p")
MONDAY = dt.datetime(2024, 3, 4)


def definitions(**changes: str) -> list[dict[str, Any]]:
    rows = []
    for level, entries in LEVELS.items():
        for position, (name, entry) in enumerate(entries.items()):
            sql, begins, ends = entry if isinstance(entry, tuple) else (entry, None, None)
            rows.append(
                {
                    "feature_hash": "f1",
                    "level": level,
                    "position": position,
                    "name": name,
                    "definition": changes.get(f"{level}_{name}", sql),
                    "window_from": begins,
                    "window_to": ends,
                }
            )
    return rows


def scaling() -> list[dict[str, Any]]:
    return [
        {
            "scaling_version": "s1",
            "feature_set": feature_set,
            "feature_name": name,
            "transform": TRANSFORMS[position % 3],
            "center": 0.25 * position,
            "scale": 1.0 + position,
        }
        for feature_set, names in (("channel", CHANNELS), ("context", CONTEXT))
        for position, name in enumerate(names)
    ]


def model(grain: str = "day", **changes: Any) -> Any:
    values: dict[str, Any] = {
        "feature_hash": "f1",
        "scaling_version": "s1",
        "channels": CHANNELS,
        "context": CONTEXT,
        "horizon_days": 28,
        "step_grain": grain,
        "tier_names": TIERS,
        "currency": "EUR",
        "package_version": "0",
        "model_version": "m1",
        "state_size": STATE_SIZE,
        "tier_cut_points": (1.0, 2.0),
        "train_cutoff": "2024-01-01",
        "trained_at": "2024-01-01T00:00:00",
    }
    return NumpyModel(ModelMetadata(**{**values, **changes}))


def scorer(grain: str = "day", **changes: str) -> OnlineScorer:
    return OnlineScorer(model(grain), definitions(**changes), scaling())


def bought(moment: dt.datetime, amount: Any = 5, **columns: Any) -> dict[str, Any]:
    return {"activity": "order_line", "occurred_at": moment, "amount": amount, "order_id": "o1", **columns}


def after(day: float) -> dt.datetime:
    return MONDAY + dt.timedelta(days=day)


def fed(to: OnlineScorer, events: Sequence[dict[str, Any]], memory: UserMemory | None = None) -> UserMemory:
    memory = memory or to.newcomer("u")
    for event in events:
        memory = to.absorb(memory, event)
    return memory


EVENTS = st.lists(
    st.builds(
        lambda hours, kind, amount, category, order: {
            "activity": kind,
            "occurred_at": after(0) + dt.timedelta(hours=hours),
            "amount": None if kind == "browse_event" else amount,
            "category": category,
            "order_id": order,
            "event_count": 2 if kind == "browse_event" else None,
            "is_amount_missing": amount is None,
        },
        # Up to six weeks, so that days fall out of the windows, or two days, so that they hold several steps.
        st.integers(0, 6 * 7 * 24) | st.integers(0, 48),
        st.sampled_from(["order_line", "refund", "browse_event"]),
        st.none() | st.decimals(-20, 90, allow_nan=False, places=4),
        st.none() | st.sampled_from(["a", "b", "ü"]),
        st.none() | st.sampled_from(["o1", "o2"]),
    ),
    max_size=30,
).map(lambda events: sorted(events, key=lambda event: event["occurred_at"]))
GRAINS = st.sampled_from(["day", "week", "event"])


# ---------------------------------------------------------------- memories


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, grain=GRAINS)
def test_bytes_bring_back_what_was_written(events: list[dict[str, Any]], grain: str) -> None:
    service = scorer(grain)
    memory, stored = service.newcomer("ü"), service.newcomer("ü").to_bytes()
    for event in events:
        memory, score = service.update(memory, event)
        read, again = service.update(UserMemory.from_bytes(stored), event)
        stored = read.to_bytes()
        assert again == score
        assert stored == memory.to_bytes()


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, grain=GRAINS, seed=st.integers(0, 9))
def test_the_order_within_a_step_leaves_no_trace(events: list[dict[str, Any]], grain: str, seed: int) -> None:
    service, steps = scorer(grain), Compiled.of(definitions(), grain).steps
    shuffled = list(events)
    random.Random(seed).shuffle(shuffled)
    shuffled.sort(
        key=lambda event: event["occurred_at"] if grain == "event" else steps.begins(event["occurred_at"])
    )
    assert fed(service, shuffled).to_bytes() == fed(service, events).to_bytes()


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, grain=GRAINS)
def test_windows_are_sums_over_their_days(events: list[dict[str, Any]], grain: str) -> None:
    service, compiled = scorer(grain), Compiled.of(definitions(), grain)
    memory = fed(service, events)
    if memory.open is None:
        return
    spent: dict[tuple[dt.date, Any], Decimal] = {}
    for event in events:
        step = (
            compiled.steps.begins(event["occurred_at"]),
            event["occurred_at"] if grain == "event" else None,
        )
        spent[step] = spent.get(step, Decimal(0)) + (event["amount"] or 0)
    days = sorted(day for day, _ in spent)
    gaps = [gap for one, other in pairwise(days) if (gap := (other - one).days)]
    for later in range(0, 22, 7 if grain == "week" else 1):
        anchor = compiled.steps.ends(memory.open.step_on) + dt.timedelta(days=later)
        found = compiled.context(memory, anchor)

        def within(begins: int, ends: int, anchor: dt.date = anchor) -> list[Decimal]:
            return [spend for (day, _), spend in spent.items() if ends < (anchor - day).days <= begins]

        assert found["spend_7d"] == float(sum(within(7, 0)))
        assert found["spend_before"] == float(sum(within(14, 7)))
        assert found["highest_14d"] == float(max(within(14, 0), default=0))
        assert found["steps"] == len(spent)
        assert found["steps_before"] == sum((anchor - day).days > 7 for day, _ in spent)
        # A sum of nothing is NULL.
        assert found["gap_total"] == (sum(gaps) or None)
    # A day is one row, and so is all that no window reaches.
    assert memory.days[0] == LONG_AGO
    assert len(set(memory.days)) == len(memory.days) <= 1 + 14


def test_a_step_knows_where_it_stands() -> None:
    service, compiled = scorer(), Compiled.of(definitions(), "day")
    memory, found = service.newcomer("u"), []
    looked_at = {"activity": "browse_event", "event_count": 3}
    for event in (bought(after(0)), {**looked_at, "occurred_at": after(2)}, bought(after(5), category="a")):
        memory = service.absorb(memory, event)
        step = compiled.step(memory)
        found.append({name: step[name] for name in ("number", "gap", "order_gap", "events", "variety")})
    assert found == [
        {"number": 1, "gap": 0, "order_gap": 0, "events": 0, "variety": 0},
        {"number": 2, "gap": 2, "order_gap": 0, "events": 3, "variety": 0},
        {"number": 3, "gap": 3, "order_gap": 5, "events": 0, "variety": 0},
    ]
    memory = service.absorb(memory, bought(after(5), category="b"))
    assert compiled.step(memory)["variety"] == 0.693147


def test_what_years_add_up_stays_exact() -> None:
    memory = fed(scorer(), [bought(after(day), amount=0.1) for day in range(400)])
    spend = [part.point.name for part in Compiled.of(definitions(), "day").windows.parts].index("spend")
    # As floats they add up to a hair less.
    assert memory.parts[0, spend] == 0.1 * (400 - (len(memory.days) - 1) - 1)
    assert sum([0.1] * 385) != 38.5


def test_a_memory_stays_as_it_was() -> None:
    service = scorer()
    memory = fed(service, [bought(after(0)), bought(after(3))])
    before = memory.to_bytes()
    service.update(memory, bought(after(3.5), category="a"))
    service.update(memory, bought(after(9)))
    service.score(memory, after(30))
    assert memory.to_bytes() == before


def test_absorbing_and_updating_are_one() -> None:
    service = scorer()
    events = [bought(after(day), order_id=f"o{day}") for day in (0, 0.2, 3, 4)]
    memory = service.newcomer("u")
    for event in events:
        memory, score = service.update(memory, event)
    assert memory.to_bytes() == fed(service, events).to_bytes()
    assert service.score(memory, dt.date(2024, 3, 9)).purchase_probability == score.purchase_probability


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "cut off or damaged"),
        (lambda content: content[:40] + b"!" + content[41:], "cut off or damaged"),
        (lambda content: b"", "0 bytes are no memory of a user"),
        (lambda content: b"{}" * 20, "are no memory of a user"),
        (lambda content: content[:4] + b"\x09\x00" + content[6:], "of format 9, and this version reads 1"),
    ],
)
def test_damaged_bytes_are_refused(damage: Any, message: str) -> None:
    content = fed(scorer(), [bought(after(0))]).to_bytes()
    with pytest.raises(PurchasingPowerError, match=message):
        UserMemory.from_bytes(damage(content))


def test_memories_of_another_model_or_of_other_features_are_refused() -> None:
    memory = fed(scorer(), [bought(after(0))])
    other_model = OnlineScorer(model(model_version="m2"), definitions(), scaling())
    for other, message in (
        (other_model, "made with the model m1 and this scorer has m2: load the memory"),
        (scorer(measure_highest="0 + coalesce(min(amount), 0)"), "made with the feature definitions"),
        (scorer("event"), "made with the feature definitions"),
    ):
        with pytest.raises(PurchasingPowerError, match=message):
            other.absorb(memory, bought(after(1)))
        with pytest.raises(PurchasingPowerError, match=message):
            other.score(memory, after(9))


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("grain", "on_time", "late", "closed"),
    [
        ("day", (3.9, 3.0), 2.99, "before 2024-03-07 is closed"),
        ("week", (6.9, 0.0), -0.01, "before 2024-03-04 is closed"),
        ("event", (3.5, 3.5), 3.49, "before 2024-03-07 12:00:00 is closed"),
    ],
)
def test_late_events_are_refused(grain: str, on_time: tuple[float, float], late: float, closed: str) -> None:
    service = scorer(grain)
    memory = fed(service, [bought(after(0)), bought(after(3.5))])
    for day in on_time:
        service.update(memory, bought(after(day)))
    with pytest.raises(LateEventError, match=closed):
        service.update(memory, bought(after(late)))
    with pytest.raises(LateEventError, match="recompute the user with `dbt build`"):
        service.absorb(memory, bought(after(late)))


def test_a_moment_is_scored_as_of_the_end_of_its_step() -> None:
    for grain, moment, as_of, provisional in (
        ("day", after(1.5), "2024-03-06", True),
        ("day", after(2), "2024-03-06", False),
        ("event", after(1.5), "2024-03-06", True),
        ("week", after(1.5), "2024-03-11", True),
        ("week", after(7), "2024-03-11", False),
    ):
        service = scorer(grain)
        memory = fed(service, [bought(after(0.5))])
        score = service.score(memory, moment)
        assert (score.as_of_date.isoformat(), score.is_provisional) == (as_of, provisional)
        date = service.score(memory, dt.date.fromisoformat(as_of))
        assert not date.is_provisional
        assert date.purchase_probability == score.purchase_probability


def test_moments_with_a_zone_are_read_as_utc() -> None:
    service = scorer()
    east = dt.timezone(dt.timedelta(hours=9))
    memory = fed(service, [bought(dt.datetime(2024, 3, 5, 3, tzinfo=east))])
    assert memory.open is not None
    assert memory.open.step_on == dt.date(2024, 3, 4)
    assert service.score(memory, dt.datetime(2024, 3, 6, 3, tzinfo=east)).as_of_date == dt.date(2024, 3, 6)
    assert service.score(memory, dt.datetime(2024, 3, 6, 9, tzinfo=east)).as_of_date == dt.date(2024, 3, 6)


def test_what_is_known_cannot_be_scored_without() -> None:
    service = scorer()
    memory = fed(service, [bought(after(0)), bought(after(3.5))])
    with pytest.raises(PurchasingPowerError, match="already holds what came until 2024-03-08"):
        service.score(memory, dt.date(2024, 3, 7))
    with pytest.raises(PurchasingPowerError, match="weekly steps end on Mondays"):
        scorer("week").score(scorer("week").newcomer("u", dt.date(2024, 3, 1)), dt.date(2024, 3, 6))


# ---------------------------------------------------------------- users


def test_an_unknown_user_begins_with_an_event_or_a_sign_up() -> None:
    service, compiled = scorer(), Compiled.of(definitions(), "day")
    with pytest.raises(PurchasingPowerError, match="neither an event nor a sign-up is known"):
        service.score(service.newcomer("u"), dt.date(2024, 3, 5))
    memory, _ = service.update(service.newcomer("u"), bought(after(0.5)))
    assert memory.first_seen_on == dt.date(2024, 3, 4)
    assert compiled.context(memory, dt.date(2024, 3, 5))["tenure"] == 1

    signed_up = service.newcomer("u", dt.date(2024, 2, 1))
    assert service.score(signed_up, dt.date(2024, 3, 5)).purchase_probability > 0
    assert compiled.context(signed_up, dt.date(2024, 3, 5))["recency"] == 34
    assert fed(service, [bought(after(0.5))], signed_up).first_seen_on == dt.date(2024, 2, 1)
    # A sign-up after the first event does not make a user younger.
    late = service.newcomer("u", dt.date(2024, 4, 1))
    assert fed(service, [bought(after(0.5))], late).first_seen_on == dt.date(2024, 3, 4)


def test_a_customer_without_a_date_is_dated_by_the_first_event() -> None:
    service = scorer()
    undated = UserMemory(**{**vars(service.newcomer("u")), "first_seen_on": dt.date(2020, 1, 1)})
    assert not undated.is_dated
    assert service.score(undated, dt.date(2024, 3, 4)).as_of_date == dt.date(2024, 3, 4)
    memory = fed(service, [bought(after(0.5))], undated)
    assert memory.first_seen_on == dt.date(2024, 3, 4)
    assert memory.is_dated
    assert fed(service, [bought(after(5))], memory).first_seen_on == dt.date(2024, 3, 4)


def test_an_event_goes_to_its_own_user() -> None:
    service = scorer()
    service.absorb(service.newcomer("u"), bought(after(0), user_id="u"))
    with pytest.raises(PurchasingPowerError, match="of the user 'v' and the memory of 'u'"):
        service.absorb(service.newcomer("u"), bought(after(0), user_id="v"))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": 1}, "has a column 'price', which cleaned activity has not: it has activity, occurred_at"),
        ({"amount": "5"}, "amount is '5', which is no number"),
        ({"amount": True}, "amount is True, which is no number"),
        ({"amount": float("nan")}, "amount is nan, which is not finite"),
        ({"amount": Decimal("Infinity")}, "which is not finite"),
        ({"order_id": 7}, "order_id is 7, which is no text"),
        ({"is_amount_missing": 1}, "is_amount_missing is 1, which is neither true nor false"),
        ({"occurred_at": "2024-03-04"}, "occurred_at is '2024-03-04', which is no datetime"),
        ({"occurred_at": None}, "has no occurred_at"),
        ({"activity": "purchase"}, "activity is 'purchase': it must be one of order_line, refund"),
        ({"activity": None}, "activity is None: it must be one of"),
    ],
)
def test_what_activity_cannot_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    service = scorer()
    with pytest.raises(PurchasingPowerError, match=message):
        service.absorb(service.newcomer("u"), {**bought(after(0)), **changes})


def test_numbers_of_any_kind_are_read_to_the_digits_that_the_warehouse_keeps() -> None:
    service, compiled = scorer(), Compiled.of(definitions(), "day")
    for amount in (Decimal("1.23456"), 1.23456, np.float32(1.23456), np.float64(1.23456)):
        memory = service.absorb(service.newcomer("u"), bought(after(0), amount))
        assert compiled.step(memory)["highest"] == 1.2346


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"measure_spend": "coalesce(median(amount), 0)"},
            "The measure entry spend of purchasing_power__feature_definitions, .* cannot be computed outside the "
            r"warehouse: MEDIAN\(amount\) is not known. Score this shop with `dbt build` alone",
        ),
        ({"step_number": "step_index || 'x'"}, "The step entry number .* is not known"),
        ({"point_gap": "lag(gap) over ()"}, "The point entry gap .* is not known"),
        (
            {"window_steps": "count(distinct step_on)"},
            "over a window, only sum, count, min, max of a point column",
        ),
        ({"window_gaps": "avg(gap)"}, "over a window, only sum, count, min, max of a point column"),
        ({"window_gaps": "sum(gap + 1)"}, "over a window, only sum, count, min, max of a point column"),
        ({"context_tenure": "nobody"}, "The context entry tenure .* there is no column nobody"),
        ({"activity_amount": "interval"}, "The activity entry amount .* is not known"),
        ({"activity_amount": "date"}, "a column of dates is not known"),
    ],
)
def test_definitions_that_cannot_be_computed_are_refused_at_the_start(
    changes: dict[str, str], message: str
) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        scorer(**changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [], "holds 0 feature hashes"),
        (lambda rows: [*rows[:-1], {**rows[-1], "feature_hash": "f2"}], "holds 2 feature hashes"),
        (lambda rows: [*rows, {**rows[0], "level": "galaxy"}], "built with galaxy, which this version"),
        (lambda rows: [row for row in rows if row["name"] != "category"], "no activity column category"),
        (lambda rows: [row for row in rows if row["name"] != "order_on"], "has no point order_on"),
        (lambda rows: [row for row in rows if row["name"] != "variety"], "defines no variety"),
        (
            lambda rows: [*rows, {**rows[7], "name": "another", "position": 1}],
            "one count of categories is known",
        ),
    ],
)
def test_incomplete_definitions_are_refused(change: Any, message: str) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        OnlineScorer(model(), change(definitions()), scaling())


def test_a_grain_of_another_version_is_refused() -> None:
    with pytest.raises(PurchasingPowerError, match="built with month, which this version"):
        scorer("month")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1:], "purchasing_power__scaling lacks channel spend"),
        (lambda rows: [{**row, "scaling_version": "s2"} for row in rows], "lacks channel spend"),
        (lambda rows: [{**rows[0], "transform": "sqrt"}, *rows[1:]], "the transform 'sqrt'"),
    ],
)
def test_a_scaling_that_does_not_fit_is_refused(change: Any, message: str) -> None:
    with pytest.raises(PurchasingPowerError, match=message):
        OnlineScorer(model(), definitions(), change(scaling()))


def test_what_the_sql_does_not_guard_against_is_named() -> None:
    for changes, message in (
        ({"context_tenure": "1 / (orders_now - 1)"}, "there is no column orders_now"),
        ({"context_tenure": "1 / (steps - 1)"}, "tenure .* division by zero"),
        ({"step_number": "ln(step_index - 1)"}, "number .* math domain error"),
        (
            {"context_recency": "days_between(last_order_on, anchor_on)"},
            "recency is NULL, and no feature may be",
        ),
    ):
        with pytest.raises(PurchasingPowerError, match=message):
            service = scorer(**changes)
            service.update(service.newcomer("u"), bought(after(0), amount=-5))
