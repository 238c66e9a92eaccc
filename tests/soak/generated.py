"""Input that Hypothesis makes up, through staging, features and scores of one shop, day after day."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import bad_rows
import pyarrow as pa
import pyarrow.parquet as pq
from document import write_table
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shop import FEATURES, SCORING, TINY_TRAINING, Shop

_IDS = st.one_of(st.sampled_from(["u1", "u2", "u3", " u1 ", "U1"]), st.text(max_size=40))
_NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    st.sampled_from(["", " ", "1,5", "0x10", "1e400", "-0", "NaN", "٣"]),
    st.text(max_size=12),
)
_TIMES = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "+05:30"),
    st.dates().map(str),
    st.sampled_from(["", "0", "now", "infinity", "-infinity", "epoch", "2022-02-29", "24:00:00"]),
    st.text(max_size=20),
)
_TEXTS = st.one_of(st.text(max_size=60), st.sampled_from(["view", "cart", "EUR", "eur", "tea", "p00005"]))
_TIME_COLUMNS = {"ordered_at", "cancelled_at", "occurred_at", "reviewed_at", "signed_up_at", "valid_from"}


def _values(column: str) -> st.SearchStrategy[str | None]:
    kind = (
        _TIMES
        if column in _TIME_COLUMNS
        else _NUMBERS
        if column in bad_rows.NUMBERS
        else _IDS
        if column.endswith("_id")
        else _TEXTS
    )
    # What is no text to Arrow or DuckDB cannot be in a table of theirs.
    return st.none() | kind.map(lambda text: text.encode("utf-8", "ignore").decode().replace("\x00", ""))


# Of one search of Hypothesis; there are as many searches as there is time.
_EXAMPLES = 25

# So many that a build, which takes most of the time, is worth it; more of all relations than Hypothesis draws at once.
ROWS = {
    relation: st.lists(
        st.fixed_dictionaries({name: _values(name) for name in columns}), min_size=8, max_size=12
    )
    for relation, columns in bad_rows.COLUMNS.items()
}


def make_shop(folder: Path) -> Shop:
    """A scored shop of which each table has another beside it, all texts, that is filled anew each time."""
    shop = bad_rows.make_shop(folder)
    for done in (shop.dbt(*FEATURES), shop.command(*TINY_TRAINING), shop.dbt(*SCORING)):
        assert done.returncode == 0, done.output
    return shop


def run(minutes: float) -> None:
    """Goes on for so long, and writes the table."""
    end, counts = time.monotonic() + 60 * minutes, {"tables": 0, "rows": 0, "refused": 0, "lost": 0}
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(folder) / "shop")

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.fixed_dictionaries(ROWS))
        def through_the_shop(rows: dict[str, list[dict[str, str | None]]]) -> None:
            if time.monotonic() > end:
                return
            for relation, given_rows in rows.items():
                # A table in which nothing reads as a number or a time is refused as a wrong mapping: some rows do.
                whole = [*given_rows, *bad_rows.tables()[relation].to_pylist()]
                table = pa.Table.from_pylist(
                    whole, pa.schema([(name, pa.string()) for name in bad_rows.COLUMNS[relation]])
                )
                pq.write_table(table, shop.folder / "raw" / f"bad_{relation}.parquet")
                counts["rows"] += len(given_rows)
            done = shop.dbt(
                "build",
                "--exclude",
                "purchasing_power.marts",
                "purchasing_power.monitoring",
                "test_type:unit",
            )
            assert done.returncode == 0, done.output
            assert "Traceback" not in done.output
            counts["tables"] += len(rows)
            counts["lost"] += _lost(shop)
            _check(shop)
            counts["refused"] += shop.sql("select count(*) from purchasing_power__rejected_rows")[0][0]
            print(f"{counts} at {(end - time.monotonic()) / 60:.0f} minutes to go", flush=True)

        while time.monotonic() < end:
            through_the_shop()
    note = f"{minutes:.0f} minutes. Rows of the fixed cases stand beside the generated ones each time."
    write_table(
        "generated",
        ("tables", "generated rows", "rows refused with a reason", "rows lost"),
        [[f"{count:,}" for count in counts.values()]],
        note,
    )


def _lost(shop: Shop) -> int:
    """Counts the rows of the files that are neither staged nor refused."""
    lost = 0
    for relation, mappings in shop.inputs().items():
        files = [entry["relation"] for entry in (mappings if isinstance(mappings, list) else [mappings])]
        given_rows = sum(pq.read_metadata(shop.folder / file).num_rows for file in files)
        ((ended,),) = shop.sql(
            f"select (select count(*) from stg_purchasing_power__{relation}) + (select count(*) from "
            f"purchasing_power__rejected_rows where relation = '{relation}')"
        )
        lost += abs(given_rows - ended)
    return lost


def _check(shop: Shop) -> None:
    """Asserts what has to be true whatever was in the tables."""
    (unscored,) = shop.sql(
        "select count(*) from purchasing_power__users where user_id not in (select user_id from purchasing_power__scores)"
    )[0]
    assert unscored == 0
    (wrong,) = shop.sql(
        "select count(*) from purchasing_power__scores where not (isfinite(expected_spend) and expected_spend >= 0 "
        "and purchase_probability between 0 and 1 and spend_p10 <= spend_p50 and spend_p50 <= spend_p90)"
    )[0]
    assert wrong == 0
