"""Small shops with the dirt of real ones, each value known twice: what it means, and how the shop's tables write it.

The SQL gets the written tables (all text, as a careless export has them), the reference implementation the meant ones, so that
reading text, offsets and junk is part of what is compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

LAST_DAY = dt.date(2024, 4, 10)  # a leap day and a change to summer time lie within the last months
CATEGORIES = ("shoes", "books", "tea", None)
CURRENCIES = ("EUR", "eur", "USD", "usd", "JPY", "XXX", None)
COLUMNS = {
    "order_lines": (
        "order_line_id", "order_id", "user_id", "ordered_at", "product_id", "quantity", "amount", "discount_amount",
        "currency", "cancelled_at", "points",
    ),
    "browse_events": (
        "event_id", "session_id", "user_id", "occurred_at", "event_type", "product_id", "event_count",
        "duration_seconds", "scrolled",
    ),
    "reviews": ("review_id", "user_id", "reviewed_at", "product_id", "rating", "review_text", "helpful"),
    "products": ("product_id", "category", "brand", "list_price"),
    "customers": ("user_id", "signed_up_at"),
    "exchange_rates": ("currency", "valid_from", "rate"),
}  # fmt: skip

TIMES = {"order_lines": "ordered_at", "browse_events": "occurred_at", "reviews": "reviewed_at"}


@dataclass(frozen=True)
class Cell:
    """A value and its spelling; `meant` is None where the spelling is junk."""

    meant: Any
    written: str | None


NOTHING = Cell(None, None)
Rows = dict[str, list[dict[str, Cell]]]


@dataclass(frozen=True)
class DirtyShop:
    """The rows of every relation."""

    rows: Rows

    def meant(self) -> dict[str, pd.DataFrame]:
        """Relation -> frame of typed values, None where there is none."""
        return {
            relation: pd.DataFrame(
                [[row.get(column, NOTHING).meant for column in columns] for row in self.rows[relation]],
                columns=list(columns),
                dtype=object,
            )
            for relation, columns in COLUMNS.items()
        }

    def written(self) -> dict[str, pa.Table]:
        """Relation -> raw table, all text."""
        return {
            relation: pa.table(
                {
                    column: pa.array(
                        [row.get(column, NOTHING).written for row in self.rows[relation]], pa.string()
                    )
                    for column in columns
                }
            )
            for relation, columns in COLUMNS.items()
        }

    def shuffled(self, seed: int) -> DirtyShop:
        """The same rows in another order."""
        rng = np.random.default_rng(seed)
        return DirtyShop(
            {name: [rows[i] for i in rng.permutation(len(rows))] for name, rows in self.rows.items()}
        )


def changing_shop(seed: int, dirt: float, days: int) -> Iterator[DirtyShop]:
    """A shop on some days, its newest rows some days apart: other rows come late, are taken back, or change hands.

    Rows are those of two shops, and many of the second shop's have the key of one of the first's: another user gives it too.
    """
    rng = np.random.default_rng(seed)
    twins = [dirty_shop(seed + twin, users=20, days=150, dirt=dirt).rows for twin in range(2)]
    # Two rates of one day would differ in the case of their currency alone, and either may stay.
    rows = {
        name: [*twins[0][name], *(twins[1][name] if name != "exchange_rates" else [])] for name in COLUMNS
    }
    for name in TIMES:
        key = COLUMNS[name][0]
        for position in np.flatnonzero(rng.random(len(twins[1][name])) < 0.6):
            given = rng.integers(len(twins[0][name]))
            rows[name][len(twins[0][name]) + position] |= {key: twins[0][name][given][key]}
    known = {}
    for name, given in rows.items():
        # Few rows come late or go, and some of the second shop's are never there: most users stay as they are.
        first = np.where(rng.random(len(given)) < 0.01, rng.integers(1, days, len(given)), 0)
        last = np.where(rng.random(len(given)) < 0.01, rng.integers(1, days, len(given)), days)
        is_left_out = (np.arange(len(given)) >= len(twins[0][name])) & (rng.random(len(given)) < 0.3)
        known[name] = (first, np.where(is_left_out, first, last))
    for day in range(days):
        newest = LAST_DAY - dt.timedelta(days=days - 1 - day)
        yield DirtyShop(
            {
                name: [
                    row
                    for row, first, last in zip(given, *known[name], strict=True)
                    if first <= day < last
                    and not newest < _day_of(name, row) < LAST_DAY + dt.timedelta(days=99)
                ]
                for name, given in rows.items()
            }
        )


def _day_of(name: str, row: dict[str, Cell]) -> dt.date:
    """The day of a log's row; the first of all where it has none."""
    time = row[TIMES[name]].meant if name in TIMES else None
    return dt.date.min if time is None else time.date()


def mapping(*relations: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The var purchasing_power__inputs for these relations; `without` names relation.column that are not mapped."""
    own = {"points", "scrolled", "helpful"}
    return {
        relation: {
            "relation": f"shop.{relation}",
            "columns": {
                column: column
                for column in COLUMNS[relation]
                if column not in own and f"{relation}.{column}" not in without
            },
        }
        for relation in relations or COLUMNS
    }


def dirty_shop(seed: int, users: int = 24, days: int = 150, dirt: float = 0.2) -> DirtyShop:
    """Makes a shop.

    Args:
        seed: the same seed gives the same shop.
        users: ordinary shoppers; test users and a bot come on top.
        days: length of the log, which ends on LAST_DAY.
        dirt: share of rows with something wrong, 0 to 1.
    """
    return _Maker(seed, users, days, dirt).shop()


class _Maker:
    def __init__(self, seed: int, users: int, days: int, dirt: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.days, self.dirt = days, dirt
        self.start = dt.datetime.combine(LAST_DAY, dt.time()) - dt.timedelta(days=days - 1)
        self.users = [f"u{number}" for number in range(users)]
        self.products = [f"p{number}" for number in range(130)]
        # Few prices, many times: quartiles and medians that fall on repeated values.
        self.prices = self.rng.choice([0.5, 3, 9.99, 20, 20, 45.5, 200], len(self.products))

    def shop(self) -> DirtyShop:
        rows: Rows = {
            "order_lines": [],
            "browse_events": [],
            "reviews": [],
            "products": self._product_rows(),
            "customers": self._customer_rows(),
            "exchange_rates": self._rate_rows(),
        }
        for user in [*self.users, "qa-1", "TEST_bob"]:
            for _ in range(int(self.rng.integers(0, 12))):
                moment = self._moment()
                for visited in self._visit(user, moment):
                    rows["browse_events"].append(visited)
                if self.rng.random() < 0.7:
                    rows["order_lines"].extend(self._order(user, moment))
                if self.rng.random() < 0.3:
                    rows["reviews"].append(self._review(user, moment))
        if self.dirt:
            rows["browse_events"].extend(self._bot())
            # Later than every row that can be used: it must not move the as-of date.
            rows["order_lines"].extend(self._order(self.users[0], self._later(), currency="XXX"))
        for name, keys in (
            ("order_lines", ("ordered_at", "amount")),
            ("browse_events", ("occurred_at", None)),
            ("reviews", ("reviewed_at", None)),
        ):
            rows[name].extend(self._again(rows[name], *keys))
        return DirtyShop(rows)

    # ------------------------------------------------------------ relations

    def _order(self, user: str, moment: dt.datetime, currency: str | None = None) -> list[dict[str, Cell]]:
        order_id = f"o{self.rng.integers(1 << 40)}"
        cancelled = self.rng.random() < 0.1
        code = currency or str(self.rng.choice(["EUR", "EUR", "eur", "USD", "usd", "JPY"]))
        lines = []
        for number in range(int(self.rng.integers(1, 5))):
            product = int(self.rng.integers(len(self.products)))
            quantity = int(self.rng.integers(1, 4))
            amount = self._amount(self.prices[product] * quantity, code)
            moment_of_line = moment if self.rng.random() < 0.9 else moment + dt.timedelta(hours=2)
            cancelled_at = moment + dt.timedelta(hours=int(self.rng.integers(-30, 24 * 40)))
            lines.append(
                {
                    "order_line_id": self._dirty(_text(f"{order_id}-{number}"), NOTHING),
                    "order_id": self._dirty(_text(order_id), Cell(None, " ")),
                    "user_id": self._user(user),
                    "ordered_at": self._time(moment_of_line),
                    "product_id": self._dirty(_text(self.products[product]), _text("p-unknown"), NOTHING),
                    "quantity": self._dirty(_number(quantity), NOTHING, Cell(None, "two"), _number(0), _number(5000)),
                    "amount": self._dirty(
                        _money(amount), NOTHING, Cell(None, "free"), Cell(None, "nan"), Cell(None, "1e30"),
                        _money(-amount), _money(0), _money(amount * 10_000),
                    ),
                    "discount_amount": self._dirty(
                        _money(amount // 10), NOTHING, _money(-1), _money(amount * 900), Cell(None, "?")
                    ),
                    "currency": _text(code) if code == "XXX" else self._dirty(_text(code), NOTHING, _text("XXX")),
                    "cancelled_at": self._time(cancelled_at, junk=False) if cancelled else NOTHING,
                    "points": self._dirty(_number(round(float(self.rng.normal(5, 3)), 3)), NOTHING),
                }
            )  # fmt: skip
        return lines

    def _visit(self, user: str, moment: dt.datetime) -> list[dict[str, Cell]]:
        session = f"s{self.rng.integers(1 << 40)}" if self.rng.random() < 0.5 else None
        at, events = moment - dt.timedelta(minutes=50), []
        for _ in range(int(self.rng.integers(1, 8))):
            at += dt.timedelta(seconds=int(self.rng.choice([0, 5, 60, 600, 1800, 1801, 4000])))
            kind = str(self.rng.choice(["view", "VIEW", "search", "cart", "Wishlist", "корзина", "scroll"]))
            events.append(
                {
                    "event_id": self._dirty(_text(f"e{self.rng.integers(1 << 40)}"), NOTHING),
                    "session_id": _text(session),
                    "user_id": self._user(user),
                    "occurred_at": self._time(at),
                    "event_type": self._dirty(_text(kind), NOTHING, Cell(None, "")),
                    "product_id": self._dirty(_text(str(self.rng.choice(self.products))), NOTHING),
                    "event_count": self._dirty(
                        _integer(int(self.rng.integers(1, 4))),
                        NOTHING,
                        _integer(-3),
                        _integer(0),
                        _integer(700),
                        _integer(-900_000),
                        Cell(None, "many"),
                    ),
                    "duration_seconds": self._dirty(
                        _number(round(float(self.rng.lognormal(3, 1)), 2)),
                        NOTHING,
                        _number(-1),
                        _number(10**7),
                    ),
                    "scrolled": self._dirty(_number(round(float(self.rng.random()), 4)), NOTHING),
                }
            )
        return events

    def _review(self, user: str, moment: dt.datetime) -> dict[str, Cell]:
        rating = int(self.rng.integers(1, 6))
        return {
            "review_id": self._dirty(_text(f"r{self.rng.integers(1 << 40)}"), NOTHING),
            "user_id": self._user(user),
            "reviewed_at": self._time(moment + dt.timedelta(hours=30)),
            "product_id": self._dirty(_text(str(self.rng.choice(self.products))), NOTHING),
            "rating": self._dirty(_number(rating), NOTHING, _number(0), _number(11), _number(4.5)),
            "review_text": self._dirty(_text(str(self.rng.choice(["bon", "很好", "never again"]))), NOTHING),
            "helpful": self._dirty(_number(int(self.rng.integers(0, 9))), NOTHING),
        }

    def _product_rows(self) -> list[dict[str, Cell]]:
        rows = [
            {
                "product_id": _text(product),
                "category": _text(CATEGORIES[0] if number < 106 else CATEGORIES[1 + number % 3]),
                "brand": _text(f"brand {number % 5}"),
                "list_price": self._dirty(_money(price), NOTHING, _money(0), _money(-5)),
            }
            for number, (product, price) in enumerate(zip(self.products, self.prices, strict=True))
        ]
        again = [dict(row, category=_text("tea")) for row in rows if self.rng.random() < self.dirt / 4]
        nameless = [dict(rows[0], product_id=Cell(None, "  "))] if self.dirt else []
        return rows + again + nameless

    def _customer_rows(self) -> list[dict[str, Cell]]:
        rows = []
        for user in [*self.users[::2], "silent", "qa-1", "dateless"]:
            moment = self._moment() - dt.timedelta(days=int(self.rng.integers(0, 40)))
            signed_up = NOTHING if user == "dateless" else self._time(moment)
            rows.append({"user_id": _text(user), "signed_up_at": signed_up})
        again = [
            dict(row, signed_up_at=self._time(self._moment()))
            for row in rows
            if self.rng.random() < self.dirt
        ]
        return rows + again + ([{"user_id": NOTHING, "signed_up_at": NOTHING}] if self.dirt else [])

    def _rate_rows(self) -> list[dict[str, Cell]]:
        middle = self.start + dt.timedelta(days=self.days // 2)
        rows = [("USD", self.start, "0.92"), ("usd", middle, "0.95"), ("JPY", None, "0.0061")]
        if self.dirt:
            rows += [
                ("USD", middle, "0.5"), ("USD", middle, "0"), ("USD", None, "n/a"), ("XXX", None, "-1"), (None, None, "1"),
            ]  # fmt: skip
        numbers = {"n/a": None}
        return [
            {
                "currency": _text(currency),
                "valid_from": NOTHING if since is None else Cell(since, since.isoformat()),
                "rate": Cell(numbers.get(rate, float(rate) if rate != "n/a" else None), rate),
            }
            for currency, since, rate in rows
        ]

    def _bot(self) -> list[dict[str, Cell]]:
        """One that browses like anybody, then like nobody, to the end of the log and beyond."""
        quiet = self._visit("crawler", self.start + dt.timedelta(days=5, hours=12))
        busy = dt.timedelta(days=self.days // 2)
        storm = [
            row
            for minute in range(60)
            for row in self._visit("crawler", self.start + busy + dt.timedelta(hours=10, minutes=minute))
        ]
        for row in storm:
            row["event_count"] = _integer(40)
        return quiet + storm + self._visit("crawler", self._later())

    def _again(self, rows: list[dict[str, Cell]], time: str, amount: str | None) -> list[dict[str, Cell]]:
        """Rows that came twice: as they were, later, or with another amount."""
        again = []
        for row in rows:
            if self.rng.random() >= self.dirt / 2:
                continue
            kind = self.rng.random()
            if kind < 0.4 and row[time].meant is not None:
                again.append(dict(row, **{time: self._time(row[time].meant + dt.timedelta(minutes=7))}))
            elif kind < 0.6 and amount is not None:
                again.append(dict(row, **{amount: _money(Decimal("7.77"))}))
            else:
                again.append(dict(row))
        return again

    # ------------------------------------------------------------ values

    def _moment(self) -> dt.datetime:
        day = self.start + dt.timedelta(days=int(self.rng.integers(self.days)))
        second = int(self.rng.choice([0, 86_399, self.rng.integers(86_400), self.rng.integers(86_400)]))
        return day + dt.timedelta(seconds=second)

    def _later(self) -> dt.datetime:
        return dt.datetime.combine(LAST_DAY, dt.time(12)) + dt.timedelta(days=9)

    def _amount(self, price: float, currency: str) -> Decimal:
        spread = price * float(self.rng.choice([1, 1, 0.9, 1.3]))
        # Cents, and yen in whole ones: converted amounts have four places at most, so nothing depends on how they are rounded.
        return Decimal(round(spread * 160)) if currency == "JPY" else Decimal(round(spread * 100)) / 100

    def _user(self, user: str) -> Cell:
        return self._dirty(_text(user), Cell(user, f"  {user} "), NOTHING, Cell(None, " "))

    def _dirty(self, clean: Cell, *dirty: Cell) -> Cell:
        return dirty[int(self.rng.integers(len(dirty)))] if self.rng.random() < self.dirt / 3 else clean

    def _time(self, moment: dt.datetime, *, junk: bool = True) -> Cell:
        """A moment in one of the ways in which exports write it, with or without an offset."""
        moment = moment.replace(microsecond=0)
        local = moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo("Europe/Berlin"))
        spellings = [
            moment.isoformat(),
            moment.isoformat(" "),
            f"{moment.isoformat()}Z",
            local.isoformat(),
            f"{moment.isoformat()}.000",
        ]
        if moment.time() == dt.time():
            spellings.append(moment.date().isoformat())
        cell = Cell(moment, spellings[int(self.rng.integers(len(spellings)))])
        if not junk:
            return cell
        return self._dirty(
            cell,
            NOTHING,
            Cell(None, "yesterday"),
            Cell(None, ""),
            Cell(dt.datetime(1970, 1, 1), "1970-01-01"),
            Cell(dt.datetime(2999, 1, 1), "2999-01-01 00:00:00"),
            Cell(moment + dt.timedelta(milliseconds=999), f"{moment.isoformat()}.999"),
        )


def _text(value: str | None) -> Cell:
    return Cell(value, value)


def _number(value: float) -> Cell:
    return Cell(float(value), repr(value))


def _integer(value: int) -> Cell:
    return Cell(value, str(value))


def _money(value: Decimal | float) -> Cell:
    exact = Decimal(str(value)).quantize(Decimal("0.0001"))
    return Cell(exact, str(exact))
