"""The same network from every kind of weights file: stores of the same bits."""

import collections
import hashlib
import unittest

import h5py
import numpy
import torch

from support import (DEMO_WEIGHTS, TINY, RunCase, Store, read_safetensors, run, smooth_image, write_safetensors)

KERAS_CONVOLUTIONS = ["block1_conv1", "block2_conv1", "block3_conv1", "block3_conv2", "block4_conv1", "block4_conv2",
                      "block5_conv1", "block5_conv2"]
KERAS_MEAN, TORCH_MEAN, TORCH_STD = "123.68, 116.779, 103.939", "0.485, 0.456, 0.406", "0.229, 0.224, 0.225"


def timm_names(tensors):
    """timm has the dense layers as convolutions over the last pool, here one position."""
    names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    renamed = collections.OrderedDict()
    for name, tensor in tensors.items():
        stem, kind = name.rsplit(".", 1)
        convolution = kind == "weight" and stem in ("classifier.0", "classifier.3")
        renamed[f"{names.get(stem, stem)}.{kind}"] = tensor[:, :, None, None] if convolution else tensor
    return renamed


def as_torch(tensors):
    return collections.OrderedDict((name, torch.tensor(tensor)) for name, tensor in tensors.items())


def write_keras(path, tensors):
    """Kernels [3][3][in][out], B, G, R for the first; matrices [in][out]. The last pool has one position."""
    stems = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in tensors))
    with h5py.File(path, "w") as file:
        layers = KERAS_CONVOLUTIONS + ["fc1", "fc2", "predictions"]
        file.attrs["layer_names"] = numpy.array(layers, "S")
        for layer, stem in zip(layers, stems):
            weight, bias = tensors[f"{stem}.weight"], tensors[f"{stem}.bias"]
            if layer == "block1_conv1":
                weight = weight[:, ::-1]
            names = [f"{layer}_W_1:0", f"{layer}_b_1:0"]
            group = file.create_group(layer)
            group.attrs["weight_names"] = numpy.array(names, "S")
            group[names[0]] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
            group[names[1]] = bias


class WeightsFormats(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tensors = read_safetensors(TINY)
        generator = numpy.random.default_rng(11)
        with h5py.File(cls.path("images.h5"), "w") as file:
            file["data"] = numpy.array([smooth_image(generator, 40, 40) for _ in range(20)])
        with open(cls.path("run.ini"), "w") as file:
            file.write("[data]\npath = images.h5\n[model]\nweights = missing\n[store]\nper_image = all\nmaps = all\n")
        cls.reference = cls.store_of(TINY, "reference.h5")

    @classmethod
    def store_of(cls, weights, name=None, **preprocessing):
        """Store of a weights file; preprocessing as torchvision's unless told."""
        given = {"mean": TORCH_MEAN, "std": TORCH_STD, **preprocessing}
        settings = {"model.weights": weights, **{f"data.{key}": value for key, value in given.items()}}
        return cls.run_store(name or f"{cls.path(weights)}.store.h5", settings, config=cls.path("run.ini"))

    def check_same(self, file, **preprocessing):
        self.assert_same_stores(self.store_of(self.path(file), **preprocessing), self.reference,
                                but=["model_sha256", "config", "pixel_order", "pixel_preprocessing"])

    def test_timm_names(self):
        write_safetensors(self.path("timm.safetensors"), timm_names(self.tensors))
        self.check_same("timm.safetensors")

    def test_pth_zip(self):
        torch.save(as_torch(self.tensors), self.path("zip.pth"))
        self.check_same("zip.pth")

    def test_pth_stream(self):
        torch.save(as_torch(self.tensors), self.path("stream.pth"), _use_new_zipfile_serialization=False)
        self.check_same("stream.pth")

    def test_checkpoint_of_a_parallel_model(self):
        state = {f"module.{name}": tensor for name, tensor in as_torch(self.tensors).items()}
        torch.save({"epoch": 3, "state_dict": state}, self.path("checkpoint.pth"))
        self.check_same("checkpoint.pth")

    def test_keras_with_torchvision_s_preprocessing(self):
        write_keras(self.path("keras.h5"), self.tensors)
        self.check_same("keras.h5", scale=1)

    def test_keras_brings_its_own_preprocessing(self):
        """255 x / 255 rounds once, so its bits are not those of the same preprocessing by hand; what it means is."""
        write_keras(self.path("own.h5"), self.tensors)
        own = Store(self.run_store("own.store.h5", {"model.weights": self.path("own.h5")}, config=self.path("run.ini")))
        mean = ", ".join(repr(float(value) / 255) for value in KERAS_MEAN.split(","))
        std = ", ".join([repr(1 / 255)] * 3)
        by_hand = Store(self.store_of(self.path("own.h5"), "hand.store.h5", scale=1, mean=mean, std=std))
        logits = by_hand["images/logit"]
        self.assert_close(own["images/logit"], logits, 1e-5 * numpy.abs(logits).max())
        self.assertFalse(numpy.allclose(Store(self.reference)["images/logit"], logits, rtol=1e-3))

    def test_half_precision_is_close(self):
        """Ten bits of every weight: logits to about a percent."""
        halves = {name: tensor.half() for name, tensor in as_torch(self.tensors).items()}
        torch.save(halves, self.path("half.pth"))
        got, want = (Store(path)["images/logit"] for path in (self.store_of(self.path("half.pth")), self.reference))
        self.assert_close(got, want, 0.02 * numpy.abs(want).max())

    def test_store_names_the_file_s_checksum(self):
        torch.save(as_torch(self.tensors), self.path("sum.pth"))
        store = Store(self.store_of(self.path("sum.pth")))
        with open(self.path("sum.pth"), "rb") as file:
            want = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(store.attributes["", "model_sha256"].decode(), want)

    def test_the_demo_model_as_pth(self):
        torch.save(as_torch(read_safetensors(DEMO_WEIGHTS)), self.path("demo.pth"))
        paths = []
        for name, weights in ("demo.h5", DEMO_WEIGHTS), ("demo_pth.h5", self.path("demo.pth")):
            paths.append(self.path(name))
            done = run(paths[-1], {"model.weights": weights, "data.images": "0:20"})
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_stores(paths[1], paths[0], but=["model_sha256", "config"])


FEATURES = [0, 3, 6, 8, 11, 13, 16, 18]  # of a VGG11; one more for each BatchNorm below
POOLED = (0, 1, 3, 5, 7)


class Normed(torch.nn.Module):
    """The tiny network with a BatchNorm behind every convolution, whose variances are of the size of an epsilon."""

    def __init__(self, epsilon):
        super().__init__()
        tensors, generator = as_torch(read_safetensors(TINY)), torch.Generator().manual_seed(5)
        features = []
        for i, number in enumerate(FEATURES):
            weight = tensors[f"features.{number}.weight"]
            features += [torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1),
                         torch.nn.BatchNorm2d(weight.shape[0], eps=epsilon), torch.nn.ReLU()]
            features += [torch.nn.MaxPool2d(2)] if i in POOLED else []
            features[-3 - (i in POOLED)].load_state_dict({"weight": weight, "bias": tensors[f"features.{number}.bias"]})
            norm = features[-2 - (i in POOLED)]
            norm.running_var.uniform_(1e-3, 5e-3, generator=generator)
            norm.running_mean.uniform_(-0.05, 0.05, generator=generator)
            norm.weight.data.uniform_(0.02, 0.08, generator=generator)
        self.features = torch.nn.Sequential(*features)
        dense = [torch.nn.Linear(*tensors[f"classifier.{number}.weight"].shape[::-1]) for number in (0, 3, 6)]
        self.classifier = torch.nn.Sequential(dense[0], torch.nn.ReLU(), torch.nn.Dropout(), dense[1], torch.nn.ReLU(),
                                              torch.nn.Dropout(), dense[2])
        self.classifier.load_state_dict({name[11:]: tensor for name, tensor in tensors.items() if "classifier" in name})
        self.eval()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))

    def logits(self, pixels):
        mean, std = (torch.tensor([float(v) for v in text.split(",")])[:, None, None] for text in (TORCH_MEAN, TORCH_STD))
        with torch.no_grad():
            return self((torch.tensor(pixels.transpose(0, 3, 1, 2)) / 255 - mean) / std)[:, 0].numpy()


class BatchNormEpsilon(RunCase):
    """The same tensors are another network with another epsilon; what the program computes is what PyTorch does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(12)
        cls.pixels = numpy.array([smooth_image(generator, 32, 32) for _ in range(6)])
        with h5py.File(cls.path("images.h5"), "w") as file:
            file["data"] = cls.pixels
        with open(cls.path("run.ini"), "w") as file:
            file.write("[data]\npath = images.h5\n[model]\nweights = missing\n[measure]\ntarget = class:0\nflows = none\n")

    def check_logits(self, saved, epsilon, **settings):
        torch.save(saved, self.path("w.pth"))
        given = {"model.weights": self.path("w.pth"), **{f"model.{key}": value for key, value in settings.items()}}
        done = self.run_store(f"{self._testMethodName}{len(settings)}.h5", given, config=self.path("run.ini"))
        want = Normed(epsilon).logits(self.pixels)
        self.assert_close(Store(done)["images/logit"], want, 1e-4 * numpy.abs(want).max())

    def test_key_says_what_a_state_dict_does_not(self):
        model = Normed(1e-3)
        self.check_logits(model.state_dict(), 1e-5)
        self.check_logits({"state_dict": model.state_dict()}, 1e-3, batchnorm_eps="1e-3")

    def test_whole_model_says_it(self):
        self.check_logits(Normed(0.01), 0.01)

    def test_key_wins_over_the_file(self):
        self.check_logits({"model": Normed(0.01)}, 1e-4, batchnorm_eps="0.0001")

    def test_epsilon_matters(self):
        one, other = Normed(1e-5).logits(self.pixels), Normed(1e-3).logits(self.pixels)
        self.assertGreater(numpy.abs(one - other).max(), 0.01 * numpy.abs(one).max())


if __name__ == "__main__":
    unittest.main()
