"""run.memory: a run plans for it or is refused before any work, and keeps to it."""

import os
import re
import subprocess
import sys
import unittest

from support import DEMO, NRMFLOW, TINY, RunCase

SETTINGS = {"data.images": "0:96", "measure.flows": "adjacent, dense", "store.per_image": "all",
            "store.class_flows": "0, 1", "run.epoch": "10m"}


class Memory(RunCase):
    def run_limited(self, name, memory, settings=SETTINGS):
        """Exit status, standard error, and the most memory in MiB that a run of one rank had at a time."""
        sets = [word for key, value in {**settings, "run.memory": memory}.items() for word in ("--set", f"{key}={value}")]
        with open(self.path("log"), "w+", encoding="utf-8") as log:
            process = subprocess.Popen([NRMFLOW, "run", DEMO, "--output", self.path(name), "--verbose", *sets], stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            return process.returncode, log.read(), usage.ru_maxrss / 1024

    def least(self):
        status, text, _ = self.run_limited("refused.h5", "64MiB")
        self.assertEqual(status, 1, text)
        self.assertFalse(os.path.exists(self.path("refused.h5")))
        return int(re.search(r"run.memory: a node of 1 ranks needs at least (\d+) MiB, but only 64 MiB are", text)[1])

    def test_the_least_that_a_refusal_names_is_enough_and_is_kept_to(self):
        least = self.least()
        status, text, most = self.run_limited("least.h5", f"{least}MiB")
        self.assertEqual(status, 0, text)
        self.assertIn(f"node_MiB={least}\n", text)
        self.assertLess(most, least)
        status, text_free, _ = self.run_limited("free.h5", "2GiB")
        self.assertEqual(status, 0, text_free)
        self.assert_same_stores(self.path("least.h5"), self.path("free.h5"), but=["config"])
        epochs = [len(set(re.findall(r"epoch saved epoch=(\d+)", log))) for log in (text, text_free)]
        self.assertEqual(epochs[1], 1)
        self.assertGreater(epochs[0], 1, "rows are not kept beyond the limit")

    def large(self, name, form, options):
        """A folder with one image of 42 million pixels beside a small one. Made by another process: the memory that this
        one has had would count as that of the runs that it starts."""
        os.makedirs(self.path(name))
        subprocess.run([sys.executable, "-c", f"""
from PIL import Image
Image.new("RGB", (32, 32)).save({self.path(name, "small.png")!r})
image = Image.linear_gradient("L").resize((7000, 6000)).convert("RGB")
image.save({self.path(name, "large.img.png")!r}, {form!r}, **{options!r})"""], check=True)
        return self.path(name)

    def test_the_largest_image_is_planned_for(self):
        """Decoded, with all coefficients of a progressive JPEG and the second copy of a lossless WebP."""
        for form, options, least in (("PNG", {}, 160), ("JPEG", {"progressive": True, "subsampling": 0}, 400),
                                     ("WEBP", {"lossless": True, "method": 0}, 320)):
            folder = self.large(form, form, options)
            settings = {"data.path": folder, "model.weights": TINY, "data.pad": "", "data.mean": "", "data.std": "",
                        "data.images": "", "model.classes": "", "measure.flows": "none", "store.per_image": "none"}
            status, text, _ = self.run_limited(f"{form}.h5", "64MiB", settings)
            self.assertEqual(status, 1, text)
            planned = int(re.search(r"needs at least (\d+) MiB", text)[1])
            self.assertGreater(planned, least)
            status, text, most = self.run_limited(f"{form}.h5", f"{planned}MiB", settings)
            self.assertEqual(status, 0, text)
            self.assertLess(most, planned, form)
            self.assertGreater(most, 0.6 * planned, form)

    def test_weights_beyond_the_limit_are_not_even_loaded(self):
        status, text, _ = self.run_limited("weights.h5", "3MiB")
        self.assertEqual(status, 1)
        self.assertRegex(text, "run.memory: the weights alone take 4 MiB, but only 3 MiB are allowed")


if __name__ == "__main__":
    unittest.main()
