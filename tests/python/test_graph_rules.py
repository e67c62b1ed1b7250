"""Rules by kind and by pattern on a network with branches: what every layer gets, in plans, stores and numbers."""

import json
import os
import unittest

import h5py
from support import JOBS, RunCase, nrmflow, run, sets

RESNET = os.path.join(JOBS, "demo", "resnet.ini")
ADDS = [f"layer{stage}.{block}.add" for stage in (1, 2, 3, 4) for block in (0, 1)]
SMALL = {"data.images": "0:4", "run.block": 4, "measure.flows": "none"}


class Rules(RunCase):
    def plan(self, settings):
        """{layer: rule} of a dry run."""
        done = nrmflow("run", RESNET, "--dry-run", "--json", "-o", self.path("dry.h5"), *sets({**SMALL, **settings}))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["rules"]

    def refused(self, settings, *words):
        done = nrmflow("run", RESNET, "--dry-run", "-o", self.path("dry.h5"), *sets(settings))
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stderr)

    def values(self, settings):
        done = nrmflow("query", RESNET, "layer1.0.conv2[3] and layer3.0.add[0:9]", "--images", "0:2", "--json",
                       *sets(settings))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["values"]

    def test_a_composite_gives_adds_and_averages_the_rule_of_dense_layers(self):
        rules = self.plan({"measure.composite": "epsilon_plus"})
        self.assertEqual({rules[name] for name in [*ADDS, "avgpool", "fc"]}, {"epsilon 1e-06"})
        self.assertEqual({rule for name, rule in rules.items() if "conv" in name or "downsample" in name}, {"zplus"})
        self.assertNotIn("maxpool", rules)

    def test_one_key_sets_the_rule_of_all_adds_and_averages(self):
        rules = self.plan({"measure.add": "gamma"})
        self.assertEqual({name for name, rule in rules.items() if rule == "gamma 0.25"} -
                         {name for name, rule in self.plan({}).items() if rule == "gamma 0.25"}, {*ADDS, "avgpool"})

    def test_of_the_patterns_that_fit_a_layer_the_last_one_counts(self):
        settings = {"measure.rule.layer[12].*": "zplus", "measure.rule.*.add": "flat", "measure.rule.layer2.0.add": "zero",
                    "measure.rule.layer1.?.add": "gamma 0.5"}
        rules = self.plan(settings)
        self.assertEqual([rules[name] for name in ("layer1.0.conv1", "layer2.0.add", "layer1.1.add", "layer3.0.add",
                                                   "layer2.1.add")], ["zplus", "zero", "gamma 0.5", "flat", "flat"])
        rules = self.plan(dict(reversed(settings.items())))
        self.assertEqual({rules[name] for name in rules if name.startswith(("layer1", "layer2"))}, {"zplus"})

    def test_a_pattern_has_the_bits_of_one_key_for_each_layer(self):
        each = {f"measure.rule.{name}": "zplus" for name in ADDS}
        self.assertEqual(self.values({"measure.rule.*.add": "zplus"}), self.values(each))
        self.assertEqual(self.values({"measure.add": "zplus"}), self.values({**each, "measure.rule.avgpool": "zplus"}))
        self.assertNotEqual(self.values(each), self.values({}))

    def test_a_store_says_what_every_layer_got_and_is_continued_with_the_same_patterns_only(self):
        settings = {**SMALL, "measure.rule.layer1.*": "zplus", "measure.rule.*.conv2": "flat"}
        with h5py.File(self.run_store("rules.h5", settings, config=RESNET)) as file:
            got = {name: layer.attrs["rule"].decode() for name, layer in file["layers"].items() if "rule" in layer.attrs}
            self.assertNotIn("rule", file["layers/maxpool"].attrs)
            self.assertNotIn("rule", file["layers/input"].attrs)
        wanted = self.plan(settings)
        self.assertEqual(got, {name: wanted[name] for name in got})
        self.assertEqual((got["layer1.0.conv1"], got["layer1.0.conv2"]), ("zplus", "flat"))
        swapped = {**SMALL, "measure.rule.*.conv2": "flat", "measure.rule.layer1.*": "zplus"}
        self.assertEqual(run(self.path("rules.h5"), settings, config=RESNET).returncode, 0)
        done = run(self.path("rules.h5"), swapped, config=RESNET)
        self.assertEqual(done.returncode, 1)
        self.assertIn("rule", done.stderr)

    def test_a_key_that_fits_no_layer_with_a_rule_is_refused(self):
        self.refused({"measure.rule.layer9.*": "zplus"}, "measure.rule.layer9.*", "no layer with a rule")
        self.refused({"measure.rule.max*": "zplus"}, "no layer with a rule")
        self.refused({"measure.rule.layer1.0.con2": "zplus"}, 'did you mean "layer1.0.conv2"?')
        self.refused({"measure.rule.*": "zbox"}, "zbox low high")


if __name__ == "__main__":
    unittest.main()
