"""Sampled flows of the whole demo against exact ones, from two stores. The true deviations are in unit/test_sampled_flows_slow.c."""

import unittest

from support import SANITIZED, RunCase, Store

PAIRS = "conv1_2-conv5_3", "conv3_3-conv5_3", "conv4_2-conv5_1"
CHANCES = 30  # below, an error's estimate rests on too few draws


@unittest.skipIf(SANITIZED, "all images take too long with the sanitizers")
class WholeDemo(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.exact = Store(cls.run_store("exact.h5", {"measure.flows": ", ".join(PAIRS)}, ranks=2))
        cls.sampled = Store(cls.run_store("sampled.h5", {"measure.flows": "all"}, ranks=2))

    def rows(self, pair):
        """Exact and sampled flow, and the rows whose errors can be told."""
        exact, sampled = self.exact.flow(pair), self.sampled.flow(pair)
        return exact, sampled, sampled["chances"] >= CHANCES

    def test_errors_are_as_large_as_the_store_says(self):
        for pair in PAIRS:
            exact, sampled, rows = self.rows(pair)
            errors = (sampled["mean"] - exact["mean"])[rows]
            ratio = (errors ** 2).sum() / (sampled["sampling_error"][rows] ** 2).sum()
            print(f"{pair}: rows={rows.sum()} sum error^2 / sum sampling_error^2={ratio:.3f}")
            self.assertGreater(rows.sum(), 100)
            self.assertTrue(0.7 < ratio < 1.4, f"{pair}: {ratio}")

    def test_standard_errors_include_sampling(self):
        """The variance of what is drawn is that of the images plus that of the draws."""
        for pair in PAIRS:
            exact, sampled, rows = self.rows(pair)
            added = (sampled["std_error"][rows] ** 2 - exact["std_error"][rows] ** 2).sum()
            ratio = added / (sampled["sampling_error"][rows] ** 2).sum()
            print(f"{pair}: variance added / sum sampling_error^2={ratio:.3f}")
            self.assertTrue(0.8 < ratio < 1.25, f"{pair}: {ratio}")

    def test_one_sweep_a_layer_and_image(self):
        for pair in PAIRS:
            draws = self.sampled.flow(pair)["draws"].sum() / len(self.sampled["images/status"])
            self.assertTrue(0.9 < draws < 1.1, f"{pair}: {draws}")


if __name__ == "__main__":
    unittest.main()
