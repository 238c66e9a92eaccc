"""One ONNX graph in onnxruntime, with the inputs and outputs that it must have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from purchasing_power.errors import PurchasingPowerError

FloatArray = npt.NDArray[np.float32]

# Hundreds of times what training writes. More is no model of this package, and would take up the memory.
LARGEST_BYTES = 1 << 29
_REASON = 160


class OnnxGraph:
    """One ONNX graph with the inputs and outputs it must have.

    Attributes:
        properties: The custom metadata of the file.
    """

    def __init__(
        self,
        graph: str,
        content: bytes,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        *,
        threads: int,
        command: str,
    ) -> None:
        """Opens a session over the graph.

        Args:
            graph: What it is, such as 'encoder', for messages.
            content: The ONNX file.
            inputs: Names the graph must take.
            outputs: Names the graph must give; `run` returns them in this order.
            threads: Threads of one operator; a warehouse engine usually runs beside it.
            command: The command of `purchasing-power` that makes such a graph, for messages.

        Raises:
            PurchasingPowerError: The bytes are no ONNX model or the names differ.
        """
        if len(content) > LARGEST_BYTES:
            raise PurchasingPowerError(
                f"The {graph} graph has {len(content):,} bytes, and no model of this package has more than "
                f"{LARGEST_BYTES:,}; register the model again."
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the cores that the warehouse engine needs between two batches.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Weights are in the registry's bytes: no model reads what else lies on this machine.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime raises a different private class for each way in which a file can be broken.
            raise PurchasingPowerError(
                f"The {graph} graph ({len(content)} bytes) is not an ONNX model that onnxruntime can open "
                f"({_reason(error)}); register the model again."
            ) from error
        found_inputs = {item.name for item in self._session.get_inputs()}
        found_outputs = {item.name for item in self._session.get_outputs()}
        if found_inputs != set(inputs) or not set(outputs) <= found_outputs:
            raise PurchasingPowerError(
                f"The {graph} graph has inputs {sorted(found_inputs)} and outputs {sorted(found_outputs)} "
                "but needs "
                f"{sorted(inputs)} and {sorted(outputs)}; export the model with 'purchasing-power {command}'."
            )
        self._outputs = list(outputs)
        self.properties: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.generic]]:
        """Runs the graph and returns its outputs in the order they were declared."""
        results: list[npt.NDArray[np.generic]] = self._session.run(self._outputs, dict(feeds))
        return results

    def input_width(self, name: str) -> int:
        """Gives the fixed last dimension of an input."""
        shape = next(item.shape for item in self._session.get_inputs() if item.name == name)
        return int(shape[-1]) if isinstance(shape[-1], int) else -1


def _reason(error: Exception) -> str:
    """Gives what onnxruntime says, without where in its sources it says so."""
    said = re.sub(r"\S*/\S+\.(?:h|cc):\d+ .*?\) ", "", str(error).split(" : ")[-1])
    return " ".join(said.split())[:_REASON]
