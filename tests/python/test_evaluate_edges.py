"""Evaluation of the edges of links and of permuted networks: against float64 figures, ranks, networks with branches."""

import json
import os
import unittest

import h5py
import numpy
from support import DEMO, RESNET, RunCase, check, nrmflow, sets

with open(os.path.join(os.environ["TEST_DATA"], "evaluation_edges.json"), encoding="utf-8") as REFERENCE_FILE:
    REFERENCE = json.load(REFERENCE_FILE)
INPUT = {"measure.given": "input"}


class Case(RunCase):
    @classmethod
    def evaluate(cls, name, *words, config=DEMO, settings=None, ranks=None):
        """The file of an evaluation, open and sound."""
        output = cls.path(name)
        done = nrmflow("evaluate", config, "--output", output, *words, *sets(settings or {}), ranks=ranks)
        if done.returncode != 0:
            raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
        check(output)
        file = h5py.File(output)
        cls.addClassCleanup(file.close)
        return file


class Flows(Case):
    """Allowed: 5e-3 for the gain of an image, 1e-3 for means (the reference's own precision)."""

    def compare(self, file, orders):
        for order, name in orders.items():
            for layer, want in zip(REFERENCE["flow_layers"], REFERENCE["flow_gain"][name]):
                got = file[f"evaluation/flows/{layer}/{order}/gain"][:, 0]
                self.assert_close(got, want, 5e-3, f"{order} {layer}")
                self.assert_close(got.mean(), numpy.mean(want), 1e-3, f"{order} {layer}")

    def test_gains_are_those_of_the_reference(self):
        file = self.evaluate("flows.h5", "--images", "0:8", "--tests", "flows", "--layers", ",".join(REFERENCE["flow_layers"]),
                             "--orders", "gradient,weight,product,random", settings=INPUT)
        self.compare(file, {"relevance": "epsilon_gamma_box,input", "relevance_none": "epsilon_gamma_box", "gradient": "zero",
                            "weight": "weight_activation"})
        random = numpy.mean([file[f"evaluation/flows/{layer}/random/gain"][:, 0] for layer in REFERENCE["flow_layers"]], 0)
        self.assertLess(abs(random.mean()), 4 * random.std(ddof=1) / 8 ** 0.5)

    def test_gains_of_other_composites_and_of_products_are_those_of_the_reference(self):
        words = "--images", "0:8", "--tests", "flows", "--layers", ",".join(REFERENCE["flow_layers"]), "--orders"
        self.compare(self.evaluate("product.h5", *words, "product", settings={"measure.given": "none"}),
                     {"relevance": "epsilon_gamma_box", "product": "product"})
        self.compare(self.evaluate("plus.h5", *words, "relevance",
                                   settings={"measure.given": "none", "measure.composite": "epsilon_plus"}),
                     {"relevance": "epsilon_plus"})

    def test_a_network_with_branches_is_cut_between_its_ends(self):
        file = self.evaluate("resnet.h5", "--images", "0:4", "--tests", "flows", "--layers",
                             "layer1.0.conv1,layer2.0.conv2,layer2.0.downsample.0", config=RESNET)
        whole = file["images/probability"][:]
        for layer in file["evaluation/flows"]:
            if layer == "all":
                continue
            orders = [file[f"evaluation/flows/{layer}/{order}"] for order in ("relevance", "gradient", "random")]
            for order in orders:
                morf, lerf = order["curve_morf"][:], order["curve_lerf"][:]
                self.assert_close(morf[:, 0, 0], whole, 1e-6, layer)
                self.assertTrue(numpy.array_equal(morf[:, -1], lerf[:, -1]))
                self.assertTrue(numpy.array_equal(morf[:, -1], orders[0]["curve_morf"][:, -1]))
                self.assertFalse(numpy.array_equal(morf[:, 6], lerf[:, 6]))


class Randomised(Case):
    def test_similarities_are_those_of_the_reference(self):
        file = self.evaluate("randomised.h5", "--images", "0:4", "--tests", "randomised", "--layers", "conv1_2,conv3_3,conv5_1",
                             settings={"measure.given": "none"})
        for order, composite in {"relevance": "epsilon_gamma_box", "gradient": "zero"}.items():
            for view, want in REFERENCE["randomised"][composite].items():
                got = numpy.stack([file[f"evaluation/randomised/{stage}:{view}/{order}/similarity"][:]
                                   for stage in REFERENCE["randomised_stages"]])
                self.assert_close(abs(got[:, :, 0]), want["cosine"], 2e-3, f"cosine {order} {view}")
                self.assert_close(got[:, :, 2], want["spearman"], 2e-3, f"Spearman {order} {view}")


class Ranks(Case):
    def test_figures_do_not_depend_on_the_number_of_ranks(self):
        words = "--images", "0:5", "--tests", "flows,randomised", "--layers", "conv4_3,fc6", "--restart"
        files = [self.evaluate(f"{ranks}.h5", *words, ranks=ranks).filename for ranks in (1, 2, 3)]
        for other in files[1:]:
            self.assert_same_stores(other, files[0], but=("ranks", "nodes", "command", "started", "ended", "seconds"))


class Mistakes(Case):
    def test_layers_without_edges_are_refused(self):
        done = nrmflow("evaluate", RESNET, "--output", self.path("no.h5"), "--tests", "flows", "--layers", "layer1.0.add")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--layers", done.stderr)
        self.assertIn("convolution", done.stderr)


if __name__ == "__main__":
    unittest.main()
