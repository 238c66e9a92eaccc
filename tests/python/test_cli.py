from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from built_project import build_tables, make_candidate
from small_shop import fill_warehouse

from purchasing_power.cli import main
from purchasing_power.cli.options import TrainingOptions, shared_options
from purchasing_power.training.config import TrainingConfig
from purchasing_power.warehouse.connection import connect
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Registry

COMMANDS = (
    ["init"],
    ["check"],
    ["prepare"],
    ["backtest"],
    ["train"],
    ["tune"],
    ["demo"],
    *(["models", name] for name in ("list", "show", "compress", "promote", "rollback")),
)
CHECK_MACRO = """
{% macro purchasing_power__check() %}
    {% if var('mapping_is_wrong', false) %}
        {{ exceptions.raise_compiler_error('purchasing_power__inputs names raw.orders, which is missing.') }}
    {% endif %}
    {{ log('Mapped: order_lines.', info=true) }}
{% endmacro %}
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def parsed_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dbt project with models of the package's names, parsed once by dbt."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "dbt_project.yml").write_text(
        "name: shop\nversion: 1.0.0\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n"
    )
    (folder / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: warehouse.duckdb}}}\n"
    )
    for name in (
        "settings",
        "feature_catalogue",
        "training_sequences",
        "models",
        "model_metrics",
        "model_curves",
    ):
        path = folder / "models" / f"purchasing_power__{name}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text("select 1 as placeholder")
    (folder / "macros").mkdir()
    (folder / "macros" / "check.sql").write_text(CHECK_MACRO)
    Project.find(folder).relation_names()
    return folder


@pytest.fixture
def shop(parsed_shop: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    shutil.copytree(parsed_shop, folder)
    with connect(Project.find(folder)) as connection:
        build_tables(connection)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line as a shell does; gives exit code, standard output and standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["purchasing-power", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def register(shop: Path, *versions: str) -> None:
    project = Project.find(shop)
    project.relation_names()
    with connect(project) as connection:
        for day, version in enumerate(versions, start=3):
            Registry(connection, project).register(make_candidate(version, day=day))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_commands_help_has_an_example(command: list[str], run: Run) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert f"Example: purchasing-power {' '.join(command)}" in " ".join(out.split())


def test_a_users_mistake_is_one_sentence_without_traceback(tmp_path: Path, run: Run) -> None:
    code, out, err = run("models", "list", "--project-dir", tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("Error: No dbt_project.yml was found in")
    assert err.count("\n") == 1


def test_an_empty_registry_says_what_to_run(shop: Path, run: Run) -> None:
    code, out, _ = run("models", "list", "--project-dir", shop)
    assert code == 0
    assert "purchasing-power train --promote" in out
    assert json.loads(run("models", "list", "--json", "--project-dir", shop)[1]) == []


def test_models_are_promoted_and_rolled_back(shop: Path, run: Run) -> None:
    register(shop, "a", "b")
    where = ("--project-dir", shop)
    assert run("models", "promote", "a", *where)[0] == 0
    assert "b is the champion now" in run("models", "promote", "b", *where)[1]
    assert "a is the champion again" in run("models", "rollback", *where)[1]
    listed = json.loads(run("models", "list", "--json", *where)[1])
    assert {model["model_version"]: model["status"] for model in listed} == {"a": "champion", "b": "retired"}
    assert "champion" in run("models", "list", *where)[1]


def test_a_model_is_shown_with_its_card(shop: Path, run: Run) -> None:
    register(shop, "a")
    code, out, _ = run("models", "show", "a", "--project-dir", shop)
    assert code == 0
    assert "USD" in out
    shown = json.loads(run("models", "show", "a", "--json", "--project-dir", shop)[1])
    assert (shown["card"]["currency"], shown["measurements"]) == ("USD", [])


def test_a_model_is_compressed_shown_and_promoted(shop: Path, run: Run) -> None:
    fill_warehouse(Project.find(shop))
    where = ("--project-dir", shop)
    code, out, err = run("models", "compress", "--to", "float16", "--keep-trees", "0.5", *where)
    assert (code, err) == (0, "")
    version = "m1-float16-30-trees"
    assert f"Registered {version} as a candidate" in out
    assert "30 of 60 trees" in out
    assert f"purchasing-power models promote {version}" in out
    shown = run("models", "show", version, *where)[1]
    for fact in ("compressed from", "times smaller", "normalized_gini_lost", "head_speed_ratio"):
        assert fact in shown
    # Whatever this one lost, it is told so.
    code, _, err = run("models", "promote", version, "--accept-loss", *where)
    assert (code, err) == (0, "")


def test_a_model_that_lost_too_much_is_promoted_with_an_option_alone(shop: Path, run: Run) -> None:
    candidate = make_candidate("a")
    lost = {"original": "b", "normalized_gini_lost": 0.0042, "state_drift": 0.0}
    project = Project.find(shop)
    project.relation_names()
    with connect(project) as connection:
        Registry(connection, project).register(replace(candidate, card={"compression": lost}))
    code, _, err = run("models", "promote", "a", "--project-dir", shop)
    assert code == 1
    assert err.startswith("Error: Model a loses 0.0042 of normalised Gini against b")
    assert "--accept-loss" in err
    assert run("models", "promote", "a", "--accept-loss", "--project-dir", shop)[0] == 0


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_share_of_trees_lies_between_none_and_all(share: str, shop: Path, run: Run) -> None:
    code, _, err = run("models", "compress", "--keep-trees", share, "--project-dir", shop)
    assert code == 2
    assert "--keep-trees" in err


def test_an_unknown_model_exits_with_an_error(shop: Path, run: Run) -> None:
    code, _, err = run("models", "promote", "z", "--project-dir", shop)
    assert code == 1
    assert "No model z is registered" in err


def test_init_writes_a_mapping_once(shop: Path, run: Run, tmp_path: Path) -> None:
    with connect(Project.find(shop)) as connection:
        connection.execute(
            "create table orders as select range as order_id, range % 9 as user_id, 9.5 as amount, "
            "timestamp '2017-01-01' as ordered_at from range(30)"
        )
    code, out, _ = run("init", "--project-dir", shop)
    assert code == 0
    assert yaml.safe_load(out)["vars"]["purchasing_power__inputs"]["order_lines"]["relation"] == "main.orders"
    target = tmp_path / "mapping.yml"
    assert run("init", "--output", target, "--project-dir", shop)[0] == 0
    assert target.read_text() == out
    code, _, err = run("init", "--output", target, "--project-dir", shop)
    assert code == 1
    assert "exists already" in err


@pytest.mark.dbt
def test_check_says_what_dbt_says(shop: Path, run: Run) -> None:
    code, out, _ = run("check", "--project-dir", shop)
    assert code == 0
    assert "Mapped: order_lines." in out
    code, _, err = run("check", "--vars", "{mapping_is_wrong: true}", "--project-dir", shop)
    assert code == 1
    assert "purchasing_power__inputs names raw.orders, which is missing." in err


def configured(shop: Path, vars_yaml: str | None = None, **given: object) -> TrainingConfig:
    """What a command trains with in a shop, given these vars and options."""
    taken: list[TrainingConfig] = []

    @shared_options
    def command(project: Project, training: TrainingOptions) -> None:
        taken.append(training.config(project))

    names = ("project_dir", "profiles_dir", "target", "vars_yaml", "preset")
    unset = dict.fromkeys((*names, *TrainingConfig.__dataclass_fields__))
    command(**{**unset, "project_dir": shop, "vars_yaml": vars_yaml, **given})
    return taken[0]


def test_training_options_follow_the_config(shop: Path) -> None:
    assert configured(shop) == TrainingConfig()
    assert configured(shop, epochs=3, head_sizes="16,8") == TrainingConfig(epochs=3, head_sizes=(16, 8))


def test_options_stand_above_the_var_or_the_preset(shop: Path) -> None:
    file = shop / "dbt_project.yml"
    text = file.read_text()
    file.write_text(
        text + "vars: {purchasing_power__training: {epochs: 3, learning_rate: 1, head_sizes: [8]}}\n"
    )
    assert configured(shop) == TrainingConfig(epochs=3, learning_rate=1.0, head_sizes=(8,))
    assert configured(shop, epochs=4) == TrainingConfig(epochs=4, learning_rate=1.0, head_sizes=(8,))
    assert configured(shop, preset="classic", layers=3) == TrainingConfig.preset("classic", layers=3)
    # As dbt does it: a var for the package alone wins over one for everybody, and --vars over both.
    file.write_text(
        text
        + "vars: {purchasing_power__training: {epochs: 3}, purchasing_power: {purchasing_power__training: {epochs: 5}}}\n"
    )
    assert configured(shop).epochs == 5
    assert configured(shop, "{purchasing_power__training: {epochs: 6}}").epochs == 6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1]", "Error: purchasing_power__training is [1]: write field: value, a field a line."),
        (
            "{learn_rate: 1}",
            "Error: purchasing_power__training.learn_rate does not exist: write one of batch_size, users_per_epoch, epochs,",
        ),
        (
            "{learning_rate: 2e-3}",
            'Error: purchasing_power__training.learning_rate is "2e-3": write a number such as 0.001.',
        ),
        ("{epochs: 2.5}", "Error: purchasing_power__training.epochs is 2.5: write a whole number."),
        ("{epochs: true}", "Error: purchasing_power__training.epochs is true: write a whole number."),
        (
            "{head_sizes: 64}",
            "Error: purchasing_power__training.head_sizes is 64: write a list of whole numbers.",
        ),
        ("{cell: 1}", "Error: purchasing_power__training.cell is 1: write a name."),
        ("{dropout: 1.5}", "Error: purchasing_power__training: 'dropout' is 1.5 but must be within [0, 1)."),
    ],
)
def test_a_wrong_training_var_is_named(shop: Path, run: Run, value: str, message: str) -> None:
    code, _, err = run("train", "--vars", f"{{purchasing_power__training: {value}}}", "--project-dir", shop)
    assert code == 1
    assert message in " ".join(err.split())
    assert err.count("\n") == 1


def test_an_unknown_preset_is_refused(shop: Path, run: Run) -> None:
    code, _, err = run("backtest", "--preset", "modern", "--project-dir", shop)
    assert (code, err) == (
        1,
        "Error: The preset 'modern' does not exist; use one of default, classic, private.\n",
    )


def test_sizes_that_are_no_numbers_are_refused(shop: Path, run: Run) -> None:
    code, _, err = run("train", "--head-sizes", "wide", "--project-dir", shop)
    assert code == 2
    assert "no list of whole numbers" in err
