"""VGG16 at its full size on JPEG files of real size: memory, time, ledger. Needs 600 MB of disk, 4 GiB of memory."""

import os
import re
import subprocess
import time
import unittest

import numpy
from PIL import Image

from support import NRMFLOW, RunCase, Store, smooth_image, write_safetensors

WIDTHS = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
FEATURES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]  # torchvision's numbers of the convolutions
DENSE = {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}
SEED = 2024
COUNT = 8


def make_weights(path):
    """He-scaled: the standard deviation of a weight is sqrt(2 / inputs); small biases of both signs."""
    generator = numpy.random.default_rng(SEED)

    def draw(*shape):
        scale = numpy.float32(numpy.sqrt(2 / numpy.prod(shape[1:])))
        return scale * generator.standard_normal(shape, dtype="float32")

    tensors = {}
    for number, out, channels in zip(FEATURES, WIDTHS, [3] + WIDTHS[:-1]):
        tensors[f"features.{number}.weight"] = draw(out, channels, 3, 3)
        tensors[f"features.{number}.bias"] = 0.05 * generator.standard_normal(out, dtype="float32")
    for number, shape in DENSE.items():
        tensors[f"classifier.{number}.weight"] = draw(*shape)
        tensors[f"classifier.{number}.bias"] = 0.05 * generator.standard_normal(shape[0], dtype="float32")
    write_safetensors(path, tensors)


def run_alone(*arguments):
    """Exit status, seconds, the largest resident memory and that planned, in bytes, of a run of one rank without mpirun."""
    start = time.monotonic()
    child = subprocess.Popen([NRMFLOW, *arguments], stderr=subprocess.PIPE, text=True)
    log = child.stderr.read()
    child.stderr.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    (planned,) = re.findall(r"memory planned .*node_MiB=(\d+)", log)
    return child.returncode, time.monotonic() - start, usage.ru_maxrss * 1024, int(planned) * 2**20


class FullSize(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_weights(cls.path("vgg16.safetensors"))
        os.makedirs(cls.path("photographs"))
        generator = numpy.random.default_rng(SEED)
        for i in range(COUNT):
            height, width = (375, 500) if i % 3 else (500, 375)
            image = smooth_image(generator, height, width)
            Image.fromarray(image).save(cls.path("photographs", f"{i}.jpg"), quality=90)
        with open(cls.path("run.ini"), "w") as file:
            file.write("[data]\npath = photographs\n[model]\nweights = vgg16.safetensors\n[store]\nper_image = all\n[measure]\ngiven = input\n")
        command = "run", cls.path("run.ini"), "--output", cls.path("one.h5")
        cls.status, cls.seconds, cls.memory, cls.planned = run_alone(*command)
        print(f"VGG16: {COUNT} images in {cls.seconds:.1f} s, {cls.memory / 2**30:.2f} GiB")

    def setUp(self):
        self.assertEqual(self.status, 0)

    def store(self):
        return Store(self.path("one.h5"))

    def test_all_images_are_ok(self):
        self.assertEqual(self.store()["images/status"].tolist(), [0] * COUNT)

    def test_memory_is_no_more_than_planned(self):
        self.assertLessEqual(self.memory, self.planned)

    def test_ledger_is_closed(self):
        store = self.store()
        ledger = store["images/mass"] + store["images/bias"] + store["images/absorbed"]
        self.assert_close(ledger, numpy.ones_like(ledger), 1e-5)

    def test_every_layer_sums_to_one(self):
        store = self.store()
        for name in store.variables():
            self.assert_close(store.layer(name)["mean"].sum(), 1, 1e-5, name)

    def test_sums_of_flows_are_marginals(self):
        store = self.store()
        for pair in store.children("flows"):
            lower, upper = pair.split("-")
            mean = store.flow(pair)["mean"]
            self.assert_close(mean.sum(0), store.layer(lower)["mean"], 1e-5, pair)
            self.assert_close(mean.sum(1), store.layer(upper)["mean"], 1e-5, pair)

    def test_seconds_of_the_measure(self):
        """Told by the store; a number for the README, not a limit."""
        seconds = float(self.store().attributes["", "seconds_measure"]) / COUNT
        print(f"VGG16: {seconds:.2f} s an image")
        self.assertGreater(seconds, 0)

    def test_two_ranks_give_the_same_bits(self):
        two = self.run_store("two.h5", {"run.block": 16}, config=self.path("run.ini"), ranks=2)
        self.assert_same_stores(two, self.path("one.h5"))

    def test_two_blocks_on_two_ranks_give_the_same_rows(self):
        """Blocks of four: both ranks have work."""
        two = Store(self.run_store("blocks.h5", {"run.block": 4}, config=self.path("run.ini"), ranks=2))
        one = self.store()
        for name in one.names():
            if name.startswith("images/") or name.endswith("/relevance"):
                self.assertEqual(two[name].tobytes(), one[name].tobytes(), name)


if __name__ == "__main__":
    unittest.main()
