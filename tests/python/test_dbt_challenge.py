"""A candidate takes the champion's place only where it is not clearly worse; the champion comes back at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from shop import Shop

from purchasing_power.challenge import _rescaled
from purchasing_power.compression import Graphs
from purchasing_power.scoring import ScoringModel
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.registry import Candidate, open_registry

pytestmark = pytest.mark.dbt

CLAIMED = ("purchase_probability", "expected_spend")


@pytest.fixture(scope="module")
def shop(scored_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with its champion, a twin of it, and one that says the opposite."""
    shop = scored_shop.copy(tmp_path_factory.mktemp("challenge") / "shop")
    with open_registry(Project.find(shop.folder)) as registry:
        champion = registry.champion()
        assert champion is not None
        files = registry.graphs(champion.model_version)
        model, graphs = ScoringModel.from_bytes(*files, champion.sha256), Graphs.from_bytes(*files)
        for version, head in (("twin", graphs.head), ("opposite", turned_around(graphs.head))):
            metadata = replace(model.metadata, model_version=version)
            encoder_bytes, head_bytes = replace(graphs, head=head).stamp(metadata)
            registry.register(
                Candidate(
                    version,
                    encoder_bytes,
                    head_bytes,
                    champion.feature_hash,
                    champion.scaling_version,
                    champion.horizon_days,
                    datetime.now(UTC),
                    champion.train_cutoff,
                    champion.metrics,
                    metadata.as_dict(),
                )
            )
    return shop


def turned_around(head: onnx.ModelProto) -> onnx.ModelProto:
    """Gives a head that expects little of whom the other expects much, and the other way round."""
    turned = onnx.ModelProto()
    turned.CopyFrom(head)
    graph = turned.graph
    for name in CLAIMED:
        for node in graph.node:
            node.input[:] = [f"{name}_before" if given == name else given for given in node.input]
            node.output[:] = [f"{name}_before" if made == name else made for made in node.output]
        one = f"{name}_one"
        graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), one))
        if name == "purchase_probability":
            graph.node.append(helper.make_node("Sub", [one, f"{name}_before"], [name]))
        else:
            graph.node.append(helper.make_node("Add", [one, f"{name}_before"], [f"{name}_above"]))
            graph.node.append(helper.make_node("Div", [one, f"{name}_above"], [name]))
    return turned


def champion_of(shop: Shop) -> str:
    ((version,),) = shop.sql("select model_version from purchasing_power__models where status = 'champion'")
    return str(version)


def test_a_candidate_that_is_clearly_worse_leaves_the_champion(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    before, registered = champion_of(own), own.sql("from purchasing_power__models order by model_version")
    done = own.command("models", "promote", "opposite")
    assert done.returncode == 1
    said = " ".join(done.output.split())
    assert f"opposite is worse than the champion {before} in normalized_gini and buy_auc" in said
    assert "so the champion stays" in said
    assert "Traceback" not in said
    assert own.sql("from purchasing_power__models order by model_version") == registered

    done = own.command("models", "promote", "opposite", "--accept-loss")
    assert done.returncode == 0, done.output
    assert champion_of(own) == "opposite"
    done = own.command("models", "rollback")
    assert done.returncode == 0, done.output
    assert champion_of(own) == before


def test_one_that_is_as_good_is_promoted_and_its_figures_are_kept(shop: Shop, tmp_path: Path) -> None:
    own = shop.copy(tmp_path / "shop")
    done = own.command("models", "promote", "twin")
    assert done.returncode == 0, done.output
    assert champion_of(own) == "twin"
    kept = dict(
        own.sql(
            "select method, value from purchasing_power__model_metrics where model_version = 'twin' "
            "and dataset = 'challenge' and metric = 'normalized_gini'"
        )
    )
    assert kept["candidate"] == pytest.approx(kept["champion"], abs=1e-6)
    assert kept["difference_low"] == pytest.approx(0, abs=1e-6)
    assert kept["difference_high"] == pytest.approx(0, abs=1e-6)


def test_both_score_side_by_side_on_a_share_of_users(shop: Shop) -> None:
    whole, part = (
        shop.command("models", "challenge", "opposite", "--json", *options)
        for options in ((), ("--share", "0.5"))
    )
    for done in (whole, part):
        assert done.returncode == 0, done.output
    found = json.loads(whole.output[whole.output.index("[") : whole.output.rindex("]") + 1])
    value = {(row["method"], row["metric"]): row["value"] for row in found}
    assert value["candidate", "buy_auc"] == pytest.approx(1 - value["champion", "buy_auc"], abs=1e-6)
    assert value["difference_high", "buy_auc"] < 0
    assert "users held back from training" in whole.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("models", "challenge", "nobody"), "nobody"),
        (("models", "challenge", "twin", "--share", "0"), "--share is 0.0: give a share of users above 0"),
    ],
)
def test_mistakes_are_one_sentence(shop: Shop, arguments: tuple[str, ...], says: str) -> None:
    done = shop.command(*arguments)
    assert done.returncode == 1
    assert says in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_one_scaling_becomes_another() -> None:
    raw = np.random.default_rng(4).normal(3, 2, size=(50, 2))
    built, own = np.array([[1.0, 2.0], [0.5, 1.5]]), np.array([[2.0, 1.0], [0.0, 3.0]])
    by = np.stack([built[:, 1] / own[:, 1], (built[:, 0] - own[:, 0]) / own[:, 1]], axis=1)
    found = _rescaled(((raw - built[:, 0]) / built[:, 1]).ravel(), by).reshape(-1, 2)
    np.testing.assert_allclose(found, (raw - own[:, 0]) / own[:, 1], rtol=1e-5, atol=1e-6)
    # What was cut is as far out as anything can be.
    np.testing.assert_array_equal(_rescaled(np.array([10.0, -10.0]), by), [10, -10])
