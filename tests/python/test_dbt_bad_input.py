"""What a user can get wrong: one sentence, a non-zero exit, and the tables as they were."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from shop import FEATURES, SCORING, Shop

pytestmark = pytest.mark.dbt


@pytest.fixture(scope="module")
def shop(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    own = scored_shop.copy(tmp_path_factory.mktemp("bad") / "shop")
    own.sql("create table shop.empty as select * from shop.receipt_positions where false")
    return own


@pytest.fixture(scope="module")
def unbuilt(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The same shop with the package's macros alone: what checks vars and mapping needs no model, and parses sooner."""
    own = shop.copy(tmp_path_factory.mktemp("unbuilt") / "shop")
    for folder in ("staging", "features", "scoring", "marts", "monitoring", "input"):
        shutil.rmtree(own.folder / "package" / "models" / folder)
    (own.folder / "package" / "models" / "docs.md").unlink()
    shutil.rmtree(own.folder / "package" / "tests")
    return own


def _without_orders(inputs: dict[str, Any]) -> None:
    del inputs["order_lines"]


def _order_lines(**changes: Any) -> Any:
    def change(inputs: dict[str, Any]) -> None:
        inputs["order_lines"].update(changes)

    return change


def _order_column(name: str, expression: str) -> Any:
    def change(inputs: dict[str, Any]) -> None:
        inputs["order_lines"]["columns"][name] = expression

    return change


CASES = {
    "missing table": (
        _order_lines(relation="shop.recipts"),
        "purchasing_power__inputs.order_lines maps shop.recipts, which is not in the warehouse (schema shop holds clicks,"
        " empty, receipt_positions): write a table, ref, source or file that is there.",
    ),
    "missing model": (
        _order_lines(relation="shop.nothing.here"),
        "which is not in the warehouse",
    ),
    "missing file": (
        _order_lines(relation="shop/orders-*.parquet"),
        "names the file shop/orders-*.parquet, and no file matches it",
    ),
    "missing column": (
        _order_column("user_id", "customer"),
        "purchasing_power__inputs.order_lines.columns.user_id is `customer`, which reads the column customer that is not"
        " there; source('shop', 'receipt_positions') has position_no, receipt_no, card_no,",
    ),
    "missing column inside an expression": (
        _order_column("amount", "try_cast(price as double) * 2"),
        "which reads the column price that is not there",
    ),
    "not SQL": (
        _order_column("amount", "paid_cents +"),
        "purchasing_power__inputs.order_lines.columns.amount is `paid_cents +`, which is not a SQL expression",
    ),
    "wrong type": (
        _order_column("amount", "cast(paid_at as date)"),
        "purchasing_power__inputs.order_lines.columns.amount is `cast(paid_at as date)` of type DATE: write an expression"
        " that gives a number.",
    ),
    "text that is no number": (
        _order_column("amount", "article"),
        "hold nothing that reads as a number: write an expression that gives a number.",
    ),
    "wrong type of time": (
        _order_column("ordered_at", "length(paid_at)"),
        "is `length(paid_at)` of type BIGINT: write an expression that gives a time.",
    ),
    "a float id": (
        _order_column("user_id", "try_cast(article as double)"),
        "of type DOUBLE, in which an id reads 58.0 or nan: write `cast(try_cast(article as double) as bigint)`.",
    ),
    "an interval is no number": (
        _order_column("quantity", "interval 1 day"),
        "write an expression that gives a number.",
    ),
    "two expressions": (
        _order_column("amount", "try_cast(paid_cents as double) -- net"),
        "which is not a SQL expression",
    ),
    "empty table": (
        _order_lines(relation="shop.empty"),
        "purchasing_power__inputs.order_lines maps shop.empty, which is empty: load it first, or map another relation.",
    ),
    "no order_lines": (
        _without_orders,
        "purchasing_power__inputs maps no order_lines, the one relation that is always needed",
    ),
    "unknown relation": (
        lambda inputs: inputs.update(orders=inputs["order_lines"]),
        "maps the unknown relation orders: write one of order_lines, browse_events, reviews, products, customers, exchange_rates.",
    ),
    "unknown column": (
        _order_column("customer_id", "card_no"),
        "maps the unknown column customer_id: write some of order_line_id, order_id, user_id,",
    ),
    "required column left out": (
        lambda inputs: inputs["order_lines"]["columns"].pop("amount"),
        "does not map amount, which is required",
    ),
    "missing column in where": (
        _order_lines(where="status = 'paid'"),
        "purchasing_power__inputs.order_lines.where is `status = 'paid'`, which reads the column status that is not there",
    ),
    "unknown key": (
        _order_lines(filter="true"),
        "has the unknown key filter: write relation, columns and, if need be, where.",
    ),
    "no columns": (
        lambda inputs: inputs["order_lines"].pop("columns"),
        "must give relation (a table, ref, source or file) and columns",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_mapping_is_one_sentence(unbuilt: Shop, case: str) -> None:
    change, sentence = CASES[case]
    inputs = copy.deepcopy(unbuilt.inputs())
    change(inputs)
    outcome = unbuilt.dbt(
        "run-operation", "purchasing_power__check", variables={"purchasing_power__inputs": inputs}
    )
    assert outcome.returncode != 0
    assert sentence in outcome.output.replace("\n", " ")
    assert "Traceback" not in outcome.output


def test_a_build_that_is_refused_changes_nothing(shop: Shop) -> None:
    change, sentence = CASES["missing column"]
    inputs = copy.deepcopy(shop.inputs())
    change(inputs)
    before = shop.fingerprint()
    outcome = shop.dbt("build", variables={"purchasing_power__inputs": inputs})
    assert outcome.returncode != 0
    assert sentence in outcome.output.replace("\n", " ")
    assert "Traceback" not in outcome.output
    assert shop.fingerprint() == before


SETTINGS = {
    "horizon_days": (0, "purchasing_power__horizon_days is 0: write a whole number of at least 1."),
    "step_grain": ("hour", 'purchasing_power__step_grain is "hour": write day, week or event.'),
    "as_of_date": ("2024-02-31", 'purchasing_power__as_of_date is "2024-02-31": write a date as YYYY-MM-DD.'),
    "earliest_date, no leap year": (
        "2023-02-29",
        'purchasing_power__earliest_date is "2023-02-29": write a date as YYYY-MM-DD.',
    ),
    "event_types, twice": (["View", "view"], "write each type once, upper and lower case are the same."),
    "earliest_date": ("soon", 'purchasing_power__earliest_date is "soon": write a date as YYYY-MM-DD.'),
    "validation_share": (0.9, "write a share of users above 0 and at most 0.5."),
    "embedding_channels": (0, "write a whole number of at least 1."),
    "tier_names": (["one"], "write a list of at least 2 different names."),
    "event_types": ("view", "write a list of at least 0 different names."),
    "fills": ({"amount": "guess"}, 'purchasing_power__fills.amount is "guess": write zero, mean, median,'),
    "fills, unknown column": (
        {"price": "zero"},
        "purchasing_power__fills names the column price, which is not cleaned",
    ),
    "outliers": ({"amount": "drop"}, 'purchasing_power__outliers.amount is "drop": write {method: iqr,'),
    "outliers, factor": (
        {"amount": {"factor": -1}},
        "purchasing_power__outliers.amount.factor is -1: write a number",
    ),
    "bot_events_per_day": (
        0,
        "purchasing_power__bot_events_per_day is 0: write a whole number of at least 1.",
    ),
    "training": ([1], "purchasing_power__training is [1]: write field: value, a field a line."),
    "training, unknown field": (
        {"learn_rate": 0.1},
        "purchasing_power__training.learn_rate does not exist: write one of batch_size, users_per_epoch, epochs,",
    ),
    "training, a number that YAML takes for text": (
        {"learning_rate": "2e-3"},
        'purchasing_power__training.learning_rate is "2e-3": write a number such as 0.001.',
    ),
    "training, a size that is no list": (
        {"head_sizes": 64},
        "purchasing_power__training.head_sizes is 64: write a list of whole numbers.",
    ),
    "extra_channels": ("hits", 'purchasing_power__extra_channels is "hits": write a list of {name:'),
    "extra_channels, taken": (
        [{"name": "spend", "input": "browse_events", "expression": "hits"}],
        'purchasing_power__extra_channels[0].name is "spend": write a name',
    ),
    "extra_channels, a name of the feature SQL": (
        [{"name": "step_on", "input": "browse_events", "expression": "hits"}],
        'purchasing_power__extra_channels[0].name is "step_on": write a name',
    ),
    "extra_channels, context of that name": (
        [{"name": "active_steps", "input": "browse_events", "expression": "hits"}],
        'purchasing_power__extra_channels[0].name is "active_steps": write a name',
    ),
    "extra_channels, a word of SQL": (
        [{"name": "order", "input": "browse_events", "expression": "hits"}],
        'purchasing_power__extra_channels[0].name is "order", a word of SQL itself: write another name.',
    ),
    "extra_channels, misspelt": (
        [{"name": "pages", "input": "browse_events", "expression": "hitz"}],
        "purchasing_power__extra_channels[0].expression is `hitz`, which reads the column hitz that is not there",
    ),
    "monitoring, unknown rule": (
        {"psy": 1},
        'purchasing_power__monitoring has "psy": it knows severity, reference_days',
    ),
    "monitoring, severity": (
        {"severity": "loud"},
        'purchasing_power__monitoring.severity is "loud": write warn, error or off',
    ),
    "monitoring, severity of no check": (
        {"severity": {"weather": "warn"}},
        'purchasing_power__monitoring.severity has "weather": it knows input_changes',
    ),
    "monitoring, fewest_days": (
        {"fewest_days": 40},
        "purchasing_power__monitoring.fewest_days is 40: write a whole number from 2 to",
    ),
    "monitoring, departures": (
        {"departures": "five"},
        'purchasing_power__monitoring.departures is "five": write a number above 0',
    ),
    "groups": (["age"], 'purchasing_power__groups is ["age"]: write a mapping of names to SQL expressions'),
    "groups, no customers": (
        {"age": "age"},
        "names age, and no customers are mapped: map them in purchasing_power__inputs",
    ),
}
GROUPS = {
    "no column": ({"age": "years"}, "purchasing_power__groups.age is `years`, which reads the column years"),
    "a word of SQL": (
        {"order": "card_no"},
        'purchasing_power__groups has "order": write a name of small letters',
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_var_is_one_sentence(unbuilt: Shop, name: str) -> None:
    value, sentence = SETTINGS[name]
    outcome = unbuilt.dbt(
        "run-operation",
        "purchasing_power__check",
        variables={f"purchasing_power__{name.split(',')[0]}": value},
    )
    assert outcome.returncode != 0
    assert sentence in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("name", GROUPS)
def test_a_wrong_group_is_one_sentence(unbuilt: Shop, name: str) -> None:
    groups, sentence = GROUPS[name]
    customers = {"relation": "shop.receipt_positions", "columns": {"user_id": "card_no"}}
    variables = {
        "purchasing_power__inputs": unbuilt.inputs() | {"customers": customers},
        "purchasing_power__groups": groups,
    }
    outcome = unbuilt.dbt("run-operation", "purchasing_power__check", variables=variables)
    assert outcome.returncode != 0
    assert sentence in outcome.output
    assert "Traceback" not in outcome.output


def test_the_check_says_what_is_mapped(shop: Shop) -> None:
    outcome = shop.dbt("run-operation", "purchasing_power__check")
    assert outcome.returncode == 0
    assert "the vars and the mapping are fine. Mapped: order_lines, browse_events, products" in outcome.output


def _scoring_is_refused(shop: Shop, sentence: str, **dbt_options: Any) -> None:
    before = {name: value for name, value in shop.fingerprint().items() if "score" in name or "state" in name}
    outcome = shop.dbt(*SCORING, **dbt_options)
    assert outcome.returncode != 0
    assert "Nothing was scored and the previous scores stay" in outcome.output
    assert sentence in outcome.output
    assert "Traceback" not in outcome.output
    assert {name: value for name, value in shop.fingerprint().items() if name in before} == before


def test_no_champion_yet(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    own.sql("update purchasing_power__models set status = 'candidate'")
    _scoring_is_refused(
        own, "holds no champion model: run `purchasing-power train --promote`, then build again."
    )


def test_a_champion_of_other_features(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    other = {"purchasing_power__event_types": ["view"]}
    assert own.dbt(*FEATURES, variables=other).returncode == 0
    _scoring_is_refused(own, "was trained on the features", variables=other)


def test_tampered_bytes(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    own.sql("update purchasing_power__models set head_onnx = head_onnx || 'x'::blob")
    _scoring_is_refused(own, "do not have the sha256 that was registered")


def test_a_lost_scaling(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    own.sql("update purchasing_power__scaling set scaling_version = 'other'")
    _scoring_is_refused(own, "no longer holds: run `purchasing-power train --promote`.")
