"""The reader of .tflite files agrees with TensorFlow's own schema of them, tensor by tensor."""

import numpy as np
import pytest

from motion_imitate.estimators.tflite import read_tflite_graph
from motion_imitate.weights import find_asset

NETS = ["pose_detector", "pose_lite", "pose_full", "pose_heavy", "face_detector", "face_landmarks"]


@pytest.mark.parametrize("name", NETS)
def test_graph_and_weights_are_those_of_the_schema(name):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    path = find_asset(f"{name}.tflite")
    data = path.read_bytes()
    theirs = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0)).subgraphs[0]
    ours = read_tflite_graph(path)
    assert ours.inputs == tuple(theirs.inputs)
    assert ours.outputs == tuple(theirs.outputs)
    assert ours.shapes == {i: tuple(t.shape) for i, t in enumerate(theirs.tensors)}
    assert {s.output for s in ours.steps} <= {int(o.outputs[0]) for o in theirs.operators}
    buffers = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0)).buffers
    stored = [i for i, t in enumerate(theirs.tensors) if buffers[t.buffer].data is not None]
    assert set(stored) <= set(ours.constants)
    for i in stored:
        if theirs.tensors[i].sparsity is None and theirs.tensors[i].type == schema.TensorType.FLOAT16:
            half = np.asarray(buffers[theirs.tensors[i].buffer].data, np.uint8).view(np.float16)
            assert np.array_equal(ours.constants[i].ravel(), half)


def test_sparse_weights_become_dense_ones():
    graph = read_tflite_graph(find_asset("pose_detector.tflite"))
    kernels = [graph.constants[s.inputs[1]] for s in graph.steps if s.operation == "convolve"]
    empty = [float((k == 0).mean()) for k in kernels]
    assert all(
        k.shape == graph.shapes[s.inputs[1]]
        for k, s in zip(kernels, [s for s in graph.steps if s.operation == "convolve"], strict=True)
    )
    assert max(empty) > 0.5  # they were stored sparse for a reason
    assert all(np.isfinite(k).all() and np.abs(k).max() > 0 for k in kernels)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        read_tflite_graph(path)
