"""A person's data: given to them whole, and erased from every table and file."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml
from shop import TINY_TRAINING, Shop

from purchasing_power.warehouse.pseudonyms import KEY_VARIABLE, pseudonym

pytestmark = pytest.mark.dbt

# The first is one of those whose score is explained, and so stands in the report.
USER, OTHER = "C0012", "C0007"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def full(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with everything that may name a user: marts, alarms, a report, published files."""
    shop = scored_shop.copy(tmp_path_factory.mktemp("personal") / "shop")
    project = shop.folder / "dbt_project.yml"
    project.write_text(
        project.read_text().replace("vars:\n", "vars:\n  purchasing_power__publish_to: published\n", 1)
    )
    for done in (
        shop.dbt("run", "--select", "purchasing_power.marts", "purchasing_power.monitoring"),
        shop.command("report", "--users", "60"),
        shop.command("publish"),
    ):
        assert done.returncode == 0, done.output
    return shop


@pytest.fixture
def shop(full: Shop, tmp_path: Path) -> Shop:
    return full.copy(tmp_path / "shop")


def tables_with(shop: Shop, user_id: str) -> dict[str, int]:
    """Tables and views of the package, and files that were published, in which a text column holds the id."""
    with contextlib.chdir(shop.folder):
        return {**_of_warehouse(shop, user_id), **_of_published(shop, user_id)}


def _of_warehouse(shop: Shop, user_id: str) -> dict[str, int]:
    found = {}
    columns = shop.sql(
        "select table_name, list(column_name) from information_schema.columns where table_schema = 'main' "
        "and (data_type like 'VARCHAR%') group by 1"
    )
    for table, names in columns:
        anywhere = " or ".join(f"contains(cast({name} as varchar), '{user_id}')" for name in names)
        ((count,),) = shop.sql(f"select count(*) from main.{table} where {anywhere}")
        if count:
            found[table] = count
    return found


def _of_published(shop: Shop, user_id: str) -> dict[str, int]:
    found = {}
    for file in (shop.folder / "published").rglob("*.parquet"):
        ((count,),) = duckdb.sql(
            f"select count(*) from (select cast(rows as varchar) as text from '{file}' as rows) where contains(text, '{user_id}')"
        ).fetchall()
        if count:
            found[str(file)] = count
    return found


def files_with(shop: Shop, user_id: str) -> list[str]:
    """Files of the project whose bytes hold the id, the shop's own aside."""
    return [
        str(path.relative_to(shop.folder))
        for path in shop.folder.rglob("*")
        if path.is_file() and "package" not in path.parts and user_id.encode() in path.read_bytes()
    ]


def delete_raw_rows(shop: Shop) -> None:
    for table, column in (("shop.receipt_positions", "card_no"), ("shop.clicks", "visitor")):
        shop.sql(f"delete from {table} where {column} = '{USER}'")
    done = shop.dbt("run", "--select", "page_log")
    assert done.returncode == 0, done.output


def test_nobody_is_found_after_forget(shop: Shop) -> None:
    before, others = tables_with(shop, USER), tables_with(shop, OTHER)
    assert {
        "purchasing_power__scores",
        "purchasing_power__user_states",
        "purchasing_power__score_history",
    } <= set(before)
    assert {"purchasing_power_report.html", "shop/warehouse.duckdb"} <= set(files_with(shop, USER))
    delete_raw_rows(shop)

    done = shop.command("forget", "--user", USER, "--json")
    assert done.returncode == 0, done.output
    assert tables_with(shop, USER) == {}
    assert files_with(shop, USER) == []
    # Nobody else is touched: earlier versions of what was published went as a whole.
    kept = {name: count for name, count in others.items() if "published" not in name}
    assert {
        name: count for name, count in tables_with(shop, OTHER).items() if "published" not in name
    } == kept
    assert (shop.folder / "published" / "current" / "purchasing_power__scores.parquet").exists()

    # The next run does not bring them back.
    done = shop.dbt("run", "--exclude", "purchasing_power.marts", "purchasing_power.monitoring")
    assert done.returncode == 0, done.output
    assert tables_with(shop, USER) == {}


def test_forget_is_refused_while_the_shop_itself_remembers(shop: Shop) -> None:
    before = shop.fingerprint()
    done = shop.command("forget", "--user", USER)
    assert done.returncode == 1
    said = " ".join(done.output.split())
    assert "The shop's own tables still have rows of theirs" in said
    assert "in what is mapped as order_lines" in said
    assert "Nothing was erased." in said
    assert "Traceback" not in said
    assert shop.fingerprint() == before

    done = shop.command("forget", "--user", USER, "--keep-inputs")
    assert done.returncode == 0, done.output
    assert shop.sql(f"select count(*) from purchasing_power__scores where user_id = '{USER}'") == [(0,)]


def test_export_gives_a_person_all_that_is_theirs(full: Shop, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    done = full.command("export", "--user", USER, "--output", str(file))
    assert done.returncode == 0, done.output
    given = json.loads(file.read_text())
    assert {
        "purchasing_power__order_lines",
        "purchasing_power__browse_events",
        "purchasing_power__user_steps",
        "purchasing_power__user_states",
        "purchasing_power__scores",
        "purchasing_power__score_history",
        "purchasing_power__user_segments",
    } <= set(given)
    assert all(row["user_id"] == USER for rows in given.values() for row in rows)
    with contextlib.chdir(full.folder):
        for table, rows in given.items():
            assert full.sql(f"select count(*) from {table} where user_id = '{USER}'") == [(len(rows),)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "--user", "nobody"), "No table of the package has a row of the user 'nobody'"),
        (("export", "--user", USER, "--output", "dbt_project.yml"), "exists already"),
    ],
)
def test_mistakes_are_one_sentence(full: Shop, arguments: tuple[str, ...], says: str) -> None:
    done = full.command(*arguments)
    assert done.returncode == 1
    assert says in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.fixture(scope="module")
def pseudonymous(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose ids are pseudonyms, from the first build to the report."""
    shop = Shop.open(tmp_path_factory.mktemp("pseudonymous") / "shop")
    project, profile = shop.folder / "dbt_project.yml", shop.folder / "profiles.yml"
    project.write_text(
        project.read_text().replace(
            "vars:\n",
            "vars:\n  purchasing_power__pseudonymise: true\n  purchasing_power__publish_to: published\n",
            1,
        )
    )
    written = yaml.safe_load(profile.read_text())
    written["corner_shop"]["outputs"]["duckdb"]["plugins"] = [{"module": "purchasing_power.duckdb_plugin"}]
    profile.write_text(yaml.safe_dump(written))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, KEY)
        for done in (
            shop.dbt("run", "--select", "page_log"),
            shop.dbt("run", "--selector", "purchasing_power_features"),
            shop.command(*TINY_TRAINING),
            shop.dbt("run", "--exclude", "purchasing_power.features", "purchasing_power.staging", "page_log"),
            shop.command("report", "--users", "60"),
            shop.command("publish"),
        ):
            assert done.returncode == 0, done.output
    return shop


def test_a_pseudonym_is_the_same_in_sql_and_python(pseudonymous: Shop) -> None:
    named = {user_id for (user_id,) in pseudonymous.sql("select user_id from purchasing_power__scores")}
    raw = {
        user_id
        for (user_id,) in pseudonymous.sql("select distinct trim(card_no) from shop.receipt_positions")
        if user_id
    }
    assert {pseudonym(user_id, KEY) for user_id in raw} <= named
    assert all(re.fullmatch("[0-9a-f]{64}", user_id) for user_id in named)


def test_no_id_and_no_key_is_anywhere_but_in_the_shops_own_tables(pseudonymous: Shop) -> None:
    with contextlib.chdir(pseudonymous.folder):
        in_tables = _of_warehouse(pseudonymous, USER) | _of_published(pseudonymous, USER)
    assert set(in_tables) <= {"page_log"}
    # The warehouse's file has the shop's own tables too.
    files = [file for file in files_with(pseudonymous, USER) if "warehouse.duckdb" not in file]
    assert files == []
    assert files_with(pseudonymous, KEY) == []


def test_without_its_key_a_run_builds_nothing(pseudonymous: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pseudonymous.fingerprint()
    for key, says in (("", "this session has no key"), ("short", "fewer than 16 characters")):
        monkeypatch.setenv(KEY_VARIABLE, key)
        done = pseudonymous.dbt("build")
        assert done.returncode != 0
        assert says in " ".join(done.output.split())
        assert pseudonymous.fingerprint() == before


def test_a_person_is_exported_and_forgotten_by_their_own_id(
    pseudonymous: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = pseudonymous.copy(tmp_path / "shop")
    done = shop.command("export", "--user", USER)
    assert done.returncode == 1
    assert f"set the environment variable {KEY_VARIABLE}" in " ".join(done.output.split())
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    done = shop.command("export", "--user", USER)
    assert done.returncode == 0, done.output
    given = json.loads(done.output)
    assert {row["user_id"] for rows in given.values() for row in rows} == {pseudonym(USER, KEY)}
    assert len(given["purchasing_power__order_lines"]) > 0
    assert shop.command("forget", "--user", USER, "--keep-inputs").returncode == 0
    assert files_with(shop, pseudonym(USER, KEY)) == []
