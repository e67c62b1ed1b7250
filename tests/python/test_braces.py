"""Shards whose names are given with braces, as WebDataset writes them."""

import io
import os
import tarfile
import unittest

import numpy
from PIL import Image

from support import TINY, RunCase, Store, smooth_image


class Braces(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(31)
        for number in range(12):
            cls.write_shard(f"val-{number:06}.tar", number, generator)
        for folder in "a", "b":
            os.makedirs(cls.path(folder))
            for number in range(2):
                cls.write_shard(os.path.join(folder, f"{number}.tar"), number, generator)
        with open(cls.path("run.ini"), "w") as file:
            file.write(f"[data]\npath = set\n[model]\nweights = {TINY}\n[measure]\nflows = none\n")

    @classmethod
    def write_shard(cls, name, number, generator):
        """Two images with the labels number % 7 and 6."""
        with tarfile.open(cls.path(name), "w") as shard:
            for i, label in enumerate((number % 7, 6)):
                image = io.BytesIO()
                Image.fromarray(smooth_image(generator, 32, 32)).save(image, "PNG")
                for ending, content in ("png", image.getvalue()), ("cls", str(label).encode()):
                    member = tarfile.TarInfo(f"{number}-{i}.{ending}")
                    member.size = len(content)
                    shard.addfile(member, io.BytesIO(content))

    def check(self, pattern, shards):
        store = Store(self.run_store(f"{self._testMethodName}.h5", {"data.path": self.path(pattern)},
                                     config=self.path("run.ini")))
        names = [f"{shard}:{number}-{i}.png" for shard, number in shards for i in range(2)]
        self.assertEqual([name.decode() for name in store["images/path"]], names)
        self.assertEqual(store["images/label"].tolist(), [label for _, number in shards for label in (number % 7, 6)])

    def test_numbers_with_zeros(self):
        self.check("val-{000008..000011}.tar", [(f"val-{number:06}.tar", number) for number in range(8, 12)])

    def test_all_numbers_are_all_shards(self):
        self.check("val-0000{00..11}.tar", [(f"val-{number:06}.tar", number) for number in range(12)])

    def test_words_and_numbers(self):
        self.check("{b,a}/{0..1}.tar", [("a/0.tar", 0), ("a/1.tar", 1), ("b/0.tar", 0), ("b/1.tar", 1)])


if __name__ == "__main__":
    unittest.main()
