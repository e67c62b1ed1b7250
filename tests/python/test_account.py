"""What a run says in the end: where its time went, the slowest stage, and what to change."""

import os
import re
import shutil
import unittest

from PIL import Image
import numpy

from support import RunCase, TINY, run

STAGES = ["start", "decode", "measure", "statistics", "write", "wait"]


class Slowest(RunCase):
    def account(self, name, settings, **options):
        """Shares by stage, in percent, and the line about the slowest one."""
        done = run(self.path(name), settings, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        (line,) = re.findall(r"time of all ranks (.*)", done.stderr)
        (slowest,) = re.findall(r"slowest (stage=.*)", done.stderr)
        shares = {stage: int(share) for stage, share in re.findall(r"(\w+)=(\d+)%", line)}
        self.assertEqual(list(shares), STAGES)
        self.assertAlmostEqual(sum(shares.values()), 100, delta=len(STAGES) / 2)  # they are rounded
        stage, share = re.match(r"stage=(\w+) share=(\d+)%: \w", slowest).groups()
        self.assertEqual((int(share), shares[stage]), (max(shares.values()),) * 2)
        return stage, slowest

    def test_computing(self):
        stage, line = self.account("measure.h5", {"data.images": "0:256", "run.block": 2, "measure.flows": "conv4_1-conv5_3"}, ranks=2)
        self.assertEqual(stage, "measure")
        self.assertIn("more ranks", line)

    def test_writing_after_every_image(self):
        stage, line = self.account("write.h5", {"data.images": "0:8", "run.block": 1, "run.epoch": 0})
        self.assertEqual(stage, "write")
        self.assertIn("run.epoch", line)

    def test_large_images_for_a_small_network(self):
        os.makedirs(self.path("images", "noise"))
        pixels = numpy.random.default_rng(7).integers(0, 256, (1400, 1400, 3), "uint8")
        Image.fromarray(pixels).save(self.path("images", "noise", "0.png"), compress_level=1)
        for i in range(1, 32):  # writing takes the same time however many there are
            shutil.copy(self.path("images", "noise", "0.png"), self.path("images", "noise", f"{i}.png"))
        with open(self.path("large.ini"), "w", encoding="utf-8") as file:
            file.write(f"[data]\npath = images\nresize = 32\n[model]\nweights = {TINY}\n")
        stage, line = self.account("decode.h5", {}, config=self.path("large.ini"))
        self.assertEqual(stage, "decode")
        self.assertIn("faster disk", line)


if __name__ == "__main__":
    unittest.main()
