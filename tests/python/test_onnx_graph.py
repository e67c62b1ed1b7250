"""Graphs of small ONNX files: what they compute, what their layers are called, what is refused and how it is said."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import torch
import torch.nn.functional as F

import onnx_file as onnx
from onnx_file import node, tensor, value_info
from onnx_samples import SAMPLES, integers, net, numbers

TOLERANCE = 1e-5  # weights are rounded to float
NRMFLOW = os.environ["NRMFLOW"]


def t(seed, *shape):
    return torch.from_numpy(numbers(seed, *shape).astype("f8"))


def half(values):
    return values.to(torch.float16).to(torch.float64)


def residual(x):
    y = F.relu(F.conv2d(x, t(1, 4, 4, 3, 3), t(2, 4), padding=1))
    y = F.conv2d(y, half(t(3, 4, 4, 3, 3)), padding=1)
    y = F.batch_norm(y, t(6, 4), 1 + t(7, 4) ** 2, t(4, 4), t(5, 4))
    y = F.relu(y + x).mean((2, 3))
    bias = torch.from_numpy((numbers(9, 3).view("u4") >> 16 << 16).view("f4").astype("f8"))
    return 0.5 * y @ t(8, 3, 4).T + 2 * bias


def gated(x):
    w = t(1, 4, 4, 1, 1)
    y = F.silu(F.conv2d(x, w))
    y = y * torch.sigmoid(F.conv2d(y.mean((2, 3), keepdim=True), w))
    return F.gelu(F.hardswish(y))


def channels(x):
    y = F.channel_shuffle(x, 2)
    a = F.conv2d(F.pad(y[:, :2], (0, 1, 0, 1)), t(1, 2, 1, 3, 3), stride=2, groups=2)
    y = torch.cat([a, F.max_pool2d(y[:, 2:], 2, ceil_mode=True)], 1)[:, 1:]
    return F.avg_pool2d(y, 3, stride=1, padding=1, count_include_pad=True)


def arithmetic(x):
    mean, std = t(1, 4, 1, 1), 2 + t(2, 1, 4, 1, 1)[0] ** 2
    c = F.leaky_relu((x - mean) / std, 0.1)
    y = c + torch.clamp(0.2 * c + 0.5, 0, 1) + x
    y = F.conv2d(F.pad(y, (0, 1, 1, 2)), t(3, 4, 4, 3, 3)) * std + mean
    return F.leaky_relu(y, 0.2)


def shapes(x):
    return x.reshape(1, -1) @ t(1, 144, 3) + t(2, 3)


def constants(x):
    w = torch.from_numpy(numbers(1, 4, 4, 3, 3).astype("f8"))
    centred = w - w.mean((1, 2, 3), keepdim=True)
    low = torch.full((4,), 0.5, dtype=torch.float64)  # also its double
    bias = torch.where(low > torch.arange(4), low, torch.minimum(low, low.exp()))
    return F.conv2d(F.pad(x, (1, 1, 2, 2)), centred / torch.sqrt(centred ** 2 + 1), bias, dilation=(2, 1))


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = self.folder / "net.onnx"
        self.image = numbers(0, 1, 4, 6, 6)

    def outcome(self, data, images=None, size=None):
        self.path.write_bytes(data)
        return onnx.evaluate(self.path, self.image if images is None else images, size)

    def assert_refused(self, data, *words):
        outcome = self.outcome(data)
        self.assertTrue(outcome.refused, (outcome.status, outcome.message, outcome.lines))
        for word in (str(self.path), *words):
            self.assertIn(word, outcome.message)

    def assert_damaged(self, data, *words):
        outcome = self.outcome(data)
        self.assertEqual(outcome.status, 1, (outcome.message, outcome.lines))
        for word in (str(self.path), *words):
            self.assertIn(word, outcome.message)


class Layers(Files):
    def test_samples_compute_what_torch_computes(self):
        for reference in residual, gated, channels, arithmetic, shapes, constants:
            outcome = self.outcome(SAMPLES[reference.__name__])
            self.assertEqual(outcome.status, 0, outcome.message)
            want = reference(torch.from_numpy(self.image.astype("f8"))).numpy()
            np.testing.assert_allclose(outcome.outputs.reshape(want.shape), want, TOLERANCE, TOLERANCE, reference.__name__)

    def test_layers_are_named_after_modules(self):
        outcome = self.outcome(SAMPLES["residual"])
        self.assertEqual(list(outcome.layers), ["layer1.0.conv1", "layer1.0.conv2", "layer1.0.add", "avgpool", "fc"])
        self.assertTrue(outcome.softmax)

    def test_names_without_modules_are_kind_and_number(self):
        conv = [node("Conv", ["x", "w"], ["a"], "Conv_7"), node("Conv", ["a", "w"], ["b"]), node("Conv", ["b", "w"], ["c"], "a-b"),
                node("Conv", ["c", "w"], ["y"], "/a-b/Conv")]
        self.assertEqual(list(self.outcome(net(conv, [tensor("w", numbers(1, 4, 4, 1, 1))])).layers), ["conv_7", "conv_1", "a_b", "a_b_1"])

    def test_names_are_at_most_63_bytes(self):
        conv = [node("Conv", ["x", "w"], ["y"], "/" + "/".join(["module" * 3] * 20) + "/conv/Conv")]
        name, = self.outcome(net(conv, [tensor("w", numbers(1, 4, 4, 1, 1))])).layers
        self.assertLessEqual(len(name), 63)
        self.assertTrue(name.endswith("module.conv"), name)

    def test_an_activation_is_not_joined_if_something_else_reads_the_layer(self):
        nodes = [node("Conv", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Identity", ["a"], ["c"]), node("Add", ["b", "c"], ["y"])]
        outcome = self.outcome(net(nodes, [tensor("w", numbers(1, 4, 4, 1, 1))]))
        self.assertEqual([words.split()[:2] for words in outcome.layers.values()],
                         [["convolution", "none"], ["pass", "relu"], ["add", "none"]])
        x = torch.from_numpy(self.image.astype("f8"))
        a = F.conv2d(x, t(1, 4, 4, 1, 1))
        np.testing.assert_allclose(outcome.outputs, (a + F.relu(a)).numpy().ravel(), TOLERANCE, TOLERANCE)

    def test_the_order_of_nodes_does_not_matter(self):
        nodes = [node("Relu", ["b"], ["y"]), node("Conv", ["a", "w"], ["b"]), node("Conv", ["x", "w"], ["a"])]
        made = [tensor("w", numbers(1, 4, 4, 1, 1))]
        np.testing.assert_array_equal(self.outcome(net(nodes, made)).outputs, self.outcome(net(nodes[::-1], made)).outputs)

    def test_nodes_out_of_order_are_taken_the_lowest_first(self):
        nodes = [node("Sum", list("abcdefg"), ["y"]), *(node("Conv", ["x", "w"], [name]) for name in "gfedcba")]
        outcome = self.outcome(net(nodes, [tensor("w", numbers(1, 4, 4, 1, 1))]))
        self.assertEqual(list(outcome.layers), [*(f"conv_{i}" for i in range(1, 8)), "sum_0"])

    def test_an_activation_is_not_joined_past_a_name_of_a_name(self):
        """The layer is read under its first name, its activation reads the third."""
        nodes = [node("Conv", ["x", "w"], ["a"]), node("Identity", ["a"], ["b"]), node("Identity", ["b"], ["c"]),
                 node("Relu", ["c"], ["d"]), node("Add", ["a", "d"], ["y"])]
        a = F.conv2d(torch.from_numpy(self.image.astype("f8")), t(1, 4, 4, 1, 1))
        outcome = self.outcome(net(nodes, [tensor("w", numbers(1, 4, 4, 1, 1))]))
        np.testing.assert_allclose(outcome.outputs, (a + F.relu(a)).numpy().ravel(), TOLERANCE, TOLERANCE)

    def test_a_layer_of_which_only_the_shape_is_read_is_left_out(self):
        nodes = [node("Conv", ["x", "w"], ["a"]), node("Shape", ["a"], ["b"]), node("Reshape", ["x", "b"], ["c"]),
                 node("Relu", ["c"], ["y"])]
        self.assertEqual(list(self.outcome(net(nodes, [tensor("w", numbers(1, 4, 4, 1, 1))])).layers), ["relu_3"])

    def test_nodes_that_the_output_does_not_need_are_left_out(self):
        nodes = [node("LSTM", ["x"], ["a"]), node("Relu", ["x"], ["y"])]
        self.assertEqual(list(self.outcome(net(nodes)).layers), ["relu_1"])

    def test_every_way_to_store_numbers_gives_the_same(self):
        values = numbers(1, 4, 4, 1, 1)
        head = [*([1, 0, n] for n in values.shape), onnx.text(8, "w")]
        pieces = [onnx.text(4, values.ravel()[:5].tobytes()), onnx.text(4, values.ravel()[5:].tobytes())]
        unpacked = [[4, 5, value.tobytes()] for value in values.ravel()]
        stored = {"raw": [[2, 0, 1], onnx.text(9, values.tobytes())], "packed": [[2, 0, 1], onnx.text(4, values.tobytes())],
                  "pieces": [[2, 0, 1], *pieces], "unpacked": [*unpacked, [2, 0, 1]],
                  "the last type wins": [[2, 0, 7], onnx.text(9, b"old"), onnx.text(9, values.tobytes()), [2, 0, 1]]}
        outputs = {name: self.outcome(net([node("Conv", ["x", "w"], ["y"])], [onnx.encode(head + fields)])).outputs
                   for name, fields in stored.items()}
        for name, output in outputs.items():
            np.testing.assert_array_equal(output, outputs["raw"], name)
        halves = onnx.encode(head + [[2, 0, 10], onnx.text(5, b"".join(onnx.varint(int(n)) for n in values.astype("f2").view("u2").ravel()))])
        np.testing.assert_allclose(self.outcome(net([node("Conv", ["x", "w"], ["y"])], [halves])).outputs, outputs["raw"], 0, 0.05)

    def test_padding_joins_a_pool_only_if_zeros_cannot_win(self):
        pads = integers("pads", 0, 0, 1, 1, 0, 0, 1, 1)
        pool = [node("Pad", ["a", "pads"], ["b"]), node("MaxPool", ["b"], ["y"], kernel_shape=[3, 3])]
        outcome = self.outcome(net([node("Relu", ["x"], ["a"]), *pool], [pads]))
        want = F.max_pool2d(F.relu(torch.from_numpy(self.image)), 3, stride=1, padding=1).numpy()
        np.testing.assert_allclose(outcome.outputs, want.ravel(), 0, 1e-7)
        self.assert_refused(net([node("LeakyRelu", ["x"], ["a"]), *pool], [pads]), "Pad with zeros", "(MaxPool)")

    def test_activations_that_are_several_nodes(self):
        """The hard sigmoid, and HardSwish on top of it, as PyTorch wrote them before there were such operations."""
        constants = [tensor(name, np.float32(value)) for name, value in dict(zero=0, three=3, six=6).items()]
        gate = [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["b"])]
        x = torch.from_numpy(self.image.astype("f8"))
        for nodes, want, words in (
                ([*gate, node("Div", ["b", "six"], ["y"])], F.hardsigmoid(x), "pass hard sigmoid"),
                ([*gate, node("Div", ["b", "six"], ["c"]), node("Mul", ["c", "x"], ["y"])], F.hardswish(x), "pass hard swish"),
                ([*gate, node("Mul", ["x", "b"], ["c"]), node("Div", ["c", "six"], ["y"])], F.hardswish(x), "pass hard swish")):
            outcome = self.outcome(net(nodes, constants))
            self.assertEqual([words in line for line in outcome.layers.values()], [True], outcome.lines)
            np.testing.assert_allclose(outcome.outputs, want.numpy().ravel(), TOLERANCE, TOLERANCE)

    def test_scales_behind_a_convolution_are_folded(self):
        nodes = [node("Conv", ["x", "w"], ["a"]), node("Mul", ["a", "s"], ["b"]), node("Add", ["b", "s"], ["y"])]
        outcome = self.outcome(net(nodes, [tensor("w", numbers(1, 4, 4, 1, 1)), tensor("s", numbers(2, 4, 1, 1))]))
        self.assertEqual(len(outcome.layers), 1)
        s = t(2, 4, 1, 1)
        want = F.conv2d(torch.from_numpy(self.image.astype("f8")), t(1, 4, 4, 1, 1)) * s + s
        np.testing.assert_allclose(outcome.outputs, want.numpy().ravel(), TOLERANCE, TOLERANCE)


class Refusals(Files):
    def test_a_slice_of_constants_takes_each_axis_once(self):
        nodes = [node("Slice", ["c", "begin", "end", "axes", "steps"], ["s"]), node("Mul", ["x", "s"], ["y"])]
        given = [integers("begin", -1, 0), integers("end", -9, 4), integers("axes", 0, 0), integers("steps", -1, 1)]
        self.assert_refused(net(nodes, [tensor("c", numbers(1, 4, 1, 1)), *given]), "(Slice)")

    def test_slices_of_huge_empty_constants(self):
        """Their steps overflow, and lead nowhere."""
        empty = onnx.encode([*([onnx.TENSOR_DIMS, 0, n] for n in (0, 1 << 40, 1 << 40)), [onnx.TENSOR_TYPE, 0, onnx.FLOAT],
                             onnx.text(onnx.TENSOR_NAME, "c"), onnx.text(onnx.TENSOR_RAW, b"")])
        given = [integers("begin", 1 << 39), integers("end", 1 << 40), integers("axis", 1), integers("by", 3)]
        for nodes in ([node("Slice", ["c", "begin", "end", "axis", "by"], ["s"])], [node("Split", ["c"], ["s", "t"], axis=1)]):
            data = net([*nodes, node("Size", ["s"], ["n"]), node("Cast", ["n"], ["r"], to=onnx.FLOAT), node("Add", ["x", "r"], ["y"])],
                       [empty, *given])
            self.assertTrue(onnx.is_sound(self.outcome(data)))

    def test_constants_that_are_too_much_work(self):
        """A file of a few bytes can ask for any amount of it."""
        def filled(count, times):
            nodes = [node("ConstantOfShape", ["n"], ["c0"])] + [node("Neg", [f"c{i}"], [f"c{i + 1}"]) for i in range(times)]
            ends = [node("ReduceSum", [f"c{times}"], ["s"]), node("Add", ["x", "s"], ["y"])]
            return net(nodes + ends, [integers("n", count)])

        self.assertEqual(self.outcome(filled(1 << 10, 30)).status, 0)
        self.assert_refused(filled((1 << 24) + 1, 0), "(ConstantOfShape)", "do_constant_folding")
        self.assert_refused(filled(1 << 62, 0), "(ConstantOfShape)")
        self.assert_damaged(filled(1 << 22, 40), "more than 134217728 numbers", "do_constant_folding")

    def test_all_nodes_are_named_in_one_message(self):
        nodes = [node("Erf", ["x"], ["a"], "first"), node("MaxPool", ["a"], ["b"], "dilated", kernel_shape=[2, 2], dilations=[2, 2]),
                 node("MaxPool", ["x"], ["c"], "second", kernel_shape=[2, 2], dilations=[2, 2]), node("Erf", ["x"], ["d"], "third"),
                 node("Concat", ["b", "c", "d"], ["y"], axis=1)]
        self.assert_refused(net(nodes), "'first' and 1 more (Erf)", "'second' (MaxPool)", "dilated", "3 of its 5 nodes",
                            "model.eval()")

    def test_a_long_list_ends_with_a_count(self):
        nodes = [node("Relu", ["x"], ["v0"]), *(node(f"Unknown{i}", [f"v{i}"], [f"v{i + 1}"], f"node{i}") for i in range(60))]
        self.assert_refused(net(nodes, outputs=["v60"]), "60 of its 61 nodes", "(Unknown0)", "others")

    def test_control_flow_and_other_domains(self):
        branch = onnx.decode(node("If", ["x"], ["a"], "branch"))
        branch.append(onnx.text(5, onnx.encode([onnx.text(1, "then_branch"), onnx.text(6, b"")])))
        self.assert_refused(net([onnx.encode(branch), node("Relu", ["a"], ["y"])]), "'branch' (If)", "graph of its own")
        other = onnx.encode(onnx.decode(node("Relu", ["x"], ["y"], "foreign")) + [onnx.text(7, "com.microsoft")])
        self.assert_refused(net([other]), "'foreign' (Relu)", "com.microsoft")

    def test_training_mode(self):
        four = [tensor(name, 1 + numbers(1, 4) ** 2) for name in "abcd"]
        self.assert_refused(net([node("BatchNormalization", ["x", *"abcd"], ["y"], training_mode=1)], four), "model.eval()")

    def test_inputs_and_outputs(self):
        two = [value_info("x", ["N", 4, 6, 6]), value_info("z", ["N", 4, 6, 6])]
        self.assert_refused(net([node("Add", ["x", "z"], ["y"])], inputs=two), "2 inputs")
        self.assert_refused(net([node("Relu", ["x"], ["y"])], outputs=["y", "x"]), "2 outputs")
        self.assert_refused(net([node("Relu", ["x"], ["y"])], inputs=[value_info("x", [1, 4, 6, 6], onnx.INT64)]), "real numbers")
        self.assert_refused(net([node("Relu", ["x"], ["y"])], inputs=[value_info("x", [1, "C", 6, 6])]), "channels")
        self.assert_refused(net([node("Relu", ["x"], ["y"])], inputs=[value_info("x", [1, 4, "H", 6])]), "data.crop")
        self.assert_refused(net([node("MaxPool", ["w"], ["y"])], [tensor("w", [1.0])]), "(MaxPool)", "constants only")
        self.assert_refused(net([node("Relu", ["w"], ["y"])], [tensor("w", [1.0])]), "does not depend on the input")

    def test_a_softmax_in_the_middle(self):
        self.assert_refused(net([node("Softmax", ["x"], ["a"], "soft", axis=1), node("Relu", ["a"], ["y"])]), "'soft'", "end")

    def test_products_of_two_maps_without_a_gate(self):
        self.assert_refused(net([node("Relu", ["x"], ["a"]), node("Mul", ["a", "x"], ["y"])]), "gate")

    def test_a_newer_version_of_operations(self):
        self.assert_refused(net([node("Relu", ["x"], ["y"])], opset=99), "opset_version")

    def test_constants_that_are_not_per_channel(self):
        self.assert_refused(net([node("Add", ["x", "w"], ["y"])], [tensor("w", numbers(1, 6, 6))]), "each channel")


class Damage(Files):
    def test_truncated_files(self):
        data = SAMPLES["residual"]
        for n in range(0, len(data) - 12, 7):
            outcome = self.outcome(data[:n])
            self.assertEqual(outcome.status, 1, (n, outcome.message))
            self.assertIn(str(self.path), outcome.message)

    def test_groups_and_bad_fields(self):
        model = SAMPLES["identity"]
        self.assert_damaged(model + bytes([3 << 3 | 3]), "group")
        self.assert_damaged(model + bytes([7]), "number 0")
        self.assert_damaged(model + bytes([2 << 3 | 7]), "unknown type")
        self.assert_damaged(model + bytes([1 << 3]) + b"\xff" * 11, "64 bits")
        self.assert_damaged(model + bytes([7 << 3 | 2, 100, 0]), "longer than")

    def test_circles_and_two_writers(self):
        self.assert_damaged(net([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]), "circle")
        self.assert_damaged(net([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])]), "'y'")

    def test_sizes_that_do_not_fit(self):
        conv = [node("Conv", ["x", "w"], ["y"])]
        self.assert_refused(net(conv, [tensor("w", numbers(1, 4, 3, 1, 1))]), "do not fit")
        short = onnx.encode([f for f in onnx.decode(tensor("w", numbers(1, 4, 4, 1, 1))) if f[0] != 1] + [[1, 0, 4], [1, 0, 5]])
        self.assert_damaged(net(conv, [short]), "tensor 'w'", "64 bytes", "20 elements")
        huge = onnx.encode([[1, 0, 1 << 62], [1, 0, 1 << 62], [2, 0, 1], onnx.text(8, "w")])
        self.assert_damaged(net(conv, [huge]), "impossible shape")

    def test_weights_that_are_not_finite(self):
        values = numbers(1, 4, 4, 1, 1)
        values[2, 1] = np.nan
        self.assert_damaged(net([node("Conv", ["x", "w"], ["y"], "/c/Conv")], [tensor("w", values)]), "tensor 'w'", "layer c", "element 9")

    def test_names_do_not_control_the_terminal(self):
        outcome = self.outcome(net([node("Bad\x1b[2J", ["x"], ["y"], "name\x1b[2J\n")]))
        self.assertTrue(outcome.refused)
        self.assertNotIn("\x1b", outcome.message)


class ExternalData(Files):
    def write(self, location, offset=0, length=64, **more):
        entries = {"location": location, "offset": str(offset), "length": str(length), **more}
        fields = [*([1, 0, n] for n in (4, 4, 1, 1)), [2, 0, 1], onnx.text(8, "w"), [14, 0, 1], *(
            onnx.text(13, onnx.encode([onnx.text(1, key), onnx.text(2, value)])) for key, value in entries.items())]
        return net([node("Conv", ["x", "w"], ["y"])], [onnx.encode(fields)])

    def setUp(self):
        super().setUp()
        self.values = numbers(1, 4, 4, 1, 1)
        (self.folder / "sub").mkdir()
        (self.folder / "sub" / "w.bin").write_bytes(b"12345678" + self.values.tobytes())

    def test_numbers_in_a_file_below_the_folder(self):
        outcome = self.outcome(self.write("sub/w.bin", 8))
        plain = self.outcome(net([node("Conv", ["x", "w"], ["y"])], [tensor("w", self.values)]))
        np.testing.assert_array_equal(outcome.outputs, plain.outputs)

    def test_paths_that_leave_the_folder(self):
        for location in "../w.bin", "/etc/passwd", "sub/../sub/w.bin", "./sub/w.bin", "sub//w.bin", "", "sub/":
            self.assert_damaged(self.write(location, 8), "plain path")

    def test_links_and_special_files_are_not_read(self):
        (self.folder / "link.bin").symlink_to("sub/w.bin")
        (self.folder / "linked").symlink_to("sub")
        os.mkfifo(self.folder / "pipe")
        for location, words in ("link.bin", "links"), ("linked/w.bin", "links"), ("pipe", "regular"), ("sub", "regular"), ("no", "beside"):
            self.assert_damaged(self.write(location), words, f"'{location}'")

    def test_numbers_beyond_the_end(self):
        self.assert_damaged(self.write("sub/w.bin", 9), "ends at byte 72")
        self.assert_damaged(self.write("sub/w.bin", 99999999999999999), "ends at byte 72")
        self.assert_damaged(self.write("sub/w.bin", 0, 63), "63 bytes")
        self.assert_damaged(self.write("sub/w.bin", "1x"), "no number")


class Command(Files):
    def run_weights(self, data, *options):
        self.path.write_bytes(data)
        return subprocess.run([NRMFLOW, "weights", self.path, *options], capture_output=True, text=True)

    def test_json_has_the_layers(self):
        done = self.run_weights(SAMPLES["residual"], "--json")
        self.assertEqual(done.returncode, 1)
        said = json.loads(done.stdout)
        self.assertIn("input has 4 channels", said["refusal"])
        self.assertEqual((said["format"], said["producer"], said["opset"]), ("onnx", "test", 13))
        network, layers = said["network"], said["layers"]
        self.assertEqual((network["input"], network["classes"], network["softmax"]), ([4, 6, 6], 3, True))
        self.assertEqual(network["parameters"], 2 * (4 * 4 * 9 + 4) + 3 * 4 + 3)
        self.assertEqual(network["flop"], 2 * (2 * 4 * 4 * 9 * 36 + 12))
        self.assertEqual(layers[2]["reads"], ["layer1.0.conv2", "input"])
        self.assertEqual(layers[2]["node"], "/layer1/layer1.0/Add")

    def test_the_text_has_a_line_for_every_variable(self):
        done = self.run_weights(SAMPLES["gated"])
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertIn(["mul_6", "gate", "hard", "swish", "4", "x", "6", "x", "6", "conv_0", "*", "conv_4"], lines)
        self.assertIn(["conv_4", "convolution", "1x1", "sigmoid", "4", "x", "1", "x", "1", "20", "0.0"], lines)

    def block(self, channels):
        """A residual block that reads the image, and a head."""
        nodes = [node("Conv", ["x", "w"], ["a"], "conv"), node("Add", ["a", "x"], ["b"], "add"),
                 node("GlobalAveragePool", ["b"], ["c"]), node("Flatten", ["c"], ["y"])]
        return net(nodes, [tensor("w", numbers(1, channels, channels, 1, 1))], inputs=[value_info("x", ["N", channels, 6, 6])])

    def test_cuts_are_those_of_a_run(self):
        done = self.run_weights(self.block(3), "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        self.assertEqual([layer["cut"] for layer in said["layers"]], [False, True, True])
        self.assertIsNone(said["refusal"])
        shown = self.run_weights(self.block(3)).stdout
        self.assertIn("data.preprocessing", shown)
        lines = [line.split() for line in shown.splitlines()]
        self.assertIn(["add", "add", "3", "x", "6", "x", "6", "cut", "conv", "input"], lines)

    def test_a_network_that_a_run_refuses_is_listed_and_the_reason_said(self):
        done = self.run_weights(self.block(4))
        self.assertEqual(done.returncode, 1)
        self.assertIn(["add", "add", "4", "x", "6", "x", "6", "conv", "input"], [line.split() for line in done.stdout.splitlines()])
        self.assertIn("input has 4 channels; images have 1 or 3", done.stderr)
        self.assertIn("not one value for every class", self.run_weights(SAMPLES["gated"]).stderr)

    def test_an_open_size_is_said(self):
        done = self.run_weights(net([node("GlobalAveragePool", ["x"], ["y"])], inputs=[value_info("x", ["N", 4, "H", "W"])]))
        self.assertIn("shown for 224 x 224", done.stdout)

    def test_a_file_that_cannot_be_used_is_an_error(self):
        done = self.run_weights(SAMPLES["unsupported"])
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("'rnn' (LSTM)", done.stderr)


if __name__ == "__main__":
    unittest.main()
