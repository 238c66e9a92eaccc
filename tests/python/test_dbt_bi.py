"""What BI tools read: semantic models, asked by MetricFlow itself, and published files."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from browser import CHROMIUM, seen_at
from filelock import FileLock
from shop import MARTS, PACKAGE, Shop

from purchasing_power import publish
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.publish import CATALOGUE, PUBLISHED
from purchasing_power.reporting import Silent
from purchasing_power.warehouse.project import Project

sys.path.append(str(PACKAGE / "scripts"))

import dashboard

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
    files = {f"{model}.parquet" for model in PUBLISHED}
    assert {path.name for path in current.iterdir()} == {*files, CATALOGUE}
    with duckdb.connect(str(current / CATALOGUE), read_only=True) as catalogue:
        for model in PUBLISHED:
            rows = "select count(*), coalesce(sum(hash(given)), 0) from {} as given"
            kept = shop.sql(rows.format(model))
            assert duckdb.sql(rows.format(f"'{current / model}.parquet'")).fetchall() == kept, model
            assert catalogue.sql(rows.format(model)).fetchall() == kept, model


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


def test_what_a_killed_publication_left_goes_with_the_next(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    half = folder / "versions" / "20200101T000000000000.partial"
    half.mkdir(parents=True)
    (half / "purchasing_power__scores.parquet").write_bytes(b"half")
    (folder / ".current.1").symlink_to("versions/gone")
    assert shop.command("publish", "--to", str(folder)).returncode == 0
    version = (folder / "current").readlink().name
    assert {path.name for path in folder.rglob("*") if not path.name.startswith("purchasing_power")} == {
        ".lock",
        "current",
        "versions",
        version,
    }


def test_two_publications_take_turns(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setattr(publish, "_OTHERS_SECONDS", 0)
    project = Project.find(shop.folder, profiles_dir=shop.folder)
    with FileLock(folder / ".lock"), pytest.raises(PurchasingPowerError, match="Somebody else has been publ"):
        publish.run_publish(project, folder, Silent())
    publish.run_publish(project, folder, Silent())


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


def test_a_catalogue_that_cannot_be_written_is_one_sentence(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    assert shop.command("publish", "--to", str(folder)).returncode == 0
    before = (folder / "current").readlink()

    def full(*_: Any) -> None:
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(publish, "_write_catalogue", full)
    project = Project.find(shop.folder, profiles_dir=shop.folder)
    with pytest.raises(
        PurchasingPowerError, match=r"No space left on device; what was published before stays"
    ):
        publish.run_publish(project, folder, Silent())
    assert (folder / "current").readlink() == before
    assert [path.name for path in (folder / "versions").iterdir()] == [before.name]


@pytest.fixture(scope="module")
def published(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    done = shop.command("publish", "--to", str(folder))
    assert done.returncode == 0, done.output
    return folder


def test_the_dashboards_expressions_are_answered(published: Path) -> None:
    datasets = {each["uuid"]: each for each in parts_of_dashboard("datasets/*")}
    with duckdb.connect(str(published / "current" / CATALOGUE), read_only=True) as catalogue:
        for each in datasets.values():
            source = f"({each['sql']})" if each["sql"] else each["table_name"]
            chosen = [column["expression"] or column["column_name"] for column in each["columns"]]
            catalogue.execute(f"select {', '.join(chosen)} from {source} as asked")
            for metric in each["metrics"]:
                catalogue.execute(f"select {metric['expression']} from {source} as asked")
    for chart in parts_of_dashboard("charts"):
        dataset = datasets[chart["dataset_uuid"]]
        columns = {column["column_name"] for column in dataset["columns"]}
        metrics = {metric["metric_name"] for metric in dataset["metrics"]}
        asked = chart["params"]
        groups = asked.get("groupby") or []
        named = {*([groups] if isinstance(groups, str) else groups), *asked.get("all_columns", [])}
        named |= {asked[key] for key in ("x_axis", "source", "target") if key in asked}
        assert named <= columns, chart["slice_name"]
        assert {*asked.get("metrics", []), *([asked["metric"]] if "metric" in asked else [])} <= metrics


def test_the_dashboard_shows_each_chart(published: Path) -> None:
    if not dashboard.SUPERSET.is_file() or CHROMIUM is None:
        pytest.skip(
            "the dashboard is looked at where `make dashboard` has installed Superset, and a browser is"
        )
    with dashboard.serving(published) as address:
        page = seen_at(f"{address}?standalone=2")
    charts = [chart["slice_name"] for chart in parts_of_dashboard("charts")]
    assert [name for name in charts if name not in unescape(page)] == []
    # What Superset writes where a chart's query fails.
    assert "Data error" not in page and "Unexpected error" not in page
    drawn = [
        chart for chart in parts_of_dashboard("charts") if not chart["viz_type"].startswith(("table", "big"))
    ]
    # A shop that was scored once has neither moves nor matured scores.
    assert page.count("<canvas") >= len(drawn) - 2


def parts_of_dashboard(folder: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text()) for path in sorted(dashboard.DASHBOARD.glob(f"{folder}/*.yaml"))]
