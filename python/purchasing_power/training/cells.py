"""The encoder of GRU and plain recurrent cells in ONNX, whose fused operators tf2onnx does not write."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from purchasing_power.training.network import Network

OPSET = 17

# Both activate by tanh (and gate by sigmoid) as Keras does. Keras' GRU resets what the recurrent kernel gave.
_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "gru": ("GRU", {"linear_before_reset": 1}),
    "rnn": ("RNN", {}),
}


def fused_encoder(network: Network) -> onnx.ModelProto:
    """Writes the encoder of a network of such cells: one fused operator a layer.

    Returns:
        steps [batch, time, C], state [batch, S] -> next_state [batch, S].
    """
    operator, attributes = _OPERATORS[network.cell]
    constants: dict[str, npt.NDArray[Any]] = {
        "first_axis": np.array([0], np.int64),
        "second_axis": np.array([1], np.int64),
    }
    nodes = [helper.make_node("Transpose", ["steps"], ["steps_by_time"], perm=[1, 0, 2])]
    following = []
    for member, stack in enumerate(network.encoders):
        value = "steps_by_time"
        for layer, cell in enumerate(stack):
            name = f"{member}_{layer}"
            (hidden,) = network.vectors(member, layer)
            weights = _weights(cell)
            constants |= {f"{kind}_{name}": array for kind, array in weights.items()}
            constants |= {
                f"from_{name}": np.array([hidden.start], np.int64),
                f"to_{name}": np.array([hidden.stop], np.int64),
            }
            first = [f"state_{name}", "first_axis"]
            cell_inputs = [value, *(f"{kind}_{name}" for kind in weights), "", f"first_{name}"]
            nodes += [
                helper.make_node(
                    "Slice", ["state", f"from_{name}", f"to_{name}", "second_axis"], [f"state_{name}"]
                ),
                helper.make_node("Unsqueeze", first, [f"first_{name}"]),
                helper.make_node(
                    operator,
                    cell_inputs,
                    [f"every_{name}", f"last_{name}"],
                    hidden_size=network.hidden_size,
                    **attributes,
                ),
                # [time, directions, batch, H]: there is one direction.
                helper.make_node("Squeeze", [f"every_{name}", "second_axis"], [f"hidden_{name}"]),
                helper.make_node("Squeeze", [f"last_{name}", "first_axis"], [f"next_{name}"]),
            ]
            value = f"hidden_{name}"
            following.append(f"next_{name}")
    nodes.append(helper.make_node("Concat", following, ["next_state"], axis=-1))
    for index, node in enumerate(nodes):
        node.name = str(index)

    def tensor(name: str, *shape: Any) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "encoder",
        [tensor("steps", None, None, network.n_channels), tensor("state", None, network.state_size)],
        [tensor("next_state", None, network.state_size)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    # The oldest format that holds these operators, so that any onnxruntime that scores can read it.
    return helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))


def _weights(cell: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Gives a Keras cell's weights as ONNX has them: kernel, recurrent kernel, bias, one direction first.

    The order of a GRU's gates (update, reset, new) is the same in both. A plain cell has one bias in Keras
    and two, which are added, in ONNX.
    """
    kernel, recurrent, bias = cell.get_weights()
    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    return {"kernel": kernel.T[None], "recurrent": recurrent.T[None], "bias": biases.reshape(1, -1)}
