"""Circuits of the strongest edges against PyTorch: the networks that are left, of whole datasets, images and classes."""

import gzip
import os
import unittest

import h5py
import numpy
import torch
from evaluations import Stores
from support import DEMO_WEIGHTS, JOBS, read_safetensors

torch.set_num_threads(1)

IMAGES = os.path.join(JOBS, "demo", "t10k-images-idx3-ubyte.gz")
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.35, 0.5, 0.75)
LAYERS = ("input conv1_1 conv1_2 pool1 conv2_1 conv2_2 pool2 conv3_1 conv3_2 conv3_3 pool3 conv4_1 conv4_2 conv4_3 pool4 "
          "conv5_1 conv5_2 conv5_3 pool5 fc6 fc7 fc8").split()
WEIGHTED = [name for name in LAYERS[1:] if not name.startswith("pool")]
FLOAT32_P = 1e-4  # two float32 forward passes: README of the reference figures has 5e-7 for curves, cuts enlarge that


def weights():
    """{layer: (weight, bias)} of the demo."""
    tensors = read_safetensors(DEMO_WEIGHTS)
    keys = sorted((name[:-7] for name in tensors if name.endswith(".weight")),
                  key=lambda name: (not name.startswith("features"), int(name.split(".")[1])))
    return {layer: (tensors[key + ".weight"].copy(), tensors[key + ".bias"].copy()) for layer, key in zip(WEIGHTED, keys)}


def images(first, end):
    with gzip.open(IMAGES) as file:
        file.seek(16 + 784 * first)
        pixels = numpy.frombuffer(file.read(784 * (end - first)), "u1").reshape(-1, 1, 28, 28)
    pixels = numpy.pad(pixels, ((0, 0), (0, 0), (2, 2), (2, 2))).astype("f4")
    return torch.from_numpy((pixels / numpy.float32(255) - numpy.float32(0.286)) / numpy.float32(0.353))


def logits(model, x):
    """VGG16's forward pass."""
    for name in LAYERS[1:]:
        if name.startswith("pool"):
            x = torch.nn.functional.max_pool2d(x, 2)
            continue
        w, b = (torch.from_numpy(v) for v in model[name])
        x = (torch.nn.functional.conv2d(x, w, b, padding=1) if w.dim() == 4 else torch.nn.functional.linear(x.flatten(1), w, b))
        x = x if name == LAYERS[-1] else x.relu()
    return x


def rms(mean, variance):
    return numpy.sqrt(mean ** 2 + variance)


def flows(store):
    """{upper layer: root mean square over the images of the flows [K][C]}"""
    with h5py.File(store) as file:
        count = (file["images/status"][()] == 0).sum()
        of = {name.split("-")[1]: file[f"flows/{name}"] for name in file["flows"]}
        return {upper: rms(flow["mean"][()], count * flow["std_error"][()] ** 2 if count > 1 else 0)
                for upper, flow in of.items()}


def products(store):
    with h5py.File(store) as file:
        layers = {name: rms(layer["mean"][()], layer["std"][()] ** 2) for name, layer in file["layers"].items()}
        return {upper: numpy.multiply.outer(layers[upper], layers[lower])
                for lower, upper in (name.split("-") for name in file["flows"])}


def activations(store):
    """Weights times the mean activation of the lower channel."""
    own = {layer: abs(w.reshape(w.shape[0], flow.shape[1], -1).astype("f8")).sum(2)
           for (layer, (w, _)), flow in zip(weights().items(), flows(store).values())}
    with h5py.File(store) as file:
        lower = dict(reversed(name.split("-")) for name in file["flows"])
        return {layer: score * abs(file[f"layers/{lower[layer]}/activation_mean"][()]) for layer, score in own.items()}


def circuit(scores, share):
    """The weights of the demo without the edges beyond a share of the highest scores over all layers."""
    model, layers = weights(), [layer for layer in WEIGHTED if layer in scores]
    flat = numpy.concatenate([scores[layer].ravel() for layer in layers])
    keep = numpy.zeros(len(flat), bool)
    keep[numpy.argsort(-flat, kind="stable")[:int(numpy.floor(len(flat) * share + 0.5))]] = True
    for layer in layers:
        here, keep = keep[:scores[layer].size].reshape(scores[layer].shape), keep[scores[layer].size:]
        w, b = model[layer]
        model[layer] = (w.reshape(*here.shape, -1) * here[:, :, None]).reshape(w.shape).astype("f4"), b
    return model


def answers(model, x, target):
    """(classes, p of the targets)"""
    z = logits(model, x)
    return z.argmax(1), z.softmax(1).gather(1, target[:, None])[:, 0]


class Circuits(Stores):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("flows.h5", cls.FLOWS)
        cls.zero = cls.run_store("zero.h5", {**cls.FLOWS, "measure.composite": "zero"})

    def test_circuits_are_the_networks_that_their_edges_make(self):
        got = self.answers("--circuit", self.store, "--circuit", self.zero, "--images", "100:140")["circuit"]
        orders = {order["order"]: order for order in got["orders"]}
        x, model = images(100, 140), weights()
        target = logits(model, x).argmax(1)
        own = {"flow": flows(self.store), "flow of zero.h5": flows(self.zero), "product": products(self.store),
               "weight": {layer: abs(w.reshape(*flows(self.store)[layer].shape, -1).astype("f8")).sum(2)
                          for layer, (w, _) in model.items()},
               "weight_activation": activations(self.store)}
        self.assertEqual([*orders], [*own, "random"])
        self.assertEqual((got["links"], got["whole_links"], got["images"]), (16, 0, 40))
        self.assertEqual(got["edges"], sum(flow.size for flow in own["flow"].values()))
        for name, scores in own.items():
            for i, share in list(enumerate(SHARES))[::3]:
                classes, p = answers(circuit(scores, share), x, target)
                message = f"{name} at {share}"
                self.assert_close(orders[name]["agreement"][i], (classes == target).double().mean(), 1.01 / 40, message)
                self.assert_close(orders[name]["p"][i], p.double().mean(), FLOAT32_P * 10, message)
        self.assert_close(got["whole"]["p"][0], logits(model, x).softmax(1).max(1)[0].double().mean(), FLOAT32_P)
        self.check_unit_layers(x, target, own["flow"])
        difference = numpy.subtract(orders["flow"]["accuracy"], orders["weight"]["accuracy"])
        self.assert_close(orders["weight"]["first_less_this"]["accuracy"], difference, 1e-12)

    def check_unit_layers(self, x, target, scores):
        got = self.answers("--circuit", self.store, "--unit-layers", "--images", "100:140")["circuit"]["orders"][0]
        unit = {layer: flow / flow.sum() for layer, flow in scores.items()}
        _, p = answers(circuit(unit, SHARES[-2]), x, target)
        self.assert_close(got["p"][-2], p.double().mean(), FLOAT32_P)

    def test_an_images_own_circuit_is_by_its_own_flows(self):
        alone = self.run_store("alone.h5", {"data.images": "200:201", "measure.given": "none", "measure.flows": "dense"})
        got = self.answers("--circuit", self.store, "--own", "1", "--images", "200:203", "--set", "measure.given=none")
        own = got["circuit"]["orders"][-1]
        self.assertEqual(own["order"], "own")
        x = images(200, 201)
        target = logits(weights(), x).argmax(1)
        for i, share in enumerate(SHARES):
            _, p = answers(circuit(flows(alone), share), x, target)
            self.assert_close(own["p"][i], float(p[0]), 1e-3, f"at {share}")  # near ties of edges may swap

    def test_circuits_of_a_class_are_by_its_flows_and_for_its_images(self):
        store = self.run_store("class.h5", {**self.FLOWS, "store.class_flows": "3"})
        got = self.answers("--circuit", store, "--class", "3", "--by", "absolute", "--images", "100:140")["circuit"]
        self.assertEqual([order["order"] for order in got["orders"]], ["flow", "weight", "random"])
        with h5py.File(store) as file:
            scores = {name.split("-")[1]: abs(file[f"flows/{name}/class_mean"][0].astype("f8")) for name in file["flows"]}
        x = images(100, 140)[self.labels(100, 140) == 3]
        self.assertEqual(got["images"], len(x))
        target = logits(weights(), x).argmax(1)
        _, p = answers(circuit(scores, SHARES[-1]), x, target)
        self.assert_close(got["orders"][0]["p"][-1], p.double().mean(), 10 * FLOAT32_P)
        self.assertIn("no flows of class 4", self.refused("--circuit", store, "--class", "4", "--images", "100:140"))
        self.assertIn("store.class_flows = 3", self.refused("--circuit", self.store, "--class", "3", "--images", "100:140"))
        self.assertIn("classes 0 to 9", self.refused("--circuit", store, "--class", "10", "--images", "100:140"))

    def labels(self, first, end):
            with gzip.open(IMAGES.replace("images-idx3", "labels-idx1")) as file:
                    return numpy.frombuffer(file.read(), "u1")[8 + first:8 + end]


if __name__ == "__main__":
    unittest.main()
