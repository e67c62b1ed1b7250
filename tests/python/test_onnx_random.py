"""Random graphs, evaluated as read by the program and node by node with torch: joining nodes into layers changes nothing.

ONNX_SEED and ONNX_GRAPHS override the first seed and the number of graphs."""

import os
import pathlib
import random
import tempfile
import unittest

import numpy as np
import torch
import torch.nn.functional as F

import onnx_file as onnx
from onnx_file import node, tensor, value_info

SEED, GRAPHS = int(os.environ.get("ONNX_SEED", 1)), int(os.environ.get("ONNX_GRAPHS", 150))
TOLERANCE = 1e-4  # of the largest value: some graphs scale up what they then subtract
MOST_CHANNELS = 40


class Graph:
    """Nodes, and at the same time what they compute."""

    def __init__(self, seed):
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.channels, self.side = self.random.choice([1, 2, 4, 6]), self.random.choice([5, 6, 8])
        self.values = {"x": torch.from_numpy(self.numbers.normal(size=(1, self.channels, self.side, self.side)))}
        self.image = self.values["x"].numpy()
        self.nodes, self.tensors = [], []
        for _ in range(self.random.randrange(3, 16)):
            self.random.choice(STEPS)(self)

    def constant(self, *shape, low=None):
        values = self.numbers.normal(size=shape).astype("f4") if low is None else (low + self.numbers.random(shape)).astype("f4")
        return self.given(values), torch.tensor(values, dtype=torch.float64)

    def given(self, values, kind=onnx.FLOAT):
        name = f"c{len(self.tensors)}"
        self.tensors.append(tensor(name, values, kind))
        return name

    def integers(self, *values):
        return self.given(np.array(values, "i8"), onnx.INT64)

    def add(self, op, inputs, result, **attributes):
        """Append a node and remember what it computes; returns its name."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(node(op, inputs, [name], **attributes))
        self.values[name] = result
        return name

    def pick(self, least_side=1, channels=1):
        """A map, rather a new one, and its name."""
        names = [n for n, v in self.values.items() if v.dim() == 4 and v.shape[2] >= least_side and v.shape[1] >= channels]
        if not names:
            return None, None
        name = names[-1] if self.random.random() < 0.7 else self.random.choice(names)
        return name, self.values[name]

    def file(self):
        last = list(self.values)[-1]
        inputs = [value_info("x", ["N", self.channels, self.side, self.side])]
        return onnx.model(self.nodes, self.tensors, inputs, [last]), self.values[last].numpy()


def convolution(g):
    name, x = g.pick()
    groups = g.random.choice([n for n in (1, 2, x.shape[1]) if x.shape[1] % n == 0])
    out, side = groups * g.random.choice([1, 2]) if groups > 1 else g.random.choice([2, 4, 6]), g.random.choice([1, 3])
    stride, pads = g.random.choice([1, 1, 2]), [g.random.randrange(2) for _ in range(4)]
    if out > MOST_CHANNELS or min(x.shape[2] + pads[0] + pads[2], x.shape[3] + pads[1] + pads[3]) < side:
        return
    w, weight = g.constant(out, x.shape[1] // groups, side, side)
    b, bias = g.constant(out)
    y = F.pad(x, (pads[1], pads[3], pads[0], pads[2]))
    inputs, attributes = [name, w, b], dict(pads=pads)
    if g.random.random() < 0.3:
        inputs[0] = g.add("Pad", [name, g.integers(0, 0, *pads[:2], 0, 0, *pads[2:])], y)
        attributes = {}
        if g.random.random() < 0.5:
            g.values.pop(inputs[0])
    g.add("Conv", inputs, F.conv2d(y, weight, bias, stride=stride, groups=groups), strides=[stride] * 2, group=groups, **attributes)
    g.values.pop(inputs[0], None) if inputs[0] != name else None


def batchnorm(g):
    name, x = g.pick()
    n = x.shape[1]
    parts = [g.constant(n), g.constant(n), g.constant(n), g.constant(n, low=0.5)]
    scale, shift, mean, variance = (values for _, values in parts)
    g.add("BatchNormalization", [name, *(c for c, _ in parts)], F.batch_norm(x, mean, variance, scale, shift), epsilon=1e-5)


def scale(g):
    name, x = g.pick()
    op = g.random.choice(["Add", "Sub", "Mul", "Div"])
    c, values = g.constant(*g.random.choice([(x.shape[1], 1, 1), (1, x.shape[1], 1, 1), (1,), ()]), low=0.5)
    swap = op != "Div" and g.random.random() < 0.3
    a, b = (values, x) if swap else (x, values)
    result = {"Add": a + b, "Sub": a - b, "Mul": a * b, "Div": a / b}[op]
    g.add(op, [c, name] if swap else [name, c], result)


def activation(g):
    name, x = g.pick()
    low, high = g.given(np.float32(-0.5)), g.given(np.float32(6))
    op, extra, result, attributes = g.random.choice([
        ("Relu", [], F.relu(x), {}), ("LeakyRelu", [], F.leaky_relu(x, 0.2), dict(alpha=0.2)), ("Sigmoid", [], torch.sigmoid(x), {}),
        ("Clip", [low, high], x.clamp(-0.5, 6), {}), ("HardSwish", [], F.hardswish(x), {}), ("Identity", [], x, {}),
        ("HardSigmoid", [], (0.25 * x + 0.5).clamp(0, 1), dict(alpha=0.25)), ("Elu", [], F.elu(x, 0.7), dict(alpha=0.7)),
        ("Selu", [], F.selu(x), {}), ("Tanh", [], torch.tanh(x), {}), ("Softplus", [], F.softplus(x), {}),
        ("Max", [low], x.clamp(min=-0.5), {}), ("Min", [high], x.clamp(max=6), {}), ("Neg", [], -x, {})])
    g.add(op, [name, *extra], result, **attributes)


def silu(g):
    name, x = g.pick()
    s = g.add("Sigmoid", [name], torch.sigmoid(x))
    g.add("Mul", g.random.choice([[name, s], [s, name]]), F.silu(x))


def mish(g):
    name, x = g.pick()
    s = g.add("Tanh", [g.add("Softplus", [name], F.softplus(x))], torch.tanh(F.softplus(x)))
    g.add("Mul", g.random.choice([[name, s], [s, name]]), F.mish(x))


def dilated(g):
    """Also with weights of one row."""
    name, x = g.pick(5)
    if name is None or x.shape[3] < 5:
        return
    out, rows, by = g.random.choice([2, 4]), g.random.choice([1, 3]), [g.random.choice([1, 2]), 2]
    w, weight = g.constant(out, x.shape[1], rows, 3)
    g.add("Conv", [name, w], F.conv2d(x, weight, padding=(1, 2), dilation=by), pads=[1, 2, 1, 2], dilations=by)


def standardized(g):
    """Weights that are normalized when the network is evaluated, as those of NFNets and BiT's ResNets."""
    name, x = g.pick()
    w, weight = g.constant(4, x.shape[1], 1, 1)
    centred = weight - weight.mean((1, 2, 3), keepdim=True)
    variance = (centred ** 2).mean((1, 2, 3), keepdim=True)
    nodes = [("ReduceMean", [w], dict(axes=[1, 2, 3])), ("Sub", [w, 0], {}), ("Pow", [1, g.given(np.float32(2))], {}),
             ("ReduceMean", [2], dict(axes=[1, 2, 3])), ("Add", [3, g.given(np.float32(1e-3))], {}), ("Sqrt", [4], {}), ("Div", [1, 5], {})]
    first = len(g.nodes)
    for op, inputs, attributes in nodes:
        g.nodes.append(node(op, [i if isinstance(i, str) else f"v{first + i}" for i in inputs], [f"v{len(g.nodes)}"], **attributes))
    g.add("Conv", [name, f"v{first + 6}"], F.conv2d(x, centred / torch.sqrt(variance + 1e-3)))


def difference(g):
    name, x = g.pick()
    others = [n for n, v in g.values.items() if v.shape == x.shape]
    other = g.random.choice(others)
    if g.random.random() < 0.5:
        g.add("Sub", [name, other], x - g.values[other])
    else:
        g.add("Mean", [name, other], (x + g.values[other]) / 2)


def gelu(g):
    name, x = g.pick()
    a = g.add("Div", [name, g.given(np.float32(2 ** 0.5))], x / 2 ** 0.5)
    b = g.add("Erf", [a], torch.erf(x / 2 ** 0.5))
    c = g.add("Add", [b, g.given(np.float32(1))], 1 + torch.erf(x / 2 ** 0.5))
    half = g.given(np.float32(0.5))
    if g.random.random() < 0.5:
        d = g.add("Mul", [name, c], 2 * F.gelu(x))
        g.add("Mul", [d, half], F.gelu(x))
        del g.values[d]
    else:
        d = g.add("Mul", [name, half], x / 2)
        g.add("Mul", [d, c], F.gelu(x))
    del g.values[b], g.values[c]  # Erf alone is not supported


def hard_sigmoid(g):
    name, x = g.pick()
    a = g.add("Add", [name, g.given(np.float32(3))], x + 3)
    b = g.add("Clip", [a, g.given(np.float32(0)), g.given(np.float32(6))], (x + 3).clamp(0, 6))
    c = g.add("Div", [b, g.given(np.float32(6))], F.hardsigmoid(x))
    if g.random.random() < 0.5:
        g.add("Mul", [c, name], F.hardswish(x))


def gate(g):
    name, x = g.pick(2)
    if name is None or x.shape[2] * x.shape[3] == 1:
        return
    mean = g.random.choice([lambda: g.add("ReduceMean", [name], x.mean((2, 3), keepdim=True), axes=[2, 3]),
                            lambda: g.add("ReduceMax", [name], x.amax((2, 3), keepdim=True), axes=[-1, -2])])()
    w, weight = g.constant(x.shape[1], x.shape[1], 1, 1)
    z = F.conv2d(g.values[mean], weight)
    s = g.add("Sigmoid", [g.add("Conv", [mean, w], z)], torch.sigmoid(z))
    g.add("Mul", [s, name], torch.sigmoid(z) * x)


def together(g):
    name, x = g.pick()
    others = [n for n, v in g.values.items() if v.shape == x.shape]
    other = g.random.choice(others)
    g.add(g.random.choice(["Add", "Sum"]), [name, other], x + g.values[other])


def concat(g):
    name, x = g.pick()
    others = [n for n, v in g.values.items() if v.dim() == 4 and v.shape[2:] == x.shape[2:] and v.shape[1] + x.shape[1] <= MOST_CHANNELS]
    if others:
        other = g.random.choice(others)
        g.add("Concat", [name, other], torch.cat([x, g.values[other]], 1), axis=1)


def cut(g):
    name, x = g.pick(1, 2)
    if name is None:
        return
    at = g.random.randrange(1, x.shape[1])
    if g.random.random() < 0.5:
        g.add("Slice", [name, g.integers(at), g.integers(x.shape[1]), g.integers(1)], x[:, at:])
        return
    first = f"v{len(g.nodes)}"
    g.nodes.append(node("Split", [name, g.integers(at, x.shape[1] - at)], [first, first + "b"], axis=1))
    g.values[first], g.values[first + "b"] = x[:, :at], x[:, at:]


def gather(g):
    name, x = g.pick()
    if g.random.random() < 0.3:
        i = g.random.randrange(x.shape[1])
        one = g.add("Gather", [name, g.given(np.int64(i), onnx.INT64)], x[:, i], axis=1)
        g.add("Unsqueeze", [one, g.integers(1)], x[:, i:i + 1])
        del g.values[one]
        return
    picked = [g.random.randrange(-x.shape[1], x.shape[1]) for _ in range(g.random.randrange(1, 6))]
    g.add("Gather", [name, g.integers(*picked)], x[:, picked], axis=1)


def shuffle(g):
    name, x = g.pick(1, 4)
    if name is None or x.shape[1] % 2:
        return
    n, c, h, w = x.shape
    y = x.reshape(n, 2, c // 2, h, w)
    a = g.add("Reshape", [name, g.integers(1, 2, c // 2, h, w)], y)
    b = g.add("Transpose", [a], y.transpose(1, 2), perm=[0, 2, 1, 3, 4])
    g.add("Reshape", [b, g.integers(0, -1, h, w)], y.transpose(1, 2).reshape(n, c, h, w))
    del g.values[a], g.values[b]


def pool(g):
    name, x = g.pick(3)
    if name is None or x.shape[3] < 3:
        return
    side, stride = g.random.choice([2, 3]), g.random.choice([1, 2])
    ceiling, pad = g.random.random() < 0.5, g.random.choice([0, 1])
    options = dict(kernel_shape=[side] * 2, strides=[stride] * 2, pads=[pad] * 4, ceil_mode=int(ceiling))
    if g.random.random() < 0.5:
        g.add("MaxPool", [name], F.max_pool2d(x, side, stride, pad, ceil_mode=ceiling), **options)
    else:
        count = g.random.random() < 0.5
        g.add("AveragePool", [name], F.avg_pool2d(x, side, stride, pad, ceiling, count), **options, count_include_pad=int(count))


def head(g):
    """Rarely, so that most graphs go on."""
    name, x = g.pick()
    if g.random.random() < 0.6:
        return
    flat = x.reshape(1, -1)
    f = g.add("Flatten", [name], flat)
    w, weight = g.constant(3, flat.shape[1])
    b, bias = g.constant(3)
    z = flat @ weight.T
    if g.random.random() < 0.5:
        g.add("Gemm", [f, w, b], z + bias, transB=1)
    else:
        wt = g.add("Transpose", [w], weight.T, perm=[1, 0])
        g.add("Add", [g.add("MatMul", [f, wt], z), b], z + bias)
        del g.values[wt]


STEPS = [convolution, convolution, batchnorm, scale, activation, activation, silu, mish, dilated, standardized, difference, gelu, hard_sigmoid, gate, together, together, concat,
         cut, gather, shuffle, pool, head]


class RandomGraphs(unittest.TestCase):
    def test_layers_compute_what_nodes_compute(self):
        layers = 0
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.onnx"
            for seed in range(SEED, SEED + GRAPHS):
                data, want = Graph(seed).file()
                path.write_bytes(data)
                outcome = onnx.evaluate(path, Graph(seed).image)
                self.assertEqual(outcome.status, 0, f"seed {seed}: {outcome.message}")
                worst = np.abs(outcome.outputs.reshape(want.shape) - want).max() / max(1, np.abs(want).max())
                self.assertLessEqual(worst, TOLERANCE, f"seed {seed}: {outcome.lines}")
                layers += len(outcome.layers)
        self.assertGreater(layers, GRAPHS)


if __name__ == "__main__":
    unittest.main()
