"""What is written in two places says the same in both."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from purchasing_power.training.config import TrainingConfig

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PREFIX = "purchasing_power__"


def test_the_mapping_in_the_readme_is_the_demos() -> None:
    blocks = re.findall(r"```yaml\n# dbt_project.yml\n(.*?)```", README, flags=re.DOTALL)
    demo = yaml.safe_load((ROOT / "demo" / "dbt_project.yml").read_text())
    assert [yaml.safe_load(block)["vars"] for block in blocks] == [demo["vars"]]


def test_the_readme_lists_every_var_with_its_default() -> None:
    macro = (ROOT / "macros" / "config" / "default_vars.sql").read_text()
    defaults = dict(re.findall(r"^        '(\w+)': (.*),$", macro, flags=re.MULTILINE))
    table = README.split("## What you can set")[1].split("## ")[0]
    documented = set(
        re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines() if "|" in row))
    )
    assert documented == set(defaults)
    for name in ("horizon_days", "step_grain", "earliest_date", "currency", "validation_share"):
        (row,) = [row for row in table.splitlines() if row.startswith(f"| `{name}` |")]
        assert row.split("|")[2].strip() == defaults[name].strip("'")


def test_the_package_knows_every_training_field() -> None:
    macro = (ROOT / "macros" / "config" / "check_training.sql").read_text()
    found = dict(re.findall(r"^        '(\w+)': '([^']+)',$", macro, flags=re.MULTILINE))
    kinds = {
        int: "a whole number",
        float: "a number such as 0.001",
        str: "a name",
        tuple: "a list of whole numbers",
    }
    assert found == {field.name: kinds[type(field.default)] for field in dataclasses.fields(TrainingConfig)}


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    package = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["version"]
    (macro,) = re.findall(r"return\('([^']+)'\)", (ROOT / "macros/config/package_version.sql").read_text())
    assert project == package == macro
    assert f"## {project}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_projects_selectors_are_the_packages() -> None:
    ours = (ROOT / "selectors.yml").read_text()
    for project in ("demo", "integration_tests"):
        assert (ROOT / project / "selectors.yml").read_text() == ours


def test_every_model_and_column_is_described() -> None:
    for model in ROOT.glob("models/*/*.sql"):
        described = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
        assert [entry["name"] for entry in described] == [model.stem]
        assert described[0]["description"].strip()
        assert all(column["description"].strip() for column in described[0]["columns"])


def test_public_tables_have_enforced_contracts() -> None:
    public = (
        "scores",
        "score_history",
        "user_states",
        "models",
        "model_metrics",
        "model_curves",
        "input_models",
        "rejected_rows",
        "scaling",
    )
    for name in public:
        (file,) = ROOT.glob(f"models/*/{PREFIX}{name}.yml")
        (entry,) = yaml.safe_load(file.read_text())["models"]
        assert entry["config"]["contract"]["enforced"], name
        assert all("data_type" in column for column in entry["columns"]), name


def test_what_is_read_off_the_code_is_up_to_date() -> None:
    """Macros' descriptions and the reference; a macro without a comment fails here too."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_intermediate_models_are_private_and_public_ones_public() -> None:
    access = {"purchasing_power": "public", "int_purchasing_power": "private", "stg_purchasing_power": None}
    for model in ROOT.glob("models/*/*.sql"):
        (entry,) = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
        assert entry.get("config", {}).get("access") == access[model.stem.split("__")[0]], model.stem


def test_every_command_says_how_it_is_used() -> None:
    commands = (ROOT / "docs" / "reference.md").read_text().split("## Commands")[1].split("\n### ")[1:]
    assert len(commands) > 15
    for command in commands:
        name = command.split("`")[1]
        assert f"Example: `{name}" in command, name


def test_each_mart_has_a_reader() -> None:
    exposed = (ROOT / "models" / "marts" / "exposures.yml").read_text()
    asked = (ROOT / "models" / "marts" / "semantic_models.yml").read_text()
    # Private models have other prefixes.
    assert all(name.startswith(PREFIX) for name in re.findall(r"ref\('(\w+)'\)", exposed))
    for model in ROOT.glob(f"models/marts/{PREFIX}*.sql"):
        if model.stem != f"{PREFIX}time_spine":
            assert f"ref('{model.stem}')" in exposed + asked, model.stem


LAYERS = ("input", "staging", "features", "scoring", "marts", "monitoring")
# Raw rows, which may repeat anything, and what was refused of them.
WITHOUT_A_KEY = {model.stem for model in ROOT.glob("models/input/*.sql")} | {f"{PREFIX}rejected_rows"}


def test_layers_point_one_way() -> None:
    layer_of = {
        model.stem: LAYERS.index(model.relative_to(ROOT / "models").parts[0])
        for model in ROOT.glob("models/**/*.sql")
    }
    for model in ROOT.glob("models/**/*.sql"):
        for name in re.findall(r"ref\(['\"](\w+)['\"]\)", model.read_text()):
            # The models of an engine's own kind stand beside those that read them.
            known = layer_of.get(name, layer_of[model.stem])
            assert known <= layer_of[model.stem], f"{model.stem} reads {name}, which is made after it"


# What a person wrote, and what was refused of them.
PERSONAL = ("raw_values", "review_text")
# From here on there are features, figures and predictions.
WITHOUT_PERSONAL = ("scoring", "marts", "monitoring")


def test_what_a_person_wrote_is_marked_and_ends_with_the_features() -> None:
    marked = 0
    for model in ROOT.glob("models/*/*.yml"):
        for entry in yaml.safe_load(model.read_text()).get("models", []):
            for column in entry["columns"]:
                meta = column.get("config", {}).get("meta", {})
                is_marked = meta.get(f"{PREFIX}personal", False)
                assert is_marked == (column["name"] in PERSONAL), f"{entry['name']}.{column['name']}"
                marked += is_marked
    assert marked > 10
    for layer in WITHOUT_PERSONAL:
        for model in ROOT.glob(f"models/{layer}/**/*.sql"):
            # How often it is missing may be counted.
            text = re.sub(r"{#.*?#}", "", model.read_text(), flags=re.DOTALL)
            assert not re.search(rf"\b({'|'.join(PERSONAL)})\b", text), model.stem


def test_public_tables_have_a_key_that_is_tested() -> None:
    for model in ROOT.glob("models/*/*.yml"):
        for entry in yaml.safe_load(model.read_text()).get("models", []):
            if entry.get("config", {}).get("access") != "public" or entry["name"] in WITHOUT_A_KEY:
                continue
            of_columns = [test for column in entry["columns"] for test in column.get("data_tests", [])]
            of_table = [name for test in entry.get("data_tests", []) for name in test]
            assert {"unique", f"{PREFIX}unique_combination"} & {*map(str, of_columns), *of_table}, entry[
                "name"
            ]


def test_no_model_names_a_table_by_itself() -> None:
    for model in ROOT.glob("models/**/*.sql"):
        named = re.search(r"(?i)\b(from|join)\s+[\"`]?[a-z_]\w*[\"`]?\.[\"`]?[a-z_]", model.read_text())
        assert named is None, f"{model.stem}: {named and named[0]}"
