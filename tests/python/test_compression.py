"""Smaller forms of a model: what they compute, what they lose, and when they are refused."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
import small_model
import small_shop
from onnx import numpy_helper

from purchasing_power import compress
from purchasing_power.compression import (
    FORMS,
    AnchorUsers,
    Graphs,
    anchor_users,
    compare,
    earlier_context,
    graphs,
    optimised,
    thin_trees,
    with_short_names,
)
from purchasing_power.compression import figures as compression_figures
from purchasing_power.errors import PurchasingPowerError
from purchasing_power.evaluation.metrics import normalized_gini
from purchasing_power.reporting import Silent
from purchasing_power.scoring import ScoringModel
from purchasing_power.scoring.columns import list_column
from purchasing_power.training.dataset import SequenceDataset
from purchasing_power.training.export import convert
from purchasing_power.training.tree_graph import boosted_trees
from purchasing_power.warehouse.registry import Registry, open_registry

RANDOM = np.random.default_rng(31)
CONTEXT = RANDOM.normal(size=(3000, 4)).astype(np.float32)
SUMS_OF_TREES = ("purchase_probability", "expected_spend")


def original() -> Graphs:
    exported = small_model.exported()
    return Graphs.from_bytes(exported.encoder, exported.head)


def opened(found: Graphs) -> ScoringModel:
    return ScoringModel.from_bytes(*found.stamp(small_model.metadata()))


def states(model: ScoringModel, users: int = 200) -> Any:
    steps = np.random.default_rng(3).normal(size=(users, 20, 3)).astype(np.float32)
    return model.next_state(steps, np.zeros((users, 64), np.float32))


def weights(model: onnx.ModelProto) -> list[Any]:
    return [numpy_helper.to_array(item) for item in model.graph.initializer]


@pytest.mark.parametrize(
    ("form", "kind", "tolerance"), [("float16", np.float16, 2e-3), ("int8", np.int8, 5e-2)]
)
def test_short_weights_say_nearly_the_same(form: str, kind: Any, tolerance: float) -> None:
    short = original().each(FORMS[form])
    # Of small matrices only those that a hidden vector is multiplied by are worth it.
    kinds = [item.dtype for item in weights(short.encoder)]
    assert kinds.count(np.dtype(kind)) == 2
    assert not [item for item in weights(short.encoder) if item.dtype == np.float32 and item.size > 400]
    onnx.checker.check_model(short.encoder, full_check=True)
    assert short.encoder.ByteSize() < (0.8 if form == "float16" else 0.7) * original().encoder.ByteSize()
    before, after = opened(original()), opened(short)
    was, now = states(before), states(after)
    assert 0 < np.abs(now - was).max() < tolerance
    was, now = before.predict(was, CONTEXT[:200]), after.predict(now, CONTEXT[:200])
    assert 0 < np.abs(now.purchase_probability - was.purchase_probability).max() < tolerance


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_int8_weights_are_off_by_half_a_step_of_their_output_at_most(cell: str) -> None:
    network = small_model.network(cell, 2)
    encoder = convert(network, None, small_model.forest()).encoder
    short = FORMS["int8"](encoder)
    whole = {item.name: numpy_helper.to_array(item) for item in encoder.graph.initializer}
    parts = {item.name: numpy_helper.to_array(item) for item in short.graph.initializer}
    shortened = [name for name in whole if f"{name}_short" in parts]
    assert len(shortened) >= 4
    for name in shortened:
        step = parts[f"{name}_step"]
        # A cell's weights are [directions, outputs, inputs].
        assert step.shape == (1, whole[name].shape[1], 1)
        assert (np.abs(parts[f"{name}_short"] * step - whole[name]) <= 0.5001 * step).all()


def test_what_float16_cannot_hold_stays_as_it_is() -> None:
    encoder = onnx.ModelProto()
    encoder.CopyFrom(original().encoder)
    largest = max(encoder.graph.initializer, key=lambda item: item.ByteSize())
    far = numpy_helper.to_array(largest).copy()
    far.flat[0] = 1e6
    largest.CopyFrom(numpy_helper.from_array(far, largest.name))
    kept = {item.name: numpy_helper.to_array(item) for item in FORMS["float16"](encoder).graph.initializer}
    np.testing.assert_array_equal(kept[largest.name], far)


def test_a_weight_of_zeros_stays_zero() -> None:
    encoder = onnx.ModelProto()
    encoder.CopyFrom(original().encoder)
    for item in encoder.graph.initializer:
        zeros = np.zeros_like(numpy_helper.to_array(item))
        if zeros.ndim == 3:
            item.CopyFrom(numpy_helper.from_array(zeros, item.name))
    with np.errstate(all="raise"):
        short = replace(original(), encoder=FORMS["int8"](encoder))
    np.testing.assert_array_equal(states(opened(short)), states(opened(replace(original(), encoder=encoder))))


def test_optimised_graphs_with_short_names_say_exactly_the_same() -> None:
    found = original().each(optimised).each(with_short_names)
    assert found.size < original().size
    assert len(found.head.graph.node) <= len(original().head.graph.node)
    domains = [item.domain for item in found.head.opset_import]
    assert len(domains) == len(set(domains))
    assert set(domains) <= {"", "ai.onnx.ml", "com.microsoft"}
    before, after = opened(original()), opened(found)
    np.testing.assert_array_equal(states(after), states(before))
    state = states(before)
    for name, values in vars(before.predict(state, CONTEXT[:200])).items():
        np.testing.assert_allclose(
            vars(after.predict(state, CONTEXT[:200]))[name], values, rtol=1e-6, atol=1e-7, err_msg=name
        )


def test_fewer_trees_say_nearly_what_all_of_them_say() -> None:
    head = original().head
    thinned, trees = thin_trees(head, CONTEXT, 0.5)
    assert trees == 30
    assert [len(ensemble.root) for ensemble in boosted_trees(thinned.graph)] == [10, 10, 10]
    fresh = np.random.default_rng(5).normal(size=(2000, 4)).astype(np.float32)
    for all_of_them, kept in zip(boosted_trees(head.graph), boosted_trees(thinned.graph), strict=True):
        whole, part = (one.value[one.leaves(fresh)].sum(axis=1) for one in (all_of_them, kept))
        chosen = np.unique(np.linspace(0, 19, 10).round().astype(int))
        unfitted = all_of_them.subset(chosen)
        scaled = 2 * unfitted.value[unfitted.leaves(fresh)].sum(axis=1)
        error, without_fit = (np.sqrt(np.mean((found - whole) ** 2)) for found in (part, scaled))
        assert error < 0.25 * whole.std()
        assert error < 0.7 * without_fit
    # The forest is not one of them.
    state = np.zeros((50, 64), np.float32)
    before, after = (
        opened(replace(original(), head=one)).predict(state, CONTEXT[:50]) for one in (head, thinned)
    )
    np.testing.assert_array_equal(after.anomaly_score, before.anomaly_score)
    assert (after.expected_spend != before.expected_spend).any()


@pytest.mark.parametrize(("share", "kept"), [(1.0, 60), (0.99, 60), (0.001, 3)])
def test_at_least_one_tree_and_at_most_all_are_kept(share: float, kept: int) -> None:
    head = original().head
    thinned, trees = thin_trees(head, CONTEXT, share)
    assert trees == kept
    assert (thinned == head) == (kept == 60)


def test_a_head_without_trees_stays_as_it_is() -> None:
    head = convert(small_model.network(), None, small_model.forest()).head
    assert thin_trees(head, CONTEXT, 0.5) == (head, 0)


def sequences() -> list[pa.RecordBatch]:
    return small_model.batches(small_model.rows(), size=25)


def users_at(anchor_on: dt.date = small_shop.ANCHOR) -> list[AnchorUsers]:
    return list(anchor_users(sequences(), anchor_on, small_model.CONTRACT))


def test_users_at_an_anchor_are_those_that_training_knows(tmp_path: Path) -> None:
    data = SequenceDataset.write(sequences(), tmp_path / "data", small_model.CONTRACT)
    anchor_on = small_model.ANCHORS[1]
    labels = data.labels(anchor_on)
    expected = {
        user: (label, orders, steps, context)
        for user, label, orders, (steps, context) in zip(
            labels.user_id.to_pylist(),
            labels.spend,
            labels.orders,
            (
                (steps.as_py(), context.as_py())
                for batch, contexts in data.records(anchor_on)
                for steps, context in zip(batch.column("steps"), contexts, strict=True)
            ),
            strict=True,
        )
    }
    held_back = set(data.labels(anchor_on, split="validation").user_id.to_pylist())
    found = {}
    for users in users_at(anchor_on):
        names = users.steps.column("user_id").to_pylist()
        assert users.steps.column("n_steps").to_pylist() == [
            len(one) // 3 for one in users.steps.column("steps")
        ]
        columns = (users.spend, users.orders, users.steps.column("steps"), users.context)
        for name, spend, orders, steps, context in zip(names, *columns, strict=True):
            found[name] = (spend, orders, steps.as_py(), context.as_py())
        assert {
            name for name, held in zip(names, users.is_held_back, strict=True) if held
        } == held_back & set(names)
    # Every third user has no anchor that early.
    assert len(found) == 80
    assert found == expected


def test_context_is_drawn_from_earlier_anchors_alone() -> None:
    anchor_on = small_model.ANCHORS[5]
    everything = earlier_context(sequences(), anchor_on, 4)
    known = {
        tuple(context)
        for row in small_model.rows()
        for day, context in zip(row["anchor_on"], np.reshape(row["context"], (-1, 4)), strict=True)
        if day < anchor_on
    }
    assert {tuple(row) for row in everything} == known
    some = earlier_context(sequences(), anchor_on, 4, rows=50)
    assert len(some) == 50
    assert {tuple(row) for row in some} < known
    np.testing.assert_array_equal(some, earlier_context(sequences(), anchor_on, 4, rows=50))
    assert len(earlier_context(sequences(), small_model.FIRST_ANCHOR, 4)) == 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times a few users, few times: what a machine is capable of is no matter of a test."""
    monkeypatch.setattr(compression_figures, "_TIMED_USERS", 256)
    monkeypatch.setattr(compression_figures, "_REPEATS", 3)


@pytest.mark.usefixtures("quick")
def test_a_model_loses_nothing_against_itself() -> None:
    model = opened(original())
    found = compare(model, model, users_at())
    assert found.compressed == found.original
    assert found.compressed_held_back == found.original_held_back
    lost = {name: value for name, value in found.difference.items() if not name.endswith("speed_ratio")}
    assert lost.pop("state_drift") < 1e-5
    assert lost == {"normalized_gini_lost": 0, "buy_auc_lost": 0, "mae_over_mean_added": 0}
    assert found.difference["speed_ratio"] > 0


@pytest.mark.usefixtures("quick")
def test_what_is_lost_is_measured_on_all_users_and_on_held_back_ones() -> None:
    # Without trees it is another model, and not as good.
    bare = convert(small_model.network(), None, small_model.forest())
    before, after = opened(original()), opened(Graphs(bare.encoder, bare.head))
    found = compare(before, after, users_at())
    scored: dict[str, list[Any]] = {"before": [], "after": []}
    for users in users_at():
        for name, model in (("before", before), ("after", after)):
            (encoded,) = compression_figures.encode([users.steps], model)
            state = list_column(encoded, "state", nullable=False).matrix(64)
            context = np.array(users.context.to_pylist(), np.float32)
            scored[name].append(model.predict(state, context).expected_spend.astype(np.float64))
    spend = np.concatenate([users.spend for users in users_at()])
    held_back = np.concatenate([users.is_held_back for users in users_at()])
    was, now = (np.concatenate(scored[name]) for name in ("before", "after"))
    lost = normalized_gini(spend, was) - normalized_gini(spend, now)
    assert abs(lost) > 1e-4
    assert found.difference["normalized_gini_lost"] == pytest.approx(lost, abs=1e-6)
    assert found.compressed_held_back["normalized_gini"] == pytest.approx(
        normalized_gini(spend[held_back], now[held_back]), abs=1e-6
    )


@pytest.mark.usefixtures("quick")
def test_int8_arithmetic_lets_a_state_depend_on_who_shares_the_batch() -> None:
    before, after = opened(original()), opened(original().each(FORMS["dynamic-int8"]))
    assert "DynamicQuantizeLSTM" in {
        node.op_type for node in original().each(FORMS["dynamic-int8"]).encoder.graph.node
    }
    assert compare(before, after, users_at()).difference["state_drift"] > 1e-4


@pytest.mark.parametrize("users", [[], "without spend"])
def test_without_anybody_who_spends_nothing_is_measured(users: Any) -> None:
    if users:
        users = [replace(found, spend=np.zeros_like(found.spend)) for found in users_at()]
    model = opened(original())
    with pytest.raises(PurchasingPowerError, match=r"cannot be measured.*check"):
        compare(model, model, users)


def test_the_name_of_every_form_is_an_option() -> None:
    from typing import get_args, get_type_hints

    from purchasing_power.cli.models import compress as command

    hint = get_type_hints(command, include_extras=True)["to"]
    assert get_args(get_args(hint)[0]) == tuple(FORMS)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("form", "keep_trees", "version"), [("int8", None, "m1-int8-21-trees"), ("float16", 1.0, "m1-float16")]
)
def test_a_compressed_model_is_a_candidate_that_scoring_accepts(
    form: str, keep_trees: float | None, version: str, tmp_path: Path
) -> None:
    project = small_shop.build_shop(tmp_path / "shop")
    outcome = compress.run_compression(project, Silent(), form=form, keep_trees=keep_trees)
    assert outcome.model_version == version
    with open_registry(project, read_only=True) as registry:
        source, model = registry.get("m1"), registry.get(version)
        encoder, head = registry.graphs(version)
        stored = registry.metrics(version)
    assert (source.status, model.status) == ("champion", "candidate")
    scoring = ScoringModel.from_bytes(encoder, head, model.sha256)
    scoring.check_features(feature_hash="f1", scaling_version="s1")
    expected = replace(small_model.metadata(), model_version=version, metrics=scoring.metadata.metrics)
    assert scoring.metadata == expected
    assert (model.trained_at, model.train_cutoff) == (source.trained_at, source.train_cutoff)
    assert (outcome.folder / "head.onnx").read_bytes() == head
    assert json.loads((outcome.folder / "card.json").read_text())["compression"] == model.compression

    size = len(encoder) + len(head)
    exported = small_model.exported()
    assert model.compression["bytes"] == size
    assert model.compression["size_ratio"] == (len(exported.encoder) + len(exported.head)) / size > 1
    assert model.compression["original"] == "m1"
    figures = {(row.dataset, row.method, row.metric): row.value for row in stored}
    for metric in ("normalized_gini", "buy_auc", "mae_over_mean"):
        assert ("compression", "model", metric) in figures
        assert ("compression", "original", metric) in figures
    lost = figures["compression", "difference", "normalized_gini_lost"]
    assert lost == model.compression["normalized_gini_lost"]
    assert lost == pytest.approx(
        figures["compression", "original", "normalized_gini"]
        - figures["compression", "model", "normalized_gini"]
    )
    assert figures["compression", "difference", "speed_ratio"] > 0
    assert figures["held-back users", "model", "normalized_gini"] == model.metrics["normalized_gini"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with open_registry(small_shop.build_shop(tmp_path / "shop")) as found:
        yield found


def with_figures(version: str, **figures: float) -> Any:
    measured = {"original": "m1", "normalized_gini_lost": 0.0, "state_drift": 1e-7, **figures}
    candidate = small_shop.champion()
    return replace(candidate, model_version=version, card={**candidate.card, "compression": measured})


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (
            {"normalized_gini_lost": 0.0021},
            r"loses 0\.0021 of normalised Gini against m1.*--keep-trees.*--accept-loss",
        ),
        ({"normalized_gini_lost": float("nan")}, "--accept-loss"),
        ({"state_drift": 2e-5}, r"differ by 2\.0e-05 .*--to int8.*--accept-loss"),
    ],
)
def test_a_model_that_lost_too_much_is_promoted_when_told_so_alone(
    figures: dict[str, float], message: str, registry: Registry
) -> None:
    registry.register(with_figures("m2", **figures))
    with pytest.raises(PurchasingPowerError, match=message):
        registry.promote("m2")
    assert registry.get("m1").status == "champion"
    assert registry.promote("m2", accept_loss=True).status == "champion"


@pytest.mark.parametrize("lost", [0.002, -0.01])
def test_a_model_that_lost_little_is_promoted(lost: float, registry: Registry) -> None:
    registry.register(with_figures("m2", normalized_gini_lost=lost))
    assert registry.promote("m2").status == "champion"


Change = Callable[[Registry], None]


def drop_champion(registry: Registry) -> None:
    registry.connection.execute("update purchasing_power__models set status = 'retired'")


def build_other_features(registry: Registry) -> None:
    registry.connection.execute("update purchasing_power__settings set scaling_version = 's2'")


def build_no_sequences(registry: Registry) -> None:
    registry.connection.execute("drop table purchasing_power__training_sequences")


def leave_the_newest_anchor_alone(registry: Registry) -> None:
    registry.connection.execute(
        """
        update purchasing_power__training_sequences set n_anchors = 1, anchor_on = anchor_on[-1:],
            steps_before = steps_before[-1:], context = context[-4:], past_spend = past_spend[-1:],
            spend = spend[-1:], orders = orders[-1:]
        """
    )


def compress_before(registry: Registry) -> None:
    registry.register(with_figures("m2"))
    registry.promote("m2")


def register_its_name(registry: Registry) -> None:
    registry.register(with_figures("m1-int8-21-trees"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_champion, "No model is the champion yet.*models list"),
        (build_other_features, "figures of m1 cannot be measured.*scaling s1.*s2.*purchasing-power train"),
        (build_no_sequences, "training_sequences.*is not in the warehouse yet: run `dbt build"),
        (leave_the_newest_anchor_alone, "--keep-trees 1"),
        (compress_before, "m2 is compressed already.*compress m1"),
        (register_its_name, "m1-int8-21-trees is registered already.*choose another --to"),
    ],
)
def test_what_cannot_be_compressed_is_said_in_one_sentence(
    change: Change, message: str, tmp_path: Path
) -> None:
    project = small_shop.build_shop(tmp_path / "shop")
    with open_registry(project) as registry:
        change(registry)
        before = [model.model_version for model in registry.models()]
    with pytest.raises(PurchasingPowerError, match=message) as raised:
        compress.run_compression(project, Silent())
    assert "\n" not in str(raised.value)
    with open_registry(project) as registry:
        assert [model.model_version for model in registry.models()] == before


def test_a_champion_or_any_named_model_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = small_shop.build_shop(tmp_path / "shop")
    with open_registry(project) as registry:
        # The same graphs under another name; an unknown one is refused.
        registry.register(replace(small_shop.champion(), model_version="m3"))
    with pytest.raises(PurchasingPowerError, match="No model m4 is registered"):
        compress.run_compression(project, Silent(), model_version="m4")
    taken: list[str] = []
    monkeypatch.setattr(compress.ScoringModel, "from_bytes", lambda *files: taken.append(files[-1]) or 1 / 0)
    for version in (None, "m3"):
        with pytest.raises(ZeroDivisionError):
            compress.run_compression(project, Silent(), model_version=version)
    assert len(taken) == 2


def test_no_training_library_is_needed() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, purchasing_power.compress; print(sorted({'tensorflow', 'keras', 'tf2onnx', 'lightgbm', "
            "'sklearn'} & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(compress.__file__).parents[1])},
    )
    assert found.stdout.strip() == "[]"


def test_the_quantisers_advice_is_kept_off_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    graphs.with_int8_arithmetic(original().encoder)
    assert not caplog.records


def test_a_stream_that_was_not_read_keeps_nobody_out(tmp_path: Path) -> None:
    small_shop.build_shop(tmp_path / "shop")
    code = (
        "import pathlib, sys\n"
        "from built_project import BuiltProject\n"
        "from purchasing_power.warehouse.features import open_sequences\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "project, kept = BuiltProject(folder, folder), []\n"
        "for _ in range(2):\n"
        "    with open_sequences(project) as opened:\n"
        "        kept.append(opened)\n"
        "print(len(kept))\n"
    )
    paths = [str(Path(compress.__file__).parents[1]), str(Path(__file__).parent)]
    # In a process of its own, because DuckDB would wait for ever.
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "shop")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert found.stdout.strip() == "2"
