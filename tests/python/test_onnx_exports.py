"""Networks of torchvision as PyTorch exports them, with seeded random weights, small images and sometimes narrowed: the graph
is read, and evaluated to PyTorch's logits."""
import contextlib
import io
import os
import sys
import tempfile
import unittest
import warnings

import numpy as np

import onnx_file as onnx

try:
    import torch
    import torchvision.models as models
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-torch, python3-torchvision)")
    sys.exit(77)

torch.set_num_threads(1)  # the networks are small

TOLERANCE = 1e-4  # of the largest logit
CLASSES = 10


def randomize(net, seed):
    """Statistics of BatchNorm that are not one and zero, so that folding matters."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            n = module.num_features
            module.running_mean = 0.2 * torch.randn(n, generator=generator)
            module.running_var = 0.5 + torch.rand(n, generator=generator)
            module.weight.data = 0.5 + torch.rand(n, generator=generator)
            module.bias.data = 0.2 * torch.randn(n, generator=generator)
    return net.eval()


def narrow_vgg():
    net = models.vgg.VGG(models.vgg.make_layers([8, "M", 8, "M", 16, 16, "M", 16, 16, "M", 16, 16, "M"], batch_norm=True), CLASSES)
    net.classifier[0] = torch.nn.Linear(16 * 7 * 7, 32)
    net.classifier[3], net.classifier[6] = torch.nn.Linear(32, 32), torch.nn.Linear(32, CLASSES)
    return net


def build(name, seed=1):
    torch.manual_seed(seed)
    makers = {"vgg11_bn": narrow_vgg, "googlenet": lambda: models.googlenet(num_classes=CLASSES, init_weights=False, aux_logits=False)}
    return randomize(makers.get(name, lambda: getattr(models, name)(num_classes=CLASSES))(), seed)


class Exports(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "net.onnx")

    def export(self, net, image, **options):
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(net, image, self.path, **{"opset_version": 13, **options})

    def compare(self, net, image, size=None, images=None):
        """Evaluate the file and compare with the network in double; returns the outcome."""
        images = image if images is None else images
        outcome = onnx.evaluate(self.path, images.numpy(), size)
        self.assertEqual(outcome.status, 0, outcome.message)
        with torch.no_grad():
            want = net.double()(images.double()).numpy()
        got = outcome.outputs.reshape(want.shape)
        self.assertLessEqual(np.abs(got - want).max(), TOLERANCE * np.abs(want).max())
        return outcome

    def check(self, name, side=64, **options):
        net, image = build(name), torch.randn(1, 3, side, side)
        self.export(net, image, **options)
        return self.compare(net, image)

    def kinds(self, outcome):
        return [words.split()[0] for words in outcome.layers.values()]

    def test_resnet18_in_every_opset(self):
        for opset in 9, 11, 13, 16:
            with self.subTest(opset=opset):
                outcome = self.check("resnet18", opset_version=opset)
                self.assertEqual(list(outcome.layers)[:5], ["conv1", "maxpool", "layer1.0.conv1", "layer1.0.conv2", "layer1.0.add"])
                self.assertEqual(len(outcome.layers), 31)

    def test_resnet50(self):
        self.assertEqual(len(self.check("resnet50").layers), 72)

    def test_wide_resnet50_2(self):
        self.check("wide_resnet50_2")

    def test_resnext50_32x4d(self):
        self.check("resnext50_32x4d")

    def test_densenet121_has_passes_for_batchnorms_before_convolutions(self):
        outcome = self.check("densenet121")
        self.assertEqual(self.kinds(outcome).count("pass"), 62)
        self.assertIn("features.denseblock1.denselayer1.norm1", outcome.layers)

    def test_mobilenet_v2(self):
        self.assertIn("features.1.conv.0.0", self.check("mobilenet_v2").layers)

    def test_mobilenet_v3_small_has_gates(self):
        for opset in 13, 16:
            outcome = self.check("mobilenet_v3_small", opset_version=opset)
            self.assertEqual(self.kinds(outcome).count("gate"), 9)

    def test_efficientnet_b0_has_gates_and_no_layer_of_its_silu(self):
        outcome = self.check("efficientnet_b0")
        self.assertEqual((self.kinds(outcome).count("gate"), self.kinds(outcome).count("pass")), (16, 0))

    def test_squeezenet1_1(self):
        self.assertIn("channels", self.kinds(self.check("squeezenet1_1")))

    def test_googlenet(self):
        self.check("googlenet")

    def test_googlenet_that_transforms_its_input(self):
        """As torchvision's trained one does: channel by channel."""
        net, image = build("googlenet"), torch.randn(1, 3, 64, 64)
        net.transform_input = True
        self.export(net, image)
        self.assertEqual(self.kinds(self.compare(net, image))[:3], ["channels", "pass", "channels"])

    def test_shufflenet_v2_x0_5(self):
        self.check("shufflenet_v2_x0_5")

    def test_regnet_y_400mf(self):
        self.check("regnet_y_400mf")

    def test_vgg11_bn(self):
        outcome = self.check("vgg11_bn", side=224)
        self.assertEqual(set(self.kinds(outcome)), {"convolution", "pool", "dense"})

    def test_convnext_is_refused_for_its_layer_norm(self):
        self.export(models.convnext_tiny(num_classes=CLASSES).eval(), torch.randn(1, 3, 64, 64))
        outcome = onnx.evaluate(self.path, np.zeros((3, 64, 64)))
        self.assertTrue(outcome.refused, outcome.message)
        self.assertIn("cannot be used", outcome.message)

    def test_dynamic_batch_and_size(self):
        net, image = build("resnet18"), torch.randn(3, 3, 64, 96)
        self.export(net, image[:1], input_names=["image"], dynamic_axes={"image": {0: "n", 2: "height", 3: "width"}})
        self.compare(net, image, (64, 96))
        outcome = onnx.evaluate(self.path, image.numpy())
        self.assertTrue(outcome.refused)
        self.assertIn("data.crop", outcome.message)

    def test_a_fixed_batch(self):
        net, image = build("shufflenet_v2_x0_5"), torch.randn(2, 3, 64, 64)
        self.export(net, image)
        self.compare(net, image)

    def test_initializers_as_inputs(self):
        self.check("resnet18", opset_version=9, keep_initializers_as_inputs=True)

    def test_batchnorm_that_the_exporter_did_not_fold(self):
        for name in "resnet18", "shufflenet_v2_x0_5":
            outcome = self.check(name, training=torch.onnx.TrainingMode.PRESERVE)
            self.assertNotIn("pass", self.kinds(outcome))

    def test_constants_that_the_exporter_did_not_fold(self):
        self.check("resnet18", do_constant_folding=False)

    def test_other_types_of_numbers(self):
        """Weights as half, bfloat16 and double, made from an export, against the network with weights rounded alike."""
        for kind, dtype in (onnx.HALF, torch.float16), (onnx.BFLOAT16, torch.bfloat16), (onnx.DOUBLE, torch.float64):
            net, image = build("resnet18"), torch.randn(1, 3, 64, 64)
            self.export(net, image)
            with open(self.path, "rb") as file:
                model = onnx.decode(file.read())
            rounded = {}

            def convert(data):
                name, values = onnx.last(onnx.decode(data), onnx.TENSOR_NAME).decode(), onnx.array(data)
                rounded[name] = torch.tensor(values.copy()).to(dtype).to(torch.float32).numpy()
                return onnx.tensor(name, rounded[name], kind)

            self.rewrite(model, convert)
            got = onnx.evaluate(self.path, image.numpy())
            self.assertEqual(got.status, 0, got.message)
            self.rewrite(model, lambda data: onnx.tensor(name_of(data), rounded[name_of(data)]))
            want = onnx.evaluate(self.path, image.numpy())
            np.testing.assert_array_equal(got.outputs, want.outputs)

    def rewrite(self, model, convert):
        """Write the file with other initializers."""
        graph = onnx.decode(onnx.last(model, onnx.MODEL_GRAPH))
        graph = [[n, k, convert(v) if n == onnx.GRAPH_INITIALIZER else v] for n, k, v in graph]
        with open(self.path, "wb") as file:
            file.write(onnx.encode([[n, k, onnx.encode(graph) if n == onnx.MODEL_GRAPH else v] for n, k, v in model]))

    def test_external_data(self):
        net, image = build("resnet18"), torch.randn(1, 3, 64, 64)
        self.export(net, image)
        with open(self.path, "rb") as file:
            model = onnx.decode(file.read())
        blob = bytearray()

        def move(data):
            values = onnx.array(data)
            entries = {"location": "weights.bin", "offset": str(len(blob)), "length": str(values.nbytes)}
            blob.extend(values.tobytes())
            fields = [f for f in onnx.decode(data) if f[0] in (onnx.TENSOR_DIMS, onnx.TENSOR_TYPE, onnx.TENSOR_NAME)]
            return onnx.encode(fields + [[onnx.TENSOR_LOCATION, 0, 1]] + [
                onnx.text(onnx.TENSOR_EXTERNAL, onnx.encode([onnx.text(1, key), onnx.text(2, value)]))
                for key, value in entries.items()])

        self.rewrite(model, move)
        with open(os.path.join(self.folder.name, "weights.bin"), "wb") as file:
            file.write(blob)
        self.compare(net, image)


def name_of(data):
    return onnx.last(onnx.decode(data), onnx.TENSOR_NAME).decode()


if __name__ == "__main__":
    unittest.main()
