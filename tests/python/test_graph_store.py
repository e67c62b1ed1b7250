"""Stores of a network with branches, the demo's ResNet: their numbers against the float64 reference, their bits, and what `check`
notices in them."""

import json
import os
import shutil
import signal
import unittest

import h5py
import numpy

from kills import ranks_of, rest_of
from support import RESNET, RunCase, Store, finished, nrmflow, run, start, wait_for

REFERENCE = os.path.join(os.environ["TEST_DATA"], "graph_reference.h5")
CASES = ("epsilon_gamma_box", "epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "zero")
FAR = ("layer1.1.add-layer2.1.add", "layer2.1.conv1-layer3.0.add", "layer4.1.add-fc")  # of the reference's pairs
SKIP = "maxpool-layer1.0.add"  # the reference's is of all walks between the two, the store's of the skip alone
ALL = {"store.layers": "all", "store.per_image": "all", "store.classes": "none"}
SETTINGS = {"data.images": "0:12", "run.block": 4, "store.per_image": "all", "store.maps": "layer2.0.add",  # three blocks
            "store.class_flows": "5,7", "store.top": 4, "store.compression": 0,
            "measure.flows": "adjacent, layer1.1.add-layer2.1.conv1, layer2.0.conv1-layer3.0.conv1:4",
            "measure.query.branches": "layer2.0.conv1[5] and layer2.0.add[3:9]"}


class GraphCase(RunCase):
    @classmethod
    def run_store(cls, name, settings, **options):
        return super().run_store(name, settings, config=RESNET, **options)

    def assert_relative(self, got, want, message):
        """Within 1e-4 of the array's largest."""
        self.assert_close(got, want, 1e-4 * numpy.abs(want).max(), message)


class Numbers(GraphCase):
    def test_channels_and_ledger(self):
        with h5py.File(REFERENCE) as reference:
            for composite in CASES:
                store = Store(self.run_store("plain.h5", {**ALL, "data.images": "0:2", "measure.composite": composite,
                                                          "measure.given": "none", "measure.flows": "none"},
                                             options=["--restart"]))
                names = [name.decode() for name in reference["variables"]]
                self.assertEqual(store.variables(), names)
                for image in (0, 1):
                    want = reference[f"{composite},winner/{image}"]
                    self.assertEqual(store["images/target"][image], want.attrs["target"])
                    for name in names:
                        self.assert_relative(store.layer(name)["relevance"][image], want[f"channel/{name}"][()],
                                             f"{composite} {image} {name}")
                    for column, term in enumerate(("mass", "bypass", "bias", "absorbed", "variation")):
                        self.assert_close(store[f"images/{term}"][image], want["ledger"][:, column],
                                          1e-4 * want["ledger"][:, 4].max(), f"{composite} {image} {term}")

    def test_channels_of_walks_that_start_at_a_pixel(self):
        with h5py.File(REFERENCE) as reference:
            for composite in CASES:
                store = Store(self.run_store("given.h5", {**ALL, "data.images": "0:2", "measure.composite": composite,
                                                          "measure.given": "input", "measure.flows": "none"},
                                             options=["--restart"]))
                for image in (0, 1):
                    want = reference[f"{composite},winner/{image}/given/channel"]
                    for name in want:
                        self.assert_relative(store.layer(name)["relevance"][image], want[name][()],
                                             f"{composite} {image} {name}")

    def test_flows_and_what_goes_around(self):
        with h5py.File(REFERENCE) as reference:
            for image in (0, 1):
                store = Store(self.run_store("flows.h5", {**ALL, "data.images": f"{image}:{image + 1}", "measure.given": "none",
                                                          "measure.flows": ", ".join(("dense",) + FAR)},
                                             options=["--restart"]))
                joints = reference[f"epsilon_gamma_box,winner/{image}/joint"]
                for name in set(joints) - {SKIP}:
                    flow, want = store.flow(name), joints[name][()]
                    if "diagonal_mean" in flow:
                        self.assertEqual(flow["diagonal_lower"].tolist(), list(range(len(want))))
                        self.assert_relative(flow["diagonal_mean"], numpy.diag(want), name)
                    else:
                        self.assert_relative(flow["mean"], want, name)
                    lost = flow["lost"] if name in FAR else flow["to_bias"] + flow["absorbed"]
                    if "diagonal_mean" not in flow:  # of an add, `lost` is what the other branch takes, too
                        self.assert_close(lost, joints[name].attrs["lost"], 1e-4 * numpy.abs(want).sum(1).max(), name)
                    if "around" in flow:
                        self.assert_close(flow["around"], joints[name].attrs["around"], 1e-4 * numpy.abs(want).sum(0).max(), name)

    def test_sets_in_branches(self):
        with h5py.File(REFERENCE) as reference:
            expressions = list(reference["epsilon_gamma_box,winner/0/set"])
            queries = {f"measure.query.q{i}": text for i, text in enumerate(expressions)}
            store = Store(self.run_store("sets.h5", {"data.images": "0:2", "measure.given": "none", "measure.flows": "none",
                                                     "store.classes": "none", **queries}))
            for image in (0, 1):
                want = reference[f"epsilon_gamma_box,winner/{image}/set"]
                for i, text in enumerate(expressions):
                    self.assert_close(store[f"queries/q{i}/value"][image], want[text][()], 1e-6, text)


class Bits(GraphCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.run_store("one.h5", SETTINGS)

    def test_two_to_four_ranks(self):
        for ranks in (2, 3, 4):
            self.assert_same_stores(self.run_store(f"{ranks}.h5", SETTINGS, ranks=ranks), self.one)

    def test_a_kill_and_a_continuation(self):
        store, settings = self.path("killed.h5"), {**SETTINGS, "run.epoch": 0}
        process = start(store, settings, 2, config=RESNET)
        wait_for(lambda: finished(store) > 0, process)
        for rank in ranks_of(process):  # not mpirun, whose end the ranks would notice only after a while
            os.kill(rank, signal.SIGKILL)
        rest_of(process)
        done = run(store, settings, config=RESNET, ranks=3)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_stores(store, self.one, but=["config"])

    def test_shards_merge(self):
        shards = [self.run_store(f"shard{k}.h5", {**SETTINGS, "data.shard": f"{k}/2"}) for k in (1, 2)]
        merged = self.path("merged.h5")
        done = nrmflow("merge", "--output", merged, *shards)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_stores(merged, self.one)

    def test_layers_that_are_left_out_change_nothing_else(self):
        few = Store(self.run_store("few.h5", {**SETTINGS, "store.layers": "input, layer2.0.add, layer2.0.conv1",
                                              "store.per_image": "layer2.0.conv1"}))
        one = Store(self.one)
        self.assertEqual(sorted(few.children("layers")), ["input", "layer2.0.add", "layer2.0.conv1"])
        for name in few.names():
            self.assertEqual(few[name].tobytes(), one[name].tobytes(), name)


class Laws(GraphCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sound = cls.run_store("sound.h5", {"data.images": "0:12", "store.layers": "all", "measure.given": "input",
                                               "measure.flows": "dense"})

    def problems(self, change):
        path = self.path("broken.h5")
        shutil.copy(self.sound, path)
        with h5py.File(path, "r+") as file:
            change(file)
        places = {}
        for problem in json.loads(nrmflow("check", path, "--json").stdout)["problems"]:
            places[problem["place"]] = f"{places.get(problem['place'], '')}{problem['what']}\n"
        return places

    def assert_broken(self, place, part, change):
        problems = self.problems(change)
        self.assertIn(part, problems.get(place, ""), problems)

    def test_a_sound_store(self):
        self.assertEqual(self.problems(lambda file: None), {})

    def add(self, dataset, index, value):
        def change(file):
            file[dataset][index] += value
        return change

    def test_bypass_belongs_to_the_ledger(self):
        branch = Store(self.sound).variables().index("layer2.0.conv1")
        self.assert_broken("/images/mass", "mass + bypass", self.add("images/bypass", (3, branch), 0.01))

    def test_nothing_bypasses_a_cut(self):
        cut = Store(self.sound).variables().index("layer2.0.add")
        self.assert_broken("/images/bypass", "is not zero at a cut", self.add("images/bypass", (3, cut), 1e-9))

    def test_cuts_sum_to_one(self):
        def change(file):
            for name in ("mean", "mean_positive"):
                file[f"layers/layer2.0.add/{name}"][3] += 0.5
        self.assert_broken("/layers/layer2.0.add/mean", "sums to", change)

    def test_the_branches_of_an_add_are_its_relevance(self):
        self.assert_broken("/layers/layer2.0.add/mean", "is not the sum of all flows from below",
                           self.add("flows/layer2.0.downsample.0-layer2.0.add/diagonal_mean", 4, 0.5))

    def test_the_readers_of_a_layer_are_its_relevance(self):
        self.assert_broken("/layers/layer2.0.add/mean", "is not the sum of all flows to the layers that read it",
                           self.add("flows/layer2.0.add-layer2.1.conv1/mean", (4, 5), 0.5))

    def test_what_the_layers_say_is_the_network(self):
        def change(file):
            file["layers/layer2.0.add"].attrs["cut"] = 0
        self.assert_broken("/layers/layer2.0.add", "cut and kind", change)

    def test_a_damaged_network_is_noticed(self):
        self.assert_broken("/", "/network is damaged", self.add("network/edges/reads", 5, 400))

    def test_bypass_is_there(self):
        def change(file):
            del file["images/bypass"]
        self.assertIn("cannot be read", " ".join(self.problems(change).values()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
