"""What stores say of a network, tested on other images: files, ranks, networks with branches, mistakes, pruning."""

import json
import os
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy
from evaluations import Stores, has_page
from kills import ranks_of
from support import DEMO, MPIRUN, NRMFLOW, RESNET, SANITIZED, TINY, check, nrmflow, sets, sized, wait_for

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
        numbers = sized((1, 2, 3), sanitized=(1, 2))
        paths = [self.path(f"ranks{ranks}.h5") for ranks in numbers]
        printed = [self.answers(*arguments, "--output", path, ranks=ranks) for ranks, path in zip(numbers, paths)]
        for got, path in zip(printed[1:], paths[1:]):
            self.assertEqual(got, printed[0])
            self.assert_same_stores(path, paths[0])
        self.check_file(paths[0], printed[0])

    WORDS = ("--rates", "0.2:0.4:0.2", "--own", "3", "--images", "101:125")

    def start(self, output, store, *words):
        """A process of two ranks that saves after all answers."""
        return subprocess.Popen([MPIRUN, "-n", "2", NRMFLOW, "evaluate", DEMO, "--output", output, "--circuit", store,
                                 "--prune", store, *self.WORDS, *sets({"run.epoch": "0"}), *words],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def test_a_killed_evaluation_goes_on_with_a_moved_store_and_has_the_same_bits(self):
        whole, output, moved = self.path("whole.h5"), self.path("killed.h5"), self.path("moved.h5")
        arguments = "--circuit", self.store, "--prune", self.store, *self.WORDS, "--set", "run.epoch=0"
        printed = self.answers(*arguments, "--output", whole)
        process = self.start(output, self.store)
        wait_for(lambda: os.path.exists(output), process)
        for rank in ranks_of(process):
            os.kill(rank, signal.SIGKILL)
        process.communicate()
        check(output)
        with h5py.File(output) as file:
            self.assertEqual((file.attrs["complete"], file.attrs["finished"]), (0, 24))
            known = len(file["state/answers"])
        self.assertGreaterEqual(known, 24)
        self.assertIn("other settings", self.refused(*arguments, "--seed", "7", "--output", output))
        shutil.copy(self.store, moved)
        arguments = "--circuit", moved, "--prune", moved, *self.WORDS, "--set", "run.epoch=0"
        done = nrmflow("evaluate", DEMO, *arguments, "--json", "--output", output)
        self.assertIn(f"answers={known}", done.stderr)
        self.assertEqual(json.loads(done.stdout), printed)
        self.assert_same_stores(output, whole)
        self.assertFalse(os.path.exists(output + ".parts"))
        again = nrmflow("evaluate", DEMO, *arguments, "--output", output)
        self.assertEqual((again.returncode, again.stdout), (0, ""))
        self.assertIn("--restart", again.stderr)
        self.assertIn("other settings", self.refused("--circuit", self.zero, "--prune", moved, *arguments[4:], "--output", output))

    def test_a_signal_stops_after_the_answers_at_hand(self):
        output = self.path("stopped.h5")
        process = self.start(output, self.store)
        wait_for(lambda: os.path.exists(output), process)
        for rank in ranks_of(process):
            os.kill(rank, signal.SIGUSR1)
        self.assertIn("stopped early", process.communicate()[1])
        self.assertEqual(process.returncode, 75)
        arguments = "--circuit", self.store, "--prune", self.store, *self.WORDS, "--set", "run.epoch=0", "--output", output
        with h5py.File(output, "r+") as file:
            file["state/answers"][2, -2] = 1000  # the target
        message = self.refused(*arguments)
        self.assertIn("stopped.h5: /state/answers: row 2 is no answer of a network of 10 classes", message)
        self.assertIn("--restart", message)

    def test_a_dry_run_says_the_cost_and_writes_nothing(self):
        output = self.path("dry.h5")
        arguments = "--circuit", self.store, "--prune", self.store, "--rates", "0.2:0.4:0.1", "--own", "4", "--output", output
        costs = [self.answers(*arguments, "--images", images, "--dry-run", ranks=2) for images in ("101:117", "101:917")]
        self.assertFalse(os.path.exists(output))
        for few, many, networks in zip(costs[0].values(), costs[1].values(), (5 * 9, 3 * 3)):
            self.assertEqual((few["images"], many["images"], many["ranks"], many["networks"]), (16, 816, 2, networks))
            asked = (networks + 1) * 51 * 8 * many["seconds_per_image"]  # 51 batches of 8 images on each rank
            changed, own = networks * many["seconds_per_network"], 2 * many["seconds_per_own_image"]
            self.assert_close(many["seconds"], asked + changed + own, 1e-9 * many["seconds"])
            self.assertGreater(asked, 0)
        self.assertGreater(costs[0]["circuit"]["seconds_per_own_image"], 0)
        self.assertIn("was made of images", self.refused("--circuit", self.store, "--images", "0:9", "--dry-run"))

    @unittest.skipUnless(has_page(), "this nrmflow has no page")
    def test_a_report_has_the_answers_and_their_errors(self):
        file = self.path("reported.h5")
        printed = self.answers("--circuit", self.store, "--prune", self.store, "--rates", "0.2:0.4:0.2", "--images", "101:113",
                               "--output", file)
        found, = self.reported(self.store, file)
        self.assertEqual((found["file"], found["images"], found["ok"]), ("reported.h5", 12, 12))
        self.assertEqual(found["verdicts"], printed["circuit"]["verdicts"] + printed["prune"]["verdicts"])
        results = {(result["test"], result["order"]): result for result in found["results"]}
        for part in ("circuit", "prune"):
            for order in [{**printed[part]["whole"], "order": "whole"}, *printed[part]["orders"]]:
                answers = results.pop((part, order["order"]))["answers"]
                for name in ("accuracy", "agreement", "p", "margin"):
                    self.assert_close(answers[name]["values"], order[name], 1e-8, f"{part} {order['order']} {name}")
                    self.assert_close(answers[name]["errors"], order[f"{name}_error"], 1e-8)
                difference = order.get("first_less_this")
                self.assertEqual(answers["difference"]["values"] is None, difference is None)
                if difference:
                    self.assert_close(answers["difference"]["errors"], difference["accuracy_error"], 1e-8)
        self.assertEqual(results, {})

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
            said = []
            for order in others:
                less = order["first_less_this"]
                clear = [value for value, error in zip(less["accuracy"], less["accuracy_error"]) if abs(value) > 3 * error]
                if clear and order["order"] != "own":  # of three images
                    names = first["order"], order["order"]
                    said.append("{} is better than {},".format(*names[::1 if max(clear, key=abs) > 0 else -1]))
            self.assertEqual(len(printed[part]["verdicts"]), len(said))
            for want, sentence in zip(said, printed[part]["verdicts"]):
                self.assertIn(want, sentence)
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
        for rates in ("0:0.5:inf", "0:0.5:0.6"):
            self.assertIn("at most 0.5", self.refused("--prune", self.store, "--rates", rates))

    def test_options_that_would_do_nothing_are_refused(self):
        both = ("--circuit", self.store, "--prune", self.store)
        for words, message in (((*both, "--layers", "fc6"), "--layers says nothing of --circuit and --prune"),
                               ((*both, "--sample", "16"), "--sample says nothing"),
                               ((*both[:2], "--rates", "0:1:0.5"), "--rates says nothing of --circuit;"),
                               ((*both[2:], "--own", "2"), "--own says nothing of --prune;"),
                               (("--output", "no.h5", "--class", "3"), "--class needs --circuit or --prune")):
            self.assertIn(message, self.refused(*words))

    def test_the_seed_draws_the_random_order(self):
        words = ("--prune", self.store, "--rates", "0.1:0.2:0.1", "--images", "100:116")
        p = [self.answers(*words, "--seed", seed)["prune"]["orders"][2]["p"] for seed in ("1", "2")]
        self.assertNotEqual(*p)

    def test_stores_of_one_file_name_have_figures_of_their_own(self):
        paths = [os.path.join(self.path(folder), "run.h5") for folder in ("a", "b")]
        for path, store in zip(paths, (self.zero, self.store)):
            os.mkdir(os.path.dirname(path))
            shutil.copy(store, path)
        output = self.path("alike.h5")
        got = self.answers("--circuit", self.store, "--circuit", paths[0], "--circuit", paths[1], "--images", "100:104",
                           "--output", output)["circuit"]["orders"]
        self.assertEqual([order["order"] for order in got[:3]], ["flow", "flow of store 2 run.h5", "flow of store 3 run.h5"])
        self.assertEqual(got[2]["p"], got[0]["p"])
        self.assertNotEqual(got[1]["p"], got[0]["p"])
        check(output)

    def test_a_store_without_an_orders_figures_is_refused_before_the_work(self):
        some = self.run_store("some.h5", {**self.FLOWS, "store.layers": "fc6, fc7", "store.per_image": "none"})
        self.assertIn("some.h5 has no mean of", self.refused("--circuit", some, "--images", "100:104"))
        none = self.run_store("flowless.h5", {"data.images": "0:8", "measure.flows": "none"})
        self.assertIn("flowless.h5 has no flows of conv1_1; run again with measure.flows = dense",
                      self.refused("--circuit", self.store, "--circuit", none, "--images", "100:104"))


@unittest.skipIf(SANITIZED, "numbers, of code that Circuits runs, too")
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
