"""Flows between far layers in a store: exact pairs, chosen rows, sampled pairs; the same bits however they are computed."""

import unittest

import numpy

from support import RunCase, Store, run

LAW = 1e-5  # how far float32 kernels may be from a marginal
PAIRS = "conv1_2-conv5_3, conv4_2-conv5_1, conv5_3-fc7, conv4_3-conv5_2:20"


def images(first, end):
    return {"data.images": f"{first}:{end}"}


class Exact(RunCase):
    given = "input"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = {"measure.given": cls.given, "measure.flows": PAIRS, **images(0, 6)}
        cls.store = Store(cls.run_store("exact.h5", settings))

    def ends(self, pair):
        lower, upper = pair.split("-")
        return self.store.layer(lower)["mean"], self.store.layer(upper)["mean"]

    def test_pairs_are_those_asked_for(self):
        want = [pair.split(":")[0] for pair in PAIRS.split(", ")]
        self.assertEqual(sorted(self.store.children("flows")), sorted(want))
        for pair in want:
            self.assertEqual(self.store.attributes[f"flows/{pair}", "method"], b"exact")

    def test_rows_with_what_is_lost_and_left_out_are_the_upper_layer(self):
        for pair in self.store.children("flows"):
            flow = self.store.flow(pair)
            rows = flow["mean"].sum(1) + flow["lost"] + flow.get("left_out", 0)
            self.assert_close(rows, self.ends(pair)[1], LAW, pair)

    def test_columns_are_the_lower_layer(self):
        for pair in self.store.children("flows"):
            flow = self.store.flow(pair)
            if "left_out" not in flow:
                self.assert_close(flow["mean"].sum(0), self.ends(pair)[0], LAW, pair)

    def test_what_is_lost(self):
        """Nothing of the walks from the pixels."""
        for pair in self.store.children("flows"):
            self.assertFalse(self.store.flow(pair)["lost"].any(), pair)

    def test_chosen_rows_are_so_many_in_every_image(self):
        flow = self.store.flow("conv4_3-conv5_2")
        self.assertEqual(flow["draws"].sum(), 20 * len(self.store["images/status"]))
        self.assertFalse(flow["mean"][flow["draws"] == 0].any())
        self.assertTrue(flow["left_out"][flow["draws"] == 0].any())
        self.assertFalse(flow["left_out"][flow["draws"] == len(self.store["images/status"])].any())


class ExactPlain(Exact):
    given = "none"

    def test_what_is_lost(self):
        """Without the condition the biases take a part of every channel."""
        for pair in self.store.children("flows"):
            self.assertGreater(self.store.flow(pair)["lost"].sum(), 0.01, pair)


class ExactUnderSets(Exact):
    given = "conv5_1[3:40] and conv3_2@(0:4,0:8)"

    def test_what_is_lost(self):
        """What is lost is lost below the condition's lowest layer."""
        for pair in self.store.children("flows"):
            lost = self.store.flow(pair)["lost"]
            self.assertEqual(lost.any(), pair == "conv1_2-conv5_3", pair)


class Certain(RunCase):
    """With more sweeps than channels every row is drawn for certain, and sampled flows are exact ones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = images(0, 2)
        cls.exact = Store(cls.run_store("exact.h5", {**settings, "measure.flows": "adjacent, conv1_2-conv5_3, input-conv4_1"}))
        cls.sampled = Store(cls.run_store("sampled.h5", {**settings, "measure.flows": "all", "measure.sweeps": 1000}))

    def test_flows_are_the_exact_ones(self):
        for pair in "conv1_2-conv5_3", "input-conv4_1":
            for name in "mean", "std_error":
                self.assert_close(self.sampled.flow(pair)[name], self.exact.flow(pair)[name], LAW, pair)

    def test_there_is_no_sampling_error(self):
        flow = self.sampled.flow("conv1_2-conv5_3")
        self.assertEqual(flow["sampling_error"][flow["draws"] > 0].max(), 0)
        self.assertFalse(flow["chances"].any())

    def test_neighbours_stay_exact(self):
        self.assertEqual(self.sampled.attributes["flows/conv5_2-conv5_3", "method"], b"exact")
        self.assertEqual(self.sampled.attributes["flows/conv5_1-conv5_3", "method"], b"sampled")
        want, got = self.exact.flow("conv5_2-conv5_3"), self.sampled.flow("conv5_2-conv5_3")
        self.assertEqual(want["mean"].tobytes(), got["mean"].tobytes())

    def test_all_pairs_of_input_and_convolutions_are_there(self):
        layers = [name for name in self.sampled.variables() if name == "input" or name.startswith("conv")]
        want = {f"{lower}-{upper}" for i, lower in enumerate(layers) for upper in layers[i + 1:]}
        self.assertEqual(set(self.sampled.children("flows")), want)


class Sampled(RunCase):
    """A run against one run for every image, which is drawn from in the same way."""

    settings = {"measure.flows": "all", "measure.sweeps": 1.5, "run.seed": 11}
    first, end = 14, 18  # across the border of two blocks

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_store("all.h5", {**cls.settings, **images(cls.first, cls.end)}, ranks=2))
        cls.single = [Store(cls.run_store(f"{i}.h5", {**cls.settings, **images(i, i + 1)}))
                      for i in range(cls.first, cls.end)]
        cls.y = cls.store["images/given_mass"]
        cls.pairs = [pair for pair in cls.store.children("flows")
                     if cls.store.attributes[f"flows/{pair}", "method"] == b"sampled"]

    def each(self, path):
        return numpy.array([store[path] for store in self.single])

    def undivided(self, path):
        """An array of every image, multiplied by the mass of its condition."""
        return numpy.array([store[path] * y for store, y in zip(self.single, self.y)])

    def test_draws_add_up(self):
        for pair in self.pairs:
            for name in "draws", "chances":
                want = self.each(f"flows/{pair}/{name}").sum(0)
                self.assertEqual(self.store.flow(pair)[name].tolist(), want.tolist(), f"{name} of {pair}")

    def test_means_are_ratios_of_means(self):
        for pair in self.pairs:
            want = self.undivided(f"flows/{pair}/mean").mean(0) / self.y.mean()
            self.assert_close(self.store.flow(pair)["mean"], want, 1e-9, pair)

    def test_sampling_errors_add_in_squares(self):
        n = len(self.single)
        for pair in self.pairs:
            each = numpy.nan_to_num(self.undivided(f"flows/{pair}/sampling_error"))
            want = numpy.sqrt((each ** 2).sum(0)) / n / self.y.mean()
            want[self.store.flow(pair)["draws"] == 0] = numpy.nan
            self.assert_close(self.store.flow(pair)["sampling_error"], want, 1e-9, pair)

    def test_standard_errors_are_those_of_the_ratio_with_sampling(self):
        n, y = len(self.single), self.y
        for pair in self.pairs:
            x = self.undivided(f"flows/{pair}/mean")
            r = x.mean(0) / y.mean()
            spread = ((x - r * y.reshape(-1, 1, 1)) ** 2).sum(0) / (n - 1)  # the ratio's residuals have mean zero
            self.assert_close(self.store.flow(pair)["std_error"], numpy.sqrt(spread / n) / y.mean(), 1e-7, pair)

    def test_rows_never_drawn_are_zero_and_have_no_error(self):
        for pair in self.pairs:
            flow = self.store.flow(pair)
            never = flow["draws"] == 0
            self.assertFalse(flow["mean"][never].any())
            self.assertTrue(numpy.isnan(flow["sampling_error"][never]).all())
            self.assertFalse(numpy.isnan(flow["sampling_error"][~never]).any())

    def test_another_seed_draws_otherwise(self):
        other = Store(self.run_store("seed.h5", {**self.settings, "run.seed": 12, **images(self.first, self.end)}))
        self.assertNotEqual(other.flow("conv1_2-conv5_3")["draws"].tolist(),
                            self.store.flow("conv1_2-conv5_3")["draws"].tolist())


class Bitwise(RunCase):
    settings = {"measure.flows": "all, conv5_1-conv5_3, conv4_2-conv5_1:9", "measure.sweeps": 0.5,
                **images(5, 65)}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one_rank = cls.run_store("one.h5", cls.settings)

    def test_three_ranks_in_another_order(self):
        store = self.run_store("three.h5", self.settings, ranks=3, environment={"NRMFLOW_ORDER": "12345"})
        self.assert_same_stores(store, self.one_rank)

    def test_every_rank_a_node_and_many_epochs(self):
        store = self.run_store("epochs.h5", {**self.settings, "run.epoch": 1}, ranks=2,
                               environment={"NRMFLOW_NODE_SIZE": "1"})
        self.assert_same_stores(store, self.one_rank, but=["config"])


class Limits(RunCase):
    def test_so_few_sweeps_that_sums_could_overflow_are_refused_at_once(self):
        done = run(self.path("few.h5"), {"measure.flows": "all", "measure.sweeps": 0.001})
        self.assertEqual(done.returncode, 1)
        self.assertIn("raise measure.sweeps if it is below one", done.stderr)


if __name__ == "__main__":
    unittest.main()
