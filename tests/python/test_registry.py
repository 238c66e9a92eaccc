from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest
from built_project import make_candidate

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.connection import Connection, connect
from purchasing_power.warehouse.features import read_settings
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import MeasuredCurve, Measurement, Registry, open_registry


@pytest.fixture
def registry(connection: Connection, project: Project) -> Registry:
    registry = Registry(connection, project)
    for day, version in enumerate(("a", "b", "c"), start=3):
        registry.register(make_candidate(version, day=day))
    return registry


def statuses(registry: Registry) -> dict[str, str]:
    return {model.model_version: model.status for model in registry.models()}


def test_a_registered_model_comes_back_as_it_was(registry: Registry) -> None:
    candidate, model = make_candidate("a"), registry.get("a")
    assert (model.status, model.sha256, model.promoted_at) == ("candidate", candidate.sha256, None)
    assert (model.metrics, model.card, model.train_cutoff) == (
        candidate.metrics,
        candidate.card,
        date(2018, 1, 2),
    )
    assert model.trained_at == datetime(2018, 1, 3, 12)


def test_models_are_listed_newest_first(registry: Registry) -> None:
    assert [model.model_version for model in registry.models()] == ["c", "b", "a"]


def test_a_version_is_registered_once(registry: Registry) -> None:
    with pytest.raises(PurchasingPowerError, match="registered already"):
        registry.register(make_candidate("a"))


def test_promoting_retires_the_champion(registry: Registry) -> None:
    assert registry.champion() is None
    registry.promote("a")
    registry.promote("b")
    assert statuses(registry) == {"a": "retired", "b": "champion", "c": "candidate"}


def test_rolling_back_goes_one_further_back_each_time(registry: Registry) -> None:
    for version in ("a", "b", "c"):
        registry.promote(version)
    assert registry.rollback().model_version == "b"
    assert registry.rollback().model_version == "a"
    assert statuses(registry) == {"a": "champion", "b": "retired", "c": "retired"}
    with pytest.raises(PurchasingPowerError, match="first champion"):
        registry.rollback()


def test_rolling_back_without_a_champion_says_so(registry: Registry) -> None:
    with pytest.raises(PurchasingPowerError, match="nothing to roll back"):
        registry.rollback()


def test_a_model_of_other_features_is_refused_and_the_champion_stays(registry: Registry) -> None:
    registry.promote("a")
    registry.register(make_candidate("other", feature_hash="features-2"))
    with pytest.raises(PurchasingPowerError, match=r"features-2.*features-1.*purchasing-power train"):
        registry.promote("other")
    assert statuses(registry)["a"] == "champion"


def test_a_damaged_model_is_refused(registry: Registry, connection: Connection) -> None:
    connection.execute("update purchasing_power__models set head_onnx = 'x'::blob where model_version = 'a'")
    with pytest.raises(PurchasingPowerError, match="sha256"):
        registry.promote("a")
    assert statuses(registry)["a"] == "candidate"


def test_a_failed_change_leaves_nothing_half_done(registry: Registry, connection: Connection) -> None:
    registry.promote("a")
    with pytest.raises(RuntimeError), connection.transaction():
        connection.execute("update purchasing_power__models set status = 'retired'")
        raise RuntimeError("the process dies here")
    assert statuses(registry)["a"] == "champion"


def test_an_unknown_model_names_the_known_ones(registry: Registry) -> None:
    with pytest.raises(PurchasingPowerError, match=r"No model d .*c, b, a"):
        registry.get("d")


def test_metrics_of_the_same_measurement_are_replaced(registry: Registry) -> None:
    row = Measurement("backtest", "all", "model", "spearman", 0.5)
    registry.write_metrics("a", [row, replace(row, method="persistence")])
    registry.write_metrics("a", [replace(row, value=0.8)])
    assert registry.metrics("a") == [
        replace(row, value=0.8),
        replace(row, method="persistence"),
    ]


def test_curves_of_the_same_method_are_replaced(registry: Registry) -> None:
    roc = MeasuredCurve("backtest", "all", "model", "roc", "", [(0.0, 0.0), (0.5, 0.9), (1.0, 1.0)])
    loss = replace(roc, curve="loss", series="training", points=[(1.0, 3.0)])
    other = replace(roc, method="persistence")
    registry.write_curves("a", [roc, loss, other])
    registry.write_curves("a", [replace(roc, points=[(0.0, 0.0), (1.0, 1.0)])])
    assert registry.curves("a") == [replace(roc, points=[(0.0, 0.0), (1.0, 1.0)]), other]
    assert registry.curves("b") == []


def test_tables_that_dbt_has_not_built_are_named_with_what_to_run(empty_project: Project) -> None:
    with (
        pytest.raises(
            PurchasingPowerError, match=r"purchasing_power__models.*not in the warehouse yet: run `dbt"
        ),
        open_registry(empty_project),
    ):
        pass


def test_settings_become_the_contract_in_the_order_of_the_catalogue(project: Project) -> None:
    with connect(project, read_only=True) as connection:
        settings = read_settings(connection, project)
    assert settings.contract.channels == ("spend", "orders")
    assert settings.contract.context == ("recency",)
    assert settings.contract.tier_names == ("low", "middle", "high")
    assert settings.newest_matured_anchor == date(2017, 11, 7)
