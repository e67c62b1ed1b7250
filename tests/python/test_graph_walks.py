"""`nrmflow walks` on a network with branches: along cuts, and along any other way."""

import json
import os
import re
import unittest

from support import JOBS, RunCase, nrmflow

RESNET = os.path.join(JOBS, "demo", "resnet.ini")
CUTS = ["conv1", *(f"layer{stage}.{block}.add" for stage in (1, 2, 3, 4) for block in (0, 1))]
PAIRS = ", ".join(f"{lower}-{upper}" for lower, upper in zip(CUTS, CUTS[1:]))
IMAGES = "0:6"
RELATIVE = 1e-4  # of a joint relevance in float32


class Walks(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        settings = {"data.images": IMAGES, "run.block": 6, "measure.given": "input"}
        cls.cuts = cls.run_store("cuts.h5", {**settings, "measure.flows": PAIRS}, config=RESNET)
        cls.edges = cls.run_store("edges.h5", {**settings, "measure.flows": "adjacent"}, config=RESNET)

    def walks(self, store, *options):
        done = nrmflow("walks", store, "--json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def query(self, expression):
        done = nrmflow("query", RESNET, f"{expression} and input given input", "--images", IMAGES, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["mean"]

    def assert_joint(self, store, *layers):
        """With two layers the estimate is the joint relevance itself."""
        for walk in self.walks(store, "--layers", ",".join(layers), "--top", "3")["walks"]:
            want = self.query(walk["expression"])
            self.assertLess(abs(walk["estimate"] - want), RELATIVE * abs(want), walk)

    def test_by_default_walks_pass_the_cuts_from_the_first_to_the_last_convolution_or_add(self):
        answer = self.walks(self.cuts, "--top", "4")
        self.assertEqual(answer["layers"], CUTS[::-1])
        self.assertEqual(self.walks(self.cuts, "--from", "layer2.0.add", "--to", "layer3.1.add")["layers"],
                         ["layer3.1.add", "layer3.0.add", "layer2.1.add", "layer2.0.add"])

    def test_verified_walks_have_the_relevance_of_their_expression(self):
        answer = self.walks(self.cuts, "--top", "3", "--verify", RESNET, "--images", IMAGES)
        for walk in answer["walks"]:
            want = self.query(walk["expression"])
            self.assertLess(abs(walk["relevance"] - want), RELATIVE * abs(want), walk)

    def test_flows_along_the_only_way_are_joint_relevance(self):
        self.assert_joint(self.edges, "layer2.1.conv1", "layer2.1.conv2")
        self.assert_joint(self.edges, "layer1.1.add", "layer2.0.downsample.0")

    def test_flows_of_an_add_s_branch_are_diagonal_joint_relevance(self):
        self.assert_joint(self.edges, "layer2.0.downsample.0", "layer2.0.add")

    def test_a_listed_pair_has_all_walks_between_its_layers(self):
        self.assert_joint(self.cuts, "layer1.0.add", "layer1.1.add")
        self.assert_joint(self.cuts, "conv1", "layer1.0.add")

    def test_walks_take_any_way_that_is_asked_for(self):
        layers = ["layer2.1.conv1", "layer2.0.add", "layer2.0.downsample.0", "layer1.1.add"]
        answer = self.walks(self.edges, "--layers", ",".join(layers), "--top", "2", "--verify", RESNET, "--images", IMAGES)
        self.assertEqual(answer["layers"], layers)
        for walk in answer["walks"]:
            want = self.query(walk["expression"])
            self.assertLess(abs(walk["relevance"] - want), RELATIVE * abs(want), walk)

    def refused(self, *words, options=()):
        done = nrmflow("walks", self.edges, *options)
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_a_flow_along_a_connection_alone_does_not_do_for_all_walks(self):
        self.refused("of all walks, only one along the connection", "measure.flows = ", ", ...",
                     "--layers layer4.1.add,layer4.1.conv2,layer4.1.conv1,layer4.0.add, or")

    def test_the_layers_that_a_refusal_offers_can_be_walked(self):
        message = nrmflow("walks", self.edges).stderr
        offered = re.search(r"--layers (\S+), or", message)[1]
        self.assertGreaterEqual(len(offered.split(",")), 3)
        self.assertEqual(self.walks(self.edges, "--layers", offered)["layers"], offered.split(","))
        self.assertLess(len(message), 600)

    def test_a_flow_that_is_missing_is_named_with_the_run_that_adds_it(self):
        self.refused("no flow layer1.0.conv1-layer2.0.conv1", "measure.flows = layer1.0.conv1-layer2.0.conv1",
                     options=("--layers", "layer1.0.conv1,layer2.0.conv1"))

    def test_layers_without_channels_of_their_own_are_refused(self):
        self.refused('no weighted layer "maxpool"', options=("--from", "maxpool"))


if __name__ == "__main__":
    unittest.main()
