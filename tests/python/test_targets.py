"""What is explained: the prediction, the label, a class, or one class against another."""

import os
import unittest

import numpy
from PIL import Image

from support import STATUS, TINY, RunCase, Store, demo_labels, read_safetensors, run, smooth_image, write_safetensors

COUNT = 48
A, B = 6, 0  # shirt against T-shirt
DEMO_RUN = {"data.images": f"0:{COUNT}", "store.per_image": "all", "measure.flows": "none"}


class Targets(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = Store(cls.run_target("predicted"))
        cls.class_a, cls.class_b = (Store(cls.run_target(f"class:{k}")) for k in (A, B))

    @classmethod
    def run_target(cls, target, **settings):
        return cls.run_store(f"{target}.h5", {**DEMO_RUN, "measure.target": target, **settings})

    def test_predicted_has_the_highest_probability(self):
        self.assertTrue(numpy.array_equal(self.store["images/target"], self.store["images/predicted"]))
        self.assertGreater(self.store["images/probability"].min(), 0.1)

    def test_label(self):
        store = Store(self.run_target("label"))
        self.assertTrue(numpy.array_equal(store["images/target"], demo_labels()[:COUNT]))

    def test_label_and_prediction_agree_where_they_are_the_same(self):
        store = Store(self.run_target("label"))
        same = store["images/label"] == self.store["images/predicted"]
        self.assertFalse(same.all())
        for name in self.store.variables():
            got, want = (s[f"layers/{name}/relevance"][same] for s in (store, self.store))
            self.assertEqual(got.tobytes(), want.tobytes(), name)

    def test_class_is_the_target_of_every_image(self):
        self.assertEqual(set(self.class_a["images/target"]), {A})

    def test_class_does_not_change_the_prediction(self):
        self.assertTrue(numpy.array_equal(self.class_a["images/predicted"], self.store["images/predicted"]))

    def test_class_is_where_the_measure_starts(self):
        relevance = self.class_a["layers/fc8/relevance"]
        self.assertFalse(numpy.delete(relevance, A, axis=1).any())
        self.assert_close(relevance[:, A], self.class_a["images/given_mass"], 1e-5)

    def test_class_logit_is_that_of_the_prediction_where_they_are_the_same(self):
        same = self.store["images/predicted"] == A
        self.assertTrue(same.any())
        self.assertEqual(self.class_a["images/logit"][same].tolist(), self.store["images/logit"][same].tolist())

    def test_classes_have_means_of_their_own(self):
        counts = self.class_a["classes/count"]
        self.assertEqual((counts[A], counts.sum()), (COUNT, COUNT))
        class_mean = self.class_a["layers/conv5_1/class_mean"]
        self.assert_close(class_mean[A], self.class_a["layers/conv5_1/mean"], 1e-12)
        self.assertTrue(numpy.isnan(numpy.delete(class_mean, A, axis=0)).all())


class Contrast(RunCase):
    """The measure of A against B is linear in its start: (z_A R_A - z_B R_B) / (z_A - z_B)."""

    given = "input"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        targets = {"both": f"contrast:{A}-{B}", "a": f"class:{A}", "b": f"class:{B}"}
        for name, target in targets.items():
            settings = {**DEMO_RUN, "measure.given": cls.given, "measure.target": target}
            setattr(cls, name, Store(cls.run_store(f"{name}.h5", settings)))
        cls.z_a, cls.z_b = (store["images/logit"].astype("float64") for store in (cls.a, cls.b))
        cls.share_a = cls.z_a / (cls.z_a - cls.z_b)
        cls.share_b = cls.z_b / (cls.z_a - cls.z_b)
        # Errors of both measures are multiplied by their shares, which are large where the logits are close.
        cls.tolerance = 1e-5 * (numpy.abs(cls.share_a) + numpy.abs(cls.share_b))

    def test_all_images_are_ok(self):
        self.assertEqual(set(self.both["images/status"]), {STATUS["ok"]})

    def test_relevance_is_linear(self):
        for name in self.both.variables():
            path = f"layers/{name}/relevance"
            want = self.share_a[:, None] * self.a[path] - self.share_b[:, None] * self.b[path]
            variation = numpy.abs(self.a[path]).sum(1) + numpy.abs(self.b[path]).sum(1)
            tolerance = self.tolerance * numpy.maximum(variation, 1)
            self.assert_close(self.both[path], want, tolerance[:, None], name)

    def test_mass_is_linear(self):
        want = self.share_a[:, None] * self.a["images/mass"] - self.share_b[:, None] * self.b["images/mass"]
        self.assert_close(self.both["images/mass"], want, self.tolerance[:, None])

    def test_ledger_is_closed(self):
        total = self.both["images/mass"] + self.both["images/bias"] + self.both["images/absorbed"]
        self.assert_close(total, numpy.ones_like(total), self.tolerance[:, None])

    def test_target_is_the_first_class(self):
        self.assertEqual(set(self.both["images/target"]), {A})

    def test_logit_is_the_difference(self):
        want = self.z_a - self.z_b
        self.assert_close(self.both["images/logit"], want, 1e-6 * (numpy.abs(self.z_a) + numpy.abs(self.z_b)))

    def test_probability_is_not_defined(self):
        self.assertTrue(numpy.isnan(self.both["images/probability"]).all())


class PlainContrast(Contrast):
    given = "none"


class UndefinedContrast(RunCase):
    """Two classes whose logits are always equal."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write_images(cls.path("images"), 10)
        tensors = {name: tensor.copy() for name, tensor in read_safetensors(TINY).items()}
        for name in "classifier.6.weight", "classifier.6.bias":
            tensors[name][2] = tensors[name][5]
        write_safetensors(cls.path("equal.safetensors"), tensors)
        with open(cls.path("run.ini"), "w") as file:
            file.write("[data]\npath = images\n[model]\nweights = equal.safetensors\n")
            file.write("[measure]\ntarget = contrast:2-5\n")
        cls.done = run(cls.path("store.h5"), {}, config=cls.path("run.ini"))

    def test_the_run_succeeds(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)

    def test_images_are_undefined(self):
        self.assertEqual(set(Store(self.path("store.h5"))["images/status"]), {STATUS["undefined"]})

    def test_there_is_a_warning(self):
        self.assertRegex(self.done.stderr, "warn: .*exploded_or_undefined=10")

    def test_means_are_nan(self):
        self.assertTrue(numpy.isnan(Store(self.path("store.h5"))["layers/conv1_1/mean"]).all())


class UnknownLabels(RunCase):
    """target = label: an image without a label has nothing to explain."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        write_images(cls.path("images"), 12)
        cls.known = numpy.arange(12) % 3 != 1
        lines = [f"images/{i:02}.png{' 3' if known else ''}\n" for i, known in enumerate(cls.known)]
        with open(cls.path("list.txt"), "w") as file:
            file.writelines(lines)
        with open(cls.path("run.ini"), "w") as file:
            file.write(f"[data]\npath = list.txt\n[model]\nweights = {TINY}\n[store]\nper_image = conv1_1\n")
        cls.label, cls.by_class = (
            Store(cls.run_store(f"{name}.h5", {"measure.target": target}, config=cls.path("run.ini")))
            for name, target in (("label", "label"), ("class", "class:3")))

    def test_they_are_undefined(self):
        want = numpy.where(self.known, STATUS["ok"], STATUS["undefined"])
        self.assertEqual(self.label["images/status"].tolist(), want.tolist())

    def test_their_label_is_minus_one(self):
        self.assertEqual(set(self.label["images/label"][~self.known]), {-1})

    def test_they_have_no_relevance(self):
        self.assertTrue(numpy.isnan(self.label["layers/conv1_1/relevance"][~self.known]).all())

    def test_the_others_are_explained(self):
        got, want = (store["layers/conv1_1/relevance"][self.known] for store in (self.label, self.by_class))
        self.assertEqual(got.tobytes(), want.tobytes())


def write_images(folder, count):
    generator = numpy.random.default_rng(2)
    os.makedirs(folder)
    for i in range(count):
        Image.fromarray(smooth_image(generator, 32, 32)).save(os.path.join(folder, f"{i:02}.png"))


if __name__ == "__main__":
    unittest.main()
