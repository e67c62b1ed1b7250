"""Measures of set expressions: `nrmflow query` and measure.query of runs."""

import itertools
import json
import os
import unittest

import h5py
import numpy
import torch
from oracle import demo_modules, demo_network
from support import DEMO, TINY, RunCase, Store, demo_pixels, nrmflow, smooth_image

REFERENCE = os.path.join(os.environ["TEST_DATA"], "reference.h5")
RELATIVE = 1e-4  # of a joint relevance in float32


def query(expression, *options, config=DEMO, ranks=None):
    """What `nrmflow query --json` prints."""
    done = nrmflow("query", config, expression, "--json", *options, ranks=ranks)
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
    return json.loads(done.stdout)


class Reference(unittest.TestCase):
    """Joint relevance of the oracle, float64, as shipped."""

    def assert_values(self, group, make_expression):
        with h5py.File(REFERENCE) as file:
            cases = {name.split(",")[0]: (make_expression(case["0"]), case["0"][f"{group}/value"][()])
                     for name, case in file.items() if "0" in case and group in case["0"]}
        self.assertEqual(len(cases), 3)
        for composite, (expression, want) in cases.items():
            with self.subTest(composite=composite):
                got = query(expression, "--images", "0:1", "--set", f"measure.composite={composite}")["values"][0]
                self.assertLess(abs(got - want), RELATIVE * abs(want))

    def test_one_channel_each_of_three_layers(self):
        layers = "conv3_3", "conv4_3", "conv5_3"
        self.assert_values("triple", lambda case: " and ".join(
            f"{layer}[{channel}]" for layer, channel in zip(layers, case["triple/channels"])))

    def test_a_region_of_a_channel_and_a_channel_above(self):
        self.assert_values("region", lambda case: case["region"].attrs["set"])


class Oracle(unittest.TestCase):
    """Expressions against the oracle's masked sweeps and inclusion-exclusion, in float64, for one image."""

    # name of a set: layer, channels, rows, columns
    SETS = {"A": ("conv5_3", slice(3, 40), slice(None), slice(None)),
            "B": ("conv4_3", slice(0, 60), slice(0, 3), slice(None)),
            "C": ("conv3_2", slice(None), slice(1, 6), slice(2, 8)),
            "D": ("conv4_3", slice(50, 90), slice(None), slice(None)),
            "E": ("input", slice(None), slice(4, 20), slice(6, 22))}
    TEXTS = {"A": "conv5_3[3:40]", "B": "conv4_3[0:60]@(0:3,0:4)", "C": "conv3_2[*]@(1:6,2:8)", "D": "conv4_3[50:90]",
             "E": "input@(4:20,6:22)"}

    @classmethod
    def setUpClass(cls):
        cls.net = demo_network(demo_modules(), demo_pixels()[0])
        cls.target = int(cls.net.acts[-1].argmax())

    def mask(self, name):
        layer, *box = self.SETS[name]
        mask = torch.zeros_like(self.net.acts[self.net.at(layer)])
        mask[tuple(box)] = 1
        return layer, mask

    def joint(self, names, sweep=None):
        """R(all of these sets), or what `sweep` makes of the masked marginals."""
        masks = {}
        for name in names:
            layer, mask = self.mask(name.lstrip("~"))
            mask = 1 - mask if name.startswith("~") else mask
            masks[layer] = masks.get(layer, 1) * mask
        marginals = self.net.marginals(self.target, masks)
        if sweep:
            return sweep(marginals)
        return float(marginals[min(masks, key=self.net.at)].sum())

    def union(self, *sections):
        """R(section or section ...), each a string of names."""
        total = 0
        for n in range(1, len(sections) + 1):
            for chosen in itertools.combinations(sections, n):
                total -= (-1) ** n * self.joint(sorted(set(" ".join(chosen).split())))
        return total

    def assert_query(self, expression, want, given=1.0):
        for name, text in self.TEXTS.items():
            expression = expression.replace(name, text)
        answer = query(expression, "--images", "0:1")
        got = answer["values"][0]
        self.assertLess(abs(got - want), RELATIVE * abs(want), expression)
        self.assertLess(abs(answer["given"][0] - given), RELATIVE * abs(given), expression)
        return answer

    def test_and(self):
        self.assert_query("A and B and C", self.union("A B C"))
        self.assert_query("C and E and A and D", self.union("A C D E"))

    def test_sets_of_one_layer(self):
        self.assert_query("B and D", self.union("B D"))
        self.assert_query("(B or D) and A", self.union("B A", "D A"))

    def test_or(self):
        self.assert_query("A or B or C", self.union("A", "B", "C"))
        self.assert_query("A and C or B and E or D", self.union("A C", "B E", "D"))
        self.assert_query("(A or B) and (C or E)", self.union("A C", "A E", "B C", "B E"))

    def test_not(self):
        self.assert_query("A and not B and C", self.joint(["A", "~B", "C"]))
        self.assert_query("not (B or D) and A", self.joint(["~B", "~D", "A"]))

    def test_given(self):
        self.assert_query("A given C", self.union("A C"), self.union("C"))
        answer = self.assert_query("A or B given C or E", self.union("A C", "A E", "B C", "B E"), self.union("C", "E"))
        self.assertLess(abs(answer["ratio"][0] - answer["values"][0] / answer["given"][0]), 1e-15)

    def test_bias(self):
        def share(marginals):
            at = self.net.at("conv4_2")
            return float(self.net.links[at - 1].bias_share(marginals["conv4_2"]).sum())

        alone, with_a = self.joint([], share), self.joint(["A"], share)
        self.assert_query("bias(conv4_2)", alone)
        self.assert_query("bias(conv4_2) and A", with_a)
        self.assert_query("bias(conv4_2) or A", alone + self.union("A") - with_a)
        self.assert_query("A and (bias(conv4_2) or C)", with_a + self.union("A C"))


class Laws(unittest.TestCase):
    def test_biases_and_the_input_are_all_that_walks_end_in(self):
        layers = [f"conv{b}_{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)] + ["fc6", "fc7", "fc8"]
        everything = " or ".join(["input"] + [f"bias({name})" for name in layers])
        values = query(everything, "--images", "0:8")["values"]
        self.assertLess(numpy.abs(numpy.array(values) - 1).max(), 1e-4)  # but for what is absorbed, 1e-5

    def test_order_of_the_layers_does_not_matter(self):
        words = "conv5_3[3:40]", "conv4_3[50:90]", "conv3_2@(1:6,2:8)"
        answers = [query(" and ".join(order), "--images", "0:4")["values"] for order in list(itertools.permutations(words))[::2]]
        self.assertTrue(all(answer == answers[0] for answer in answers))

    def test_fewest_passes(self):
        def passes(expression):
            return query(expression, "--explain")["passes"]

        self.assertEqual(passes("conv5_3[3]"), {"value": 0, "given": 0})
        self.assertEqual(passes("conv5_3[3] and conv5_1[2]"), {"value": 2, "given": 0})
        self.assertEqual(passes("conv5_3[3] or conv5_1[2]"), {"value": 2, "given": 0})
        self.assertEqual(passes("conv5_3[3] or conv5_2[2] or conv5_1[1]"), {"value": 2, "given": 0})
        self.assertEqual(passes("conv5_1[1] given conv5_3[2]"), {"value": 2, "given": 0})
        self.assertEqual(passes("conv5_3 and conv5_1[1]"), {"value": 0, "given": 0})
        self.assertEqual(passes("conv5_1[1] and conv5_3[1] and (conv5_1[2] or conv5_2[2])"), {"value": 2, "given": 0})


class Statistics(RunCase):
    def test_the_mean_is_the_ratio_of_the_means_with_its_error(self):
        answer = query("conv4_3[3:20] given conv5_3[9]", "--images", "0:40")
        x, y = numpy.array(answer["values"]), numpy.array(answer["given"])
        ratio = x.mean() / y.mean()
        error = numpy.sqrt(((x - ratio * y) - (x - ratio * y).mean()).var(ddof=1) / len(x)) / abs(y.mean())
        self.assertAlmostEqual(answer["mean"], ratio, delta=1e-12)
        self.assertAlmostEqual(answer["std_error"], error, delta=1e-10)
        self.assertAlmostEqual(answer["given_std_error"], numpy.std(y, ddof=1) / len(y) ** 0.5, delta=1e-12)
        self.assertEqual(answer["weak_condition"], bool(abs(y.mean()) < 3 * answer["given_std_error"]))

    def test_a_condition_too_small_to_divide_by_is_marked(self):
        answer = query("conv4_3[3:20] given conv5_3[9]", "--images", "0:6")
        small = [abs(y) < 1e-6 for y in answer["given"]]
        self.assertIn(True, small)
        self.assertEqual([ratio is None for ratio in answer["ratio"]], small)
        self.assertTrue(answer["weak_condition"])
        self.assertIn("so what is divided by it is unreliable", nrmflow("query", DEMO, answer["expression"], "--images", "0:6").stdout)

    def test_an_image_that_cannot_be_read_has_no_numbers(self):
        from PIL import Image
        with open(self.path("list.txt"), "w", encoding="utf-8") as file:
            for i in range(3):
                print(f"{i}.png", file=file)
        for i in (0, 2):
            Image.fromarray(smooth_image(numpy.random.default_rng(i), 32, 32)).save(self.path(f"{i}.png"))
        with open(self.path("tiny.ini"), "w", encoding="utf-8") as file:
            print(f"[data]\npath = list.txt\n[model]\nweights = {TINY}", file=file)
        answer = query("conv4_1[1] given conv5_1", config=self.path("tiny.ini"))
        self.assertEqual(answer["status"], ["ok", "unread", "ok"])
        self.assertEqual([value is None for value in answer["values"]], [False, True, False])
        self.assertEqual(answer["counted"], 2)


class Runs(RunCase):
    QUERIES = {"united": "conv5_3[3:40] or conv4_1[7:20]@(0,0:2)", "conditional": "conv4_3[3:20] given conv5_3[9]",
               "bias": "bias(conv5_1) and conv5_3[1:60]"}
    SETTINGS = {"data.images": "3:40", "measure.flows": "none",
                **{f"measure.query.{name}": text for name, text in QUERIES.items()}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.output = cls.run_store("run.h5", cls.SETTINGS)
        cls.store = Store(cls.output)

    def test_has_the_bits_of_nrmflow_query_whatever_is_given(self):
        for name, text in self.QUERIES.items():
            answer = query(text, "--images", "3:40")
            group = self.store.group(f"queries/{name}")
            self.assertEqual(group["value"].tolist(), answer["values"])
            self.assertEqual(group["given"].tolist(), answer["given"])
            self.assertEqual((group["mean"], group["std_error"]), (answer["mean"], answer["std_error"]))
            self.assertEqual(self.store.attributes[f"queries/{name}", "expression"].decode(), text)

    def test_does_not_depend_on_the_number_of_ranks(self):
        self.assert_same_stores(self.run_store("ranks.h5", self.SETTINGS, ranks=3), self.output)
        text = self.QUERIES["united"]
        self.assertEqual(query(text, "--images", "3:40", ranks=3), query(text, "--images", "3:40"))

    def test_queries_change_no_other_number(self):
        plain = Store(self.run_store("plain.h5", {"data.images": "3:40", "measure.flows": "none"}))
        for name in plain.names():
            self.assertEqual(plain[name].tobytes(), self.store[name].tobytes(), name)


class Mistakes(unittest.TestCase):
    def assert_refused(self, expression, *lines):
        done = nrmflow("query", DEMO, expression, "--images", "0:1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.splitlines(), list(lines))

    def test_a_caret_points_at_the_mistake(self):
        self.assert_refused("conv5_3[1] and conv4_3[128]", "nrmflow: conv4_3 has 128 channels, 0 to 127",
                            "  conv5_3[1] and conv4_3[128]", "                         ^")
        self.assert_refused("cov5_3[1]", 'nrmflow: vgg16 has no layer "cov5_3"; did you mean "conv5_3"?', "  cov5_3[1]",
                            "  ^")

    def test_images_are_instead_of_those_of_the_configuration(self):
        for images, message in ("foo", '"foo" is not a range'), ("4:4", "the range 4:4 is empty"):
            done = nrmflow("query", DEMO, "conv5_3", "--images", images)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"--images: {message}", done.stderr)
        self.assertEqual(query("conv5_3", "--images", "3:5", "--set", "data.images=0:20")["images"], [3, 4])

    def test_processes_without_a_launcher_share_no_folder(self):
        done = nrmflow("query", DEMO, "conv5_3", "--explain", environment={"TMPDIR": "/dev/null"})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_run_names_the_key(self):
        done = nrmflow("run", DEMO, "--output", "/dev/null/x", "--set", "measure.query.eye=conv5_3[")
        self.assertEqual(done.returncode, 1)
        done = nrmflow("run", DEMO, "--output", "mistake.h5", "--set", "measure.query.eye=conv5_3[")
        self.assertIn("--set: measure.query.eye: expected a channel", done.stderr)
        done = nrmflow("run", DEMO, "--output", "mistake.h5", "--set", "measure.query.e/e=conv5_3")
        self.assertIn("a query's name has", done.stderr)


if __name__ == "__main__":
    unittest.main()
