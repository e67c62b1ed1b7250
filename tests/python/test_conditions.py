"""measure.given = sets of layers: statistics, flows and masses of the walks through them, against the float64 oracle."""

import json
import os
import re
import unittest

import numpy
import torch
from oracle import Oracle, demo_modules, nrm_ref
from support import (DEMO, DEMO_WEIGHTS, RunCase, Store, demo_pixels, nrmflow, read_safetensors, run,
                     write_safetensors)

IMAGES = 3
BAR = 1e-4  # of an array's largest value
LAYERS = [name for name in ["input", *nrm_ref.VGG16] if not name.startswith("pool")]
# (expression, {layer: channels, rows, columns})
CONDITIONS = [
    ("conv5_3[5:60]", {"conv5_3": (slice(5, 60), slice(None), slice(None))}),
    ("conv4_2[0:40]@(0:3,1:4) and conv2_1 and fc6[0:100]",
     {"conv4_2": (slice(0, 40), slice(0, 3), slice(1, 4)), "conv2_1": (slice(None),) * 3, "fc6": (slice(0, 100),)}),
    ("fc7[3:40] and pool3[*]@(1:4,0:4)", {"fc7": (slice(3, 40),), "pool3": (slice(None), slice(1, 4), slice(0, 4))}),
]


class Conditions(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        torch.set_grad_enabled(False)
        cls.modules, pixels = demo_modules(), demo_pixels()
        cls.stores, cls.oracles = [], []
        for i, (expression, condition) in enumerate(CONDITIONS):
            path = cls.run_store(f"{i}.h5", {"data.images": f"0:{IMAGES}", "measure.given": expression,
                                             "measure.flows": "dense", "store.per_image": "all"})
            cls.stores.append(Store(path))
            cls.oracles.append([Oracle(cls.modules, pixels[j], condition) for j in range(IMAGES)])

    def each(self):
        for (expression, _), store, oracles in zip(CONDITIONS, self.stores, self.oracles):
            with self.subTest(given=expression):
                yield store, oracles

    def assert_like(self, got, want, message, scale=0.0):
        want = numpy.asarray(want)
        self.assert_close(got, want, BAR * max(numpy.abs(want).max(), scale), message)

    def test_relevance_of_every_image_and_layer(self):
        for store, oracles in self.each():
            for name in store.variables():
                want = numpy.array([oracle.channels(name) for oracle in oracles])
                self.assert_like(store.layer(name)["relevance"], want, name)

    def test_mass_of_the_condition_is_that_of_every_layer_from_its_lowest_up(self):
        for store, oracles in self.each():
            want = [oracle.given_mass() for oracle in oracles]
            self.assert_like(store["images/given_mass"], want, "given_mass")
            for name in store.variables()[oracles[0].lowest:]:
                variation = numpy.abs(store.layer(name)["relevance"]).sum(1).max()
                self.assert_like(store.layer(name)["relevance"].sum(1), want, name, variation)

    def test_queries_under_the_same_condition_agree(self):
        for (expression, _), store in zip(CONDITIONS, self.stores):
            path = self.run_store("query.h5", {"data.images": f"0:{IMAGES}", "measure.flows": "none",
                                               "measure.query.q": f"conv5_1[7] and {expression} given {expression}"})
            query = Store(path).group("queries/q")
            os.remove(path)
            relevance = store.layer("conv5_1")["relevance"]
            self.assert_like(query["given"], store["images/given_mass"], expression)
            self.assert_like(query["value"], relevance[:, 7], expression, numpy.abs(relevance).max())

    def test_means_are_divided_by_the_mean_mass(self):
        for store, _ in self.each():
            y = store["images/given_mass"].sum()
            for name in store.variables():
                relevance = store.layer(name)["relevance"].astype("float64")
                self.assert_close(store.layer(name)["mean"] * y, relevance.sum(0), 1e-6 * numpy.abs(relevance).sum(0),
                                  name)

    def test_flows_count_the_condition_s_walks(self):
        for store, oracles in self.each():
            y = store["images/given_mass"].sum()
            for lower, upper in zip(LAYERS, LAYERS[1:]):
                flow = store.flow(f"{lower}-{upper}")
                parts = zip(*(oracle.flow(lower, upper) for oracle in oracles))
                joint, to_bias, absorbed = (numpy.sum(part, 0) for part in parts)
                scale = numpy.abs(joint).max()
                self.assert_like(flow["mean"] * y, joint, f"{lower}-{upper}")
                self.assert_like(flow["to_bias"] * y, to_bias, f"to_bias of {lower}-{upper}", scale)
                self.assert_like(flow["absorbed"] * y, absorbed, f"absorbed of {lower}-{upper}", scale)

    def test_ledger_stays_that_of_all_walks(self):
        plain = Store(self.run_store("plain.h5", {"data.images": f"0:{IMAGES}", "measure.given": "none"}))
        for store, _ in self.each():
            for name in ("mass", "variation", "bias", "absorbed"):
                self.assertEqual(store[f"images/{name}"].tobytes(), plain[f"images/{name}"].tobytes(), name)

    def test_two_ranks_give_the_same_store(self):
        settings = {"data.images": "0:12", "measure.given": CONDITIONS[1][0], "run.block": 4, "measure.flows": "none"}
        self.assert_same_stores(self.run_store("two.h5", settings, ranks=2), self.run_store("one.h5", settings))

    def test_whole_input_as_a_set_is_the_input(self):
        settings = {"data.images": "0:4", "measure.flows": "none"}
        whole = self.run_store("whole.h5", {**settings, "measure.given": "input@(0:32,0:32)"})
        self.assert_same_stores(whole, self.run_store("input.h5", {**settings, "measure.given": "input"}),
                                but=("config", "given"))

    def test_info_names_the_condition(self):
        done = nrmflow("info", self.path("1.h5"))
        self.assertIn(CONDITIONS[1][0], done.stdout)

    def test_what_is_no_condition_is_refused_with_a_caret(self):
        for expression, message in (("conv4_1[1] or conv5_1[2]", 'joined by "and"'),
                                    ("conv5_1[128]", "conv5_1 has 128 channels, 0 to 127"),
                                    ("conv5_9", "conv5_9"), ("bias(conv4_2)", "bias")):
            done = run(self.path("refused.h5"), {"measure.given": expression}, config=DEMO)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("measure.given", done.stderr)
            self.assertIn(message, done.stderr)
            self.assertFalse(os.path.exists(self.path("refused.h5")))


class NoMass(RunCase):
    """Conditions that no image meets: the run succeeds, and everything that shows its numbers says what is wrong."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tensors = {name: tensor.copy() for name, tensor in read_safetensors(DEMO_WEIGHTS).items()}
        tensors["features.12.bias"][:] = -1e6  # conv3_2 is dead
        write_safetensors(cls.path("dead.safetensors"), tensors)
        cls.dead = {"model.weights": cls.path("dead.safetensors"), "data.images": "0:4", "measure.flows": "none",
                    "measure.given": "input"}
        cls.done = run(cls.path("dead.h5"), cls.dead)
        cls.single = {"data.images": "0:1", "measure.flows": "none", "measure.given": "fc8[3]", "measure.target": "class:5"}

    def test_a_dead_layer_below_the_condition(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertIn("warn: no image meets the condition: its mass is zero in all of them", self.done.stderr)
        store = Store(self.path("dead.h5"))
        self.assertEqual(store["images/given_mass"].tolist(), [0] * 4)
        self.assertEqual(store.attributes["", "weak_condition"], 1)
        self.assertTrue(numpy.isnan(store.layer("conv1_1")["mean"]).all())

    def test_one_image_without_mass_has_no_standard_error_and_is_weak_too(self):
        done = run(self.path("one.h5"), self.single)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no image meets the condition", done.stderr)
        self.assertEqual(Store(self.path("one.h5")).attributes["", "weak_condition"], 1)

    def test_check_and_info_and_report_say_it(self):
        checked, info = nrmflow("check", self.path("dead.h5")), nrmflow("info", self.path("dead.h5"))
        self.assertEqual((checked.returncode, info.returncode), (0, 0))
        for text in checked.stdout, info.stdout:
            self.assertIn("weak_condition: no image meets the condition", text)
        self.assertTrue(json.loads(nrmflow("check", "--json", self.path("dead.h5")).stdout)["weak_condition"])
        self.assertTrue(json.loads(nrmflow("info", "--json", self.path("dead.h5")).stdout)["weak_condition"])

    def test_a_query_says_it(self):
        for images in "0:1", "0:3":
            done = nrmflow("query", DEMO, "--images", images, "--set", "measure.target=class:5", "fc7[0:9] given fc8[3]")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("weak_condition: no image meets the condition", done.stdout)

    def test_a_query_of_a_run_says_it(self):
        settings = {"data.images": "0:4", "measure.flows": "none", "measure.given": "none", "measure.target": "class:5",
                    "measure.query.never": "fc7[0:9] given fc8[3]", "measure.query.always": "fc7[0:9] given fc8[5]"}
        done = run(self.path("queries.h5"), settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "conditions of queries .* queries=1 first=never")
        info = nrmflow("info", self.path("queries.h5")).stdout
        self.assertIn("weak_condition of the query never: no image meets the condition", info)
        self.assertNotIn("query always: ", info)

    def test_a_run_notices_early(self):
        done = run(self.path("early.h5"), {"data.images": "0:1104", "measure.flows": "none", "measure.target": "class:5",
                                           "measure.given": "fc8[3]"})
        self.assertEqual(len(re.findall("none of the first [0-9]+ images meets measure.given", done.stderr)), 1)

    def test_a_condition_that_is_met_is_not_warned_about(self):
        done = run(self.path("met.h5"), {"data.images": "0:4", "measure.flows": "none"})
        self.assertNotIn("condition", done.stderr)
        self.assertNotIn("weak", nrmflow("check", self.path("met.h5")).stdout)


if __name__ == "__main__":
    unittest.main()
