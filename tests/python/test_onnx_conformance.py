"""ONNX's own test cases (Debian's libonnx-testdata): a case is evaluated to the expected outputs, or refused.

The cases are single operations and small networks. What they give as further inputs, such as weights, become initializers:
a graph that follows another one in a file is merged with it. Of several outputs one at a time is kept. A case that no input
makes a network is computed from constants alone, as part of one: z = x + [shape of the output, its numbers]."""
import collections
import os
import pathlib
import tempfile
import unittest

import numpy as np

import onnx_file as onnx

DATA = pathlib.Path("/usr/share/libonnx-testdata/data")
# Of the largest expected value, or of one: what float32 gives; casts to half precision do not round here.
TOLERANCES = {onnx.HALF: 2 ** -11, onnx.BFLOAT16: 2 ** -8}
FLOAT_TOLERANCE = 1e-5
# Cases that are networks, those and those that are computed from constants.
NETWORKS, COMPUTED = 200, 525


def softmax(x):
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def element_type(info):
    """Of a tensor's ValueInfoProto, decoded; None of anything else."""
    tensors = onnx.all_of(onnx.decode(onnx.last(info, 2, b"")), 1)
    return onnx.last(onnx.decode(tensors[-1]), 1) if tensors else None


def numbers_of(data, kind):
    """The array of a TensorProto; the files have the bits of bfloat16 as whole numbers."""
    values = onnx.array(data)
    return (values.astype("u4") << 16).view("f4") if kind == onnx.BFLOAT16 and values.dtype == "u2" else values


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.model = onnx.decode((folder / "model.onnx").read_bytes())
        self.graph = onnx.decode(onnx.last(self.model, onnx.MODEL_GRAPH))
        self.ops = [onnx.last(onnx.decode(n), onnx.NODE_OP, b"").decode() for n in onnx.all_of(self.graph, onnx.GRAPH_NODE)]
        constants = {onnx.last(onnx.decode(t), onnx.TENSOR_NAME) for t in onnx.all_of(self.graph, onnx.GRAPH_INITIALIZER)}
        infos = [onnx.decode(i) for i in onnx.all_of(self.graph, onnx.GRAPH_INPUT)]
        self.inputs = [onnx.last(i, 1) for i in infos if onnx.last(i, 1) not in constants]
        self.types = [element_type(i) for i in infos if onnx.last(i, 1) not in constants]
        self.output_types = [element_type(onnx.decode(i)) for i in onnx.all_of(self.graph, onnx.GRAPH_OUTPUT)]
        self.noutputs = len(self.output_types)

    def read(self, kind, number):
        path = self.folder / "test_data_set_0" / f"{kind}_{number}.pb"
        return path.read_bytes() if path.exists() else None

    def image(self, number):
        data = self.read("input", number) if self.types[number] else None
        return np.zeros(1) if data is None or onnx.array(data) is None else numbers_of(data, self.types[number])

    def want(self, number):
        """The expected output, or None if it is no tensor of numbers."""
        data = self.read("output", number) if self.output_types[number] else None
        return None if data is None or onnx.array(data) is None else numbers_of(data, self.output_types[number])

    def write(self, path, image, output):
        """The model with all inputs but the image as initializers, and one output."""
        graph, seen = [], -1
        for field in self.graph:
            seen += field[0] == onnx.GRAPH_OUTPUT
            if field[0] != onnx.GRAPH_OUTPUT or seen == output:
                graph.append(field)
        self.put(path, graph, image)

    def write_constant(self, path, output):
        """All inputs as initializers; the network adds the output's shape and numbers to an image of as many."""
        names = [onnx.last(onnx.decode(data), 1) for data in onnx.all_of(self.graph, onnx.GRAPH_OUTPUT)]
        inputs = (onnx.GRAPH_INPUT, onnx.GRAPH_OUTPUT)
        want = self.want(output)
        axes = onnx.tensor("all_minus_one", np.array([-1]), onnx.INT64)
        nodes = [onnx.node("Shape", [names[output]], ["all_shape"]), onnx.node("Cast", ["all_shape"], ["all_head"], to=onnx.FLOAT),
                 onnx.node("Cast", [names[output]], ["all_real"], to=onnx.FLOAT),
                 onnx.node("Reshape", ["all_real", "all_minus_one"], ["all_row"]),
                 onnx.node("Concat", ["all_head", "all_row"], ["all_both"], axis=0),
                 onnx.node("Add", ["all_x", "all_both"], ["all_y"])]
        graph = [field for field in self.graph if field[0] not in inputs]
        graph += [onnx.text(onnx.GRAPH_NODE, item) for item in nodes] + [onnx.text(onnx.GRAPH_INITIALIZER, axes)]
        graph += [onnx.text(onnx.GRAPH_INPUT, onnx.value_info("all_x", [1, want.ndim + want.size])),
                  onnx.text(onnx.GRAPH_OUTPUT, onnx.value_info("all_y", []))]
        self.put(path, graph, None)

    def put(self, path, graph, image):
        model = [[n, k, onnx.encode(graph) if n == onnx.MODEL_GRAPH else v] for n, k, v in self.model]
        given = [onnx.text(onnx.GRAPH_INITIALIZER, self.read("input", i) + onnx.encode([onnx.text(onnx.TENSOR_NAME, name)]))
                 for i, name in enumerate(self.inputs) if i != image and self.types[i] and self.read("input", i)]
        pathlib.Path(path).write_bytes(onnx.encode(model) + onnx.encode([onnx.text(onnx.MODEL_GRAPH, onnx.encode(given))]))


class Conformance(unittest.TestCase):
    def compare(self, case, got, output):
        tolerance, want = TOLERANCES.get(case.output_types[output], FLOAT_TOLERANCE), case.want(output).astype("f8")
        scale = max(1.0, np.abs(want[np.isfinite(want)]).max(initial=0.0))
        np.testing.assert_allclose(got / scale, want / scale, 0, tolerance, err_msg=case.folder.name)

    def check(self, case, outcome, output):
        want = case.want(output)
        got = outcome.outputs.reshape(want.shape)
        if outcome.softmax:
            got = softmax(got) if "LogSoftmax" in case.ops else np.exp(softmax(got))
        self.compare(case, got, output)

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

    def run_constant(self, folder, path):
        """Whether all outputs are computed if every input is a constant."""
        case = Case(folder)
        wants = [case.want(output) for output in range(case.noutputs)]
        if any(want is None for want in wants):
            return False
        for output, want in enumerate(wants):
            case.write_constant(path, output)
            outcome = onnx.evaluate(path, np.zeros(want.ndim + want.size))
            self.assertTrue(onnx.is_sound(outcome), f"{folder.name}: {outcome.status} {outcome.message}")
            if outcome.status != 0:
                return False
            shape, numbers = outcome.outputs[:want.ndim], outcome.outputs[want.ndim:]
            self.assertEqual(list(shape), list(want.shape), folder.name)
            self.compare(case, numbers.reshape(want.shape), output)
        return True

    def test_every_case_is_computed_or_refused(self):
        folders = sorted(path.parent for path in DATA.rglob("model.onnx"))
        if not folders:
            self.skipTest("there are no test cases (Debian: libonnx-testdata)")
        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "model.onnx")
            networks = [folder for folder in folders if self.run_case(folder, path)]
            constants = [folder for folder in folders if folder not in networks and self.run_constant(folder, path)]
        refused = [folder for folder in folders if folder not in networks + constants]
        for what, some in (("networks", networks), ("from constants", constants)):
            print(f"{what}: {len(some)} of {len(folders)} cases")
            print(" ".join(folder.name.removeprefix("test_") for folder in some))
        print(f"refused: {len(refused)} of {len(folders)} cases, by their first operation")
        operations = collections.Counter(Case(folder).ops[0] for folder in refused)
        print(", ".join(f"{name} {count}" for name, count in operations.most_common()))
        self.assertGreaterEqual(len(networks), NETWORKS)
        self.assertGreaterEqual(len(networks + constants), COMPUTED)


if __name__ == "__main__":
    unittest.main()
