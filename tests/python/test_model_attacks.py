"""Files that are no model of this package, by accident or on purpose: refused with a reason, nothing of them is run."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import small_model
from onnx import TensorProto, helper, numpy_helper

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring import ScoringModel
from purchasing_power.scoring import graph as scoring_graph

SOURCES = Path(scoring_graph.__file__).parents[1]


def encoder() -> onnx.ModelProto:
    return onnx.load_from_string(small_model.exported().encoder)


def refused(content: bytes, sha256: str | None = None) -> str:
    """Opens an encoder beside the right head, and gives the one sentence."""
    with pytest.raises(PurchasingPowerError) as caught:
        ScoringModel.from_bytes(content, small_model.exported().head, sha256)
    said = str(caught.value)
    assert len(said) < 500
    assert "\n" not in said
    return said


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 0.9999])
def test_a_truncated_file_is_refused(share: float) -> None:
    whole = small_model.exported().encoder
    assert "encoder" in refused(whole[: int(share * len(whole))])


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_refused_by_the_fingerprint(seed: int) -> None:
    model = small_model.exported()
    content = bytearray(model.encoder)
    position = random.Random(seed).randrange(len(content))
    content[position] ^= 1 << random.Random(seed + 1).randrange(8)
    assert "the file was changed" in refused(bytes(content), model.sha256)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_with_flipped_bits_never_ends_the_process(seed: int) -> None:
    """Without the fingerprint, as whoever opens a file by hand: a sentence, or a model."""
    content = bytearray(small_model.exported().encoder)
    draw = random.Random(seed)
    for _ in range(30):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    try:
        ScoringModel.from_bytes(bytes(content), small_model.exported().head)
    except PurchasingPowerError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an ONNX model"),
        (b"PK\x03\x04" + bytes(1000), "not an ONNX model"),
        (b"\x80\x04\x95" + bytes(1000), "not an ONNX model"),
        (b"MZ" + bytes(1000), "not an ONNX model"),
        (b"<html><script>alert(1)</script></html>", "not an ONNX model"),
        (bytes(100_000), "not an ONNX model"),
    ],
    ids=["empty", "zip", "pickle", "program", "page", "zeros"],
)
def test_a_foreign_file_is_refused(content: bytes, says: str) -> None:
    assert says in refused(content)


def test_a_graph_of_another_project_is_refused() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
    foreign = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "foreign", [value], [made]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    assert "has inputs ['x'] and outputs ['y'] but needs" in refused(foreign.SerializeToString())


def test_a_model_of_this_kind_from_another_project_is_refused() -> None:
    """Each of its files is right, but its features are not those that this warehouse builds."""
    other = small_model.graphs().stamp(small_model.metadata(feature_hash="of another shop"))
    model = ScoringModel.from_bytes(other.encoder, other.head)
    with pytest.raises(PurchasingPowerError, match="was trained on feature hash of another shop"):
        model.check_features(feature_hash="f1", scaling_version="s1")


def test_an_oversize_file_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_graph, "LARGEST_BYTES", 1000)
    monkeypatch.setattr(scoring_graph.ort, "InferenceSession", lambda *_, **__: pytest.fail("it was opened"))
    assert "no model of this package has more than 1,000" in refused(small_model.exported().encoder)


def with_external_weights(location: str) -> bytes:
    model = encoder()
    largest = max(model.graph.initializer, key=lambda item: item.ByteSize())
    largest.ClearField("raw_data")
    largest.ClearField("float_data")
    largest.data_location = TensorProto.EXTERNAL
    largest.external_data.add(key="location", value=location)
    return model.SerializeToString()


@pytest.mark.parametrize("place", ["beside", "above", "absolute", "link"])
def test_weights_in_other_files_are_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file is there and holds just these weights: no model makes the machine read its files."""
    folder = tmp_path / "project"
    folder.mkdir()
    largest = max(encoder().graph.initializer, key=lambda item: item.ByteSize())
    weights = numpy_helper.to_array(largest).tobytes()
    for file in (folder / "weights.bin", tmp_path / "weights.bin"):
        file.write_bytes(weights)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    location = {
        "beside": "weights.bin",
        "above": "../weights.bin",
        "absolute": str(tmp_path / "weights.bin"),
        "link": "link.bin",
    }[place]
    monkeypatch.chdir(folder)
    assert "not an ONNX model that onnxruntime can open" in refused(with_external_weights(location))


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = encoder()
    change(model)
    return model.SerializeToString()


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "elsewhere"
    model.opset_import.add(domain="elsewhere", version=1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda model: setattr(model.opset_import[0], "version", 9_999), "opset"),
        (lambda model: setattr(model, "ir_version", 9_999), "IR"),
        (unknown_operator, "elsewhere"),
        (lambda model: model.graph.node.pop(), "encoder"),
        (lambda model: model.graph.initializer.pop(), "encoder"),
    ],
    ids=["opset", "ir version", "operator", "a node less", "a weight less"],
)
def test_what_onnxruntime_does_not_know_is_refused_with_its_reason(
    change: Callable[[onnx.ModelProto], object], says: str
) -> None:
    said = refused(changed(change))
    assert says.lower() in said.lower()
    assert "onnxruntime_src" not in said


def test_a_script_in_metadata_stays_a_text() -> None:
    """Whatever a file says of itself is read as JSON or text."""
    hostile = "__import__('os').system('touch attacked')"
    stamped = small_model.graphs().stamp(small_model.metadata(currency=hostile))
    assert ScoringModel.from_bytes(stamped.encoder, stamped.head).metadata.currency == hostile
    model = onnx.load_from_string(stamped.encoder)
    for item in model.metadata_props:
        if item.key.endswith("metrics"):
            item.value = hostile
    assert "cannot be read" in refused(model.SerializeToString())


def test_nothing_is_unpickled_and_no_code_is_read_from_a_file() -> None:
    forbidden = re.compile(
        r"\b(pickle|joblib|dill|cloudpickle|marshal|shelve)\b|allow_pickle=True|\beval\(|\bexec\(|safe_mode=False|yaml\.load\("
    )
    for source in SOURCES.rglob("*.py"):
        found = [line for line in source.read_text().splitlines() if forbidden.search(line)]
        assert found == [], source
