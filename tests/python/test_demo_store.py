"""The demo's store: what its numbers mean, recomputed from its rows; and the laws of the measure that they obey."""

import json
import unittest

import numpy

from oracle import demo_modules, demo_network
from support import DEMO_IMAGES, FLOAT32, STATUS, RunCase, Store, demo_labels, demo_pixels, nrmflow, run

LAW = 1e-5  # how far float32 kernels may be from mass one, a marginal or a ledger
PLAIN, GIVEN = {"measure.given": "none"}, {"measure.given": "input"}


def images(first, end):
    return {"data.images": f"{first}:{end}"}


class Wherever(RunCase):
    """Laws of every store."""

    def check_marginals(self, store):
        """Sums of a flow matrix are the marginals of both layers."""
        for pair in store.children("flows"):
            lower, upper = pair.split("-")
            flow = store.flow(pair)
            self.assert_close(flow["mean"].sum(0), store.layer(lower)["mean"], LAW, f"columns of {pair}")
            rows = flow["mean"].sum(1) + flow["to_bias"] + flow["absorbed"]
            self.assert_close(rows, store.layer(upper)["mean"], LAW, f"rows of {pair}")

    def check_ledger(self, store):
        ledger = store["images/mass"] + store["images/bias"] + store["images/absorbed"]
        self.assert_close(ledger, numpy.ones_like(ledger), LAW)


class WholeDemo(Wherever):
    """All images, as a user runs it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_store("demo.h5", {}, ranks=2))

    def test_all_images_are_ok(self):
        self.assertEqual(self.store["images/status"].tolist(), [STATUS["ok"]] * DEMO_IMAGES)

    def test_labels_are_those_of_the_dataset(self):
        self.assertTrue(numpy.array_equal(self.store["images/label"], demo_labels()))

    def test_accuracy_is_that_of_the_model_card(self):
        correct = numpy.count_nonzero(self.store["images/predicted"] == self.store["images/label"])
        self.assertLessEqual(abs(correct - 9352), 2)

    def test_the_prediction_is_what_is_explained(self):
        self.assertTrue(numpy.array_equal(self.store["images/predicted"], self.store["images/target"]))

    def test_ledger_is_closed(self):
        self.check_ledger(self.store)

    def test_total_variation_is_at_least_one(self):
        self.assertGreaterEqual(self.store["images/variation"].min(), 1 - LAW)

    def test_all_walks_count_by_default(self):
        self.assertEqual(self.store.attributes["", "given"], b"none")
        self.assertEqual(set(self.store["images/given_mass"]), {1.0})

    def test_every_layer_sums_to_its_mass(self):
        for k, name in enumerate(self.store.variables()):
            self.assert_close(self.store.layer(name)["mean"].sum(), self.store["images/mass"][:, k].mean(), LAW, name)

    def test_flows_join_all_weighted_layers_from_the_input_to_fc6(self):
        layers = [name for name in self.store.variables() if not name.startswith("pool")]
        want = [f"{lower}-{upper}" for lower, upper in zip(layers, layers[1:layers.index("fc6") + 1])]
        self.assertEqual(sorted(self.store.children("flows")), sorted(want))

    def test_sums_of_flows_are_marginals(self):
        self.check_marginals(self.store)

    def test_class_names_are_those_of_the_demo(self):
        self.assertEqual(self.store["class"][9], b"Ankle boot")

    def test_nothing_about_the_condition_is_to_be_warned_of(self):
        for name in "weak_condition", "condition_warning":
            self.assertNotIn(("", name), self.store.attributes)


class FromThePixels(Wherever):
    """given = input: shares of what reaches the pixels."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_store("input.h5", {**GIVEN, **images(0, 1000)}, ranks=2))

    def test_the_mass_that_reaches_the_pixels_is_the_condition_s(self):
        self.assert_close(self.store["images/given_mass"], self.store["images/mass"][:, 0], LAW)

    def test_every_layer_sums_to_one(self):
        for name in self.store.variables():
            self.assert_close(self.store.layer(name)["mean"].sum(), 1, LAW, name)

    def test_every_flow_matrix_sums_to_one(self):
        for pair in self.store.children("flows"):
            self.assert_close(self.store.flow(pair)["mean"].sum(), 1, LAW, pair)

    def test_sums_of_flows_are_marginals(self):
        self.check_marginals(self.store)

    def test_nothing_of_the_walks_from_the_pixels_is_lost(self):
        for pair in self.store.children("flows"):
            flow = self.store.flow(pair)
            self.assertFalse(flow["to_bias"].any() or flow["absorbed"].any(), pair)

    def test_the_default_composite_s_condition_is_not_weak(self):
        for name in "weak_condition", "condition_warning":
            self.assertNotIn(("", name), self.store.attributes)


class Activations(RunCase):
    """Mean activations, also of the layers below pools, whose activations are never written."""

    count = 5

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_store("few.h5", images(0, cls.count)))

    def test_means_over_positions_and_images_are_the_oracle_s(self):
        modules = demo_modules()
        networks = [demo_network(modules, pixels) for pixels in demo_pixels()[:self.count]]
        for k, name in enumerate(self.store.variables()):
            means = numpy.array([n.acts[k].numpy().reshape(len(n.acts[k]), -1).mean(1) for n in networks])
            self.assert_close(self.store.layer(name)["activation_mean"], means.mean(0), 1e-5 * numpy.abs(means).max(), name)

    def test_they_do_not_depend_on_the_condition_nor_on_ranks(self):
        other = Store(self.run_store("other.h5", {**images(0, self.count), **GIVEN, "measure.flows": "none"}, ranks=2))
        for name in self.store.variables():
            got, want = (store.layer(name)["activation_mean"] for store in (other, self.store))
            self.assertEqual(got.tobytes(), want.tobytes(), name)


class Plain(Wherever):
    """given = none: the ledger's bias and absorbed parts are real."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = {**PLAIN, **images(0, 100), "measure.flows": "adjacent, dense"}
        cls.store = Store(cls.run_store("plain.h5", settings))

    def test_ledger_is_closed(self):
        self.check_ledger(self.store)

    def test_rows_of_flows_with_bias_and_absorbed_are_marginals(self):
        self.check_marginals(self.store)

    def test_bias_and_absorbed_of_a_flow_are_steps_of_the_ledger(self):
        variables = self.store.variables()
        for pair in self.store.children("flows"):
            k = variables.index(pair.split("-")[1])
            for part, ledger in ("to_bias", "images/bias"), ("absorbed", "images/absorbed"):
                step = (self.store[ledger][:, k - 1] - self.store[ledger][:, k]).mean()
                self.assert_close(self.store.flow(pair)[part].sum(), step, 1e-9, f"{part} of {pair}")

    def test_layers_sum_to_the_mean_mass(self):
        for k, name in enumerate(self.store.variables()):
            self.assert_close(self.store.layer(name)["mean"].sum(), self.store["images/mass"][:, k].mean(), LAW, name)

    def test_flows_reach_the_logits(self):
        self.assertLessEqual({"input-conv1_1", "conv5_3-fc6", "fc6-fc7", "fc7-fc8"}, set(self.store.children("flows")))

    def test_condition_has_mass_one(self):
        self.assertEqual(set(self.store["images/given_mass"]), {1.0})

    def test_everything_starts_at_the_target(self):
        mean = self.store.layer("fc8")["mean"]
        share = numpy.bincount(self.store["images/target"], minlength=10) / len(self.store["images/target"])
        self.assert_close(mean, share, LAW)


class Statistics(RunCase):
    """Every statistic of a layer, from the relevance of every image.

    Stored rows are rounded to float32, sums are not: an average of x differs by at most 2^-24 times that of |x|.
    """

    settings = {**GIVEN, "store.per_image": "all", "store.top": 16}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.count = 150
        cls.store = Store(cls.run_store("rows.h5", {**cls.settings, **images(0, cls.count)}, ranks=2))
        cls.y = cls.store["images/given_mass"]

    def layers(self):
        """Name, stored statistics, relevance (n, C) of every layer that has it."""
        for name in self.store.variables():
            layer = self.store.layer(name)
            yield name, layer, layer["relevance"].astype("float64")

    def rounding(self, x):
        """What float32 may have changed in mean(x) / mean(y)."""
        return FLOAT32 * numpy.abs(x).mean(0) / abs(self.y.mean())

    def test_every_layer_of_an_image_has_the_mass_of_the_condition(self):
        for name, _, x in self.layers():
            self.assert_close(x.sum(1), self.y, LAW, name)

    def test_mean(self):
        for name, layer, x in self.layers():
            self.assert_close(layer["mean"], x.mean(0) / self.y.mean(), self.rounding(x), name)

    def test_mean_of_the_positive_part(self):
        for name, layer, x in self.layers():
            want = numpy.maximum(x, 0).mean(0) / self.y.mean()
            self.assert_close(layer["mean_positive"], want, self.rounding(x), name)

    def test_mean_of_the_negative_part(self):
        for name, layer, x in self.layers():
            want = numpy.minimum(x, 0).mean(0) / self.y.mean()
            self.assert_close(layer["mean_negative"], want, self.rounding(x), name)

    def test_standard_deviation(self):
        for name, layer, x in self.layers():
            tolerance = 2 * FLOAT32 * numpy.sqrt((x * x).mean(0)) / abs(self.y.mean())
            self.assert_close(layer["std"], x.std(0, ddof=1) / abs(self.y.mean()), tolerance, name)

    def test_standard_error_of_the_ratio_of_means(self):
        """se^2 = (s_x^2 - 2 r s_xy + r^2 s_y^2) / (n mean(y)^2); where terms cancel, to the rounding of the largest."""
        y, n = self.y, self.count
        for name, layer, x in self.layers():
            r = x.mean(0) / y.mean()
            s_xy = ((x - x.mean(0)) * (y - y.mean())[:, None]).sum(0) / (n - 1)
            scale = n * y.mean() ** 2
            square = (x.var(0, ddof=1) - 2 * r * s_xy + r * r * y.var(ddof=1)) / scale
            tolerance = 8 * FLOAT32 * ((x * x).mean(0) + r * r * (y * y).mean()) / scale
            self.assert_close(layer["std_error"] ** 2, numpy.maximum(square, 0), tolerance, name)

    def test_lowest_and_highest(self):
        for name, layer, x in self.layers():
            self.assert_close(layer["min"].astype("float32"), x.min(0), 0, name)
            self.assert_close(layer["max"].astype("float32"), x.max(0), 0, name)

    def test_count(self):
        for name, layer, x in self.layers():
            self.assertEqual(layer["count"].tolist(), [self.count] * x.shape[1], name)

    def test_histogram(self):
        """Images below every inner edge; a value that rounding may have moved over an edge counts either way."""
        for name, layer, x in self.layers():
            edges = layer["histogram_edges"][1:-1]
            below = layer["histogram"].cumsum(1)[:, :-1]
            for i, edge in enumerate(edges):
                least = (x < edge - FLOAT32 * abs(edge)).sum(0)
                most = (x < edge + FLOAT32 * abs(edge)).sum(0)
                self.assertTrue((least <= below[:, i]).all() and (below[:, i] <= most).all(), f"{name}, edge {edge}")
            self.assertTrue((layer["histogram"].sum(1) == self.count).all(), name)

    def test_histogram_edges_are_symmetric_and_ascending(self):
        edges = self.store.layer("input")["histogram_edges"]
        self.assertTrue((numpy.diff(edges) > 0).all())
        self.assert_close(edges, -edges[::-1], 0)
        steps = edges[len(edges) // 2 + 1:]
        self.assert_close(steps[1:] / steps[:-1], numpy.full(len(steps) - 1, steps[1] / steps[0]), 1e-9)

    def by_class(self):
        return self.store["images/target"]

    def test_means_by_class(self):
        for name, layer, x in self.layers():
            for k in range(10):
                chosen = self.by_class() == k
                given = self.y[chosen].sum()
                tolerance = FLOAT32 * numpy.abs(x[chosen]).sum(0) / abs(given)
                self.assert_close(layer["class_mean"][k], x[chosen].sum(0) / given, tolerance, f"{name}, class {k}")

    def test_counts_by_class(self):
        want = numpy.bincount(self.by_class(), minlength=10).tolist()
        self.assertEqual(self.store["classes/count"].tolist(), want)
        for name, layer, _ in self.layers():
            self.assertEqual(layer["class_count"].tolist(), want, name)

    def test_condition_by_class(self):
        want = [self.y[self.by_class() == k].mean() for k in range(10)]
        self.assert_close(self.store["classes/given_mass"], want, 1e-12)

    def test_condition_of_the_run(self):
        n, y = self.count, self.y
        self.assert_close(self.store.attributes["", "given_mean"], y.mean(), 1e-12)
        self.assert_close(self.store.attributes["", "given_std_error"], y.std(ddof=1) / numpy.sqrt(n), 1e-12)

    def test_top_lists_hold_the_highest_relevance(self):
        for name, layer, x in self.layers():
            want = -numpy.sort(-x, axis=0)[:16].T
            self.assert_close(layer["top_value"].astype("float32"), want, 0, name)
            self.assert_close(numpy.take_along_axis(x.T, layer["top_image"], 1), want, 0, name)

    def test_top_lists_are_in_descending_order(self):
        for name, layer, _ in self.layers():
            self.assertTrue((numpy.diff(layer["top_value"], axis=1) <= 0).all(), name)

    def test_ties_of_top_lists_go_to_the_first_images(self):
        ties = 0
        for name, layer, x in self.layers():
            for c in numpy.flatnonzero(~x.any(0)):
                self.assertEqual(layer["top_image"][c].tolist(), list(range(16)), f"{name}, dead channel {c}")
                ties += 1
        self.assertGreater(ties, 0, "the demo model has dead channels")

    def test_active_lists_of_the_input_hold_the_brightest_pixels(self):
        pixels = demo_pixels()[:self.count]
        brightest = pixels.reshape(self.count, -1).max(1).astype(int)
        order = numpy.lexsort((numpy.arange(self.count), -brightest))[:16]
        layer = self.store.layer("input")
        self.assertEqual(layer["active_image"][0].tolist(), order.tolist())
        values = (brightest[order] / 255 - 0.2860) / 0.3530
        self.assert_close(layer["active_value"][0], values, 4 * FLOAT32)
        for image, position in zip(layer["active_image"][0], layer["active_position"][0]):
            y, x = divmod(position, 32)  # padded by two
            self.assertEqual(pixels[image, y - 2, x - 2], brightest[image])

    def test_active_lists_of_the_logits_hold_the_highest_logits(self):
        logit, target = self.store["images/logit"], self.store["images/target"]
        layer = self.store.layer("fc8")
        for k in range(10):
            self.assertGreaterEqual(layer["active_value"][k, 0], logit[target == k].max(), f"class {k}")
        best = logit.argmax()
        self.assertEqual(layer["active_image"][target[best], 0], best)


class StatisticsByLabel(Statistics):
    """The same with classes told from the labels."""

    settings = {**Statistics.settings, "store.class_by": "label"}

    def by_class(self):
        return self.store["images/label"]


class PlainStatistics(Statistics):
    """The same without a condition: every mean is divided by one."""

    settings = {**Statistics.settings, **PLAIN}

    def test_every_layer_of_an_image_has_the_mass_of_the_condition(self):
        mass = self.store["images/mass"]
        for k, (name, _, x) in enumerate(self.layers()):
            self.assert_close(x.sum(1), mass[:, k], LAW, name)

    def test_condition_of_the_run(self):
        self.assertEqual(self.store.attributes["", "given_mean"], 1)


class SingleImages(RunCase):
    """A run of few images against runs of one image each, which show flows and maps of an image."""

    settings = GIVEN
    count = 6

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = {**cls.settings, "store.maps": "all", "store.top": cls.count}
        cls.store = Store(cls.run_store("all.h5", {**settings, **images(0, cls.count)}))
        cls.single = [Store(cls.run_store(f"{i}.h5", {**settings, **images(i, i + 1)})) for i in range(cls.count)]
        cls.y = cls.store["images/given_mass"]

    def each(self, path):
        """An array of every image, as (n, ...), multiplied by the mass of its condition."""
        return numpy.array([store[path].astype("float64") * y for store, y in zip(self.single, self.y)])

    def test_an_image_alone_has_the_same_ledger(self):
        alone = numpy.concatenate([store["images/mass"] for store in self.single])
        self.assertEqual(self.store["images/mass"].tobytes(), alone.tobytes())

    def test_flows_are_ratios_of_means(self):
        for pair in self.store.children("flows"):
            for name in "mean", "to_bias", "absorbed":
                x = self.each(f"flows/{pair}/{name}")
                units = (self.count + 1) * 2.0**-64 / abs(self.y.sum())  # every exact addition cuts off one at most
                want = x.sum(0) / self.y.sum()
                tolerance = units + 1e-14 * numpy.abs(x).sum(0) / abs(self.y.sum())
                self.assert_close(self.store.flow(pair)[name], want, tolerance, f"{pair} {name}")

    def test_standard_error_of_flows(self):
        y, n = self.y, self.count
        for pair in self.store.children("flows"):
            x = self.each(f"flows/{pair}/mean")
            r = x.mean(0) / y.mean()
            s_xy = numpy.tensordot(y - y.mean(), x - x.mean(0), 1) / (n - 1)
            square = (x.var(0, ddof=1) - 2 * r * s_xy + r * r * y.var(ddof=1)) / (n * y.mean() ** 2)
            tolerance = 1e-12 * ((x * x).max() + (r * r).max() * (y * y).mean()) / y.mean() ** 2
            got = self.store.flow(pair)["std_error"] ** 2
            self.assert_close(got, numpy.maximum(square, 0), tolerance, pair)

    def test_one_image_has_no_standard_error(self):
        self.assertTrue(numpy.isnan(self.single[0].flow("conv1_1-conv1_2")["std_error"]).all())
        self.assertTrue(numpy.isnan(self.single[0].layer("conv1_1")["std_error"]).all())

    def test_maps_are_ratios_of_means(self):
        for name in self.store.variables():
            maps = self.each(f"layers/{name}/map_mean")
            tolerance = FLOAT32 * (numpy.abs(maps).sum(0) / abs(self.y.sum()))
            want = maps.sum(0) / self.y.sum()
            self.assert_close(self.store.layer(name)["map_mean"], want, tolerance, name)

    def test_maps_sum_to_the_channels_mean(self):
        for name in self.store.variables():
            layer = self.store.layer(name)
            terms = self.each(f"layers/{name}/map_mean")
            tolerance = 2 * FLOAT32 * numpy.abs(terms).sum((0, 2, 3)) / abs(self.y.sum())  # of maps, and of sums
            self.assert_close(layer["map_mean"].astype("float64").sum((1, 2)), layer["mean"], tolerance, name)

    def test_top_positions_are_those_of_the_largest_neurons(self):
        for name in self.store.variables():
            maps = self.each(f"layers/{name}/map_mean")
            flat = maps.reshape(*maps.shape[:2], -1)
            layer = self.store.layer(name)
            for c in range(maps.shape[1]):
                image, position = layer["top_image"][c], layer["top_position"][c]
                self.assertEqual(sorted(image), list(range(self.count)), f"{name} {c}")
                self.assert_close(flat[image, c, position], flat[image, c].max(1), 0, f"{name} {c}")


class SingleImagesPlain(SingleImages):
    settings = {**PLAIN, "measure.flows": "adjacent, dense"}


class LeftOut(RunCase):
    """Images that exceed run.variation_limit: rows of their own, no part of any sum."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = {"store.per_image": "conv5_1", **images(0, 64)}
        variation = Store(cls.run_store("all.h5", settings))["images/variation"].max(1)
        cls.limit = float(numpy.median(variation))
        cls.exploded = variation > cls.limit
        cls.all = Store(cls.path("all.h5"))
        cls.store = Store(cls.run_store("limited.h5", {**settings, "run.variation_limit": repr(cls.limit)}))

    def test_images_beyond_the_limit_are_exploded(self):
        want = numpy.where(self.exploded, STATUS["exploded"], STATUS["ok"])
        self.assertEqual(self.store["images/status"].tolist(), want.tolist())

    def test_they_keep_prediction_and_ledger(self):
        for name in "predicted", "target", "logit", "probability", "mass", "variation", "bias", "absorbed":
            self.assertEqual(self.store[f"images/{name}"].tobytes(), self.all[f"images/{name}"].tobytes(), name)

    def test_they_have_no_relevance(self):
        relevance = self.store["layers/conv5_1/relevance"]
        self.assertTrue(numpy.isnan(relevance[self.exploded]).all())
        self.assertTrue(numpy.isnan(self.store["images/given_mass"][self.exploded]).all())

    def test_the_others_keep_their_relevance(self):
        kept = ~self.exploded
        got, want = (s["layers/conv5_1/relevance"][kept] for s in (self.store, self.all))
        self.assertEqual(got.tobytes(), want.tobytes())

    def test_means_are_of_the_others(self):
        kept = ~self.exploded
        layer = self.store.layer("conv5_1")
        x = layer["relevance"][kept].astype("float64")
        y = self.store["images/given_mass"][kept]
        self.assertEqual(set(layer["count"]), {numpy.count_nonzero(kept)})
        self.assert_close(layer["mean"], x.mean(0) / y.mean(), FLOAT32 * numpy.abs(x).mean(0) / abs(y.mean()))


class WeakCondition(RunCase):
    """Rule `zero` cancels: the mass that reaches the pixels cannot be told from zero."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = {**GIVEN, "measure.composite": "zero", "measure.flows": "none", **images(0, 150)}
        cls.store = Store(cls.run_store("zero.h5", cls.settings))

    def test_attribute_is_set(self):
        y = self.store["images/given_mass"]
        y = y[self.store["images/status"] == STATUS["ok"]]
        self.assertLess(abs(y.mean()), 3 * y.std(ddof=1) / numpy.sqrt(len(y)))
        self.assertEqual(self.store.attributes["", "weak_condition"], 1)

    def test_the_composite_and_the_condition_together_are_warned_of(self):
        warning = self.store.attributes["", "condition_warning"].decode()
        self.assertIn("the order of channels was worse than random on the networks studied", warning)
        self.assertIn(warning, json.loads(nrmflow("info", "--json", self.path("zero.h5")).stdout)["condition_warning"])
        done = run(self.path("again.h5"), {**self.settings, **images(0, 8)})
        self.assertEqual(done.stderr.count(warning), 1, done.stderr)
        for other in {"measure.given": "none"}, {"measure.composite": "epsilon_gamma_box"}:
            done = run(self.path("other.h5"), {**self.settings, **images(0, 8), **other}, "--restart")
            self.assertNotIn("worse than random", done.stderr)
            self.assertNotIn(("", "condition_warning"), Store(self.path("other.h5")).attributes)


if __name__ == "__main__":
    unittest.main()
