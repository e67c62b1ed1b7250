"""Many images that fail: a long run ends early, and the log has a line for the first ones and one for all."""

import os
import re
import unittest

from PIL import Image
from support import TINY, RunCase, Store, finished, run

LOGGED = 20


class ManyFailures(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.path("run.ini"), "w") as file:
            file.write("[measure]\nflows = none\n[store]\nclasses = none\nhistogram_bins = 0\n")

    def make(self, name, count, bad):
        """A folder of `count` images; `bad`: what number i holds instead of an image, or None."""
        os.makedirs(self.path(name))
        Image.new("RGB", (32, 32), (90, 20, 200)).save(self.path("good.png"))
        with open(self.path("good.png"), "rb") as file:
            good = file.read()
        for i in range(count):
            with open(self.path(name, f"{i:05}.png"), "wb") as file:
                data = bad(i)
                file.write(good if data is None else data)
        return {"data.path": self.path(name), "model.weights": TINY}

    def run_on(self, settings, ranks=None, **more):
        self.store = self.path(f"{self._testMethodName}.h5")
        return run(self.store, {**settings, **{f"data.{key}": value for key, value in more.items()}},
                   config=self.path("run.ini"), ranks=ranks, options=["--restart"])

    def test_a_long_run_of_failures_ends_early(self):
        settings = self.make("wrong", 3000, lambda i: b"<html>")
        for ranks in 1, 2:
            done = self.run_on(settings, ranks)
            self.assertEqual(done.returncode, 1, done.stderr)
            found = re.search(r"(\d+) of the first (\d+) images failed, more than data.max_failed = 0.01 allows, so the run "
                              r"ended early; .*--restart", done.stderr)
            self.assertEqual(found[1], found[2])
            self.assertLess(int(found[2]), 1000)
            self.assertEqual(finished(self.store), int(found[2]))
            self.assertLessEqual(done.stderr.count("image failed"), LOGGED)
            lines = re.findall(r"images failed, .*images/status failed=\d+ unread=\d+ unsupported=0", done.stderr)
            self.assertEqual(len(lines), int(found[1]) > LOGGED)

    def test_a_run_that_is_told_so_goes_on(self):
        settings = self.make("told", 1100, lambda i: b"II*\0" if i % 10 else None)
        done = self.run_on(settings, max_failed="95 %")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("image failed"), LOGGED)
        self.assertRegex(done.stderr, "images/status failed=990 unread=0 unsupported=990")
        self.assertEqual(finished(self.store), 1100)

    def test_a_run_that_ended_early_goes_on_with_another_limit(self):
        settings = self.make("raised", 1100, lambda i: b"" if i < 30 else None)
        self.assertEqual(self.run_on(settings).returncode, 1)
        self.assertLess(finished(self.store), 1100)
        done = run(self.store, {**settings, "data.max_failed": "5 %"}, config=self.path("run.ini"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("run continues", done.stderr)
        self.assertEqual((Store(self.store)["images/status"] != 0).sum(), 30)

    def test_short_runs_and_few_failures_are_not_ended(self):
        settings = self.make("short", 200, lambda i: b"" if i % 2 else None)
        done = self.run_on(settings)
        self.assertEqual((done.returncode, finished(self.store)), (1, 200))
        self.assertIn("100 of 200 images failed", done.stderr)
        settings = self.make("few", 1100, lambda i: b"" if i % 200 == 0 else None)
        done = self.run_on(settings)
        self.assertEqual((done.returncode, finished(self.store)), (0, 1100), done.stderr)
        self.assertEqual(done.stderr.count("image failed"), 6)
        self.assertNotIn("images failed", done.stderr)


if __name__ == "__main__":
    unittest.main()
