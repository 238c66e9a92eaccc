"""The benchmark of the limits: its figures, its table, and that what it compares gives the same numbers."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from simulated_shop import SimulatedShop

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.reporting import Silent
from purchasing_power.warehouse.duckdb_connection import DuckDBConnection

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_the_slope_of_a_power_is_its_exponent() -> None:
    from measuring import slope

    sizes = [1e6, 1e7, 1e8]
    assert slope(sizes, [3 * size for size in sizes]) == pytest.approx(1)
    assert slope(sizes, [size**1.2 for size in sizes]) == pytest.approx(1.2)
    assert slope(sizes, [5, 5, 5]) == pytest.approx(0)


def test_a_ratio_is_the_median_of_its_rounds() -> None:
    from measuring import times_faster

    # The second round was disturbed, ours and the other alike; the third ours alone.
    assert times_faster([1, 10, 4], [3, 30, 3]) == 3


def test_parts_take_turns() -> None:
    from measuring import interleaved

    order: list[str] = []

    def part(name: str) -> int:
        order.append(name)
        return len(order)

    found = interleaved(2, {"ours": lambda: part("ours"), "other": lambda: part("other")}, Silent())
    assert order == ["ours", "other", "ours", "other"]
    assert found == {"ours": [1, 3], "other": [2, 4]}


def row(what: str, figure: str) -> Any:
    from measuring import Row

    return Row(what, figure, ">= 1 x", "5 s", "6 s | a pipe", "10 users")


def test_fresh_rows_replace_those_of_their_name_and_the_others_stay() -> None:
    from measuring import merge_rows

    order = ["first", "second", "third"]
    table = merge_rows("", [row("third", "3.00 x"), row("first", "1.00 x"), row("of old", "9.00 x")], order)
    merged = merge_rows(f"A sentence.\n\n{table}\n", [row("second", "2.00 x"), row("first", "1.50 x")], order)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in merged.splitlines()]
    assert [line[:2] for line in cells] == [
        ["what", "figure"],
        ["---", "---"],
        ["first", "1.50 x"],
        ["second", "2.00 x"],
        ["third", "3.00 x"],
        ["of old", "9.00 x"],
    ]
    # A pipe would have made a column of its own.
    assert {len(line) for line in cells} == {6}
    assert merge_rows(merged, [], order) == merged


def test_a_page_keeps_what_stands_around_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import document

    page = tmp_path / "page.md"
    monkeypatch.setattr(document, "DOCUMENT", page)
    page.write_text(
        "# Page\n\n<!-- limits: begin -->\n<!-- limits: end -->\n\n<!-- other: begin -->kept<!-- other: end -->\n"
    )
    assert document.read_table("limits") == ""
    document.write_table("limits", "| a |")
    assert document.read_table("limits") == "| a |"
    assert document.read_table("other") == "kept"
    assert page.read_text().startswith(
        "# Page\n\n<!-- limits: begin -->\n| a |\n<!-- limits: end -->\n\n<!-- other"
    )
    with pytest.raises(SystemExit, match="no place for the table"):
        document.read_table("none")


def test_a_ledger_measures_once(tmp_path: Path) -> None:
    from measuring import Ledger

    path = tmp_path / "sizes.json"
    assert Ledger(path).once("1000 users", lambda: {"peak": 5}) == {"peak": 5}
    # As a run that was cut off finds it.
    assert Ledger(path).once("1000 users", lambda: pytest.fail("it was measured again")) == {"peak": 5}
    assert Ledger(path).once("2000 users", lambda: 7) == 7


def test_the_peak_is_the_childs_own(tmp_path: Path) -> None:
    from measuring import run_child

    # Memory of this process, which Linux would count as the child's.
    ballast = bytearray(300 * MEGABYTE)
    script = "import time; held = bytearray(b'x' * 100_000_000); time.sleep(0.3); print('a line'); print('the last')"
    small = run_child([sys.executable, "-c", "print('small')"], tmp_path)
    large = run_child([sys.executable, "-c", script], tmp_path, poll=True)
    assert len(ballast) and small.peak < 100 * MEGABYTE
    assert 100 * MEGABYTE < large.peak < 300 * MEGABYTE
    assert 100 * MEGABYTE < large.private <= large.peak
    assert large.output == "the last" and large.seconds > 0.3 and large.cpu < large.seconds
    assert small.private == 0


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    from measuring import run_child

    with pytest.raises(PurchasingPowerError, match=r"failed in .*no such shop"):
        run_child([sys.executable, "-c", "raise SystemExit('no such shop')"], tmp_path)


def test_who_is_terminated_leaves_no_child_behind(tmp_path: Path) -> None:
    import psutil

    script = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(BENCHMARKS)!r})
from measuring import clean_up_when_terminated, run_child
clean_up_when_terminated()
sleeper = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
run_child([sys.executable, "-c", sleeper], Path("."), lambda line: print(line, flush=True))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    child.wait(30)
    assert not child.is_running()


def test_dbts_own_times_are_read(tmp_path: Path) -> None:
    from measuring import read_run_results

    def result(name: str, begin: str, end: str, seconds: float) -> dict[str, Any]:
        timing = [
            {
                "name": "execute",
                "started_at": f"2024-01-01T00:00:{begin}Z",
                "completed_at": f"2024-01-01T00:00:{end}Z",
            }
        ]
        return {"unique_id": name, "execution_time": seconds, "timing": timing}

    results = [
        result("model.purchasing_power.first", "01.0", "03.5", 2.5),
        result("model.purchasing_power.second", "02.0", "04.0", 2.0),
        result("operation.purchasing_power.start", "00.0", "01.0", 1.0),
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    models, span = read_run_results(tmp_path / "run_results.json")
    # The two ran beside each other: 3 seconds by the clock, 4.5 of execution.
    assert models == {"first": 2.5, "second": 2.0} and span == 3.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("", None),
        ("update theirs set spend = spend + 1e-8", None),
        ("update theirs set spend = spend + 1e-4 where user_id = 'b'", "other numbers than ours: spend by"),
        ("update theirs set spend = null where user_id = 'b'", "other numbers than ours: spend by inf"),
        ("update theirs set split = 'train' where user_id = 'b'", "other numbers than ours: split by inf"),
        ("delete from theirs where user_id = 'b'", "lacks 1 rows of ours"),
        ("insert into theirs values ('c', date '2024-01-01', 1.0, 'train')", "has 1 that are not in it"),
        ("alter table theirs drop column split", "only one of them has split"),
    ],
)
def test_builds_that_differ_are_refused(change: str, message: str | None) -> None:
    from features_check import _compare

    database = duckdb.connect()
    for name in ("ours", "theirs"):
        kind = "decimal(18, 4)" if name == "ours" else "double"
        database.execute(f"create table {name} (user_id text, step_on date, spend {kind}, split text)")
        database.execute(
            f"insert into {name} values ('a', date '2024-01-01', 10.5, 'train'), ('b', date '2024-01-01', 0.5, 'validation')"
        )
    if change:
        database.execute(change)
    connection = DuckDBConnection(database)
    if message is None:
        assert _compare(connection, "ours", "theirs", "step_on", "Polars") < 1e-6
        return
    with pytest.raises(PurchasingPowerError, match=message):
        _compare(connection, "ours", "theirs", "step_on", "Polars")


@pytest.fixture
def dirty_shop(tmp_path: Path) -> SimulatedShop:
    return SimulatedShop.make(tmp_path / "shop", 150, 200, dirt=1.0)


def test_polars_and_pandas_give_the_same_numbers(dirty_shop: SimulatedShop, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    import features_pandas
    import features_polars

    frozen = tmp_path / "frozen"
    frozen.mkdir()
    fences = {"amount": 60.0, "quantity": 3.0, "discount_amount": 5.0, "duration_seconds": 40.0}
    medians = {"unit_price": 25.0, "list_price": 30.0}
    numbers = [
        f"('order_lines', '{name}', {fences.get(name, 'null')}, {medians.get(name, 1)})"
        for name in ("amount", "quantity", "discount_amount", "unit_price")
    ]
    numbers.append("('products', 'list_price', null, 30)")
    products, reviews = (f"'{dirty_shop.folder}/{table}.parquet'" for table in ("products", "reviews"))
    for name, query in {
        "cleaning": f"""
            select relation, column_name, category, cast(upper_fence as double) as upper_fence, cast(median as double) as median
            from (values {", ".join(numbers)}) as fitted (relation, column_name, upper_fence, median)
            cross join (select distinct category from {products} union all select null) as categories
            union all
            select 'browse_events', 'duration_seconds', null, {fences["duration_seconds"]}, 10
            """,
        "factors": f"""
            select product_id, price / 7 as embedding_1, 0.5e0 as embedding_2, -price as embedding_3, 1e0 as embedding_4
            from {products} where price is not null qualify row_number() over (partition by product_id) = 1
            """,
        "sentiment": f"select distinct review_id, 0.25e0 as sentiment from {reviews}",
    }.items():
        duckdb.sql(f"copy ({query}) to '{frozen}/{name}.parquet'")
    from features_check import _compare

    outs = {}
    for library, module in (("polars", features_polars), ("pandas", features_pandas)):
        outs[library] = tmp_path / library
        outs[library].mkdir()
        module.build(dirty_shop.folder, frozen, outs[library])
    connection = DuckDBConnection(duckdb.connect())
    # What the two have to leave out is there.
    assert dirty_shop.value("select count(*) from planted where kind = 'bot'") > 0
    for file, day in (("user_steps", "step_on"), ("anchors", "anchor_on")):
        connection.execute(f"create view {file} as select * from '{outs['polars']}/{file}.parquet'")
        (counted,) = connection.fetch(f"select count(*) as n from {file}")
        assert counted["n"] > 100
        assert _compare(connection, file, f"'{outs['pandas']}/{file}.parquet'", day, "pandas") < 1e-6


def test_a_further_day_has_the_chosen_users_rows_again(tmp_path: Path) -> None:
    from daily_shop import add_day, link_shop

    shop = SimulatedShop.make(tmp_path / "shop", 60, 120)
    folder = tmp_path / "daily"
    link_shop(shop.folder, folder)
    day = dt.date(2023, 1, 5)
    users = add_day(folder, day, 1, 0.3)
    ((events, active, first, last, known),) = duckdb.sql(
        f"""
        select count(*), count(distinct customer_id), min(cast("at" as date)), max(cast("at" as date)),
            count(*) filter (event_id in (select event_id from '{folder}/events.parquet'))
        from '{folder}/events_day1.parquet'
        """
    ).fetchall()
    assert users == active and 5 <= users <= 35 and events >= users
    assert first == last == day and known == 0
    # Another day has other users, and the shop's own files are what they were.
    add_day(folder, day + dt.timedelta(days=1), 2, 0.3)
    chosen = [
        {
            user
            for (user,) in duckdb.sql(
                f"select customer_id from '{folder}/events_day{number}.parquet'"
            ).fetchall()
        }
        for number in (1, 2)
    ]
    assert chosen[0] != chosen[1]
    assert not list(shop.folder.glob("*day*"))
    assert (
        shop.value("select count(*) from events")
        == duckdb.sql(f"select count(*) from '{folder}/events.parquet'").fetchall()[0][0]
    )


def test_sizes_are_read_as_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("polars")
    import limits

    assert limits.parse(["--sizes", "1000000,10000"]).sizes == [10_000, 1_000_000]
    with pytest.raises(SystemExit):
        limits.parse(["--sizes", "many"])
    assert set(limits.GOALS) and all(
        any(name.startswith(goal) for name in limits.ORDER) for goal in limits.GOALS
    )
