"""Set expressions, maps and conditions on a network with branches: `nrmflow query`, `nrmflow map` and measure.given."""

import json
import os
import unittest

import h5py
import numpy
from support import JOBS, RunCase, Store, nrmflow

RESNET = os.path.join(JOBS, "demo", "resnet.ini")
REFERENCE = os.path.join(os.environ["TEST_DATA"], "graph_reference.h5")  # float64, images 0 and 1
RELATIVE = 1e-4  # of a joint relevance in float32
IMAGES = ("--images", "0:2")


def query(expression, *options):
    """What `nrmflow query --json` prints."""
    done = nrmflow("query", RESNET, expression, "--json", *IMAGES, *options)
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
    return json.loads(done.stdout)


def values(expression, *options):
    return numpy.array(query(expression, *options)["values"])


def cases():
    """Of the reference: options that choose it, and its group for each image."""
    with h5py.File(REFERENCE) as file:
        for name in sorted(name for name in file if "," in name):
            composite, pool = name.split(",")
            yield (name, ["--set", f"measure.composite={composite}", "--set", f"measure.pool={pool}"],
                   [file[name][image] for image in ("0", "1")])


class Reference(RunCase):
    """Every set and map of the oracle, float64, as shipped."""

    def test_sets_have_the_oracle_s_measure(self):
        seen = 0
        for case, options, images in cases():
            for expression in images[0]["set"]:
                with self.subTest(case=case, expression=expression):
                    want = numpy.array([image["set"][expression][()] for image in images])
                    self.assert_close(values(expression, *options), want, RELATIVE * numpy.abs(want).max())
                    seen += 1
        self.assertEqual(seen, 36)

    def test_maps_of_a_branch_s_channel_are_the_oracle_s(self):
        for case, options, images in cases():
            for number, expression in enumerate(images[0]["map"]):
                with self.subTest(case=case, expression=expression):
                    folder = self.path(f"{case}{number}")
                    done = nrmflow("map", RESNET, expression, "-o", folder, *IMAGES, *options)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    got = Store(os.path.join(folder, "maps.h5"))["queries/map/map"]
                    want = numpy.array([image["map"][expression][()] for image in images])
                    self.assert_close(got, want, RELATIVE * numpy.abs(want).max(axis=(1, 2, 3), keepdims=True))


class Branches(unittest.TestCase):
    """What differs from a chain."""

    def assert_near(self, got, want):
        self.assertTrue((numpy.abs(got - want) <= RELATIVE * numpy.abs(want)).all(), f"{got} is not {want}")

    def test_only_a_cut_s_whole_layer_is_passed_by_all_walks_that_come_from_above(self):
        ledger = {}
        with h5py.File(REFERENCE) as file:
            names = [name.decode() for name in file["variables"][()]]
            for image in "01":
                rows = file[f"epsilon_gamma_box,winner/{image}/ledger"][()]
                for name, row in zip(names, rows):
                    ledger.setdefault(name, []).append(row)
        for name in ("layer3.1.conv1", "layer2.0.downsample.0", "layer3.0.add", "avgpool"):
            mass, bypass = numpy.array(ledger[name])[:, 0], numpy.array(ledger[name])[:, 1]
            self.assert_near(values(f"{name}[*]"), mass)
            self.assertEqual((numpy.abs(bypass) > 1e-2).any(), name in ("layer3.1.conv1", "layer2.0.downsample.0"))

    def test_walks_that_jump_over_a_layer_count_in_a_union_with_another(self):
        upper, lower = "layer2.1.conv1[3:20]", "layer2.0.add[0:16]"
        either, both = values(f"{upper} or {lower}"), values(f"{upper} and {lower}")
        around = values(lower) - values(f"layer2.1.conv1 and {lower}")
        self.assertTrue((numpy.abs(around) > 1e-3).all())
        self.assert_near(either, values(upper) + values(lower) - both)

    def test_not_takes_neither_the_set_nor_the_walks_that_jump_over_its_layer(self):
        name = "layer4.1.conv1"
        self.assert_near(values(f"not {name}[0:50]"), values(name) - values(f"{name}[0:50]"))

    def test_sets_in_parallel_branches_have_nothing_in_common(self):
        answer = query("layer2.0.conv1[5] and layer2.0.downsample.0 and layer1.1.add[0:8]", "--explain")
        self.assertEqual(answer["passes"]["value"], 0)
        self.assertTrue((values("layer2.0.conv2 and layer2.0.downsample.0") == 0).all())

    def test_a_bias_counts_the_walks_that_end_in_its_link(self):
        with h5py.File(REFERENCE) as file:
            names = [name.decode() for name in file["variables"][()]]
            rows = numpy.array([file[f"epsilon_gamma_box,winner/{image}/ledger"][()] for image in "01"])
        number = names.index("layer2.0.conv2")
        self.assert_near(values("bias(layer2.0.conv2)"), rows[:, number - 1, 2] - rows[:, number, 2])


class Conditions(RunCase):
    """measure.given with sets of a branch."""

    def test_under_a_condition_a_channel_has_its_joint_relevance_with_the_sets(self):
        sets = "layer2.1.conv1[3:20] and layer3.0.add[0:40]@(0:3,1:4)"
        # the lower set's own layer, one that it jumps over, a cut above and one below
        layers = {"layer2.1.conv1": 4, "layer2.1.conv2": 7, "layer3.0.conv1": 9, "layer4.0.add": 30, "conv1": 2}
        store = Store(self.run_store("given.h5", {"measure.given": sets, "measure.flows": "none",
                                                  "data.images": "0:2", "store.per_image": ",".join(layers)},
                                     config=RESNET))
        self.assert_close(store["images/given_mass"], values(sets), RELATIVE * numpy.abs(values(sets)))
        for layer, channel in layers.items():
            want = values(f"{layer}[{channel}] and {sets}")
            self.assert_close(store[f"layers/{layer}/relevance"][:, channel], want,
                              RELATIVE * numpy.abs(store[f"layers/{layer}/relevance"]).sum(1), layer)


class Mistakes(unittest.TestCase):
    def fails(self, expression, *words):
        done = nrmflow("query", RESNET, expression, *IMAGES)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_name_that_the_network_does_not_have_gets_the_nearest(self):
        self.fails("layer2.1.con1[5]", "layer2.1.con1", 'did you mean "layer2.1.conv1"?')

    def test_adds_and_pools_have_no_bias(self):
        self.fails("bias(layer1.0.add)", "layer1.0.add has no bias")
        self.fails("bias(maxpool)", "maxpool has no bias")

    def test_a_condition_in_parallel_branches_is_refused(self):
        done = nrmflow("run", RESNET, "--dry-run", "-o", "none.h5", "--set",
                       "measure.given=layer2.0.conv1[5] and layer2.0.downsample.0[5]")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no walk is in all of these sets", done.stderr)


if __name__ == "__main__":
    unittest.main()
