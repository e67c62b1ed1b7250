"""ONNX's own test cases (Debian's libonnx-testdata): a case is evaluated to the expected outputs, or refused.

The cases are single operations and small networks. What they give as further inputs, such as weights, become initializers:
a graph that follows another one in a file is merged with it. Of several outputs one at a time is kept."""
import os
import pathlib
import tempfile
import unittest

import numpy as np

import onnx_file as onnx

DATA = pathlib.Path("/usr/share/libonnx-testdata/data")
# Of the largest expected value, or of one: what float32 gives; casts to half precision do not round here.
TOLERANCES = {"<f2": 2 ** -11, "<u2": 2 ** -8}
FLOAT_TOLERANCE = 1e-5
COMPUTED = 170


def softmax(x):
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def real(values):
    """The files have the bits of bfloat16 as whole numbers."""
    return (values.astype("u4") << 16).view("f4") if values.dtype == "u2" else values


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.model = onnx.decode((folder / "model.onnx").read_bytes())
        self.graph = onnx.decode(onnx.last(self.model, onnx.MODEL_GRAPH))
        self.ops = [onnx.last(onnx.decode(n), onnx.NODE_OP, b"").decode() for n in onnx.all_of(self.graph, onnx.GRAPH_NODE)]
        constants = {onnx.last(onnx.decode(t), onnx.TENSOR_NAME) for t in onnx.all_of(self.graph, onnx.GRAPH_INITIALIZER)}
        infos = [onnx.decode(i) for i in onnx.all_of(self.graph, onnx.GRAPH_INPUT)]
        self.inputs = [onnx.last(i, 1) for i in infos if onnx.last(i, 1) not in constants]
        self.tensors = [bool(onnx.all_of(onnx.decode(onnx.last(i, 2, b"")), 1)) for i in infos
                        if onnx.last(i, 1) not in constants]
        self.noutputs = len(onnx.all_of(self.graph, onnx.GRAPH_OUTPUT))

    def read(self, kind, number):
        path = self.folder / "test_data_set_0" / f"{kind}_{number}.pb"
        return path.read_bytes() if path.exists() else None

    def image(self, number):
        data = self.read("input", number) if self.tensors[number] else None
        return np.zeros(1) if data is None or onnx.array(data) is None else real(onnx.array(data))

    def write(self, path, image, output):
        """The model with all inputs but the image as initializers, and one output."""
        graph, seen = [], -1
        for field in self.graph:
            seen += field[0] == onnx.GRAPH_OUTPUT
            if field[0] != onnx.GRAPH_OUTPUT or seen == output:
                graph.append(field)
        model = [[n, k, onnx.encode(graph) if n == onnx.MODEL_GRAPH else v] for n, k, v in self.model]
        given = [onnx.text(onnx.GRAPH_INITIALIZER, self.read("input", i) + onnx.encode([onnx.text(onnx.TENSOR_NAME, name)]))
                 for i, name in enumerate(self.inputs) if i != image and self.tensors[i] and self.read("input", i)]
        pathlib.Path(path).write_bytes(onnx.encode(model) + onnx.encode([onnx.text(onnx.MODEL_GRAPH, onnx.encode(given))]))


class Conformance(unittest.TestCase):
    def check(self, case, outcome, output):
        want = onnx.array(case.read("output", output))
        tolerance = TOLERANCES.get(want.dtype.str, FLOAT_TOLERANCE)
        want = real(want).astype("f8")
        got = outcome.outputs.reshape(want.shape)
        if outcome.softmax:
            got = softmax(got) if "LogSoftmax" in case.ops else np.exp(softmax(got))
        scale = max(1.0, np.abs(want[np.isfinite(want)]).max(initial=0.0))
        np.testing.assert_allclose(got / scale, want / scale, 0, tolerance, err_msg=case.folder.name)

    def run_case(self, folder, path):
        """Whether the case's first output could be computed."""
        case, supported = Case(folder), False
        for output in range(case.noutputs):
            for image in range(len(case.inputs)):
                case.write(path, image, output)
                outcome = onnx.evaluate(path, case.image(image))
                self.assertTrue(onnx.is_sound(outcome), f"{folder.name}: {outcome.status} {outcome.message}")
                if outcome.status == 0:
                    self.check(case, outcome, output)
                    supported = supported or output == 0
                    break
        return supported

    def test_every_case_is_computed_or_refused(self):
        folders = sorted(path.parent for path in DATA.rglob("model.onnx"))
        if not folders:
            self.skipTest("there are no test cases (Debian: libonnx-testdata)")
        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "model.onnx")
            supported = [folder.name for folder in folders if self.run_case(folder, path)]
        print(f"computed: {len(supported)} of {len(folders)} cases; the others are refused")
        print(" ".join(name.removeprefix("test_") for name in supported))
        self.assertGreaterEqual(len(supported), COMPUTED)


if __name__ == "__main__":
    unittest.main()
