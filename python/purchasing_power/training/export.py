"""Keras to ONNX: two graphs that explain themselves, and the proof that they compute what Keras computes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
import tf2onnx

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.scoring.metadata import ModelMetadata
from purchasing_power.scoring.model import ScoringModel, model_sha256
from purchasing_power.training.boosting import BoostedTrees, add_trees
from purchasing_power.training.cells import OPSET, fused_encoder
from purchasing_power.training.forest import Forest, add_forest
from purchasing_power.training.network import Network
from purchasing_power.training.tree_graph import TREE_OUTPUT, TREE_TARGETS, import_domain

ABSOLUTE_TOLERANCE = 1e-5
RELATIVE_TOLERANCE = 1e-5
# In log-odds: wide enough that float32 shows what it does, narrow beside anything that the outputs do.
_NUDGE = 1e-3

_MONEY = ("expected_spend", "spend_p10", "spend_p50", "spend_p90")
_IN_WORDS = {
    "anomaly": "score of anomaly",
    "state": "state",
    "probability": "probability",
    "money": "money amount",
}
_PROBABILITIES = ("purchase_probability", "tier_probabilities")


@dataclass(frozen=True)
class ExportedModel:
    """The registry's view of a model.

    Attributes:
        encoder: ONNX file of the encoder.
        head: ONNX file of the head.
        sha256: Fingerprint of both.
        metadata: What both files carry.
    """

    encoder: bytes
    head: bytes
    sha256: str
    metadata: ModelMetadata


@dataclass(frozen=True)
class ParityBatch:
    """Equally long users for the comparison: steps [n, t, C], state before them [n, S], context [n, K]."""

    steps: npt.NDArray[np.float32]
    state: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ParityReport:
    """How far onnxruntime is from Keras at most.

    Attributes:
        rows: Users compared.
        anomaly: Largest absolute difference of an anomaly score, to scikit-learn's.
        state: Largest difference of a state: absolute up to 1, relative above, where only cells can be.
        probability: Largest absolute difference of a probability.
        money: Largest difference of an amount, relative to the larger of itself and the user's expected
            spend, and to how steeply it follows the log-odds of a purchase: a quantile that fades to 0
            rises so fast with them that their last bits are seen in it.
    """

    rows: int
    anomaly: float
    state: float
    probability: float
    money: float


class KerasScorer:
    """What the two graphs compute, in TensorFlow, on the trained layers themselves."""

    def __init__(self, network: Network) -> None:
        """Shares the network's weights."""
        self._network = network
        self._encoders = [
            [_with_state(trained, is_last=trained is stack[-1]) for trained in stack]
            for stack in network.encoders
        ]

    def next_state(self, steps: Any, state: Any) -> Any:
        """Gives states [n, S] after steps [n, t, C] that follow states [n, S]."""
        following = []
        for member, stack in enumerate(self._encoders):
            value = steps
            for layer, encoder in enumerate(stack):
                first = [state[:, place] for place in self._network.vectors(member, layer)]
                value, *last = encoder(value, initial_state=first)
                following += last
        return tf.concat(following, axis=-1)

    def predict(self, state: Any, context: Any, trees: Any = None, nudge: float = 0.0) -> dict[str, Any]:
        """Gives the head's outputs of states [n, S], context [n, K] and what trees say [n, 3].

        `nudge` is added to the network's log-odds of a purchase, to see how steeply the outputs follow them.
        """
        raw = []
        for member, head in enumerate(self._network.heads):
            hidden = state[:, self._network.vectors(member, -1)[0]]
            raw.append(head([hidden[:, None], context[:, None]], training=False)[:, 0])
        mean = tf.add_n(raw) / float(len(raw))
        nudged = tf.concat([mean[:, :1] + nudge, mean[:, 1:]], axis=-1)
        outputs: dict[str, Any] = self._network.outputs(nudged, trees)
        return outputs


def _with_state(trained: Any, *, is_last: bool) -> Any:
    """Gives a layer of the same weights that takes a first state and returns the last one.

    The trained layer returns the hidden vectors of all steps; here only layers that another one reads do.
    """
    layer = type(trained)(trained.units, return_sequences=not is_last, return_state=True)
    layer.build((None, None, trained.get_weights()[0].shape[0]))
    layer.set_weights(trained.get_weights())
    return layer


@dataclass(frozen=True)
class Graphs:
    """The two converted graphs before they know which model they are."""

    encoder: onnx.ModelProto
    head: onnx.ModelProto

    def stamp(self, metadata: ModelMetadata) -> ExportedModel:
        """Writes the metadata into copies of both graphs; equal graphs and metadata give equal bytes."""
        files = {}
        for name, graph in (("encoder", self.encoder), ("head", self.head)):
            stamped = copy.deepcopy(graph)
            onnx.helper.set_model_props(stamped, metadata.to_properties(name))
            files[name] = stamped.SerializeToString(deterministic=True)
        return ExportedModel(
            files["encoder"], files["head"], model_sha256(files["encoder"], files["head"]), metadata
        )


def convert(network: Network, trees: BoostedTrees | None, forest: Forest) -> Graphs:
    """Converts a network, the trees beside it and a forest to ONNX.

    Returns:
        encoder: steps [n, t, C], state [n, S] -> next_state [n, S]; one fused op per layer of a member.
        head: state [n, S], context [n, K] -> purchase_probability [n], expected_spend, spend_p10, spend_p50,
            spend_p90 [n] (money), tier_probabilities [n, T], tier [n], anomaly_score [n], is_outlier [n].
    """
    scorer = KerasScorer(network)
    steps = tf.TensorSpec((None, None, network.n_channels), tf.float32, name="steps")
    state = tf.TensorSpec((None, network.state_size), tf.float32, name="state")
    context = tf.TensorSpec((None, network.n_context), tf.float32, name="context")
    encoder = tf.function(
        lambda steps, state: {"next_state": scorer.next_state(steps, state)}, input_signature=(steps, state)
    )
    inputs = [state, context]
    if trees is not None:
        inputs.append(tf.TensorSpec((None, len(TREE_TARGETS)), tf.float32, name=TREE_OUTPUT))
    head = tf.function(scorer.predict, input_signature=inputs)
    graphs = Graphs(
        # tf2onnx 1.17 fuses the LSTM alone: of Keras 3's other cells it makes a Loop
        # (https://github.com/onnx/tensorflow-onnx/issues/1684).
        encoder=_convert(encoder, (steps, state), "encoder")
        if network.cell == "lstm"
        else _finish(fused_encoder(network), "encoder"),
        head=_convert(head, inputs, "head"),
    )
    if trees is not None:
        add_trees(graphs.head, trees)
    add_forest(graphs.head, forest)
    import_domain(graphs.head)
    return graphs


def _convert(function: Any, signature: Sequence[Any], name: str) -> onnx.ModelProto:
    model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    return _finish(model, name)


def _finish(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    loops = sorted({node.op_type for node in model.graph.node} & {"Loop", "Scan", "If"})
    if loops:
        raise PurchasingPowerError(
            f"The exported {name} holds {', '.join(loops)}, which would run many times slower than a fused "
            "cell; use the versions of tensorflow, keras and tf2onnx that are locked."
        )
    _sort_by_structure(model.graph)
    _name_by_position(model.graph)
    for value in [*model.graph.input, *model.graph.output]:
        for axis, size in zip(("batch", "time"), value.type.tensor_type.shape.dim, strict=False):
            if not size.dim_value:
                size.dim_param = axis
    model.graph.name = name
    model.graph.doc_string = ""
    return model


def _sort_by_structure(graph: onnx.GraphProto) -> None:
    """Orders the nodes depth first from the outputs, because tf2onnx's order depends on its names."""
    maker = {tensor: node for node in graph.node for tensor in node.output}
    placed: dict[str, onnx.NodeProto] = {}

    def place(tensor: str) -> None:
        node = maker.get(tensor)
        if node is None or node.name in placed:
            return
        for needed in node.input:
            place(needed)
        placed[node.name] = node

    for output in sorted(value.name for value in graph.output):
        place(output)
    nodes = [copy.deepcopy(node) for node in placed.values()]
    del graph.node[:]
    graph.node.extend(nodes)


def _name_by_position(graph: onnx.GraphProto) -> None:
    """Renames nodes and inner tensors by their place in the graph.

    Keras and tf2onnx number names by how much the process has built before, so the same model would get
    other bytes, and another sha256, the second time.
    """
    public = {value.name for value in [*graph.input, *graph.output]}
    names: dict[str, str] = {"": ""} | {name: name for name in public}
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        for place, tensor in enumerate(node.input):
            node.input[place] = names.setdefault(tensor, f"{node.name}_input_{place}")
        for place, tensor in enumerate(node.output):
            node.output[place] = names.setdefault(tensor, f"{node.name}_output_{place}")
    for constant in graph.initializer:
        constant.name = names[constant.name]
    ordered = sorted(graph.initializer, key=lambda constant: constant.name)
    del graph.initializer[:]
    graph.initializer.extend(ordered)
    # Shapes of inner tensors carry the old names; onnxruntime infers them anyway.
    del graph.value_info[:]


def check_parity(
    network: Network,
    trees: BoostedTrees | None,
    forest: Forest,
    model: ScoringModel,
    batches: Iterable[ParityBatch],
    *,
    absolute: float = ABSOLUTE_TOLERANCE,
    relative: float = RELATIVE_TOLERANCE,
) -> ParityReport:
    """Compares onnxruntime with Keras, LightGBM and scikit-learn's forest, on real users.

    Args:
        network: The trained network.
        trees: The trees beside it.
        forest: The fitted forest.
        model: The exported model, opened in onnxruntime.
        batches: What to compare on.
        absolute: Largest difference allowed of probabilities, anomaly scores and states.
        relative: Largest relative difference allowed of money.

    Raises:
        PurchasingPowerError: A difference is larger, or there was no user to compare.
    """
    scorer = KerasScorer(network)
    # Traced once for any shape: step by step it would take minutes.
    next_state = tf.function(
        scorer.next_state,
        input_signature=(
            tf.TensorSpec((None, None, network.n_channels), tf.float32),
            tf.TensorSpec((None, network.state_size), tf.float32),
        ),
    )
    rows, worst = 0, {"anomaly": 0.0, "state": 0.0, "probability": 0.0, "money": 0.0}
    for batch in batches:
        rows += len(batch.state)
        state = batch.state
        if batch.steps.shape[1]:
            expected_state = np.asarray(next_state(batch.steps, batch.state))
            state = model.next_state(batch.steps, batch.state)
            worst["state"] = max(
                worst["state"], _largest(state, expected_state, np.maximum(np.abs(expected_state), 1))
            )
        else:
            expected_state = state
        found = model.predict(state, batch.context)
        inputs = (
            tf.constant(expected_state),
            tf.constant(batch.context),
            None if trees is None else tf.constant(trees.predict(batch.context)),
        )
        expected = scorer.predict(*inputs)
        lower, higher = (scorer.predict(*inputs, nudge=nudge) for nudge in (-_NUDGE, _NUDGE))
        difference = _largest(found.anomaly_score, forest.score(batch.context))
        worst["anomaly"] = max(worst["anomaly"], difference)
        for name in _PROBABILITIES:
            difference = _largest(getattr(found, name), np.asarray(expected[name]))
            worst["probability"] = max(worst["probability"], difference)
        for name in _MONEY:
            money = np.asarray(expected[name], np.float64)
            unit = np.maximum(money, np.asarray(expected["expected_spend"], np.float64))
            unit += _distance(higher[name], lower[name]) / (2 * _NUDGE)
            difference = _largest(getattr(found, name), money, unit)
            worst["money"] = max(worst["money"], difference)
    if not rows:
        raise PurchasingPowerError(
            "There is no user to compare Keras with onnxruntime on; pass at least one batch."
        )
    limits = {"anomaly": absolute, "state": absolute, "probability": absolute, "money": relative}
    for name, limit in limits.items():
        # Written so that NaN fails too.
        if not worst[name] <= limit:
            raise PurchasingPowerError(
                f"The exported model differs from the trained one by {worst[name]:.1e} in a "
                f"{_IN_WORDS[name]} (allowed: {limit:.0e}); use the locked versions of tensorflow, keras, "
                "tf2onnx, scikit-learn and onnxruntime."
            )
    return ParityReport(rows=rows, **worst)


def _largest(found: Any, expected: Any, unit: Any = 1.0) -> float:
    return float(np.max(_distance(found, expected) / unit, initial=0.0))


def _distance(found: Any, expected: Any) -> npt.NDArray[np.float64]:
    return np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64))
