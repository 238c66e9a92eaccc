"""The feature build of the simulated shop by hand in Polars: lazy, on the streaming engine.

Gives the numbers of `purchasing_power__user_steps` and `purchasing_power__anchors` from the same Parquet
files. It is written for this very shop: no contract, no reasons for refused rows, no settings but the
defaults. What was fitted and frozen (fences, medians, sentiment of texts, factors of embeddings) is given.

    python benchmarks/features_polars.py SHOP FROZEN OUT
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
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

STREAMING: Any = "streaming"


def build(shop: Path, frozen: Path, out: Path) -> None:
    """Writes `user_steps.parquet` and `anchors.parquet` into a folder.

    Args:
        shop: The simulated shop's folder.
        frozen: The folder that `features_common.freeze` filled.
        out: Where the two files go.
    """
    cleaning = pl.read_parquet(frozen / "cleaning.parquet")
    products = _products(shop, frozen, cleaning)
    events = _events(shop, cleaning)
    lines = _order_lines(shop, products, cleaning)
    reviews = _reviews(shop, frozen)
    newest = pl.concat([rows.select("at") for rows in (events, lines, reviews)]).get_column("at").max()
    assert isinstance(newest, dt.datetime)
    as_of = newest.date() + dt.timedelta(days=1)
    steps = _steps(events, lines, reviews, products, as_of)
    names = pl.col("user_id").cast(pl.String)
    steps.lazy().select(
        names,
        "step_index",
        "step_on",
        "step_started_at",
        *(pl.col(name) / MONEY if name in MONEY_COLUMNS else name for name in CHANNELS),
    ).sink_parquet(out / "user_steps.parquet", engine=STREAMING)

    anchors = _anchors(steps, _users(shop, steps, as_of), as_of)
    anchors.lazy().with_columns(names).sink_parquet(out / "anchors.parquet", engine=STREAMING)


def _time(column: str) -> pl.Expr:
    text = pl.col(column)
    plain = text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    zoned = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", strict=False)
    return pl.when(text.str.len_bytes() == 19).then(plain).otherwise(zoned.dt.replace_time_zone(None))


def _user() -> pl.Expr:
    return pl.col("customer_id").cast(pl.Categorical).alias("user_id")


def _is_customer() -> pl.Expr:
    return pl.col("customer_id").is_not_null() & ~pl.col("customer_id").str.starts_with("test-")


def _money(value: pl.Expr) -> pl.Expr:
    return (value * MONEY).round(0, mode="half_away_from_zero").cast(pl.Int64)


def _products(shop: Path, frozen: Path, cleaning: pl.DataFrame) -> pl.DataFrame:
    """Gives a row a product: category, what looking at it says of the price level, factors."""
    usual = _by_category(cleaning, "products", "list_price", "median")
    factors = pl.read_parquet(frozen / "factors.parquet")
    return (
        pl.read_parquet(shop / "products.parquet", columns=["product_id", "category", "price"])
        .unique("product_id")
        .join(usual, on="category", how="left")
        .join(factors, on="product_id", how="left")
        .select(
            pl.col("product_id", "category").cast(pl.Categorical),
            _log_ratio(pl.col("price"), pl.col("median")).alias("price_level"),
            *FACTORS,
        )
    )


def _log_ratio(price: pl.Expr, usual: pl.Expr) -> pl.Expr:
    return pl.when((price > 0) & (usual > 0)).then((price / usual).log().round(6))


def _by_category(cleaning: pl.DataFrame, relation: str, column: str, parameter: str) -> pl.DataFrame:
    chosen = (pl.col("relation") == relation) & (pl.col("column_name") == column)
    return cleaning.filter(chosen, pl.col("category").is_not_null()).select("category", parameter)


def _overall(cleaning: pl.DataFrame, relation: str, column: str) -> float:
    chosen = (pl.col("relation") == relation) & (pl.col("column_name") == column)
    fence: float = cleaning.filter(chosen, pl.col("category").is_null()).get_column("upper_fence").item()
    return fence


def _events(shop: Path, cleaning: pl.DataFrame) -> pl.DataFrame:
    """Gives the usable browse events, each once."""
    known = (
        pl.scan_parquet(shop / "events.parquet")
        .filter(_is_customer())
        .select(
            _user(),
            "event_id",
            "session_id",
            "kind",
            _time("at").alias("at"),
            pl.col("product_id").cast(pl.Categorical),
            pl.when(pl.col("seconds") >= 0).then("seconds").fill_null(0).alias("seconds"),
        )
        .filter(pl.col("at").is_not_null())
        .collect(engine=STREAMING)
    )
    bots = (
        known.lazy()
        .group_by("user_id", pl.col("at").dt.date().alias("step_on"))
        .len()
        .filter(pl.col("len") > BOT_EVENTS_PER_DAY)
        .group_by("user_id")
        .agg(pl.col("step_on").min().alias("bot_from"))
    )
    return (
        known.lazy()
        .join(bots, on="user_id", how="left")
        .filter(pl.col("bot_from").is_null() | (pl.col("at") < pl.col("bot_from")))
        .unique("event_id", keep="any")
        .with_columns(
            pl.col("at").dt.date().alias("step_on"),
            pl.col("seconds").clip(upper_bound=_overall(cleaning, "browse_events", "duration_seconds")),
        )
        .drop("event_id", "bot_from")
        .collect(engine=STREAMING)
    )


def _order_lines(shop: Path, products: pl.DataFrame, cleaning: pl.DataFrame) -> pl.DataFrame:
    """Gives the usable order lines and what was given back, each once; money in ten-thousandths."""
    rates = (
        pl.read_parquet(shop / "exchange_rates.parquet")
        .select("currency", "rate", valid_from=_time("valid_from"))
        .unique(["currency", "valid_from"])
        .sort("currency", "valid_from")
    )
    first_rates = rates.group_by("currency").agg(pl.col("rate").first().alias("first_rate"))
    columns = ("customer_id", "product_id", "order_id", "currency", "quantity")
    bought = (
        pl.scan_parquet(shop / "orders.parquet")
        .select(
            *columns,
            at=_time("ordered_at"),
            cancelled_at=_time("cancelled_at"),
            amount="paid",
            discount="discount",
            id="line_id",
        )
        .unique("id")
    )
    refunds = (
        pl.scan_parquet(shop / "refunds.parquet")
        .select(*columns, at=_time("refunded_at"), amount=-pl.col("amount"), id="refund_id")
        .unique("id")
    )
    lines = pl.concat([bought, refunds], how="diagonal").filter(
        _is_customer(), pl.col("at").is_not_null(), pl.col("amount").is_not_null()
    )
    priced = (
        lines.sort("at")
        .join_asof(
            rates.lazy().sort("valid_from"),
            left_on="at",
            right_on="valid_from",
            by="currency",
            strategy="backward",
            check_sortedness=False,
        )
        .join(first_rates.lazy(), on="currency", how="left")
        .with_columns(rate=pl.coalesce("rate", "first_rate"))
        .with_columns(
            amount=_money(pl.col("amount").round(4) * pl.col("rate")),
            discount=_money(pl.col("discount").round(4) * pl.col("rate")),
            product_id=pl.col("product_id").cast(pl.Categorical),
        )
    )
    fenced = priced.join(products.lazy().drop("price_level"), on="product_id", how="left")
    for column in ("amount", "quantity", "discount"):
        named = "discount_amount" if column == "discount" else column
        fence = _by_category(cleaning, "order_lines", named, "upper_fence").with_columns(
            pl.col("category").cast(pl.Categorical)
        )
        overall = _overall(cleaning, "order_lines", named)
        limit = pl.col("upper_fence").fill_null(overall)
        if column != "quantity":
            limit = _money(limit)
        fenced = (
            fenced.join(fence.lazy(), on="category", how="left")
            .with_columns(
                pl.when(pl.col(column).abs() > limit)
                .then(pl.col(column).sign() * limit)
                .otherwise(pl.col(column))
                .alias(column)
            )
            .drop("upper_fence")
        )
    usual = _by_category(cleaning, "order_lines", "unit_price", "median").with_columns(
        pl.col("category").cast(pl.Categorical)
    )
    return (
        fenced.join(usual.lazy(), on="category", how="left")
        .with_columns(pl.col("quantity").fill_null(1.0), pl.col("discount").fill_null(0))
        .select(
            _user(),
            "order_id",
            "product_id",
            "category",
            "at",
            "amount",
            "quantity",
            "discount",
            pl.max_horizontal("cancelled_at", "at").alias("given_back_at"),
            pl.col("cancelled_at").is_not_null().alias("is_cancelled"),
            _log_ratio(pl.col("amount") / MONEY / pl.col("quantity"), pl.col("median")).alias("price_level"),
            *FACTORS,
        )
        .collect(engine=STREAMING)
    )


def _reviews(shop: Path, frozen: Path) -> pl.DataFrame:
    sentiment = pl.scan_parquet(frozen / "sentiment.parquet")
    stars = pl.when(pl.col("stars").is_between(1, 5)).then("stars")
    return (
        pl.scan_parquet(shop / "reviews.parquet")
        .filter(_is_customer())
        .unique("review_id")
        .join(sentiment, on="review_id", how="left")
        .select(
            _user(),
            _time("reviewed_at").alias("at"),
            pl.coalesce((2.0 * (stars - 1) / 4 - 1).round(6), "sentiment").alias("sentiment"),
        )
        .filter(pl.col("at").is_not_null())
        .collect(engine=STREAMING)
    )


def _steps(
    events: pl.DataFrame, lines: pl.DataFrame, reviews: pl.DataFrame, products: pl.DataFrame, as_of: dt.date
) -> pl.DataFrame:
    """Gives a row a user and day, in the order of users and days; money in ten-thousandths."""
    hour = pl.col("at").dt.hour() * HOUR_TO_RADIANS
    common = (
        pl.col("at").min().alias("step_started_at"),
        pl.len().alias("rows"),
        hour.sin().round(8).sum().alias("hour_sin"),
        hour.cos().round(8).sum().alias("hour_cos"),
    )
    factors = (
        *(pl.col(factor).sum() for factor in FACTORS),
        pl.col(FACTORS[0]).count().alias("factor_rows"),
    )
    browsed = (
        events.lazy()
        .join(products.lazy(), on="product_id", how="left")
        .group_by(BY_STEP)
        .agg(
            *common,
            *factors,
            pl.len().alias("browse_events"),
            pl.col("seconds").sum().alias("browse_seconds"),
            *((pl.col("kind") == kind).sum().alias(f"events_{kind}") for kind in KINDS),
            pl.col("product_id").drop_nulls().n_unique().alias("products_browsed"),
            pl.col("category").drop_nulls().n_unique().alias("categories_browsed"),
            pl.col("price_level").mean().alias("price_level_viewed"),
        )
    )
    with_session = pl.col("session_id").is_not_null()
    begun = events.lazy().filter(with_session).group_by("user_id", "session_id").agg(pl.col("step_on").min())
    gap = pl.col("at").diff().over("user_id")
    begun_after_gap = (
        events.lazy()
        .filter(~with_session)
        .sort(pl.col("user_id").to_physical(), "at")
        .filter(gap.is_null() | (gap > pl.duration(minutes=SESSION_GAP_MINUTES)))
    )
    sessions = (
        pl.concat([begun.select(BY_STEP), begun_after_gap.select(BY_STEP)])
        .group_by(BY_STEP)
        .agg(pl.len().alias("sessions"))
    )
    on_day = pl.col("at").dt.date().alias("step_on")
    bought_lines = lines.lazy().filter(pl.col("amount") >= 0).with_columns(on_day)
    bought = bought_lines.group_by(BY_STEP).agg(
        *common,
        *factors,
        pl.col("amount").sum().alias("spend"),
        pl.col("order_id").filter(pl.col("amount") > 0).n_unique().alias("orders"),
        pl.len().alias("order_lines"),
        pl.col("quantity").sum().alias("units"),
        pl.col("discount").sum(),
        pl.col("amount").max().alias("highest_line_amount"),
        pl.col("price_level").mean().alias("price_level_bought"),
        pl.col("product_id").drop_nulls().n_unique().alias("products_bought"),
        pl.col("category").drop_nulls().n_unique().alias("categories_bought"),
    )
    count = pl.col("lines").sum()
    terms = (pl.col("lines") * pl.col("lines").cast(pl.Float64).log()).round(8).sum()
    entropy = (
        bought_lines.filter(pl.col("category").is_not_null())
        .group_by(*BY_STEP, "category")
        .agg(pl.len().cast(pl.Int64).alias("lines"))
        .group_by(BY_STEP)
        .agg((count.cast(pl.Float64).log() - terms / count).round(6).alias("category_entropy"))
    )
    cancelled = pl.col("is_cancelled") & (pl.col("amount") > 0) & (pl.col("given_back_at") < as_of)
    given_back = (
        lines.lazy()
        .filter(cancelled | (pl.col("amount") < 0))
        .with_columns(at=pl.when(pl.col("amount") < 0).then("at").otherwise("given_back_at"))
        .with_columns(on_day)
        .group_by(BY_STEP)
        .agg(*common, spend=-pl.col("amount").abs().sum(), refunds=pl.col("amount").abs().sum())
    )
    reviewed = (
        reviews.lazy()
        .with_columns(on_day)
        .group_by(BY_STEP)
        .agg(*common, pl.len().alias("reviews"), pl.col("sentiment").sum())
    )
    added = (
        *("rows", "hour_sin", "hour_cos", "factor_rows", *FACTORS, "browse_events", "browse_seconds"),
        *(f"events_{kind}" for kind in KINDS),
        *("products_browsed", "categories_browsed", "price_level_viewed", "sessions", "spend", "orders"),
        *("order_lines", "units", "discount", "highest_line_amount", "price_level_bought", "products_bought"),
        *("categories_bought", "category_entropy", "refunds", "reviews", "sentiment"),
    )
    weekday = (pl.col("step_on").dt.weekday() - 1) * WEEKDAY_TO_RADIANS
    order_on = pl.when(pl.col("orders") > 0).then("step_on")
    previous_order_on = order_on.shift(1).forward_fill().over("user_id")
    since_order = (pl.col("step_on") - previous_order_on).dt.total_days().fill_null(0)
    return (
        pl.concat([browsed, sessions, bought, entropy, given_back, reviewed], how="diagonal_relaxed")
        .group_by(BY_STEP)
        .agg(pl.col("step_started_at").min(), pl.col(added).sum())
        .sort(pl.col("user_id").to_physical(), "step_on")
        .with_columns(
            pl.col("hour_sin", "hour_cos") / pl.col("rows"),
            *((pl.col(factor) / pl.col("factor_rows")).fill_nan(0) for factor in FACTORS),
            step_index=pl.int_range(1, pl.len() + 1).over("user_id"),
            days_since_previous_step=pl.col("step_on").diff().over("user_id").dt.total_days().fill_null(0),
            days_since_previous_order=pl.when(pl.col("orders") > 0).then(since_order).otherwise(0),
            weekday_sin=weekday.sin(),
            weekday_cos=weekday.cos(),
            order_on=order_on,
            active_steps=1,
        )
        .collect(engine=STREAMING)
    )


def _users(shop: Path, steps: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Gives a row a user with a date: when first seen, and the split."""
    signed_up = (
        pl.scan_parquet(shop / "customers.parquet")
        .filter(_is_customer())
        .select(_user(), seen_on=_time("signed_up_at").dt.date())
        .filter(pl.col("seen_on").is_null() | (pl.col("seen_on") < as_of))
        .group_by("user_id")
        .agg(pl.col("seen_on").min())
    )
    seen = steps.lazy().group_by("user_id").agg(pl.col("step_on").min().alias("seen_on"))
    users = (
        pl.concat([signed_up, seen])
        .group_by("user_id")
        .agg(pl.col("seen_on").min().alias("first_seen_on"))
        .filter(pl.col("first_seen_on").is_not_null())
        .collect(engine=STREAMING)
    )
    names = users.get_column("user_id").cast(pl.String).to_list()
    split = [
        "validation" if hashlib.md5(name.encode()).hexdigest()[:2] < VALIDATION_BELOW else "train"
        for name in names
    ]
    return users.with_columns(pl.Series("split", split))


def _anchors(steps: pl.DataFrame, users: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """Gives a row a user and anchor: context and labels; money in the shop's currency."""
    first_order_on = steps.get_column("order_on").min()
    assert isinstance(first_order_on, dt.date)
    dates = [as_of - dt.timedelta(days=HORIZON + ANCHOR_STEP_DAYS * number) for number in range(ANCHOR_LIMIT)]
    kept = [day for day in dates if day >= first_order_on + dt.timedelta(days=HORIZON) or day == dates[0]]
    anchors = (
        users.lazy()
        .join(pl.LazyFrame({"anchor_on": kept}), how="cross")
        .filter(pl.col("first_seen_on") < pl.col("anchor_on"))
        .sort(pl.col("user_id").to_physical(), "anchor_on")
        .collect(engine=STREAMING)
    )
    order_gap = pl.col("days_since_previous_order").replace(0, None)
    means = (pl.when(pl.col(count) > 0).then(name).fill_null(0).alias(name) for name, count in MEANS.items())
    counts = (
        (pl.col(count) > 0).cast(pl.Int64).alias(f"steps_with_{count}") for count in set(MEANS.values())
    )
    # The sum over a window is a difference of two running sums, each found as of a day.
    running = (
        steps.lazy()
        .select(
            *BY_STEP,
            *TOTALS,
            "order_lines",
            *SUMS,
            *means,
            *counts,
            order_gaps=order_gap.is_not_null().cast(pl.Int64),
            order_gap_total=order_gap.fill_null(0),
            order_gap_square_total=order_gap.fill_null(0) ** 2,
        )
        .with_columns(cs.integer().cast(pl.Int64))
        .with_columns(pl.exclude(*BY_STEP).cum_sum().over("user_id"))
        .with_columns(
            steps.select(
                last_step_on="step_on",
                last_order_on=pl.col("order_on").forward_fill().over("user_id"),
                first_order_on=pl.col("order_on").min().over("user_id"),
            )
        )
        .collect(engine=STREAMING)
    )
    newest_days = ("last_step_on", "last_order_on", "first_order_on")
    means_and_counts = [*MEANS, *(f"steps_with_{count}" for count in set(MEANS.values()))]
    everything = [name for name in running.columns if name not in (*BY_STEP, *newest_days)]

    def as_of_days_back(days: int, names: Sequence[str]) -> pl.LazyFrame:
        """Gives the running sums before the day that lies so many days before each anchor."""
        return (
            anchors.lazy()
            .select("user_id", on=pl.col("anchor_on") - pl.duration(days=days))
            .join_asof(
                running.lazy().select(*BY_STEP, *names),
                left_on="on",
                right_on="step_on",
                by="user_id",
                strategy="backward",
                allow_exact_matches=False,
                check_sortedness=False,
            )
            .select(pl.col(names).name.suffix(f"_{days}"))
            .with_columns(pl.exclude([f"{name}_{days}" for name in newest_days]).fill_null(0))
        )

    bounds: dict[int, Sequence[str]] = {
        0: [*everything, *newest_days],
        7: [*TOTALS, *SUMS],
        28: [*TOTALS, *SUMS, *means_and_counts],
        91: [*TOTALS, *SUMS, *means_and_counts],
        HORIZON: TOTALS,
        2 * HORIZON: TOTALS,
        365: [*TOTALS, "order_lines", "refunds"],
        -HORIZON: ["spend", "orders"],
    }
    highest = (
        pl.concat(
            [
                steps.lazy().select("user_id", "spend", on="step_on", is_anchor=False),
                anchors.lazy().select(
                    "user_id", spend=pl.lit(None, pl.Int64), on="anchor_on", is_anchor=True
                ),
            ]
        )
        .sort(pl.col("user_id").to_physical(), "on")
        .with_columns(
            highest_step_spend=pl.col("spend").rolling_max_by("on", "365d", closed="left").over("user_id")
        )
        .filter("is_anchor")
        .select(pl.col("highest_step_spend").fill_null(0) / MONEY)
    )
    parts = [anchors.lazy(), highest, *(as_of_days_back(days, names) for days, names in bounds.items())]
    return pl.concat(parts, how="horizontal").select(_context()).collect(engine=STREAMING)


def _sum(name: str, first: int, last: int = 0) -> pl.Expr:
    """Gives a sum over the days from `first` to before `last`, both counted back from the anchor."""
    total = pl.col(f"{name}_{last}") - pl.col(f"{name}_{first}")
    return total / MONEY if name in MONEY_COLUMNS else total


def _total(name: str) -> pl.Expr:
    return pl.col(f"{name}_0") / MONEY if name in MONEY_COLUMNS else pl.col(f"{name}_0")


def _ratio(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    return pl.when(below != 0).then(above / below).otherwise(0.0)


def _days(earlier: str | pl.Expr, later: str | pl.Expr) -> pl.Expr:
    first = pl.col(earlier) if isinstance(earlier, str) else earlier
    last = pl.col(later) if isinstance(later, str) else later
    return (last - first).dt.total_days()


def _context() -> list[pl.Expr]:
    """Gives the columns of the anchors' table over the running sums."""
    tenure = _days("first_seen_on", "anchor_on")
    since_order = _days("last_order_on_0", "anchor_on")
    between_orders = _days("first_order_on_0", "last_order_on_0")
    orders, gaps = _total("orders"), _total("order_gaps")
    mean_gap = _total("order_gap_total") / gaps
    gap_variance = _total("order_gap_square_total") / gaps - mean_gap**2
    spend_365, refunds_365 = _sum("spend", 365), _sum("refunds", 365)
    discount, spend_91 = _sum("discount", 91).clip(0), _sum("spend", 91).clip(0)
    orders_91, sessions_91 = _sum("orders", 91), _sum("sessions", 91)
    long_rate = 28.0 / tenure.clip(SHORTEST_TENURE, 365)
    total_rate = 28.0 / tenure.clip(SHORTEST_TENURE)
    before = f"before_last_{HORIZON}d"
    columns = {
        "steps_before": _total("active_steps"),
        "label_spend": _sum("spend", 0, -HORIZON).clip(0),
        "label_orders": _sum("orders", 0, -HORIZON),
        **{f"{name}_{days}d": _sum(name, days) for days in (7, 28, HORIZON, 91) for name in TOTALS},
        **{f"{name}_{before}": _sum(name, 2 * HORIZON, HORIZON) for name in TOTALS},
        **{f"{name}_rate_365d": _sum(name, 365) * long_rate for name in TOTALS},
        **{f"{name}_rate_total": _total(name) * total_rate for name in TOTALS},
        **{f"{name}_{days}d": _sum(name, days) for name in SUMS for days in (7, 28, 91)},
        **{
            f"{name}_{days}d": _ratio(_sum(name, days), _sum(f"steps_with_{count}", days))
            for name, count in MEANS.items()
            for days in (28, 91)
        },
        "tenure_days": tenure,
        "days_since_last_step": _days("last_step_on_0", "anchor_on").fill_null(tenure + 1),
        "days_since_last_order": since_order.fill_null(tenure + 1),
        "days_per_order": pl.when(orders > 1).then(between_orders / (orders - 1)).otherwise(tenure + 1),
        "spend_per_order": _ratio(spend_365, _sum("orders", 365)),
        "order_gap_variation": pl.when(gaps >= 2).then(gap_variance.clip(0).sqrt() / mean_gap).otherwise(1.0),
        "overdue": pl.when(orders > 1)
        .then(since_order / (between_orders / (orders - 1)).clip(1))
        .otherwise(1.0),
        "spend_trend": _sum("spend", HORIZON).clip(0).log1p()
        - _sum("spend", 2 * HORIZON, HORIZON).clip(0).log1p(),
        "lines_per_order": _ratio(_sum("order_lines", 365), _sum("orders", 365)),
        "refund_rate": _ratio(refunds_365, pl.max_horizontal(spend_365 + refunds_365, refunds_365)),
        "discount_share": _ratio(discount, discount + spend_91),
        "cart_to_order_rate": _ratio(orders_91, _sum("events_cart", 91)),
        "view_to_order_rate": _ratio(orders_91, _sum("events_view", 91)),
        "seconds_per_session": _ratio(_sum("browse_seconds", 91), sessions_91),
        "events_per_session": _ratio(_sum("browse_events", 91), sessions_91),
        "label_ends_on": pl.col("anchor_on") + pl.duration(days=HORIZON),
    }
    given = ("user_id", "anchor_on", "first_seen_on", "split", "highest_step_spend")
    return [pl.col(given), *(value.alias(name) for name, value in columns.items())]


if __name__ == "__main__":
    run_as_command(build)
