"""The same graph in fewer bytes: short weights, what onnxruntime optimises, names of a few letters."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from purchasing_power.scoring.metadata import ModelMetadata

# Smaller constants stay what they are: what turns them back would need more bytes than they give.
_FEWEST_NUMBERS = 256
_LARGEST_INT8 = 127
_WEIGHTS_OF = ("LSTM", "MatMul")

# What a constant becomes: smaller constants, and the nodes that make the old one of them again.
Parts = list[onnx.NodeProto | onnx.TensorProto]


@dataclass(frozen=True)
class Graphs:
    """An encoder and a head, without being changed in place."""

    encoder: onnx.ModelProto
    head: onnx.ModelProto

    @classmethod
    def from_bytes(cls, encoder: bytes, head: bytes) -> Graphs:
        """Reads both from the registry's bytes."""
        return cls(onnx.load_from_string(encoder), onnx.load_from_string(head))

    def stamp(self, metadata: ModelMetadata) -> tuple[bytes, bytes]:
        """Gives the files of the encoder and the head, carrying the metadata."""
        files = []
        for name, graph in (("encoder", self.encoder), ("head", self.head)):
            stamped = copy.deepcopy(graph)
            helper.set_model_props(stamped, metadata.to_properties(name))
            files.append(stamped.SerializeToString(deterministic=True))
        return files[0], files[1]

    @property
    def size(self) -> int:
        """Bytes of both files."""
        return int(self.encoder.ByteSize() + self.head.ByteSize())

    def each(self, change: Callable[[onnx.ModelProto], onnx.ModelProto]) -> Graphs:
        """Gives both graphs changed."""
        return Graphs(change(self.encoder), change(self.head))


def with_float16_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keeps weights as float16; opening a session turns them back once, so nothing runs slower.

    The LSTM of onnxruntime's CPU provider knows float32 alone.
    """

    def form(name: str, weight: npt.NDArray[np.float32]) -> Parts:
        with np.errstate(over="ignore"):
            short = weight.astype(np.float16)
        # What float16 cannot hold stays.
        if not np.isfinite(short).all():
            return []
        return [
            numpy_helper.from_array(short, f"{name}_short"),
            helper.make_node("Cast", [f"{name}_short"], [name], to=TensorProto.FLOAT),
        ]

    return _with_weights(model, form)


def with_int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keeps matrices as int8, with a float32 step for each of their outputs; opening turns them back once.

    A `DequantizeLinear` in place of the cast and the product would be shorter, but onnxruntime 1.32 does not
    fold it: it would turn an LSTM's weights back in every call, and compute products less exactly.
    """

    def form(name: str, weight: npt.NDArray[np.float32]) -> Parts:
        # A cell's weights are [directions, outputs, inputs], a product's [inputs, outputs]. A cell's biases,
        # [directions, outputs], are no matrix.
        if weight.ndim < 2 or (weight.ndim == 2 and len(weight) == 1):
            return []
        outputs = 1 if weight.ndim == 3 else weight.ndim - 1
        inputs = tuple(axis for axis in range(weight.ndim) if axis != outputs)
        step = np.abs(weight).max(axis=inputs, keepdims=True) / np.float32(_LARGEST_INT8)
        step = np.maximum(step, np.finfo(np.float32).tiny)
        return [
            numpy_helper.from_array(np.rint(weight / step).astype(np.int8), f"{name}_short"),
            numpy_helper.from_array(step, f"{name}_step"),
            helper.make_node("Cast", [f"{name}_short"], [f"{name}_whole"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}_whole", f"{name}_step"], [name]),
        ]

    return _with_weights(model, form)


def with_int8_arithmetic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Computes with int8 too: steps of weights are fixed, those of activations found in each call.

    So an activation's step depends on who shares the batch, and with it everybody's state.
    """
    with tempfile.TemporaryDirectory() as folder, _silent_root_logger():
        target = Path(folder) / "quantised.onnx"
        quantize_dynamic(
            copy.deepcopy(model),
            target,
            op_types_to_quantize=list(_WEIGHTS_OF),
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(target)


def optimised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives a graph as onnxruntime rewrites it whenever it opens one, without what depends on the machine."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(target)
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found = onnx.load(target)
    # It names every domain that it knows, and an older runtime would refuse those that it does not.
    used = {node.domain for node in found.graph.node} | {""}
    domains = [item for item in found.opset_import if item.domain in used]
    del found.opset_import[:]
    found.opset_import.extend(domains)
    return found


def with_short_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Numbers inner tensors and drops the names of nodes."""
    short = copy.deepcopy(model)
    graph = short.graph
    public = {value.name for value in [*graph.input, *graph.output]}
    names: dict[str, str] = {name: name for name in public} | {"": ""}

    def name_of(tensor: str) -> str:
        return names.setdefault(tensor, f"t{len(names):x}")

    for node in graph.node:
        node.ClearField("name")
        for place, tensor in enumerate(node.input):
            node.input[place] = name_of(tensor)
        for place, tensor in enumerate(node.output):
            node.output[place] = name_of(tensor)
    for constant in graph.initializer:
        constant.name = name_of(constant.name)
    del graph.value_info[:]
    return short


def _with_weights(
    model: onnx.ModelProto, form: Callable[[str, npt.NDArray[np.float32]], Parts]
) -> onnx.ModelProto:
    """Replaces large float32 constants by what `form` makes of their names and values; nothing keeps one."""
    changed = copy.deepcopy(model)
    graph = changed.graph
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    for constant in model.graph.initializer:
        weight = numpy_helper.to_array(constant)
        is_large = weight.dtype == np.float32 and weight.size >= _FEWEST_NUMBERS
        parts = form(constant.name, weight) if is_large else []
        constants += [part for part in parts if isinstance(part, onnx.TensorProto)] if parts else [constant]
        nodes += [part for part in parts if isinstance(part, onnx.NodeProto)]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(constants)
    graph.node.extend([*nodes, *model.graph.node])
    return changed


@contextmanager
def _silent_root_logger() -> Iterator[None]:
    """Keeps the advice of onnxruntime's quantiser, meant for graphs with unknown shapes, off the terminal."""
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(before)


# What weights can become, by the name that the command line gives it.
FORMS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "int8": with_int8_weights,
    "float16": with_float16_weights,
    "dynamic-int8": with_int8_arithmetic,
}
