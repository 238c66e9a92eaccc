"""The feature build of the simulated shop by hand in pandas.

Gives the numbers of `purchasing_power__user_steps` and `purchasing_power__anchors` from the same Parquet
files. It is written for this very shop, as `features_polars.py` is, and goes the same way.

    python benchmarks/features_pandas.py SHOP FROZEN OUT
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from features_common import (
    ANCHOR_LIMIT,
    ANCHOR_STEP_DAYS,
    BOT_EVENTS_PER_DAY,
    BY_STEP,
    CHANNELS,
    FACTORS,
    HORIZON,
    HOUR_TO_RADIANS,
    KINDS,
    MEANS,
    MONEY,
    MONEY_COLUMNS,
    SESSION_GAP_MINUTES,
    SHORTEST_TENURE,
    SUMS,
    TOTALS,
    VALIDATION_BELOW,
    WEEKDAY_TO_RADIANS,
    run_as_command,
)

STEP = list(BY_STEP)
COUNTED = sorted(set(MEANS.values()))


def build(shop: Path, frozen: Path, out: Path) -> None:
    """Writes `user_steps.parquet` and `anchors.parquet` into a folder.

    Args:
        shop: The simulated shop's folder.
        frozen: The folder that `features_common.freeze` filled.
        out: Where the two files go.
    """
    cleaning = pd.read_parquet(frozen / "cleaning.parquet")
    products = _products(shop, frozen, cleaning)
    events = _events(shop, cleaning)
    lines = _order_lines(shop, products, cleaning)
    reviews = _reviews(shop, frozen)
    newest = max(events["at"].max(), lines["at"].max(), reviews["at"].max())
    as_of = newest.normalize() + pd.Timedelta(days=1)
    steps = _steps(events, lines, reviews, products, as_of)
    written = steps[["user_id", "step_index", "step_on", "step_started_at", *CHANNELS]]
    written.assign(**{name: written[name] / MONEY for name in MONEY_COLUMNS}).to_parquet(
        out / "user_steps.parquet", index=False
    )
    anchors = _anchors(steps, _users(shop, steps, as_of), as_of)
    anchors.to_parquet(out / "anchors.parquet", index=False)


def _time(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)


def _of_customers(rows: pd.DataFrame) -> pd.DataFrame:
    user = rows["customer_id"]
    rows = rows[user.notna() & ~user.str.startswith("test-").fillna(False)]
    return rows.rename(columns={"customer_id": "user_id"})


def _money(value: pd.Series) -> pd.Series:
    # Half away from zero, where NumPy rounds half to even.
    tenths = value * MONEY
    return (np.sign(tenths) * np.floor(tenths.abs() + 0.5)).astype("int64")


def _parameter(cleaning: pd.DataFrame, relation: str, column: str, parameter: str) -> tuple[pd.Series, float]:
    """Gives a cleaning parameter by category, and that of all rows."""
    chosen = cleaning[(cleaning["relation"] == relation) & (cleaning["column_name"] == column)]
    overall = chosen.loc[chosen["category"].isna(), parameter]
    by_category = chosen.dropna(subset="category").set_index("category")[parameter]
    return by_category, float(overall.iloc[0])


def _log_ratio(price: pd.Series, usual: pd.Series) -> pd.Series:
    meant = (price > 0) & (usual > 0)
    return np.log(price.where(meant) / usual.where(meant)).round(6)


def _products(shop: Path, frozen: Path, cleaning: pd.DataFrame) -> pd.DataFrame:
    """Gives a row a product: category, what looking at it says of the price level, factors."""
    products = pd.read_parquet(shop / "products.parquet", columns=["product_id", "category", "price"])
    products = products.drop_duplicates("product_id")
    usual, _ = _parameter(cleaning, "products", "list_price", "median")
    products["price_level"] = _log_ratio(products["price"], products["category"].map(usual))
    factors = pd.read_parquet(frozen / "factors.parquet")
    return products.drop(columns="price").merge(factors, on="product_id", how="left")


def _events(shop: Path, cleaning: pd.DataFrame) -> pd.DataFrame:
    """Gives the usable browse events, each once."""
    events = _of_customers(pd.read_parquet(shop / "events.parquet"))
    events["at"] = _time(events["at"])
    events = events.dropna(subset="at")
    events["user_id"] = events["user_id"].astype("category")
    events["step_on"] = events["at"].dt.normalize()
    a_day = events.groupby(STEP, observed=True, sort=False).size()
    busy = a_day[a_day > BOT_EVENTS_PER_DAY].reset_index()
    bot_from = busy.groupby("user_id", observed=True)["step_on"].min().rename("bot_from")
    events = events.join(bot_from, on="user_id")
    events = events[events["bot_from"].isna() | (events["at"] < events["bot_from"])]
    events = events.drop_duplicates("event_id")
    _, fence = _parameter(cleaning, "browse_events", "duration_seconds", "upper_fence")
    seconds = events["seconds"]
    events["seconds"] = seconds.where(seconds >= 0).fillna(0).clip(upper=fence)
    return events.drop(columns=["event_id", "bot_from"])


def _order_lines(shop: Path, products: pd.DataFrame, cleaning: pd.DataFrame) -> pd.DataFrame:
    """Gives the usable order lines and what was given back, each once; money in ten-thousandths."""
    bought = pd.read_parquet(shop / "orders.parquet").rename(columns={"ordered_at": "at", "paid": "amount"})
    refunds = pd.read_parquet(shop / "refunds.parquet").rename(columns={"refunded_at": "at"})
    refunds["amount"] = -refunds["amount"]
    lines = pd.concat([bought.drop_duplicates("line_id"), refunds.drop_duplicates("refund_id")])
    lines = _of_customers(lines.drop(columns=["line_id", "refund_id"]))
    lines["at"], lines["cancelled_at"] = _time(lines["at"]), _time(lines["cancelled_at"])
    lines = lines.dropna(subset=["at", "amount"])
    rates = pd.read_parquet(shop / "exchange_rates.parquet").drop_duplicates(["currency", "valid_from"])
    rates["valid_from"] = _time(rates["valid_from"])
    rates = rates.sort_values("valid_from")
    lines = pd.merge_asof(lines.sort_values("at"), rates, left_on="at", right_on="valid_from", by="currency")
    rate = lines["rate"].fillna(lines["currency"].map(rates.groupby("currency")["rate"].first()))
    lines["amount"] = _money(lines["amount"].round(4) * rate)
    lines["discount"] = _money(lines["discount"].fillna(0).round(4) * rate)
    lines = lines.merge(products.drop(columns="price_level"), on="product_id", how="left")
    for column, named in (("amount", "amount"), ("quantity", "quantity"), ("discount", "discount_amount")):
        by_category, overall = _parameter(cleaning, "order_lines", named, "upper_fence")
        fence = lines["category"].map(by_category).fillna(overall)
        if column != "quantity":
            fence = _money(fence)
        beyond = lines[column].abs() > fence
        lines[column] = lines[column].where(~beyond, np.sign(lines[column]) * fence)
    lines["quantity"] = lines["quantity"].fillna(1)
    usual, _ = _parameter(cleaning, "order_lines", "unit_price", "median")
    price = lines["amount"] / MONEY / lines["quantity"]
    lines["price_level"] = _log_ratio(price, lines["category"].map(usual))
    lines["given_back_at"] = lines[["cancelled_at", "at"]].max(axis=1)
    return lines


def _reviews(shop: Path, frozen: Path) -> pd.DataFrame:
    reviews = _of_customers(
        pd.read_parquet(
            shop / "reviews.parquet", columns=["review_id", "customer_id", "reviewed_at", "stars"]
        )
    )
    reviews = reviews.drop_duplicates("review_id")
    read = pd.read_parquet(frozen / "sentiment.parquet").set_index("review_id")["sentiment"]
    of_stars = (2.0 * (reviews["stars"].where(reviews["stars"].between(1, 5)) - 1) / 4 - 1).round(6)
    reviews["sentiment"] = of_stars.fillna(reviews["review_id"].map(read))
    reviews["at"] = _time(reviews["reviewed_at"])
    return reviews.dropna(subset="at")


def _steps(
    events: pd.DataFrame,
    lines: pd.DataFrame,
    reviews: pd.DataFrame,
    products: pd.DataFrame,
    as_of: pd.Timestamp,
) -> pd.DataFrame:
    """Gives a row a user and day, in the order of users and days; money in ten-thousandths."""
    hours = np.arange(24) * HOUR_TO_RADIANS
    sines, cosines = np.sin(hours).round(8), np.cos(hours).round(8)

    def grouped(rows: pd.DataFrame, **named: tuple[str, str]) -> pd.DataFrame:
        hour = rows["at"].dt.hour
        rows = rows.assign(step_on=rows["at"].dt.normalize(), hour_sin=sines[hour], hour_cos=cosines[hour])
        common = {"step_started_at": ("at", "min"), "rows": ("at", "size")}
        waves = {"hour_sin": ("hour_sin", "sum"), "hour_cos": ("hour_cos", "sum")}
        found = rows.groupby(STEP, observed=True, sort=False).agg(**common, **waves, **named).reset_index()
        return found.astype({"user_id": "str"})

    factors = {factor: (factor, "sum") for factor in FACTORS} | {"factor_rows": (FACTORS[0], "count")}
    viewed = events.merge(products, on="product_id", how="left")
    viewed = viewed.assign(**{f"events_{kind}": viewed["kind"] == kind for kind in KINDS})
    browsed = grouped(
        viewed,
        **factors,
        browse_events=("at", "size"),
        browse_seconds=("seconds", "sum"),
        **{f"events_{kind}": (f"events_{kind}", "sum") for kind in KINDS},
        products_browsed=("product_id", "nunique"),
        categories_browsed=("category", "nunique"),
        price_level_viewed=("price_level", "mean"),
    )
    named = events["session_id"].notna()
    begun = events[named].groupby(["user_id", "session_id"], observed=True, sort=False)["step_on"].min()
    nameless = events[~named].sort_values(["user_id", "at"])
    gap = nameless.groupby("user_id", observed=True, sort=False)["at"].diff()
    after_gap = nameless[gap.isna() | (gap > pd.Timedelta(minutes=SESSION_GAP_MINUTES))]
    begun_all = pd.concat([begun.reset_index()[STEP], after_gap[STEP]]).astype({"user_id": "str"})
    sessions = begun_all.groupby(STEP, sort=False).size().rename("sessions").reset_index()
    bought = lines[lines["amount"] >= 0]
    bought = bought.assign(paid_order=bought["order_id"].where(bought["amount"] > 0))
    ordered = grouped(
        bought,
        **factors,
        spend=("amount", "sum"),
        orders=("paid_order", "nunique"),
        order_lines=("at", "size"),
        units=("quantity", "sum"),
        discount=("discount", "sum"),
        highest_line_amount=("amount", "max"),
        price_level_bought=("price_level", "mean"),
        products_bought=("product_id", "nunique"),
        categories_bought=("category", "nunique"),
    )
    count = (
        bought.assign(step_on=bought["at"].dt.normalize())
        .groupby([*STEP, "category"], sort=False)
        .size()
        .rename("lines")
        .reset_index()
    )
    count["terms"] = (count["lines"] * np.log(count["lines"])).round(8)
    summed = count.groupby(STEP, sort=False)[["lines", "terms"]].sum()
    entropy = (
        (np.log(summed["lines"]) - summed["terms"] / summed["lines"]).round(6).rename("category_entropy")
    )
    cancelled = lines[
        (lines["amount"] > 0) & lines["cancelled_at"].notna() & (lines["given_back_at"] < as_of)
    ]
    returned = pd.concat([lines[lines["amount"] < 0], cancelled.assign(at=cancelled["given_back_at"])])
    given_back = grouped(returned.assign(amount=returned["amount"].abs()), refunds=("amount", "sum"))
    given_back["spend"] = -given_back["refunds"]
    reviewed = grouped(reviews, reviews=("at", "size"), sentiment=("sentiment", "sum"))
    parts = pd.concat([browsed, sessions, ordered, entropy.reset_index(), given_back, reviewed])
    numbers = parts.columns.difference([*STEP, "step_started_at"])
    steps = parts.groupby(STEP, sort=True).agg({"step_started_at": "min", **dict.fromkeys(numbers, "sum")})
    steps = steps.reset_index()
    by_user = steps.groupby("user_id", sort=False)
    steps["hour_sin"] /= steps["rows"]
    steps["hour_cos"] /= steps["rows"]
    for factor in FACTORS:
        steps[factor] = (steps[factor] / steps["factor_rows"]).fillna(0)
    weekday = steps["step_on"].dt.day_of_week * WEEKDAY_TO_RADIANS
    steps["weekday_sin"], steps["weekday_cos"] = np.sin(weekday), np.cos(weekday)
    steps["step_index"] = by_user.cumcount() + 1
    steps["days_since_previous_step"] = by_user["step_on"].diff().dt.days.fillna(0)
    steps["order_on"] = steps["step_on"].where(steps["orders"] > 0)
    known = steps.groupby("user_id", sort=False)["order_on"].ffill()
    previous = known.groupby(steps["user_id"], sort=False).shift()
    since_order = (steps["step_on"] - previous).dt.days
    steps["days_since_previous_order"] = since_order.where(steps["orders"] > 0).fillna(0)
    steps["active_steps"] = 1
    whole = ["spend", "refunds", "discount"]
    return steps.astype(dict.fromkeys(whole, "int64"))


def _users(shop: Path, steps: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Gives a row a user with a date: when first seen, and the split."""
    customers = _of_customers(
        pd.read_parquet(shop / "customers.parquet", columns=["customer_id", "signed_up_at"])
    )
    signed_up = _time(customers["signed_up_at"]).dt.normalize()
    signed_up = customers.assign(seen_on=signed_up)[signed_up.isna() | (signed_up < as_of)]
    seen = steps.groupby("user_id")["step_on"].min().rename("seen_on").reset_index()
    users = pd.concat([signed_up[["user_id", "seen_on"]], seen]).groupby("user_id")["seen_on"].min().dropna()
    users = users.rename("first_seen_on").reset_index()
    users["split"] = [
        "validation" if hashlib.md5(name.encode()).hexdigest()[:2] < VALIDATION_BELOW else "train"
        for name in users["user_id"]
    ]
    return users


def _anchors(steps: pd.DataFrame, users: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Gives a row a user and anchor: context and labels; money in the shop's currency."""
    oldest = steps["order_on"].min() + pd.Timedelta(days=HORIZON)
    dates = [as_of - pd.Timedelta(days=HORIZON + ANCHOR_STEP_DAYS * number) for number in range(ANCHOR_LIMIT)]
    kept = pd.DataFrame({"anchor_on": [day for day in dates if day >= oldest or day == dates[0]]})
    anchors = users.merge(kept, how="cross")
    anchors = anchors[anchors["first_seen_on"] < anchors["anchor_on"]].sort_values(["anchor_on", "user_id"])
    anchors = anchors.reset_index(drop=True)
    order_gap = steps["days_since_previous_order"]
    points = steps[[*TOTALS, "order_lines", *SUMS]].assign(
        **{name: steps[name].where(steps[count] > 0, 0) for name, count in MEANS.items()},
        **{f"steps_with_{count}": (steps[count] > 0).astype("int64") for count in COUNTED},
        order_gaps=(order_gap > 0).astype("int64"),
        order_gap_total=order_gap,
        order_gap_square_total=order_gap**2,
    )
    # The sum over a window is a difference of two running sums, each found as of a day.
    running = points.groupby(steps["user_id"], sort=False).cumsum()
    summed = list(running.columns)
    by_user = steps.groupby("user_id", sort=False)["order_on"]
    running = running.assign(
        user_id=steps["user_id"],
        step_on=steps["step_on"],
        last_step_on=steps["step_on"],
        last_order_on=by_user.ffill(),
        first_order_on=by_user.transform("min"),
    ).sort_values("step_on")

    def as_of_days_back(days: int, names: Sequence[str]) -> pd.DataFrame:
        """Gives the running sums before the day that lies so many days before each anchor."""
        on = anchors[["user_id"]].assign(on=anchors["anchor_on"] - pd.Timedelta(days=days))
        found = pd.merge_asof(
            on,
            running[[*STEP, *names]],
            left_on="on",
            right_on="step_on",
            by="user_id",
            allow_exact_matches=False,
        )
        numbers = [name for name in names if name in summed]
        found[numbers] = found[numbers].fillna(0)
        return found[list(names)].add_suffix(f"_{days}")

    with_means = [*TOTALS, *SUMS, *MEANS, *(f"steps_with_{count}" for count in COUNTED)]
    bounds: dict[int, Sequence[str]] = {
        0: [*summed, "last_step_on", "last_order_on", "first_order_on"],
        7: [*TOTALS, *SUMS],
        28: with_means,
        91: with_means,
        HORIZON: TOTALS,
        2 * HORIZON: TOTALS,
        365: [*TOTALS, "order_lines", "refunds"],
        -HORIZON: ["spend", "orders"],
    }
    highest = pd.concat(
        [
            steps[["user_id", "spend"]].assign(on=steps["step_on"]),
            anchors[["user_id"]].assign(on=anchors["anchor_on"], anchor=anchors.index),
        ]
    ).sort_values(["user_id", "on"])
    rolled = highest.groupby("user_id", sort=False).rolling("365D", on="on", closed="left")["spend"].max()
    at_anchor = highest["anchor"].notna().to_numpy()
    places = highest["anchor"].to_numpy()[at_anchor].astype("int64")
    of_anchor = pd.Series(rolled.to_numpy()[at_anchor], index=places, name="highest_step_spend")
    sums = (as_of_days_back(days, names) for days, names in bounds.items())
    found = pd.concat([anchors, of_anchor.fillna(0) / MONEY, *sums], axis=1)
    return _context(found)


def _context(found: pd.DataFrame) -> pd.DataFrame:
    """Gives the columns of the anchors' table from the running sums."""

    def between(name: str, first: int, last: int = 0) -> pd.Series:
        """Gives a sum over the days from `first` to before `last`, both counted back from the anchor."""
        total = found[f"{name}_{last}"] - found[f"{name}_{first}"]
        return total / MONEY if name in MONEY_COLUMNS else total

    def total(name: str) -> pd.Series:
        return found[f"{name}_0"] / MONEY if name in MONEY_COLUMNS else found[f"{name}_0"]

    def ratio(above: pd.Series, below: pd.Series) -> pd.Series:
        return (above / below.where(below != 0)).fillna(0)

    anchor_on = found["anchor_on"]
    tenure = (anchor_on - found["first_seen_on"]).dt.days
    since_order = (anchor_on - found["last_order_on_0"]).dt.days
    between_orders = (found["last_order_on_0"] - found["first_order_on_0"]).dt.days
    orders, gaps = total("orders"), total("order_gaps")
    mean_gap = total("order_gap_total") / gaps.where(gaps > 0)
    gap_variance = total("order_gap_square_total") / gaps.where(gaps > 0) - mean_gap**2
    spend_365, refunds_365 = between("spend", 365), between("refunds", 365)
    discount, spend_91 = between("discount", 91).clip(lower=0), between("spend", 91).clip(lower=0)
    orders_91, sessions_91 = between("orders", 91), between("sessions", 91)
    gap_between = between_orders / (orders - 1).where(orders > 1)
    recent = np.log1p(between("spend", HORIZON).clip(lower=0))
    earlier = np.log1p(between("spend", 2 * HORIZON, HORIZON).clip(lower=0))
    columns = {
        **{
            name: found[name]
            for name in ("user_id", "anchor_on", "first_seen_on", "split", "highest_step_spend")
        },
        "steps_before": total("active_steps"),
        "label_spend": between("spend", 0, -HORIZON).clip(lower=0),
        "label_orders": between("orders", 0, -HORIZON),
        **{f"{name}_{days}d": between(name, days) for days in (7, 28, HORIZON, 91) for name in TOTALS},
        **{f"{name}_before_last_{HORIZON}d": between(name, 2 * HORIZON, HORIZON) for name in TOTALS},
        **{
            f"{name}_rate_365d": 28.0 * between(name, 365) / tenure.clip(SHORTEST_TENURE, 365)
            for name in TOTALS
        },
        **{f"{name}_rate_total": 28.0 * total(name) / tenure.clip(SHORTEST_TENURE) for name in TOTALS},
        **{f"{name}_{days}d": between(name, days) for name in SUMS for days in (7, 28, 91)},
        **{
            f"{name}_{days}d": ratio(between(name, days), between(f"steps_with_{count}", days))
            for name, count in MEANS.items()
            for days in (28, 91)
        },
        "tenure_days": tenure,
        "days_since_last_step": (anchor_on - found["last_step_on_0"]).dt.days.fillna(tenure + 1),
        "days_since_last_order": since_order.fillna(tenure + 1),
        "days_per_order": gap_between.fillna(tenure + 1),
        "spend_per_order": ratio(spend_365, between("orders", 365)),
        "order_gap_variation": (np.sqrt(gap_variance.clip(lower=0)) / mean_gap).where(gaps >= 2, 1.0),
        "overdue": (since_order / gap_between.clip(lower=1)).where(orders > 1, 1.0),
        "spend_trend": recent - earlier,
        "lines_per_order": ratio(between("order_lines", 365), between("orders", 365)),
        "refund_rate": ratio(refunds_365, np.maximum(spend_365 + refunds_365, refunds_365)),
        "discount_share": ratio(discount, discount + spend_91),
        "cart_to_order_rate": ratio(orders_91, between("events_cart", 91)),
        "view_to_order_rate": ratio(orders_91, between("events_view", 91)),
        "seconds_per_session": ratio(between("browse_seconds", 91), sessions_91),
        "events_per_session": ratio(between("browse_events", 91), sessions_91),
        "label_ends_on": anchor_on + pd.Timedelta(days=HORIZON),
    }
    return pd.DataFrame(columns)


if __name__ == "__main__":
    run_as_command(build)
