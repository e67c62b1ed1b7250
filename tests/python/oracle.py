"""The float64 oracle (tests/reference/nrm_ref.py) on the demo's network, for the end-to-end tests."""

import os
import sys

import numpy
import torch
from support import DEMO_WEIGHTS, read_safetensors

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import nrm_ref  # noqa: E402

torch.set_num_threads(1)


def vgg_modules(path, widths):
    """Layers of a VGG's weights file, features and classifier; widths: convolutions between the pools."""
    tensors = {name: torch.tensor(array.copy()).double() for name, array in read_safetensors(path).items()}
    features, classifier = [], []
    names = sorted({name.rsplit(".", 1)[0] for name in tensors}, key=lambda n: (n[0] == "c", int(n.split(".")[1])))
    convolutions = iter(name for name in names if name.startswith("features"))
    for width in widths:
        for _ in range(width):
            weight, bias = (tensors[f"{name}.{part}"] for name in [next(convolutions)] for part in ("weight", "bias"))
            module = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1).double()
            module.weight.data, module.bias.data = weight, bias
            features += [module, torch.nn.ReLU()]
        features.append(torch.nn.MaxPool2d(2))
    for name in (name for name in names if name.startswith("classifier")):
        module = torch.nn.Linear(*reversed(tensors[name + ".weight"].shape)).double()
        module.weight.data, module.bias.data = tensors[name + ".weight"], tensors[name + ".bias"]
        classifier += [module, torch.nn.ReLU()]
    return features, classifier[:-1]


def demo_modules():
    return vgg_modules(DEMO_WEIGHTS, [2, 2, 3, 3, 3])


def demo_input(pixels):
    """What the network gets of an image of 28 x 28 bytes, (1, 32, 32)."""
    padded = numpy.pad(pixels.astype("float32") / numpy.float32(255), 2)
    return torch.tensor(((padded - numpy.float32(0.2860)) / numpy.float32(0.3530))[None]).double()


def demo_network(modules, pixels):
    """The measure of one image."""
    rules = nrm_ref.composite("epsilon_gamma_box", [-0.2860 / 0.3530], [(1 - 0.2860) / 0.3530])
    return nrm_ref.NRM(*modules, demo_input(pixels), rules)


class Oracle:
    """One image under one condition."""

    def __init__(self, modules, pixels, condition):
        self.n = demo_network(modules, pixels)
        target = int(self.n.acts[-1].argmax())
        masks = {name: self.mask(name, where) for name, where in condition.items()}
        self.lowest = min(self.n.at(name) for name in masks)
        self.m, self.h = self.n.marginals(target, masks), {}
        for k, name in enumerate(self.n.names):
            h = torch.ones_like(self.n.acts[k]) if k <= self.lowest else self.n.links[k - 1].fwd(below)
            below = self.h[name] = h * masks.get(name, 1)
        self.n.marginals = lambda target: self.m  # for joint_adjacent

    def mask(self, name, where):
        mask = torch.zeros_like(self.n.acts[self.n.at(name)])
        mask[where] = 1
        return mask

    def channels(self, name):
        return self.n.channels(self.m[name] * self.h[name]).numpy()

    def given_mass(self):
        return float((self.m[self.n.names[self.lowest]]).sum())

    def flow(self, lower, upper):
        below = self.n.names[self.n.at(upper) - 1]
        joint = self.n.joint_adjacent(below, upper, None, self.h[below]).numpy()
        link, zero = self.n.links[self.n.at(upper) - 1], numpy.zeros(joint.shape[0])
        if self.n.at(below) >= self.lowest:
            return joint, zero, zero
        return joint, link.bias_share(self.m[upper]).numpy(), self.n.channels(link.absorbed(self.m[upper])).numpy()
