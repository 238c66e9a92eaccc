"""What BI tools read: semantic models, asked by MetricFlow itself, and published files."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from shop import MARTS, Shop

from purchasing_power.publish import PUBLISHED

pytestmark = pytest.mark.dbt

MF = Path(sys.executable).with_name("mf")
PREFIX = "purchasing_power_"


@pytest.fixture(scope="module")
def shop(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    copy = scored_shop.copy(tmp_path_factory.mktemp("semantic") / "shop")
    done = copy.dbt(*MARTS)
    assert done.returncode == 0, done.output
    return copy


def mf(shop: Shop, *arguments: str) -> str:
    done = subprocess.run(
        [MF, *arguments],
        cwd=shop.folder,
        env={**os.environ, "DBT_PROFILES_DIR": str(shop.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(shop: Shop, metrics: list[str], *group_by: str) -> list[dict[str, str]]:
    """Asks for metrics, by what is given, and gives the rows as text."""
    file = shop.folder / "asked.csv"
    grouped = ("--group-by", ",".join(group_by)) if group_by else ()
    mf(shop, "query", "--metrics", ",".join(PREFIX + name for name in metrics), *grouped, "--csv", str(file))
    with file.open(encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_the_models_are_valid_against_the_warehouse(shop: Shop) -> None:
    said = mf(shop, "validate-configs")
    assert said.count("ERRORS: 0, FUTURE_ERRORS: 0, WARNINGS: 0") == 6


def test_metrics_are_what_sql_says(shop: Shop) -> None:
    (found,) = asked(shop, ["users", "expected_revenue", "expected_buyers", "average_purchase_probability"])
    wanted = shop.sql(
        "select count(*), sum(expected_spend), sum(purchase_probability), avg(purchase_probability) "
        "from purchasing_power__scores"
    )[0]
    assert [float(value) for value in found.values()] == pytest.approx(wanted, rel=1e-4)


def test_metrics_are_asked_by_tier_and_stage(shop: Shop) -> None:
    found = asked(shop, ["users"], "user__purchasing_power_tier", "user__lifecycle")
    counted = {
        (row["user__purchasing_power_tier"], row["user__lifecycle"]): int(float(row[f"{PREFIX}users"]))
        for row in found
    }
    wanted = shop.sql("select purchasing_power_tier, lifecycle, users from purchasing_power__segments")
    assert counted == {(tier, stage): users for tier, stage, users in wanted}


def test_published_files_hold_what_the_tables_do(shop: Shop, tmp_path: Path) -> None:
    done = shop.command("publish", "--to", str(tmp_path / "files"))
    assert done.returncode == 0, done.output
    current = tmp_path / "files" / "current"
    assert {path.name for path in current.iterdir()} == {f"{model}.parquet" for model in PUBLISHED}
    for model in PUBLISHED:
        rows = "select count(*), coalesce(sum(hash(given)), 0) from {} as given"
        ours = duckdb.sql(rows.format(f"'{current / model}.parquet'")).fetchall()
        assert ours == shop.sql(rows.format(model)), model


def test_a_reader_keeps_what_it_has_opened_and_the_next_one_sees_the_new(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    file = folder / "current" / "purchasing_power__scores.parquet"
    assert shop.command("publish", "--to", str(folder)).returncode == 0
    with file.open("rb") as opened:
        first = opened.read(64)
        for _ in range(2):
            assert shop.command("publish", "--to", str(folder)).returncode == 0
        opened.seek(0)
        assert opened.read(64) == first
    assert len(list((folder / "versions").iterdir())) == 2
    assert duckdb.sql(f"select count(*) from '{file}'").fetchall() == shop.sql(
        "select count(*) from purchasing_power__scores"
    )


def test_a_publication_that_fails_leaves_the_one_before(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    assert shop.command("publish", "--to", str(folder)).returncode == 0
    before = (folder / "current").readlink()
    own = shop.copy(tmp_path / "own")
    own.sql(f"drop table {PUBLISHED[-1]}")
    done = own.command("publish", "--to", str(folder))
    assert done.returncode == 1
    assert f'{PUBLISHED[-1]}" is not in the warehouse yet: run `purchasing-power run`' in done.output
    assert (folder / "current").readlink() == before
    assert [path.name for path in (folder / "versions").iterdir()] == [before.name]


def test_where_to_publish_is_asked_for_and_other_folders_are_left_alone(shop: Shop, tmp_path: Path) -> None:
    done = shop.command("publish")
    assert done.returncode == 1
    assert "name a folder with --to, or set purchasing_power__publish_to" in done.output
    (tmp_path / "current").mkdir()
    done = shop.command("publish", "--to", str(tmp_path))
    assert done.returncode == 1
    assert "was not published by this command" in done.output


def test_matured_scores_show_what_came(shop: Shop) -> None:
    """The shop's scores, taken for those of a horizon ago."""
    shop.sql("update purchasing_power__score_history set as_of_date = as_of_date - horizon_days::integer")
    done = shop.dbt("run", "--select", "purchasing_power__matured_scores")
    assert done.returncode == 0, done.output
    names = ["predicted_revenue_of_matured_scores", "realised_revenue_of_matured_scores"]
    (found,) = asked(shop, names)
    predicted, realised = (float(found[PREFIX + name]) for name in names)
    ((expected, came),) = shop.sql(
        "select sum(expected_spend), (select sum(greatest(spend, 0)) from (select user_id, sum(spend) as spend "
        "from purchasing_power__user_steps where step_on >= (select max(as_of_date) from "
        "purchasing_power__score_history) group by user_id)) from purchasing_power__score_history"
    )
    assert predicted == pytest.approx(expected, rel=1e-4)
    assert realised == pytest.approx(float(came), rel=1e-4)
    assert realised > 0
