"""What real logs suffer from, added to the clean rows of a shop.

The shop below is the same: customers, their lives and the truth do not move, and whatever is dirty at some
level is so at every higher one. Values are damaged first, then rows are repeated (so copies are exact), then
moved.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from purchasing_power.simulator.block import IDS_PER_CUSTOMER, Block, Shop, sort_by
from purchasing_power.simulator.config import BLOCK_USERS
from purchasing_power.simulator.rates import CURRENCIES
from purchasing_power.simulator.sessions import DAY_SECONDS, KINDS, VIEW
from purchasing_power.simulator.streams import Streams
from purchasing_power.simulator.tables import NO_TIME, TABLES, TIME, Column, Rows, stack

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# The share of rows that each kind of damage meets at dirt 1, and X times it at dirt X. The last three are
# shares of customers: those who pay in another currency, and how many bots and test users come beside them.
RATES = {
    "duplicate": 0.12,
    "out_of_order": 0.15,
    "late": 0.10,
    "missing_customer": 0.05,
    "missing_product": 0.05,
    "missing_time": 0.05,
    "missing_amount": 0.05,
    "missing_session": 0.15,
    "negative_amount": 0.025,
    "absurd_amount": 0.025,
    "utc_offset": 0.20,
    "damaged_text": 0.05,
    "other_currency": 0.25,
    "bot": 0.01,
    "test_user": 0.01,
}

ABSURD_FACTOR = 1e6
_OFFSETS = np.array([-480.0, -300.0, 60.0, 120.0, 330.0, 480.0])

_AMOUNTS = {
    "events": "seconds",
    "orders": "paid",
    "refunds": "amount",
    "reviews": "stars",
    "products": "price",
}
_IDS = {"customer_id": "missing_customer", "session_id": "missing_session", "product_id": "missing_product"}
# Tables of things, where a row without its id would be no row.
_REGISTERS = ("customers", "products")

# What a type of event looks like after a byte order mark, a broken byte, a stray control character.
_DAMAGES = ("\ufeff{}", "{}\ufffd", "{}\x1f")
DAMAGED_KINDS = tuple(damage.format(kind) for damage in _DAMAGES for kind in KINDS)

_BOT_DAYS = (2, 6)
_BOT_EVENTS_A_DAY = (1_500, 5_000)
_TEST_ORDERS = (1, 5)
_TEST_AMOUNT = (50_000.0, 500_000.0)


def soil(shop: Shop, block: Block) -> Block:
    """Adds dirt to a block's rows; a clean shop's stay as they are."""
    dirt = shop.config.dirt
    if dirt == 0:
        return block
    streams = Streams(shop.config.seed, block.number)
    names, tables, planted = _plant(shop, block, streams)
    rows = {name: tables.get(name, table) for name, table in block.rows.items()}
    for table in ("orders", "refunds"):
        _convert(rows[table], shop, streams)
    for table in ("customers", "events", "orders", "refunds", "reviews"):
        rows[table] = _soil_rows(rows[table], dirt, streams)
    words = {"customer_id": names, "kind": np.array([*KINDS, *DAMAGED_KINDS])}
    return Block(block.number, words, {**rows, "planted": planted})


def soil_products(shop: Shop, products: Rows) -> Rows:
    """Adds dirt to the products."""
    return _soil_rows(products, shop.config.dirt, Streams(shop.config.seed)) if shop.config.dirt else products


def _soil_rows(rows: Rows, dirt: float, streams: Streams) -> Rows:
    def hit(kind: str) -> Flags:
        drawn = streams(f"{kind} in {rows.table}").random(len(rows))
        return np.asarray(drawn < RATES[kind] * dirt)

    columns = rows.columns
    if rows.table not in _REGISTERS:
        for column, kind in _IDS.items():
            if column in columns:
                columns[column] = np.where(hit(kind), -1, columns[column])
    if rows.table in _AMOUNTS:
        amount = columns[_AMOUNTS[rows.table]]
        amount = np.where(hit("negative_amount"), -amount, amount)
        amount = np.where(hit("absurd_amount"), ABSURD_FACTOR * amount, amount)
        columns[_AMOUNTS[rows.table]] = np.where(hit("missing_amount"), np.nan, amount)
    times = [name for name, kind in TABLES[rows.table].items() if kind == TIME]
    if times:
        columns[times[0]] = np.where(hit("missing_time"), NO_TIME, columns[times[0]])
        written = streams(f"offsets in {rows.table}").choice(_OFFSETS, size=len(rows))
        rows.offsets.update(dict.fromkeys(times, np.where(hit("utc_offset"), written, np.nan)))
    if rows.table == "events":
        variant = 1 + streams("damages").integers(len(_DAMAGES), size=len(rows))
        columns["kind"] = columns["kind"] + np.where(hit("damaged_text"), len(KINDS) * variant, 0)
    if rows.table == "reviews":
        columns["text"] = _damage_texts(columns["text"], hit("damaged_text"), streams)
    repeated = np.repeat(np.arange(len(rows)), 1 + hit("duplicate"))
    return _move(rows.take(repeated), dirt, streams)


def _move(rows: Rows, dirt: float, streams: Streams) -> Rows:
    """Moves some rows to where others stood, and late ones to the end of the block."""
    count = len(rows)
    place = np.arange(count)
    drawn = streams(f"out_of_order in {rows.table}").random(count)
    moved = np.flatnonzero(drawn < RATES["out_of_order"] * dirt)
    place[moved] = streams(f"order of {rows.table}").permutation(moved)
    late = streams(f"late in {rows.table}").random(count) < RATES["late"] * dirt
    return rows.take(np.concatenate([place[~late], place[late]]))


def _convert(rows: Rows, shop: Shop, streams: Streams) -> None:
    """Writes some customers' orders, and what comes back of them, in another currency."""
    # By customer, so that an order and its refunds agree.
    draw = streams("currencies").random((BLOCK_USERS, 2))
    customer = np.minimum(rows.columns["customer_id"], BLOCK_USERS - 1)
    other = 1 + (draw[customer, 1] * (len(CURRENCIES) - 1)).astype(np.int64)
    chosen = draw[customer, 0] < RATES["other_currency"] * shop.config.dirt
    currency = np.where(chosen & (rows.columns["customer_id"] < BLOCK_USERS), other, 0)
    time = next(name for name, kind in TABLES[rows.table].items() if kind == TIME)
    rate = shop.rates.at(rows.columns[time] // DAY_SECONDS, currency)
    rows.columns["currency"] = currency
    for name in ("paid", "discount", "amount"):
        if name in rows.columns:
            rows.columns[name] = np.round(rows.columns[name] / rate, 2)


def _damage_texts(texts: Column, damaged: Flags, streams: Streams) -> Column:
    kind = streams("text damages").random((len(texts), 2))
    result = texts.copy()
    for row in np.flatnonzero(damaged):
        text = str(texts[row])
        at = int(kind[row, 1] * len(text))
        if kind[row, 0] < 1 / 3 and not text.isascii():
            # UTF-8 that was read as Latin-1.
            result[row] = text.encode().decode("latin-1")
        elif kind[row, 0] < 2 / 3:
            result[row] = text[:at] + "\ufffd" + text[at + 1 :]
        else:
            result[row] = text[:at] + "\x07" + text[at:]
    return result


def _plant(shop: Shop, block: Block, streams: Streams) -> tuple[Column, dict[str, Rows], Rows]:
    """Adds bots and test users beside the customers.

    Returns:
        The block's customer ids with theirs, the tables that they are in, and the rows of `planted`.
    """
    dirt, seed = shop.config.dirt, shop.config.seed
    draw = streams("planted").random((2, BLOCK_USERS))
    first = block.number * BLOCK_USERS
    inside = first + np.arange(BLOCK_USERS) < shop.config.users
    bots = np.flatnonzero(inside & (draw[0] < RATES["bot"] * dirt)).tolist()
    testers = np.flatnonzero(inside & (draw[1] < RATES["test_user"] * dirt)).tolist()
    strangers = [f"v{first + bot:08}" for bot in bots] + [f"test-{first + tester:08}" for tester in testers]
    names = np.array([*block.words["customer_id"], *strangers], dtype=object)
    known = len(block.words["customer_id"])
    events, orders = block.rows["events"], block.rows["orders"]
    for place, bot in enumerate(bots):
        events = stack(events, _bot_rows(shop, Streams(seed, first + bot), first + bot, known + place))
    for place, tester in enumerate(testers):
        at = known + len(bots) + place
        orders = stack(orders, _test_rows(shop, Streams(seed, first + tester), first + tester, at))
    planted = Rows(
        "planted",
        {
            "customer_id": np.arange(known, len(names)),
            "kind": np.array(["bot"] * len(bots) + ["test_user"] * len(testers), dtype=object),
        },
    )
    if "planted" in block.rows:
        planted = stack(block.rows["planted"], planted)
    tables = {
        "events": sort_by(events, "at", "event_id"),
        "orders": sort_by(orders, "ordered_at", "line_id"),
    }
    return names, tables, planted


def _planted_ids(shop: Shop, number: int, count: int) -> Integers:
    # Above those of all customers.
    return (shop.config.blocks * BLOCK_USERS + number) * IDS_PER_CUSTOMER + np.arange(count)


def _bot_rows(shop: Shop, streams: Streams, number: int, position: int) -> Rows:
    """Views of one product after the other, day and night, and no order ever."""
    draw = streams("bot")
    days = int(draw.integers(*_BOT_DAYS, endpoint=True))
    first_day = int(draw.integers(max(shop.config.days - days, 1)))
    counts = draw.integers(*_BOT_EVENTS_A_DAY, size=days, endpoint=True)
    day = first_day + np.repeat(np.arange(days), counts)
    count = len(day)
    return Rows(
        "events",
        {
            "event_id": _planted_ids(shop, number, count),
            "session_id": _planted_ids(shop, number, 1)[0] + day,
            "customer_id": np.full(count, position),
            "at": np.sort(day * DAY_SECONDS + draw.integers(DAY_SECONDS, size=count)),
            "kind": np.full(count, VIEW),
            "product_id": draw.integers(len(shop.catalogue.price), size=count),
            "seconds": draw.integers(3, size=count).astype(np.float64),
        },
    )


def _test_rows(shop: Shop, streams: Streams, number: int, position: int) -> Rows:
    """Orders of absurd size, as those who try out the checkout place them."""
    draw = streams("test user")
    count = int(draw.integers(*_TEST_ORDERS, endpoint=True))
    ids = _planted_ids(shop, number, count)
    seconds = np.sort(draw.integers(shop.config.days * DAY_SECONDS, size=count))
    return Rows(
        "orders",
        {
            "line_id": ids,
            "order_id": ids,
            "customer_id": np.full(count, position),
            "ordered_at": seconds,
            "product_id": draw.integers(len(shop.catalogue.price), size=count),
            "quantity": draw.integers(100, 1000, size=count).astype(np.float64),
            "paid": np.round(draw.uniform(*_TEST_AMOUNT, size=count), 2),
            "discount": np.zeros(count),
            "currency": np.zeros(count, dtype=np.int64),
            "cancelled_at": np.full(count, NO_TIME),
        },
    )
