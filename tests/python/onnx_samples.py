"""Small networks as ONNX files, one for every kind of layer and of writing it; bytes by name."""

import numpy as np

from onnx_file import BFLOAT16, DOUBLE, FLOAT, HALF, INT64, model, node, tensor, value_info

IMAGE = [value_info("x", ["N", 4, 6, 6])]


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def integers(name, *values):
    return tensor(name, np.array(values, "i8"), INT64)


def net(nodes, initializers=(), **options):
    return model(nodes, initializers, **{"inputs": IMAGE, **options})


def residual():
    """A block of a ResNet, its names those of PyTorch."""
    return net([node("Conv", ["x", "w1", "b1"], ["a"], "/layer1/layer1.0/conv1/Conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                node("Relu", ["a"], ["b"], "/layer1/layer1.0/relu/Relu"),
                node("Conv", ["b", "w2"], ["c"], "/layer1/layer1.0/conv2/Conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                node("BatchNormalization", ["c", "g", "s", "m", "v"], ["d"], "/layer1/layer1.0/bn2/BatchNormalization"),
                node("Add", ["d", "x"], ["e"], "/layer1/layer1.0/Add"),
                node("Relu", ["e"], ["f"], "/layer1/layer1.0/relu_1/Relu"),
                node("GlobalAveragePool", ["f"], ["h"], "/avgpool/GlobalAveragePool"),
                node("Flatten", ["h"], ["i"], "/Flatten", axis=1),
                node("Gemm", ["i", "fw", "fb"], ["z"], "/fc/Gemm", transB=1, alpha=0.5, beta=2.0),
                node("Softmax", ["z"], ["y"], "/Softmax", axis=1)],
               [tensor("w1", numbers(1, 4, 4, 3, 3)), tensor("b1", numbers(2, 4)), tensor("w2", numbers(3, 4, 4, 3, 3), HALF),
                tensor("g", numbers(4, 4)), tensor("s", numbers(5, 4)), tensor("m", numbers(6, 4)),
                tensor("v", 1 + numbers(7, 4) ** 2), tensor("fw", numbers(8, 3, 4), DOUBLE), tensor("fb", numbers(9, 3), BFLOAT16)])


def gated():
    """Squeeze and excitation, SiLU in two nodes, a HardSwish in three and a GELU in five."""
    return net([node("Conv", ["x", "w"], ["a"], kernel_shape=[1, 1]), node("Sigmoid", ["a"], ["b"]), node("Mul", ["a", "b"], ["c"]),
                node("ReduceMean", ["c"], ["d"], axes=[2, 3]), node("Conv", ["d", "w"], ["e"]), node("Sigmoid", ["e"], ["f"]),
                node("Mul", ["f", "c"], ["g"]), node("Add", ["g", "three"], ["h"]), node("Clip", ["h", "zero", "six"], ["i"]),
                node("Mul", ["g", "i"], ["j"]), node("Div", ["j", "six"], ["k"]), node("Div", ["k", "root"], ["l"]),
                node("Erf", ["l"], ["m"]), node("Add", ["m", "one"], ["n"]), node("Mul", ["k", "n"], ["o"]),
                node("Mul", ["o", "half"], ["y"])],
               [tensor("w", numbers(1, 4, 4, 1, 1)), *(tensor(name, np.float32(value)) for name, value in
                                                       dict(zero=0, one=1, three=3, six=6, half=0.5, root=2 ** 0.5).items())])


def channels():
    """A channel shuffle, a Split, a Slice and a Concat; grouped and strided convolutions; every pool."""
    return net([node("Reshape", ["x", "five"], ["a"]), node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
                node("Reshape", ["b", "four"], ["c"]), node("Split", ["c"], ["d", "e"], axis=1),
                node("Conv", ["d", "w"], ["f"], group=2, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
                node("MaxPool", ["e"], ["g"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
                node("Concat", ["f", "g"], ["h"], axis=1), node("Slice", ["h", "begin", "end", "axis"], ["i"]),
                node("AveragePool", ["i"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
               [integers("five", -1, 2, 2, 6, 6), integers("four", -1, 4, 6, 6), integers("begin", 1), integers("end", 1 << 40),
                integers("axis", 1), tensor("w", numbers(1, 2, 1, 3, 3))])


def arithmetic():
    """What becomes a pass, and activations that cannot be joined to a layer."""
    return net([node("Sub", ["x", "mean"], ["a"]), node("Div", ["a", "std"], ["b"]), node("LeakyRelu", ["b"], ["c"], alpha=0.1),
                node("HardSigmoid", ["c"], ["d"]), node("Sum", ["c", "d", "x"], ["e"]), node("Pad", ["e", "pads"], ["f"]),
                node("Conv", ["f", "w"], ["g"]), node("Mul", ["g", "std"], ["h"]), node("Add", ["h", "mean"], ["i"]),
                node("PRelu", ["i", "slope"], ["j"]), node("Clip", ["j"], ["y"])],
               [tensor("mean", numbers(1, 4, 1, 1)), tensor("std", 2 + numbers(2, 1, 4, 1, 1) ** 2), tensor("slope", [[[0.2]]]),
                integers("pads", 0, 0, 1, 0, 0, 0, 2, 1), tensor("w", numbers(3, 4, 4, 3, 3))])


def shapes():
    """PyTorch's x.view(x.size(0), -1), and a MatMul with its Add."""
    return net([node("Shape", ["x"], ["a"]), node("Constant", [], ["i"], value=tensor("", np.int64(0), INT64)),
                node("Gather", ["a", "i"], ["b"], axis=0), node("Unsqueeze", ["b"], ["c"], axes=[0]),
                node("Concat", ["c", "rest"], ["d"], axis=0), node("Reshape", ["x", "d"], ["e"]), node("Identity", ["w"], ["w2"]),
                node("MatMul", ["e", "w2"], ["f"]), node("Add", ["f", "bias"], ["g"]), node("Dropout", ["g"], ["y", "mask"])],
               [integers("rest", -1), tensor("w", numbers(1, 144, 3)), tensor("bias", numbers(2, 3))], opset=11)


def constants():
    """Nodes that read constants only, of every way to compute them: the weights and bias of a dilated convolution."""
    def call(op, *inputs, **attributes):
        name = f"k{len(nodes)}"
        nodes.append(node(op, list(inputs), [name], **attributes))
        return name

    nodes = []
    centred = call("Sub", "w", call("ReduceMean", "w", axes=[1, 2, 3]))
    weight = call("Div", centred, call("Sqrt", call("Add", call("Mul", centred, centred), "one")))
    turned = call("Transpose", call("Transpose", weight, perm=[1, 0, 3, 2]), perm=[1, 0, 3, 2])
    shape = call("Shape", turned)
    first = call("Gather", shape, "zero")
    filled = call("ConstantOfShape", call("Concat", first, first, axis=0), value=tensor("", np.float32([0.5])))
    row = call("Reshape", call("Slice", filled, "zero", "one_whole", "one_whole"), "all")
    nodes.append(node("Split", [call("Tile", call("Expand", row, "four"), "two")], ["low", "high"]))
    positive = call("Greater", "low", call("Cast", call("Range", "start", "end", "step"), to=FLOAT))
    bias = call("Where", positive, "high", call("Min", "low", call("Exp", "low")))
    nodes.append(node("Conv", ["x", turned, bias], ["y"], dilations=[2, 1], pads=[2, 1, 2, 1]))
    return net(nodes, [tensor("w", numbers(1, 4, 4, 3, 3)), tensor("one", np.float32(1)), integers("zero", 0), integers("four", 4),
                       integers("one_whole", 1), integers("all", -1), integers("two", 2),
                       *(tensor(name, np.int64(value), INT64) for name, value in dict(start=0, end=4, step=1).items())])


SAMPLES = {"residual": residual(), "gated": gated(), "channels": channels(), "arithmetic": arithmetic(), "shapes": shapes(),
           "constants": constants(),
           "identity": net([node("Identity", ["x"], ["y"])]),
           "unsupported": net([node("LSTM", ["x"], ["a"], "rnn"), node("If", ["a"], ["y"], "branch")])}
