"""A VGG16 through ONNX and through PyTorch's own file: the same store, bit for bit, but for the names of layers."""

import contextlib
import io
import os
import re
import sys
import unittest
import warnings

import numpy

from support import RunCase, Store, differences, same_bits, smooth_image

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-torch)")
    sys.exit(77)

from PIL import Image

SIDE, COUNT, CLASSES = 32, 5, 7
WIDTHS = [6, 6, "M", 8, 8, "M", 12, 12, 12, "M", 16, 16, 16, "M", 16, 16, 16, "M"]  # VGG16's layers, narrow


class Vgg(torch.nn.Module):
    """torchvision's, without its average pool, which is the identity here."""

    def __init__(self):
        super().__init__()
        layers, lower = [], 3
        for width in WIDTHS:
            if width == "M":
                layers.append(torch.nn.MaxPool2d(2, 2))
            else:
                layers += [torch.nn.Conv2d(lower, width, 3, padding=1), torch.nn.ReLU()]
                lower = width
        self.features = torch.nn.Sequential(*layers)
        self.classifier = torch.nn.Sequential(torch.nn.Linear(16, 24), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(24, 24),
                                              torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(24, CLASSES))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def make_network():
    torch.manual_seed(16)
    net = Vgg().eval()
    for module in net.modules():
        if hasattr(module, "weight"):
            torch.nn.init.kaiming_normal_(module.weight)
            torch.nn.init.normal_(module.bias, std=0.05)
    return net


class BothFiles(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        net = make_network()
        torch.save(net.state_dict(), cls.path("vgg.pth"))
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(net, torch.zeros(1, 3, SIDE, SIDE), cls.path("vgg.onnx"), opset_version=13)
        generator = numpy.random.default_rng(3)
        os.makedirs(cls.path("images", "one"))
        for i in range(COUNT):
            Image.fromarray(smooth_image(generator, 40, 36 + i)).save(cls.path("images", "one", f"{i}.png"))
        with open(cls.path("run.ini"), "w", encoding="utf-8") as file:
            file.write("[data]\npath = images\n[measure]\nflows = adjacent, dense\n[store]\nper_image = all\nmaps = all\nlayers = all\n")
        cls.stores = [Store(cls.run_store(f"{end}.h5", {"model.weights": cls.path(f"vgg.{end}")}, config=cls.path("run.ini")))
                      for end in ("pth", "onnx")]

    def test_the_stores_are_the_same_but_for_names(self):
        pth, onnx = self.stores
        names = dict(zip(onnx.variables(), pth.variables()))
        self.assertEqual(len(names), len(pth.variables()))
        self.assertEqual(names["features.0"], "conv1_1")
        renamed = {re.sub(r"[^/-]+", lambda part: names.get(part[0], part[0]), name): name for name in onnx.names()}
        compared = 0
        for name in pth.names():
            if pth[name].dtype.kind == "S":  # names of variables, words of the graph
                continue
            self.assertIn(name, renamed)
            self.assertTrue(same_bits(onnx[renamed[name]], pth[name]), f"{name}: {differences(onnx[renamed[name]], pth[name])}")
            compared += 1
        self.assertGreater(compared, 10 * len(names))
        self.assertGreater(numpy.abs(pth["images/logit"]).max(), 0)


if __name__ == "__main__":
    unittest.main()
