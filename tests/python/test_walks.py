"""nrmflow walks: channel walks found in a store's flows, and their exact joint relevance."""

import json
import os
import shutil
import unittest

import h5py
import numpy
from support import DEMO, TINY, RunCase, Store, nrmflow, smooth_image

COUNT = 12
FLOAT32 = 1e-5  # two orders of the same float32 sums, relative to the largest number


def ini(path, composite, given):
    with open(path, "w") as file:
        print(f"[data]\npath = images.h5\n[model]\nweights = {TINY}\n[measure]\ncomposite = {composite}\n"
              f"given = {given}\nflows = dense, conv1_1-conv4_1, input-conv2_1:3\n[store]\nclass_flows = all", file=file)


class Walks(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(8)
        with h5py.File(cls.path("images.h5"), "w") as file:
            file["data"] = numpy.array([smooth_image(generator, 40, 36) for _ in range(COUNT)])
        cls.stores = {}
        for name, composite, given in (("box", "epsilon_gamma_box", "input"), ("plain", "epsilon_plus", "none"),
                                       ("zplus", "zplus", "input"), ("sets", "zplus", "conv2_1[0:5] and conv4_1[3:30]")):
            ini(cls.path(name + ".ini"), composite, given)
            cls.stores[name] = Store(cls.run_store(name + ".h5", {}, config=cls.path(name + ".ini")))

    def walks(self, name, *arguments, verify=True, ranks=None):
        verification = ["--verify", self.path(name + ".ini")] if verify else []
        done = nrmflow("walks", self.path(name + ".h5"), *arguments, *verification, "--json", ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_walks_of_two_layers_are_entries_of_their_flow(self):
        for name, store in self.stores.items():
            for pair in ("conv3_1-conv3_2", "conv1_1-conv4_1", "fc6-fc7", "input-conv1_1"):
                flow = store.flow(pair)
                got = self.walks(name, "--layers", pair.replace("-", ","), "--top", "30")
                for walk in got["walks"]:
                    want = flow["mean"][tuple(walk["channels"])]
                    self.assert_close(walk["estimate"], want, 0)
                    self.assert_close(walk["relevance"], want, FLOAT32 * abs(flow["mean"]).max(), f"{name} {pair}")
                    self.assert_close(walk["std_error"], flow["std_error"][tuple(walk["channels"])],
                                      1e-3 * abs(flow["std_error"]).max(), f"{name} {pair}")
                entries = -numpy.sort(-abs(flow["mean"].ravel()))[:len(got["walks"])]
                self.assert_close([abs(walk["relevance"]) for walk in got["walks"]], entries, FLOAT32 * entries[0])

    def test_walks_of_a_class_are_entries_of_its_flow(self):
        store = self.stores["box"]
        chosen = int(store["classes/count"].argmax())
        got = self.walks("box", "--layers", "conv3_1,conv3_2", "--class", str(chosen), "--top", "10")
        self.assertEqual(got["images"], store["classes/count"][chosen])
        flow = store.flow("conv3_1-conv3_2")["class_mean"][chosen]
        for walk in got["walks"]:
            self.assert_close(walk["relevance"], flow[tuple(walk["channels"])], FLOAT32 * abs(flow).max())

    def test_verified_walks_are_what_query_says(self):
        for name, given in (("box", " given input"), ("plain", ""), ("sets", " given conv2_1[0:5] and conv4_1[3:30]")):
            got = self.walks(name, "--from", "conv1_1", "--to", "conv3_1", "--top", "2")
            scale = abs(self.stores[name].flow("conv2_1-conv3_1")["mean"]).max()
            for walk in got["walks"]:
                done = nrmflow("query", self.path(name + ".ini"), walk["expression"] + given, "--json")
                answer = json.loads(done.stdout)
                self.assert_close(walk["relevance"], answer["mean"], FLOAT32 * scale, walk["expression"])
                self.assert_close(walk["std_error"], answer["std_error"], FLOAT32 * scale, walk["expression"])

    def test_strongest_walks_without_signs_are_known_to_be_the_strongest(self):
        """Against all walks: where the bound says that none is stronger, none is."""
        every = self.walks("zplus", "--from", "input", "--to", "conv2_1", "--top", "96")
        self.assertEqual((every["certain"], every["bound_of_others"]), (len(every["walks"]), 0))
        self.assert_close(sum(walk["relevance"] for walk in every["walks"]), 1, 1e-4)
        strengths = [walk["relevance"] for walk in every["walks"]]
        self.assertEqual(strengths, sorted(strengths, reverse=True))
        some = self.walks("zplus", "--from", "input", "--to", "conv2_1", "--top", "6", "--candidates", "25")
        self.assertGreaterEqual(some["certain"], 1)
        for walk in every["walks"]:
            self.assertLessEqual(walk["relevance"], walk["smallest_flow"] * (1 + FLOAT32))
        for got, want in list(zip(some["walks"], every["walks"]))[:some["certain"]]:
            self.assertEqual(got["channels"], want["channels"])

    def test_signs_and_other_images_have_no_bound(self):
        signed = self.walks("box", "--from", "conv3_1", "--to", "conv4_1", "--top", "3")
        some = self.walks("zplus", "--from", "conv3_1", "--to", "conv4_1", "--top", "3", "--images", "0:6")
        rows = self.walks("zplus", "--layers", "input,conv2_1", "--top", "3")
        for got in (signed, some, rows):
            self.assertEqual((got["bound_of_others"], got["certain"]), (None, 0))
        self.assertEqual(some["images"], 6)

    def test_ranks_do_not_change_bits(self):
        arguments = ["box", "--from", "conv2_1", "--to", "conv4_2", "--top", "5"]
        self.assertEqual(self.walks(*arguments), self.walks(*arguments, ranks=2))

    def test_text_says_that_the_search_is_a_heuristic(self):
        done = nrmflow("walks", self.path("box.h5"), "--top", "3")
        self.assertIn("heuristic", done.stdout)
        self.assertIn("conv5_2[", done.stdout)
        done = nrmflow("walks", self.path("zplus.h5"), "--from", "input", "--to", "conv2_1", "--top", "96", "--verify",
                       self.path("zplus.ini"))
        self.assertIn("No other walk is stronger", done.stdout)

    def test_what_is_wrong_is_said(self):
        box = self.path("box.ini")
        cases = ((["--from", "conv9_1"], 1, 'no weighted layer "conv9_1"; did you mean'),
                 (["--from", "pool2"], 1, 'no weighted layer "pool2"'),
                 (["--layers", "conv1_1,conv5_1"], 1, "no flow conv1_1-conv5_1; walk through layers that it has flows of"),
                 (["--from", "conv4_1", "--to", "conv2_1"], 1, "two layers at least"),
                 (["--class", "9"], 1, 'no class "9"'),
                 (["--top", "0"], 2, "must be a whole number from 1"),
                 (["--images", "0:4"], 2, "need --verify"),
                 (["--verify", DEMO], 1, "other weights"),
                 (["--verify", box, "--set", "measure.composite=zplus"], 1,
                  'measure.composite is "zplus" here, but "epsilon_gamma_box" in the store'),
                 (["--verify", box, "--set", "measure.rule.conv3_1=flat"], 1,
                  'measure.rule.conv3_1 is "flat" here, but "not set" in the store'))
        for arguments, status, message in cases:
            done = nrmflow("walks", self.path("box.h5"), *arguments)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(message, done.stderr)

    def test_store_of_another_network_is_no_crash(self):
        """Layers of other widths than the model's, under the model's checksum."""
        shutil.copy(self.path("box.h5"), self.path("bad.h5"))
        with h5py.File(self.path("bad.h5"), "r+", libver="v110") as bad:
            flow = numpy.asarray(bad["flows/conv3_1-conv3_2/mean"])
            del bad["flows/conv3_1-conv3_2/mean"]
            bad["flows/conv3_1-conv3_2/mean"] = numpy.tile(flow, (1, 40))
        done = nrmflow("walks", self.path("bad.h5"), "--layers", "conv3_1,conv3_2", "--verify", self.path("box.ini"))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("layer conv3_1 is not that of the network", done.stderr)
        os.remove(self.path("bad.h5"))


if __name__ == "__main__":
    unittest.main()
