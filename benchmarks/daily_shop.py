"""A simulated shop that lives on: each further day some users come back, and some of its past changes."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import duckdb

# Above every id that the simulator gives.
_IDS_OF_A_DAY = 10**15
# How each log names its time, and the ids that make a row a new one.
_LOGS = {
    "events": ("at", ("event_id", "session_id")),
    "orders": ("ordered_at", ("line_id", "order_id")),
}


def link_shop(shop: Path, folder: Path) -> None:
    """Makes a folder that shows a shop's files, so that days can be added beside them; an older one goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in shop.iterdir():
        (folder / file.name).symlink_to(file.resolve())


def add_day(folder: Path, day: dt.date, number: int, share: float) -> int:
    """Adds a day on which a share of the users do again what they did on their newest day of the log.

    Args:
        folder: Folder that `link_shop` made.
        day: The new day.
        number: How many days this is after the shop's own, from 1; it names the files and chooses the users.
        share: Share of the customers that are active.

    Returns:
        How many users are.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'").fetchall()
        connection.execute(
            f"""
            create table chosen as
            select customer_id, max(cast(try_cast("at" as timestamptz) as date)) as newest_on
            from '{folder}/events.parquet'
            where hash(customer_id || '{number}') % 1000000 < {round(share * 1_000_000)}
            group by customer_id
            having newest_on is not null
            """
        ).fetchall()
        for log, (time, ids) in _LOGS.items():
            fresh = ", ".join(f"log.{name} + {number * _IDS_OF_A_DAY} as {name}" for name in ids)
            moved = (
                f"strftime(timestamp '{day}' + (try_cast(log.\"{time}\" as timestamptz) - chosen.newest_on), "
                f"'%Y-%m-%d %H:%M:%S') as \"{time}\""
            )
            connection.execute(
                f"""
                copy (
                    select log.* replace ({fresh}, {moved})
                    from '{folder}/{log}.parquet' as log
                    inner join chosen on log.customer_id = chosen.customer_id
                    where cast(try_cast(log."{time}" as timestamptz) as date) = chosen.newest_on
                ) to '{folder}/{log}_day{number}.parquet'
                """
            ).fetchall()
        ((users,),) = connection.execute(
            f"select count(distinct customer_id) from '{folder}/events_day{number}.parquet'"
        ).fetchall()
    return int(users)


def change_past(folder: Path, number: int, share: float) -> int:
    """Changes what the shop said before: rows come late, are corrected and go, and prices change.

    Args:
        folder: Folder that `link_shop` made; files that change take the place of their links.
        number: How many days this is after the shop's own; it chooses the rows.
        share: Share of the events that come late a second time, of the order lines that are corrected, and of
            those that go.

    Returns:
        How many rows and products are other than they were.
    """
    changed = 0

    def chosen(key: str, salt: str, of: float) -> str:
        return f"hash({key} || '{salt}{number}') % 1000000 < {round(of * 1_000_000)}"

    with duckdb.connect() as connection:

        def rewrite(log: str, query: str) -> None:
            fresh = folder / "fresh.parquet"
            connection.execute(f"copy ({query}) to '{fresh}'").fetchall()
            fresh.replace(folder / f"{log}.parquet")

        def count(log: str, condition: str) -> int:
            query = f"select count(*) from '{folder}/{log}.parquet' where {condition}"
            ((rows,),) = connection.execute(query).fetchall()
            return int(rows)

        late = chosen("event_id", "late", share)
        changed += count("events", late)
        connection.execute(
            f"""
            copy (
                select * replace (event_id + {number * _IDS_OF_A_DAY + _IDS_OF_A_DAY // 2} as event_id)
                from '{folder}/events.parquet' where {late}
            ) to '{folder}/events_late{number}.parquet'
            """
        ).fetchall()
        gone, corrected = chosen("line_id", "gone", share), chosen("line_id", "corrected", share)
        changed += count("orders", f"{gone} or {corrected}")
        rewrite(
            "orders",
            f"select * replace (case when {corrected} then paid * 1.25 else paid end as paid) "
            f"from '{folder}/orders.parquet' where not ({gone}) or line_id is null",
        )
        dearer = chosen("product_id", "dearer", share)
        changed += count("products", dearer)
        rewrite(
            "products",
            f"select * replace (case when {dearer} then price * 1.1 else price end as price) "
            f"from '{folder}/products.parquet'",
        )
    return changed
