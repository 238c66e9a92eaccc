"""Exports the input models to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from purchasing_power.scoring.input_models import InputModelMetadata, ProjectionMetadata, SentimentMetadata
from purchasing_power.training.projection import Projection
from purchasing_power.training.sentiment import TextClassifier

# The first whose ScatterElements both adds and is complete in onnxruntime.
OPSET = 18
# Of the file format; the one that belongs to the opset, so that older runtimes open it.
_IR_VERSION = 8


def export_classifier(classifier: TextClassifier, metadata: SentimentMetadata) -> bytes:
    """Writes the classifier as an embedding bag.

    Returns:
        A graph: buckets [m] and rows [m] (int64: an n-gram and which text it is in), texts [1] (int64: how
        many) -> score [texts] (log odds), probability [texts].
    """
    # What an n-gram adds to score and squared length stand side by side: one look-up fetches both.
    table = np.ascontiguousarray(classifier.weights.T)
    nodes = [
        helper.make_node("Gather", ["weights", "buckets"], ["found"]),
        helper.make_node("Unsqueeze", ["rows", "last_axis"], ["rows_column"]),
        helper.make_node("Shape", ["found"], ["found_shape"]),
        helper.make_node("Expand", ["rows_column", "found_shape"], ["rows_twice"]),
        helper.make_node("Concat", ["texts", "two"], ["sums_shape"], axis=0),
        helper.make_node(
            "ConstantOfShape",
            ["sums_shape"],
            ["zeros"],
            value=numpy_helper.from_array(np.zeros(1, np.float32)),
        ),
        # Not ScatterND, which onnxruntime runs in parallel: rows repeat, and their sums would race.
        helper.make_node(
            "ScatterElements", ["zeros", "rows_twice", "found"], ["sums"], axis=0, reduction="add"
        ),
        helper.make_node("Split", ["sums"], ["added_column", "squared_column"], axis=1, num_outputs=2),
        helper.make_node("Squeeze", ["added_column", "last_axis"], ["added"]),
        helper.make_node("Squeeze", ["squared_column", "last_axis"], ["squared"]),
        # Of a text without a known n-gram both sums are 0, and the score is the bias.
        helper.make_node("Max", ["squared", "tiny"], ["squared_above_zero"]),
        helper.make_node("Sqrt", ["squared_above_zero"], ["length"]),
        helper.make_node("Div", ["added", "length"], ["cosine"]),
        helper.make_node("Add", ["cosine", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "weights": table,
        "bias": np.array(classifier.bias, np.float32),
        "tiny": np.array(np.finfo(np.float32).tiny, np.float32),
        "last_axis": np.array([1], np.int64),
        "two": np.array([2], np.int64),
    }
    inputs = [
        helper.make_tensor_value_info("buckets", TensorProto.INT64, ["ngrams"]),
        helper.make_tensor_value_info("rows", TensorProto.INT64, ["ngrams"]),
        helper.make_tensor_value_info("texts", TensorProto.INT64, [1]),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"]) for name in ("score", "probability")
    ]
    return _serialised(nodes, inputs, outputs, constants, metadata)


def export_projection(projection: Projection, metadata: ProjectionMetadata) -> bytes:
    """Writes the projection.

    Returns:
        A graph: embedding [batch, width] -> factors [batch, factors].
    """
    nodes = [
        helper.make_node("MatMul", ["embedding", "weights"], ["projected"]),
        helper.make_node("Add", ["projected", "bias"], ["factors"]),
    ]
    inputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", metadata.width])]
    outputs = [helper.make_tensor_value_info("factors", TensorProto.FLOAT, ["batch", metadata.factors])]
    constants = {"weights": projection.weights, "bias": projection.bias}
    return _serialised(nodes, inputs, outputs, constants, metadata)


def _serialised(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: Mapping[str, npt.NDArray[Any]],
    metadata: InputModelMetadata,
) -> bytes:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, metadata.kind, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    model.producer_name = "purchasing_power"
    helper.set_model_props(model, metadata.to_properties())
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
