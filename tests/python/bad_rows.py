"""Rows that no shop should hold and some do, each with a name, and what is to become of it.

Each stands in a table of texts beside the tables of a clean simulated shop. `fate` is the reason for which the row is
refused, or what some of its columns are once it is staged.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from shop import INTEGRATION, PACKAGE, Shop
from simulated_shop import SimulatedShop

ON = "2022-06-15 12:00:00"
COLUMNS = {
    "order_lines": (
        "order_line_id", "order_id", "user_id", "ordered_at", "product_id", "quantity", "amount", "discount_amount",
        "currency", "cancelled_at",
    ),
    "browse_events": (
        "event_id", "session_id", "user_id", "occurred_at", "event_type", "product_id", "event_count", "duration_seconds",
    ),
    "reviews": ("review_id", "user_id", "reviewed_at", "product_id", "rating", "review_text"),
    "products": ("product_id", "category", "brand", "list_price", "stock_quantity", "embedding"),
    "customers": ("user_id", "signed_up_at"),
    "exchange_rates": ("currency", "valid_from", "rate"),
}  # fmt: skip
NUMBERS = {
    "quantity",
    "amount",
    "discount_amount",
    "event_count",
    "duration_seconds",
    "rating",
    "list_price",
    "rate",
}
_NOT_MAPPED = {"embedding", "stock_quantity"}
# A usable row of each log; a case says what is different.
_USABLE = {
    "order_lines": {"ordered_at": ON, "product_id": "p-good", "quantity": "1", "amount": "10"},
    "browse_events": {"occurred_at": ON, "event_type": "view"},
    "reviews": {"reviewed_at": ON, "rating": "4"},
    "products": {},
    "customers": {},
    "exchange_rates": {"rate": "2"},
}
KEY = {
    "order_lines": "order_line_id",
    "browse_events": "event_id",
    "reviews": "review_id",
    "products": "product_id",
    "customers": "user_id",
    "exchange_rates": "currency",
}


@dataclass(frozen=True)
class Case:
    """One row, and what is to become of it.

    Attributes:
        relation: the input that it is in.
        fate: a reason, or column -> value of the staged row.
        row: column -> text; what is not named is as in a usable row.
    """

    relation: str
    fate: str | dict[str, Any]
    row: dict[str, str | None] = field(default_factory=dict)


def _order(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("order_lines", fate, row)


def _event(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("browse_events", fate, row)


def _review(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("reviews", fate, row)


def _product(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("products", fate, row)


def _customer(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("customers", fate, row)


def _rate(fate: str | dict[str, Any], **row: str | None) -> Case:
    return Case("exchange_rates", fate, row)


LONG_ID = "x" * 10_000
SQL = "'; drop table purchasing_power__scores; --"
CASES = {
    # amounts
    "amount NULL": _order("invalid_amount", amount=None),
    "amount NaN": _order("invalid_amount", amount="NaN"),
    "amount infinite": _order("invalid_amount", amount="inf"),
    "amount minus infinite": _order("invalid_amount", amount="-Infinity"),
    "amount overflows a double": _order("invalid_amount", amount="1e999"),
    "amount overflows a decimal": _order("invalid_amount", amount="1e300"),
    "amount of forty digits": _order("invalid_amount", amount="9" * 40),
    "amount zero": _order({"amount": 0}, amount="0"),
    "amount minus zero": _order({"amount": 0}, amount="-0.0"),
    "amount negative": _order({"amount": -10}, amount="-10"),
    "amount of a thousandth of a cent": _order({"amount": 0}, amount="0.00001"),
    "amount with a comma": _order("invalid_amount", amount="12,50"),
    "amount with a currency sign": _order("invalid_amount", amount="$12.50"),
    "amount empty": _order("invalid_amount", amount=""),
    "amount of blanks": _order("invalid_amount", amount="   "),
    "amount in words": _order("invalid_amount", amount="ten"),
    "amount is SQL": _order("invalid_amount", amount="10) or (1=1"),
    "amount absurd": _order({"is_outlier": True}, amount="999999999"),
    # quantities and discounts
    "quantity zero": _order({"quantity": 0}, quantity="0"),
    "quantity negative": _order({"quantity": -3}, quantity="-3"),
    "quantity infinite": _order({"is_quantity_missing": True}, quantity="inf"),
    "discount NaN": _order({"is_discount_amount_missing": True}, discount_amount="nan"),
    # times
    "time NULL": _order("invalid_ordered_at", ordered_at=None),
    "time empty": _order("invalid_ordered_at", ordered_at=""),
    "time in words": _order("invalid_ordered_at", ordered_at="yesterday"),
    "time of the 30th of February": _order("invalid_ordered_at", ordered_at="2022-02-30 10:00:00"),
    "time of the 29th of February in no leap year": _order(
        "invalid_ordered_at", ordered_at="2023-02-29 10:00:00"
    ),
    "time of hour 25": _order("invalid_ordered_at", ordered_at="2022-06-15 25:00:00"),
    "time of the epoch": _order("before_earliest_date", ordered_at="1970-01-01 00:00:00"),
    "time of year 1": _order("before_earliest_date", ordered_at="0001-01-01 00:00:00"),
    "time of year 9999": _order("after_as_of_date", ordered_at="9999-12-31 23:59:59"),
    "time of year 294000": _order("invalid_ordered_at", ordered_at="294300-01-01 00:00:00"),
    "time in seconds since 1970": _order("invalid_ordered_at", ordered_at="1655294400"),
    "time of tomorrow's tomorrow": _order("after_as_of_date", ordered_at="2099-01-01 00:00:00"),
    "time that summer time skips": _order(
        {"ordered_at": "2022-03-27 02:30:00"}, ordered_at="2022-03-27 02:30:00"
    ),
    "time with an offset": _order(
        {"ordered_at": "2022-06-15 08:15:00"}, ordered_at="2022-06-15 14:00:00+05:45"
    ),
    "time in UTC by Z": _order({"ordered_at": "2022-06-15 14:00:00"}, ordered_at="2022-06-15T14:00:00Z"),
    "time before midnight by its offset": _order(
        {"ordered_at": "2022-06-14 23:30:00"}, ordered_at="2022-06-15 11:30:00+12:00"
    ),
    "time without a time of day": _order({"ordered_at": "2022-06-15 00:00:00"}, ordered_at="2022-06-15"),
    "cancelled before it was ordered": _order({"cancelled_at": ON}, cancelled_at="2022-06-01 00:00:00"),
    "cancelled at no time": _order({"cancelled_at": None}, cancelled_at="never"),
    # users and keys
    "user NULL": _order("missing_user_id", user_id=None),
    "user empty": _order("missing_user_id", user_id=""),
    "user of blanks": _order("missing_user_id", user_id="  "),
    "user in emoji": _order({"user_id": "👩‍🚀🛒"}, user_id="👩‍🚀🛒"),
    "user with quotes": _order({"user_id": 'o\'neil "the" `buyer`'}, user_id='o\'neil "the" `buyer`'),
    "user is SQL": _order({"user_id": SQL}, user_id=SQL),
    "user of 10 kB": _order({"user_id": LONG_ID}, user_id=LONG_ID),
    "user with a line break": _order({"user_id": "line\nbreak"}, user_id="line\nbreak"),
    "user of a backslash and a percent": _order({"user_id": "50%\\_"}, user_id="50%\\_"),
    "user from right to left": _order({"user_id": "\u202eresu"}, user_id="\u202eresu"),
    "user who is test-": _order("test_user", user_id="test-1"),
    "line twice, with other amounts": _order("duplicate", order_line_id="L-twice", amount="11"),
    "line without an id": _order({"amount": 10}, order_line_id=None),
    # products and currencies
    "product unknown": _order(
        {"product_id": "no such product", "category": None}, product_id="no such product"
    ),
    "product is SQL": _order({"product_id": SQL}, product_id=SQL),
    "currency without a rate": _order("unknown_currency", currency="XXX"),
    "currency in lower case": _order({"amount": 20}, currency="qqq"),
    "currency in emoji": _order("unknown_currency", currency="💶"),
    # browsing
    "event of no type": _event({"event_type": "view"}, event_type=None),
    "event of an unknown type": _event({"event_type": "teleported"}, event_type="Teleported"),
    "event type is SQL": _event({"event_type": SQL.lower()}, event_type=SQL),
    "event count negative": _event({"is_event_count_missing": True}, event_count="-5"),
    "event count overflows": _event({"is_event_count_missing": True}, event_count="99999999999999999999"),
    "event count of a fraction": _event({"event_count": 2}, event_count="2.4"),
    "duration infinite": _event({"is_duration_seconds_missing": True}, duration_seconds="inf"),
    "duration negative": _event({"is_duration_seconds_missing": True}, duration_seconds="-1"),
    "event of no user": _event("missing_user_id", user_id=None),
    "event of no time": _event("invalid_occurred_at", occurred_at=None),
    "event of the future": _event("after_as_of_date", occurred_at="2098-01-01 00:00:00"),
    # reviews
    "rating beyond the scale": _review({"rating": None}, rating="11"),
    "rating NaN": _review({"rating": None}, rating="nan"),
    "review of 100 kB": _review({"rating": 4}, review_text="word " * 20_000),
    "review of emoji alone": _review({"rating": 4}, review_text="😀" * 50),
    "review with a null byte in words": _review({"rating": 4}, review_text="\\x00 \\u0000"),
    "review of no time": _review("invalid_reviewed_at", reviewed_at="soon"),
    # products, customers, rates
    "product without an id": _product("missing_product_id", product_id=None, category="tea"),
    "product twice": _product("duplicate", product_id="p-twice", category="coffee"),
    "list price negative": _product({"list_price": None}, list_price="-4"),
    "list price infinite": _product({"list_price": None}, list_price="inf"),
    "category in emoji": _product({"category": "🍵"}, category="🍵"),
    "customer without an id": _customer("missing_user_id", user_id=None),
    "customer who signed up never": _customer({"signed_up_at": None}, signed_up_at="n/a"),
    "customer who signs up in the future": _customer("after_as_of_date", signed_up_at="2097-01-01"),
    "rate zero": _rate("invalid_rate", currency="ZZZ", rate="0"),
    "rate negative": _rate("invalid_rate", currency="YYY", rate="-1"),
    "rate infinite": _rate("invalid_rate", currency="WWW", rate="inf"),
    "rate of no currency": _rate("missing_currency", currency=None),
}
# What other cases refer to.
_BESIDE = (
    _order(
        {},
        order_line_id="L-twice",
        user_id="beside",
        amount="12",
        discount_amount="1",
        cancelled_at="2022-06-16 10:00:00",
    ),
    _event({}, event_id="e-beside", user_id="beside", event_count="2", duration_seconds="3"),
    _product({}, product_id="p-good", category="tea", brand="b", list_price="10"),
    _product({}, product_id="p-twice", category="tea", brand="b", list_price="3"),
    _customer({}, user_id="beside", signed_up_at="2022-05-01"),
    _rate({}, currency="QQQ", valid_from="2022-01-01"),
)


def key_of(name: str) -> str:
    """Gives the key of a case's row, where the case names none itself."""
    return f"case {name}"


def tables() -> dict[str, pa.Table]:
    """Gives a table of texts for each input."""
    rows: dict[str, list[dict[str, str | None]]] = {relation: [] for relation in COLUMNS}
    for name, case in CASES.items():
        usable = {"user_id": f"user of {name}", KEY[case.relation]: key_of(name), **_USABLE[case.relation]}
        rows[case.relation].append({**usable, **case.row})
    for case in _BESIDE:
        rows[case.relation].append({**_USABLE[case.relation], **case.row})
    return {
        relation: pa.table(
            {name: pa.array([row.get(name) for row in rows[relation]], pa.string()) for name in columns}
        )
        for relation, columns in COLUMNS.items()
    }


def make_shop(folder: Path) -> Shop:
    """Makes a project of a clean simulated shop, beside each of whose tables stands one of bad rows."""
    simulated = SimulatedShop.make(folder / "raw", 150, 150, horizon_days=28, seed=3)
    for name in ("profiles.yml", "selectors.yml"):
        shutil.copy(INTEGRATION / name, folder / name)
    (folder / "shop").mkdir()
    proposed = yaml.safe_load((simulated.folder / "purchasing_power_vars.yml").read_text(encoding="utf-8"))
    proposed["vars"]["purchasing_power__explained_users"] = 16
    inputs = proposed["vars"]["purchasing_power__inputs"]
    for relation, table in tables().items():
        pq.write_table(table, folder / "raw" / f"bad_{relation}.parquet")
        mapped = inputs[relation] if isinstance(inputs[relation], list) else [inputs[relation]]
        columns = {name: name for name in COLUMNS[relation] if name not in _NOT_MAPPED}
        inputs[relation] = [*mapped, {"relation": f"raw/bad_{relation}.parquet", "columns": columns}]
    project: dict[str, Any] = {"name": "bad_rows", "config-version": 2, "profile": "corner_shop", **proposed}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(project), encoding="utf-8")
    shop = Shop(folder)
    shop.install(PACKAGE)
    return shop
