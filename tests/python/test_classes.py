"""Statistics and flows by class: store.class_by, classes and class_flows."""

import json
import os
import shutil
import unittest

import h5py
import numpy
from support import DEMO, FLOAT32, JOBS, RunCase, Store, demo_labels, nrmflow, run, sets

COUNT = 40
LABELS = {"data.labels": os.path.join(JOBS, "demo", "t10k-labels-idx1-ubyte.gz")}
SETTINGS = {**LABELS, "data.images": f"0:{COUNT}", "store.per_image": "all", "store.class_by": "label",
            "store.class_flows": "all", "measure.given": "input", "measure.flows": "adjacent, conv5_1-conv5_3"}


def ratio_error(x, y):
    """The standard error of sum x / sum y, by column of x."""
    n, r = len(y), x.sum(0) / y.sum()
    residual = x - r * y[:, None]
    return numpy.sqrt(((residual - residual.mean(0)) ** 2).sum(0) / (n - 1) / n) / abs(y.mean())


class ByLabel(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_store("all.h5", SETTINGS))
        cls.labels, cls.y = demo_labels()[:COUNT], cls.store["images/given_mass"]

    def test_means_and_errors_are_those_of_the_rows(self):
        for name in self.store.variables():
            layer = self.store.layer(name)
            x = layer["relevance"].astype("float64")
            for k in range(10):
                own, y = x[self.labels == k], self.y[self.labels == k]
                scale = numpy.abs(x).max() / abs(y.mean())
                self.assert_close(layer["class_mean"][k], own.sum(0) / y.sum(), 1e-6 * scale, f"{name}, class {k}")
                self.assert_close(layer["class_std_error"][k], ratio_error(own, y), 1e-6 * scale, f"{name}, class {k}")

    def test_mass_of_the_condition_by_class(self):
        for k in range(10):
            y = self.y[self.labels == k]
            self.assert_close(self.store["classes/given_mass"][k], y.mean(), 1e-12)
            self.assert_close(self.store["classes/given_std_error"][k], y.std(ddof=1) / numpy.sqrt(len(y)), 1e-9)

    def test_flows_average_to_the_whole(self):
        mass = self.store["classes/given_mass"] * self.store["classes/count"]
        self.assertEqual(self.store["flow_class"].tolist(), list(range(10)))
        for pair in self.store.children("flows"):
            flow = self.store.flow(pair)
            terms = mass[:, None, None] * flow["class_mean"].astype("float64")
            tolerance = 2 * FLOAT32 * numpy.abs(terms).sum(0) / abs(mass.sum())
            self.assert_close(terms.sum(0) / mass.sum(), flow["mean"], tolerance, pair)

    def test_flows_sum_to_the_classes_means_of_the_lower_layer(self):
        for pair in self.store.children("flows"):
            flow, layer = self.store.flow(pair), self.store.layer(pair.split("-")[0])
            scale = numpy.abs(flow["class_mean"]).sum(1).max(1)[:, None]
            self.assert_close(flow["class_mean"].astype("float64").sum(1), layer["class_mean"], 1e-5 * scale, pair)

    def test_listed_classes_are_as_among_all(self):
        """Rows stay numbers of classes; those of the others are NaN. On two ranks, plain and conditioned."""
        some = Store(self.run_store("some.h5", {**SETTINGS, "store.classes": "7,2", "store.class_flows": "2,9"},
                                    ranks=2))
        self.assertEqual(some["flow_class"].tolist(), [2, 9])
        self.assertEqual(some["classes/count"].tolist(), self.store["classes/count"].tolist())
        for name in ("class_mean", "class_std_error"):
            got, want = some.layer("conv5_1")[name], self.store.layer("conv5_1")[name]
            self.assertTrue(numpy.isnan(numpy.delete(got, [2, 7], 0)).all())
            self.assertEqual(got[[2, 7]].tobytes(), want[[2, 7]].tobytes())
            got, want = some.flow("conv4_3-conv5_1")[name], self.store.flow("conv4_3-conv5_1")[name]
            self.assertEqual(got.tobytes(), want[[2, 9]].tobytes())

    def compare(self, *arguments):
        done = nrmflow("classes", self.path("all.h5"), *arguments, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def check_difference(self, got, group, a, b, index):
        """Numbers of two rows, and the largest difference first."""
        mean, error = (group[name].astype("float64")[:, *index] for name in ("class_mean", "class_std_error"))
        for name, row in (("a", a), ("b", b)):
            self.assert_close(got[name], mean[row], 1e-12 * numpy.abs(mean).max())
            self.assert_close(got[name + "_std_error"], error[row], 1e-12 * error.max())
        self.assert_close(got["difference"], mean[a] - mean[b], 1e-12 * numpy.abs(mean).max())
        self.assert_close(got["std_error"], numpy.hypot(error[a], error[b]), 1e-12 * error.max())
        self.assertTrue((numpy.diff(numpy.abs(got["difference"])) <= 0).all())

    def test_classes_compares_channels(self):
        got = self.compare("Trouser", "9")
        self.assertEqual((got["a"]["class"], got["b"]["name"]), (1, "Ankle boot"))
        self.assertEqual(got["a"]["images"], int((self.labels == 1).sum()))
        self.assertEqual(sorted(got["layers"]), sorted(self.store.variables()))
        for name, layer in got["layers"].items():
            channels = layer["channel"]
            self.assertEqual(sorted(channels), list(range(self.store.layer(name)["mean"].size)))
            self.check_difference(layer, self.store.layer(name), 1, 9, (channels,))

    def test_classes_compares_flows(self):
        flow = self.compare("3", "0", "--flow", "conv1_1-conv1_2", "--top", "50")["flows"]["conv1_1-conv1_2"]
        self.assertEqual(len(flow["difference"]), 50)
        self.check_difference(flow, self.store.flow("conv1_1-conv1_2"), 3, 0, (flow["upper"], flow["lower"]))

    def test_a_note_says_below_which_layer_a_comparison_says_little(self):
        self.assertEqual(self.compare("3", "0", "--layer", "conv5_3")["says_little_below"], "conv4_2")
        for option, shown, noted in (("--layer", "conv4_1", True), ("--layer", "conv4_2", False),
                                     ("--flow", "conv3_3-conv4_1", True), ("--flow", "conv4_1-conv4_2", False)):
            text = nrmflow("classes", self.path("all.h5"), "3", "0", option, shown, "--top", "1").stdout
            note = " ".join(text.partition("\nnote: ")[2].split())
            self.assertEqual("below conv4_2 a comparison says little about classes" in note, noted, shown)
            self.assertEqual("contrast:3-0" in note, noted, shown)

    def test_an_evaluation_says_it_by_its_own_figures(self):
        path = self.path("eval.h5")
        done = nrmflow("evaluate", DEMO, "--output", path, "--images", "0:5", "--tests", "targets", *sets(SETTINGS))
        self.assertEqual(done.returncode, 0, done.stderr)
        for alike, below in (("conv2_1", "conv2_2"), ("conv2_2", "conv3_1"), (None, None)):  # pool2 has no weights
            copy = self.path(f"{alike}.h5")
            shutil.copy(path, copy)
            with h5py.File(copy, "r+") as file:
                layers, little = file["variable"].asstr()[:], alike is not None
                for layer in layers:
                    if layer in file["evaluation/targets"]:
                        file[f"evaluation/targets/{layer}/relevance/similarity_mean"][0, 0] = 0.9 if little else 0.7
                    little = little and layer != alike
            self.assertEqual(self.compare("3", "0", "--layer", "conv5_3", "--evaluation", copy)["says_little_below"], below)
        text = nrmflow("classes", self.path("all.h5"), "3", "0", "--layer", "conv1_1", "--evaluation",
                       self.path("conv2_1.h5")).stdout
        self.assertIn("by the evaluation's |cosine|", " ".join(text.split()))
        refused = nrmflow("classes", self.path("all.h5"), "3", "0", "--evaluation", self.path("all.h5"))
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is no evaluation", refused.stderr)

    def test_classes_lists_them(self):
        listed = json.loads(nrmflow("classes", self.path("all.h5"), "--json").stdout)["classes"]
        self.assertEqual([c["images"] for c in listed], self.store["classes/count"].tolist())
        text = nrmflow("classes", self.path("all.h5"), "0", "1", "--layer", "conv5_3").stdout
        self.assertIn("T-shirt/top", text)
        self.assertIn("and 118 more", text)

    def test_classes_says_what_is_wrong(self):
        for arguments, status, message in ((["3"], 2, "missing argument: the class to compare 3 with"),
                                           (["3", "Sneker"], 1, 'did you mean "Sneaker"?'),
                                           (["3", "10"], 1, "classes are numbered 0 to 9"),
                                           (["3", "4", "--layer", "conv5_9"], 1, "no layers/conv5_9"),
                                           (["3", "4", "--flow", "../x"], 1, "no flows/../x"),
                                           (["3", "4", "--top", "0"], 2, "--top 0")):
            done = nrmflow("classes", self.path("all.h5"), *arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
            self.assertIn(message, done.stderr)

    def test_class_beyond_the_network_is_refused(self):
        for key in ("store.classes", "store.class_flows"):
            done = run(self.path("refused.h5"), {key: "3,10"})
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{key}: there is no class 10; the network has 10 classes, 0 to 9", done.stderr)


class OneTarget(RunCase):
    """All images of one class: its numbers are those of all images."""

    def assert_near(self, got, want, rounding, message):
        """But for the rounding of blocks' sums, which classes do not have."""
        self.assert_close(got, want, rounding * numpy.abs(want) + 1e-9 * numpy.abs(want).max(), message)

    def assert_errors_near(self, got, want, rounding, message):
        """As squares, which are differences of numbers of size one."""
        got, want = got.astype("float64") ** 2, want ** 2
        self.assert_close(got, want, 2 * rounding * want + 1e-9 * want.max() + 1e-12, message)

    def check(self, given):
        store = Store(self.run_store(f"{given}.h5", {"data.images": "0:12", "measure.target": "class:4",
                                                     "measure.given": given, "store.class_flows": "4"}))
        self.assertEqual(store["classes/count"][4], 12)
        for name in store.variables():
            layer = store.layer(name)
            self.assert_near(layer["class_mean"][4], layer["mean"], 0, name)
            self.assert_errors_near(layer["class_std_error"][4], layer["std_error"], 0, name)
        for pair in store.children("flows"):
            flow = store.flow(pair)
            self.assert_near(flow["class_mean"][0], flow["mean"], FLOAT32, pair)
            self.assert_errors_near(flow["class_std_error"][0], flow["std_error"], FLOAT32, pair)

    def test_given_input(self):
        self.check("input")

    def test_plain(self):
        self.check("none")

    def test_given_sets(self):
        self.check("conv3_1[0:20] and conv5_2")


if __name__ == "__main__":
    unittest.main()
