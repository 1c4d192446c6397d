"""One converter for each library: an estimator with one matrix of fields to an ONNX model.

Each takes the estimator, the number of fields and the opset; the input is ``features``, float32 of
shape (rows, fields).
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

from dltk_runtime.onnx.errors import OnnxRefused

INPUT = "features"
MAX_XGBOOST_OPSET = 15  # of onnxmltools 1.16
ML_OPSET = 3  # of the operators for trees and classes, as old as opset 17


def of_sklearn(estimator: Any, fields: int, opset: int) -> Any:
    """Convert by skl2onnx; a classifier gives its class, then a probability or score for each."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.base import is_classifier

    return skl2onnx.convert_sklearn(
        estimator,
        initial_types=[(INPUT, FloatTensorType([None, fields]))],
        target_opset={"": opset, "ai.onnx.ml": ML_OPSET},
        options={id(estimator): {"zipmap": False}} if is_classifier(estimator) else None,
    )


def of_xgboost(estimator: Any, fields: int, opset: int) -> Any:
    """Convert by onnxmltools."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [(INPUT, FloatTensorType([None, fields]))]
    return onnxmltools.convert_xgboost(estimator, initial_types=inputs, target_opset=min(opset, MAX_XGBOOST_OPSET))


def of_torch(network: Any, fields: int, opset: int) -> Any:
    """Convert by ``torch.onnx``, with the exporter that traces: the newer one begins at opset 18."""
    import onnx
    import torch

    still = copy.deepcopy(network).cpu().eval()
    dtype = next((each.dtype for each in still.parameters() if each.is_floating_point()), torch.float32)
    example = torch.zeros((2, fields), dtype=dtype)
    rows = {INPUT: {0: "rows"}, "output": {0: "rows"}}
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": ["output"], "dynamic_axes": rows}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(still, (example,), path, dynamo=False, opset_version=opset, **names)
        return onnx.load(path)


def of_keras(network: Any, fields: int, opset: int) -> Any:
    """Convert a chain of dense layers; Keras' own export needs tf2onnx and leaves out constants of Normalization.

    Raises:
        OnnxRefused: a layer is none of those, or the network is no chain.
    """
    import onnx

    nodes, weights, last = [], dict[str, Any](), INPUT
    if len(network.inputs) != 1 or len(network.outputs) != 1 or tuple(network.inputs[0].shape[1:]) != (fields,):
        raise OnnxRefused(f"only a network with one input of {fields} fields and one output is supported")
    for number, layer in enumerate(network.layers):
        made, constants, last = _layer(layer, number, last)
        nodes += made
        weights |= constants
    nodes.append(onnx.helper.make_node("Identity", [last], ["output"]))
    taken = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, ["rows", fields])
    width = network.outputs[0].shape[-1]
    given = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["rows", width])
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = onnx.helper.make_graph(nodes, "network", [taken], [given], arrays)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])


ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "elu": "Elu"}
WITHOUT_EFFECT = ("InputLayer", "Dropout", "GaussianNoise")  # when a network is applied

Layer = tuple[list[Any], dict[str, Any], str]


def _layer(layer: Any, number: int, last: str) -> Layer:
    """Return the nodes of a layer, its constants, and the name of its output."""
    kind = type(layer).__name__
    if kind in WITHOUT_EFFECT:
        return [], {}, last
    if kind == "Normalization" and not layer.invert:
        return _normalization(layer, number, last)
    if kind == "Dense":
        return _dense(layer, number, last)
    raise OnnxRefused(f"the layer {layer.name} ({kind}) is not supported, only Dense, Normalization and Dropout")


def _normalization(layer: Any, number: int, last: str) -> Layer:
    """Standardise in float64, as 32-bit numbers cannot hold epoch seconds to the minute."""
    import keras
    import numpy as np
    import onnx

    mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(each), dtype=float) for each in (layer.mean, layer.variance)
    )
    weights = {f"mean_{number}": mean, f"deviation_{number}": np.maximum(np.sqrt(variance), keras.backend.epsilon())}
    names = [f"{each}_{number}" for each in ("double", "centred", "scaled", "layer")]
    node = onnx.helper.make_node
    return (
        [
            node("Cast", [last], [names[0]], to=onnx.TensorProto.DOUBLE),
            node("Sub", [names[0], f"mean_{number}"], [names[1]]),
            node("Div", [names[1], f"deviation_{number}"], [names[2]]),
            node("Cast", [names[2]], [names[3]], to=onnx.TensorProto.FLOAT),
        ],
        weights,
        names[3],
    )


def _dense(layer: Any, number: int, last: str) -> Layer:
    import onnx

    kernel, *bias = (each.astype("float32") for each in layer.get_weights())
    weights = {f"kernel_{number}": kernel} | {f"bias_{number}": each for each in bias}
    summed, out = f"sum_{number}", f"layer_{number}"
    nodes = [onnx.helper.make_node("Gemm", [last, *weights], [summed])]
    name = layer.activation.__name__
    if name == "linear":
        return nodes, weights, summed
    if name not in ACTIVATIONS:
        raise OnnxRefused(f"the activation {name} of the layer {layer.name} is not supported")
    return [*nodes, onnx.helper.make_node(ACTIVATIONS[name], [summed], [out])], weights, out
