"""What stores say of a network, tested on other images: files, ranks, networks with branches, mistakes, pruning."""

import json
import os
import unittest

import h5py
import numpy
from evaluations import Stores
from support import RESNET, TINY, check

with open(os.path.join(os.environ["TEST_DATA"], "evaluation_edges.json"), encoding="utf-8") as REFERENCE_FILE:
    REFERENCE = json.load(REFERENCE_FILE)


class Circuits(Stores):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("flows.h5", cls.FLOWS)
        cls.zero = cls.run_store("zero.h5", {**cls.FLOWS, "measure.composite": "zero"})

    def test_figures_do_not_depend_on_the_number_of_ranks(self):
        arguments = "--circuit", self.store, "--prune", self.store, "--rates", "0.2:0.4:0.2", "--own", "3", "--images", "101:125"
        paths = [self.path(f"ranks{ranks}.h5") for ranks in (1, 2, 3)]
        printed = [self.answers(*arguments, "--output", path, ranks=ranks) for ranks, path in zip((1, 2, 3), paths)]
        for got, path in zip(printed[1:], paths[1:]):
            self.assertEqual(got, printed[0])
            self.assert_same_stores(path, paths[0])
        self.check_file(paths[0], printed[0])

    def check_file(self, path, printed):
        check(path)
        with h5py.File(path) as file:
            self.assertEqual((file["images/predicted"][:] == file["images/label"][:]).mean(),
                             printed["circuit"]["whole"]["accuracy"][0])
            for part, place, kept in (("circuit", "edges", True), ("prune", "convolutions", False)):
                shares = numpy.array(printed[part]["shares"])
                for order in printed[part]["orders"]:
                    group = file[f"evaluation/{part}/{place}/{order['order'].replace(' ', '_')}"]
                    self.assert_close(group["fraction"][:], 1 - shares if kept else shares, 1e-12)
                    self.assert_close(group["accuracy"][:], order["accuracy"], 0)
                    self.assert_close(group["outcome_error"][:, 0], order["p_error"], 0)
                    self.assert_close(group["accuracy_difference"][:], order["first_less_this"]["accuracy"], 0)
            self.assertEqual(file["evaluation"].attrs["verdicts"].decode(),
                             "\n".join(printed["circuit"]["verdicts"] + printed["prune"]["verdicts"]))
        for part in ("circuit", "prune"):
            first, *others = printed[part]["orders"]
            said = [order["order"] for order in others if any(
                abs(value) > 3 * error for value, error in zip(order["first_less_this"]["accuracy"],
                                                               order["first_less_this"]["accuracy_error"]))]
            self.assertEqual(len(printed[part]["verdicts"]), len(said))
            for order, sentence in zip(said, printed[part]["verdicts"]):
                self.assertRegex(sentence, rf"{first['order']} is better than {order},|{order} is better than {first['order']},")
        self.assertIn("--restart", self.refused("--circuit", self.store, "--images", "101:110", "--output", path))
        self.assertIn("no evaluation", self.refused("--circuit", self.store, "--images", "101:110", "--restart", "--output",
                                                    self.zero))

    def test_edges_of_a_network_with_branches_are_those_of_its_weights(self):
        store = self.run_store("resnet.h5", {"data.images": "0:8", "measure.flows": "dense"}, config=RESNET)
        got = self.answers("--circuit", store, "--images", "100:104", config=RESNET)["circuit"]
        with h5py.File(store) as file:
            matrices = [flow["mean"].shape for flow in file["flows"].values() if "mean" in flow]  # the others are diagonal
            kinds = file["network/links/kind"].asstr()[:]
        self.assertEqual(got["edges"], sum(upper * lower for upper, lower in matrices))
        self.assertEqual((got["links"], got["whole_links"]), (sum((kinds == "convolution") | (kinds == "dense")), 0))
        p = numpy.array([order["p"] for order in got["orders"]])
        self.assertTrue(((p > 0) & (p < 1)).all())
        self.assertFalse(numpy.array_equal(p[0], p[1]))

    def test_stores_that_do_not_fit_are_refused_with_what_to_do(self):
        self.assertIn("--images", self.refused("--circuit", self.store, "--images", "60:80"))
        self.assertIn("was made of images 0 to 63", self.refused("--prune", self.store))
        none = self.run_store("none.h5", {"data.images": "0:8", "measure.flows": "none"})
        self.assertIn("measure.flows", self.refused("--circuit", none, "--images", "100:108"))
        self.assertIn("model", self.refused("--circuit", self.store, "--images", "100:108", "--set", f"model.weights={TINY}",
                                            "--set", "data.mean=", "--set", "data.std="))
        self.assertIn("mean and absolute", self.refused("--prune", self.store, "--by", "most"))
        self.assertIn("0:0.5:0.05", self.refused("--prune", self.store, "--rates", "0.5"))


class Prune(Stores):
    """Reference: prune of the figures for evaluations in float64 (images 0 to 511, scores of 5000 to 5511)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("means.h5", {"data.images": "5000:5512", "measure.given": "none", "measure.flows": "none"})

    def prune(self, *arguments):
        got = self.answers("--prune", self.store, "--images", "0:512", "--rates", "0.1:0.5:0.2", *arguments)["prune"]
        self.assertEqual(got["channels"], 1056)
        return {order["order"]: order["accuracy"] for order in got["orders"]}

    def test_accuracies_are_those_of_the_reference(self):
        want = {name: [values[round(rate, 2)] for rate in (0.1, 0.3, 0.5)] for name, values in
                ((name, dict(zip(REFERENCE["prune_rate"], values))) for name, values in REFERENCE["prune"].items())}
        got = self.prune()
        self.assert_close(got["store"], want["mean"], 1.01 / 512)
        self.assert_close(got["weight"], want["weight,unit_layers"], 1.01 / 512)
        got = self.prune("--by", "absolute", "--unit-layers")
        self.assert_close(got["store"], want["mean_absolute,unit_layers"], 1.01 / 512)


if __name__ == "__main__":
    unittest.main()
