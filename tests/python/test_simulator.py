"""What the simulator promises: the same seed, whole references, a truth that holds, dirt at its rates."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulated_shop import SimulatedShop

from purchasing_power.cli import main
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation.metrics import normalized_gini
from purchasing_power.simulator.anomalies import ANOMALIES, FEWEST_ORDERS
from purchasing_power.simulator.block import IDS_PER_CUSTOMER
from purchasing_power.simulator.config import BLOCK_USERS, LOG_START
from purchasing_power.simulator.dirt import RATES
from purchasing_power.simulator.tables import TABLES
from purchasing_power.simulator.writer import FILES, ShopWriter

USERS, DAYS, HORIZON_DAYS, DIRT = 1500, 300, 56, 0.2
OF_CUSTOMERS = ("customers", "events", "orders", "refunds", "reviews")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    return SimulatedShop.make(
        tmp_path_factory.mktemp("clean") / "shop", USERS, DAYS, horizon_days=HORIZON_DAYS
    )


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    folder = tmp_path_factory.mktemp("dirty") / "shop"
    return SimulatedShop.make(folder, USERS, DAYS, horizon_days=HORIZON_DAYS, dirt=DIRT)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))
    }


# Determinism


@pytest.mark.parametrize("dirt", [0.0, 0.5])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, dirt: float) -> None:
    first, again, other = (
        SimulatedShop.make(tmp_path / name, 150, 60, horizon_days=28, seed=seed, dirt=dirt)
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert digests(first.folder) == digests(again.folder)
    assert digests(first.folder)["orders.parquet"] != digests(other.folder)["orders.parquet"]


def test_a_customer_is_the_same_whatever_the_number_of_others(clean: SimulatedShop, tmp_path: Path) -> None:
    fewer = SimulatedShop.make(tmp_path / "fewer", 40, DAYS, horizon_days=HORIZON_DAYS)
    for table in (*OF_CUSTOMERS, "truth"):
        query = f"select * from {table} where customer_id < 'c00000040' order by all"
        rows = fewer.sql(query)
        assert rows, table
        assert rows == clean.sql(query)


# A clean log


@pytest.mark.parametrize(
    ("child", "column", "parent"),
    [
        *(
            (table, "customer_id", "customers")
            for table in ("events", "orders", "refunds", "reviews", "truth")
        ),
        *((table, "product_id", "products") for table in ("events", "orders", "refunds", "reviews")),
        ("refunds", "line_id", "orders"),
        ("refunds", "order_id", "orders"),
        ("orders", "currency", "exchange_rates"),
    ],
)
def test_clean_references_lead_somewhere(clean: SimulatedShop, child: str, column: str, parent: str) -> None:
    orphans = f"select count(*) from {child} anti join {parent} using ({column}) where {column} is not null"
    assert clean.value(orphans) == 0
    assert clean.value(f"select count({column}) from {child}") > 0


@pytest.mark.parametrize(
    ("table", "key"),
    [("customers", "customer_id"), ("events", "event_id"), ("orders", "line_id"), ("reviews", "review_id")],
)
def test_clean_keys_are_unique(clean: SimulatedShop, table: str, key: str) -> None:
    assert clean.value(f"select count(*) - count(distinct {key}) from {table}") == 0


def test_carts_and_wishes_follow_a_view_of_the_product_in_the_session(clean: SimulatedShop) -> None:
    assert clean.value("select count(*) from events where kind in ('cart', 'wishlist')") > 1000
    without_view = """
        select count(*) from events as later where kind in ('cart', 'wishlist') and not exists (
            from events as view where view.kind = 'view' and view.session_id = later.session_id
            and view.product_id = later.product_id and view."at" < later."at"
        )"""
    assert clean.value(without_view) == 0


def test_what_is_ordered_was_put_into_the_cart_that_day_before(clean: SimulatedShop) -> None:
    without_cart = """
        select count(*) from orders where not exists (
            from events where kind = 'cart' and events.customer_id = orders.customer_id
            and events.product_id = orders.product_id and events."at" < orders.ordered_at
            and events."at"::date = orders.ordered_at::date
        )"""
    assert clean.value(without_cart) == 0


def test_refunds_come_after_their_line_and_never_exceed_it(clean: SimulatedShop) -> None:
    wrong = """
        select count(*), count(*) filter (amount > paid), count(*) filter (refunded_at <= ordered_at),
            count(*) filter (cancelled_at is not null), count(*) - count(distinct refunds.line_id)
        from refunds join orders using (line_id)"""
    count, over, before, cancelled, twice = clean.sql(wrong)[0]
    assert count > 100
    assert (over, before, cancelled, twice) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("table", "time"), [("events", '"at"'), ("orders", "ordered_at"), ("reviews", "reviewed_at")]
)
def test_nobody_acts_before_signing_up_or_outside_the_log(
    clean: SimulatedShop, table: str, time: str
) -> None:
    early = f"select count(*) from {table} join customers using (customer_id) where {time} <= signed_up_at"
    assert clean.value(early) == 0
    first, last = clean.sql(f"select min({time})::date, max({time})::date from {table}")[0]
    assert first >= LOG_START
    assert (last - LOG_START).days < DAYS


# The truth

REALISED = f"""
    with cut as (select min(as_of_date) as day from truth),
    ordered as (
        select line_id, customer_id, order_id, ordered_at::date as day, paid from orders
        where cancelled_at is null
    ),
    returned as (
        select line_id, sum(amount) as amount from refunds, cut
        where refunded_at::date < day + {HORIZON_DAYS} group by 1
    ),
    future as (
        select customer_id, sum(paid - coalesce(amount, 0)) as spend from ordered
        left join returned using (line_id), cut where ordered.day >= cut.day group by 1
    ),
    past as (
        select customer_id, sum(paid) as spend from ordered, cut where ordered.day < cut.day group by 1
    )
    select expected_spend, purchase_probability, coalesce(future.spend, 0), future.spend is not null,
        coalesce(past.spend, 0)
    from truth join cut on as_of_date = cut.day left join future using (customer_id)
    left join past using (customer_id)"""


def test_the_truth_is_what_happens_on_average(clean: SimulatedShop) -> None:
    expected, probability, spend, bought, past = np.array(clean.sql(REALISED), dtype=float).T
    for predicted, actual in ((expected, spend), (probability, bought)):
        difference = actual - predicted
        standard_error = difference.std() / math.sqrt(len(difference))
        assert abs(difference.mean()) < 4 * standard_error
        # A standard error that hides everything would prove nothing.
        assert standard_error < 0.1 * actual.mean()
    assert normalized_gini(spend, expected) > normalized_gini(spend, past) + 0.05


def test_who_has_left_is_expected_to_spend_nothing(clean: SimulatedShop) -> None:
    gone, spend, chance = clean.sql(
        "select count(*), sum(expected_spend), sum(purchase_probability) from truth where not is_alive"
    )[0]
    assert gone > 0
    assert (spend, chance) == (0, 0)


# Dirt


def test_dirt_moves_neither_the_truth_nor_the_rates(clean: SimulatedShop, dirty: SimulatedShop) -> None:
    for file in ("truth.parquet", "exchange_rates.parquet"):
        assert digests(clean.folder)[file] == digests(dirty.folder)[file]


CUSTOMERS_ONLY = "customer_id like 'c%' or customer_id is null"
SHARES = {
    "duplicate": ("events", f"({CUSTOMERS_ONLY})", "count(*) / count(distinct event_id) - 1"),
    "missing_customer": ("events", "true", "avg((customer_id is null)::int)"),
    "missing_product": ("events", "kind not like '%search%'", "avg((product_id is null)::int)"),
    "missing_session": ("events", "true", "avg((session_id is null)::int)"),
    "missing_time": ("events", "true", 'avg(("at" is null)::int)'),
    "missing_amount": ("events", "true", "avg((seconds is null)::int)"),
    "negative_amount": ("events", f"seconds <> 0 and ({CUSTOMERS_ONLY})", "avg((seconds < 0)::int)"),
    "absurd_amount": ("events", f"seconds <> 0 and ({CUSTOMERS_ONLY})", "avg((abs(seconds) >= 1e6)::int)"),
    "utc_offset": ("events", '"at" is not null', """avg(("at" like '%T%')::int)"""),
    "damaged_text": ("events", "true", "avg((kind not in ('search', 'view', 'cart', 'wishlist'))::int)"),
}


@pytest.mark.parametrize("kind", SHARES)
def test_each_kind_of_dirt_meets_its_share_of_rows(
    clean: SimulatedShop, dirty: SimulatedShop, kind: str
) -> None:
    table, condition, share = SHARES[kind]
    query = f"select ({share})::double, count(*) from {table} where {condition}"
    found, rows = dirty.sql(query)[0]
    rate = RATES[kind] * DIRT
    # Copies of a row are dirty together, hence five standard errors and not three.
    assert abs(found - rate) < 5 * math.sqrt(rate / rows)
    assert clean.sql(query)[0][0] == 0


def test_other_currencies_bots_and_test_users_come_at_their_rates(
    clean: SimulatedShop, dirty: SimulatedShop
) -> None:
    def near(found: float, rate: float, users: int) -> bool:
        return abs(found - rate * users) < 5 * math.sqrt(rate * users)

    buyers, foreign = dirty.sql(
        "select count(distinct customer_id), count(distinct customer_id) filter (currency <> 'EUR') from orders"
    )[0]
    assert near(foreign, RATES["other_currency"] * DIRT, buyers)
    assert clean.sql("select distinct currency from orders") == [("EUR",)]
    planted = dict(dirty.sql("select kind, count(*) from planted group by 1"))
    for kind in ("bot", "test_user"):
        assert planted[kind] > 0
        assert near(planted[kind], RATES[kind] * DIRT, USERS)
    assert clean.value("select count(*) from planted") == 0


@pytest.mark.parametrize("dirt", [0.0, DIRT])
def test_anomalies_stand_beside_an_unchanged_shop(
    tmp_path: Path, clean: SimulatedShop, dirty: SimulatedShop, dirt: float
) -> None:
    calm = dirty if dirt else clean
    odd = SimulatedShop.make(
        tmp_path / "shop", USERS, DAYS, horizon_days=HORIZON_DAYS, dirt=dirt, anomalies=0.05
    )
    kinds = dict(odd.sql(f"select kind, count(*) from planted where kind in {ANOMALIES} group by 1"))
    regulars = clean.value(
        "select count(*) from (select customer_id from orders group by 1 "
        f"having count(distinct order_id) >= {FEWEST_ORDERS})"
    )
    assert set(kinds) == set(ANOMALIES)
    assert abs(sum(kinds.values()) - 0.05 * regulars) < 5 * math.sqrt(0.05 * regulars)
    assert digests(odd.folder)["truth.parquet"] == digests(calm.folder)["truth.parquet"]
    assert digests(odd.folder)["events.parquet"] == digests(calm.folder)["events.parquet"]
    if dirt:
        return
    for table, key in (("orders", "line_id"), ("refunds", "refund_id")):
        before, now = (shop.sql(f"select * from {table} order by {key}") for shop in (calm, odd))
        assert set(before) < set(now)
        assert odd.value(f"select count(distinct {key}) - count(*) from {table}") == 0
    added = odd.sql(
        f"select kind, orders.customer_id, sum(paid), count(distinct order_id), min(ordered_at::timestamp) "
        f"from orders join planted using (customer_id) where line_id % {IDS_PER_CUSTOMER} >= "
        f"{IDS_PER_CUSTOMER // 2} group by all"
    )
    end = LOG_START + timedelta(days=DAYS)
    for kind, customer, paid, orders, first in added:
        days = (end - first.date()).days
        if kind == "spend_spike":
            usual = clean.value(
                f"select sum(paid) / count(distinct order_id) from orders where customer_id = '{customer}'"
            )
            assert orders == 1
            assert paid >= 7.9 * usual
        assert days <= {"spend_spike": 7, "order_burst": 3, "refund_streak": 28}[kind]
        if kind == "refund_streak":
            back = odd.value(
                f"select sum(amount) from refunds where customer_id = '{customer}' "
                f"and refund_id % {IDS_PER_CUSTOMER} >= {IDS_PER_CUSTOMER // 2}"
            )
            assert back == pytest.approx(paid)


def test_rows_out_of_order_and_late_are_moved_and_kept(clean: SimulatedShop, dirty: SimulatedShop) -> None:
    first_block = f"customer_id < 'c{BLOCK_USERS:08}' and \"at\" is not null"
    steps_back = f"""
        select avg((moment < before)::int)::double from (
            select "at"::timestamptz as moment, lag("at"::timestamptz) over (order by place) as before
            from (select *, row_number() over () as place from events) where {first_block}
        )"""
    assert clean.value(steps_back) == 0
    assert dirty.value(steps_back) > 0.5 * RATES["out_of_order"] * DIRT
    for table, key in (("events", "event_id"), ("orders", "line_id"), ("refunds", "refund_id")):
        assert clean.value(f"select count(distinct {key}) from {table}") == dirty.value(
            f"select count(distinct {key}) from {table}"
            f" where {key} < {-(-USERS // BLOCK_USERS) * BLOCK_USERS * 10_000_000}"
        )


def test_times_with_offsets_mean_the_same_instants(clean: SimulatedShop, dirty: SimulatedShop) -> None:
    query = f"""
        with dirty as (
            select event_id, "at"::timestamptz as moment, "at" as written
            from '{dirty.folder}/events.parquet' where "at" is not null
        )
        select count(*), count(*) filter (moment <> events."at"::timestamptz)
        from events join dirty using (event_id) where written like '%T%'"""
    count, different = clean.sql(query)[0]
    assert count > 1000
    assert different == 0


# Files


Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs `purchasing-power simulate`, which must end in an error, and gives what it says."""

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["purchasing-power", "simulate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        assert ended.value.code == 1, said
        assert "Traceback" not in said
        return " ".join(said.split())

    return call


def test_a_taken_folder_is_refused_in_one_sentence(tmp_path: Path, refused: Refused) -> None:
    mine = tmp_path / "thesis.txt"
    mine.write_text("mine")
    arguments = ("--users", "5", "--days", "60", "--out", str(tmp_path))
    assert "--overwrite" in refused(*arguments)
    assert "thesis.txt" in refused(*arguments, "--overwrite")
    assert "is a file" in refused(*arguments[:-1], str(mine))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("option", "value"), [("--users", "0"), ("--days", "5"), ("--dirt", "2"), ("--seed", "-1")]
)
def test_what_cannot_be_simulated_is_refused(
    option: str, value: str, tmp_path: Path, refused: Refused
) -> None:
    asked = {"--users": "5", "--days": "60", "--out": str(tmp_path / "shop"), option: value}
    said = refused(*(word for pair in asked.items() for word in pair))
    assert option in said
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_run_that_dies_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    shop = SimulatedShop.make(tmp_path / "shop", 5, 60)
    before = digests(shop.folder)
    whole = ShopWriter.write
    written = []

    def fail_midway(writer: ShopWriter, rows: object, words: object) -> None:
        written.append(rows)
        if len(written) > 4:
            raise error
        whole(writer, rows, words)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ShopWriter, "write", fail_midway)
        with pytest.raises((PurchasingPowerError, KeyboardInterrupt)):
            SimulatedShop.make(tmp_path / "new", 5, 60)
    assert digests(shop.folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    SimulatedShop.make(tmp_path / "new", 5, 60)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(FILES)


def test_a_block_is_written_before_the_next_is_made(clean: SimulatedShop) -> None:
    for table in ("customers", "events", "orders"):
        groups = pq.ParquetFile(clean.folder / f"{table}.parquet").metadata.num_row_groups
        assert groups == -(-USERS // BLOCK_USERS)


def test_schemas_do_not_depend_on_what_is_in_the_shop(clean: SimulatedShop, dirty: SimulatedShop) -> None:
    for table in TABLES:
        schemas: list[pa.Schema] = [
            pq.read_schema(shop.folder / f"{table}.parquet") for shop in (clean, dirty)
        ]
        assert schemas[0] == schemas[1]
