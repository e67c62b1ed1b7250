"""ONNX files for tests, without the package onnx: messages of protobuf taken apart and put together, tensors, evaluation.

A message is a list of fields [number, type, value]: type 0 has an integer, 1 and 5 have 8 and 4 bytes, 2 has bytes."""
import os
import re
import struct
import subprocess
import tempfile

import numpy as np

EVALUATE = os.path.join(os.path.dirname(os.environ["NRMFLOW"]), "tests", "onnx_evaluate")
REFUSED = 3

MODEL_GRAPH, MODEL_OPSET = 7, 8
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE = 1, 2, 3, 4, 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14
FLOAT, INT64, HALF, DOUBLE, BFLOAT16 = 1, 7, 10, 11, 16
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4", 13: "<u8"}
# Fields of numbers that are not raw, and the type of their numbers on the wire.
TYPED = {4: "<f4", 5: None, 7: None, 10: "<f8", 11: None}


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def take_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def decode(data):
    at, fields = 0, []
    while at < len(data):
        tag, at = take_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = take_varint(data, at)
        else:
            if kind == 2:
                length, at = take_varint(data, at)
            else:
                length = {1: 8, 5: 4}[kind]
            value, at = bytes(data[at:at + length]), at + length
        fields.append([tag >> 3, kind, value])
    return fields


def encode(fields):
    out = bytearray()
    for number, kind, value in fields:
        out += varint(number << 3 | kind)
        out += varint(value) if kind == 0 else varint(len(value)) + value if kind == 2 else value
    return bytes(out)


def text(number, value):
    return [number, 2, value.encode() if isinstance(value, str) else value]


def all_of(fields, number):
    return [value for n, _, value in fields if n == number]


def last(fields, number, otherwise=None):
    return ([otherwise] + all_of(fields, number))[-1]


def signed(n):
    return n - (1 << 64) if n >> 63 else n


def packed(fields, number):
    """The integers of a repeated field."""
    out = []
    for n, kind, value in fields:
        if n == number and kind == 0:
            out.append(signed(value))
        elif n == number:
            at = 0
            while at < len(value):
                item, at = take_varint(value, at)
                out.append(signed(item))
    return out


def array(data):
    """The array of a TensorProto, or None for strings and the like."""
    fields = decode(data)
    shape, kind = packed(fields, TENSOR_DIMS), last(fields, TENSOR_TYPE, 0)
    raw = last(fields, TENSOR_RAW)
    if kind == BFLOAT16:
        bits = np.frombuffer(raw, "<u2") if raw is not None else np.array(packed(fields, 5), "u2")
        return (bits.astype("u4") << 16).view("f4").reshape(shape)
    if kind not in DTYPES:
        return None
    if raw is not None:
        return np.frombuffer(raw, DTYPES[kind]).reshape(shape)
    if kind in (FLOAT, DOUBLE):
        pieces = b"".join(all_of(fields, 4 if kind == FLOAT else 10))
        return np.frombuffer(pieces, DTYPES[kind]).reshape(shape)
    numbers = packed(fields, 7 if kind == INT64 else 11 if kind in (12, 13) else 5)
    if kind == HALF:
        return np.array(numbers, "u2").view("<f2").reshape(shape)
    return np.array(numbers).astype(DTYPES[kind]).reshape(shape)


def tensor(name, values, kind=FLOAT):
    values = np.asarray(values)
    raw = ((values.astype("<f4").view("<u4") >> 16).astype("<u2") if kind == BFLOAT16 else values.astype(DTYPES[kind])).tobytes()
    return encode([*([TENSOR_DIMS, 0, n] for n in values.shape), [TENSOR_TYPE, 0, kind], text(TENSOR_NAME, name),
                   text(TENSOR_RAW, raw)])


def attribute(name, value):
    """A whole number, a float, a text, bytes of a tensor or a list of whole numbers."""
    fields = [text(1, name)]
    if isinstance(value, bool) or isinstance(value, int):
        fields += [[3, 0, int(value)], [20, 0, 2]]
    elif isinstance(value, float):
        fields += [[2, 5, struct.pack("<f", value)], [20, 0, 1]]
    elif isinstance(value, str):
        fields += [text(4, value), [20, 0, 3]]
    elif isinstance(value, bytes):
        fields += [text(5, value), [20, 0, 4]]
    else:
        fields += [*([8, 0, n] for n in value), [20, 0, 7]]
    return encode(fields)


def node(op, inputs, outputs, name="", **attributes):
    return encode([*(text(NODE_INPUT, i) for i in inputs), *(text(NODE_OUTPUT, o) for o in outputs), text(NODE_NAME, name),
                   text(NODE_OP, op), *(text(NODE_ATTRIBUTE, attribute(*item)) for item in attributes.items())])


def value_info(name, shape, kind=FLOAT):
    dims = [text(1, encode([[1, 0, n]] if isinstance(n, int) else [text(2, n)])) for n in shape]
    return encode([text(1, name), text(2, encode([text(1, encode([[1, 0, kind], text(2, encode(dims))]))]))])


def model(nodes, initializers=(), inputs=None, outputs=("y",), opset=13):
    inputs = inputs or [value_info("x", ["N", 1, 4, 4])]
    graph = encode([*(text(GRAPH_NODE, n) for n in nodes), text(2, "graph"), *(text(GRAPH_INITIALIZER, t) for t in initializers),
                    *(text(GRAPH_INPUT, i) for i in inputs), *(text(GRAPH_OUTPUT, value_info(o, [])) for o in outputs)])
    return encode([[1, 0, 8], text(2, "test"), text(MODEL_GRAPH, graph), text(MODEL_OPSET, encode([[2, 0, opset]]))])


class Outcome:
    """What the evaluation of a file gave: `status`, `message`; without an error the graph's lines and the outputs."""

    def __init__(self, done, outputs):
        self.status, self.message = done.returncode, done.stderr
        self.lines = done.stdout.splitlines()
        self.outputs = outputs

    @property
    def refused(self):
        return self.status == REFUSED

    @property
    def softmax(self):
        return "softmax=1" in self.lines[0]

    @property
    def layers(self):
        """Name: words of the line."""
        return {line.split()[0]: line.split(" ", 1)[1] for line in self.lines[1:]}


def evaluate(path, images, size=None):
    with tempfile.TemporaryDirectory() as folder:
        given, made = os.path.join(folder, "images"), os.path.join(folder, "outputs")
        np.asarray(images, "f8").tofile(given)
        done = subprocess.run([EVALUATE, str(path), given, made, *(map(str, size) if size else ())], capture_output=True,
                              text=True, errors="replace")
        return Outcome(done, np.fromfile(made) if done.returncode == 0 else None)


def is_sound(outcome):
    """It ended by itself, with a result or one sentence."""
    return outcome.status in (0, 1, REFUSED) and (outcome.status == 0 or bool(re.match(r".*\S.*\n$", outcome.message)))
