"""`nrmflow evaluate`: ranks, continuation, graphs, mistakes."""

import json
import os
import shutil
import signal
import subprocess
import unittest

import h5py
import numpy

from evaluations import Case, has_page
from kills import ranks_of, rest_of
from support import DEMO, MPIRUN, NRMFLOW, RESNET, check, nrmflow, sets, sized, wait_for


class Ranks(Case):
    WORDS = ("--images", "3:10", "--layers", "conv4_3,fc6", "--steps", "2", "--sample", "2", "--replace", "mean")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one, cls.text = cls.evaluate("1.h5", *cls.WORDS)

    def test_ranks_change_no_bit(self):
        for ranks in sized((2, 3), sanitized=(3,)):
            self.assert_same_stores(self.evaluate(f"{ranks}.h5", *self.WORDS, ranks=ranks)[0], self.one)

    def test_a_killed_evaluation_goes_on_and_has_the_same_bits(self):
        output, slow = self.path("killed.h5"), {"run.epoch": "0"}
        process = subprocess.Popen([MPIRUN, "-n", "2", NRMFLOW, "evaluate", DEMO, "--output", output, *self.WORDS,
                                    *sets(slow)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(output), process)
        for rank in ranks_of(process):  # not mpirun, whose end the ranks would notice only after a while
            os.kill(rank, signal.SIGKILL)
        rest_of(process)
        check(output)
        with h5py.File(output) as file:
            self.assertEqual(file.attrs["complete"], 0)
            self.assertLess(file.attrs["finished"], 7)
        self.evaluate("killed.h5", *self.WORDS, settings=slow)
        self.assert_same_stores(output, self.one, but=("config",))

    def test_a_stop_in_the_test_of_all_images_leaves_the_rows_of_the_others(self):
        words = ("--images", "0:4", "--tests", "targets,randomised", "--layers", "fc6")
        want, _ = self.evaluate("randomised.h5", *words)
        output = self.path("stopped.h5")
        process = subprocess.Popen([NRMFLOW, "evaluate", DEMO, "--output", output, *words], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        wait_for(lambda: os.path.exists(output), process)  # saved once, before the networks are permuted
        process.send_signal(signal.SIGTERM)
        self.assertIn("stopped early", process.communicate()[1])
        with h5py.File(output) as file:
            self.assertEqual((file.attrs["complete"], file.attrs["finished"]), (0, 4))
        self.evaluate("stopped.h5", *words)
        self.assert_same_stores(output, want)

    def test_check_finds_figures_that_were_changed(self):
        for order, name, half in (("relevance", "gain", 0), ("relevance", "gain_mean", 0), ("relevance", "gain_error", 2),
                                  ("random", "gain_difference", 1), ("gradient", "gain_difference_error", 0)):
            copy, path = self.path("changed.h5"), f"evaluation/channels/fc6/{order}/{name}"
            shutil.copy(self.one, copy)
            with h5py.File(copy, "r+") as file:
                file[path][half, 0] += 1e-6
            done = nrmflow("check", copy)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"/{path}", done.stdout)

    def test_two_evaluations_do_not_write_one_file(self):
        output = self.path("locked.h5")
        process = subprocess.Popen([NRMFLOW, "evaluate", DEMO, "--output", output, "--images", "0:400"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(f"{output}.parts/lock"), process)
        done = nrmflow("evaluate", DEMO, "--output", output, "--images", "0:400")
        process.kill()
        process.wait()
        self.assertEqual(done.returncode, 1)
        self.assertIn("locked.h5", done.stderr)
        self.assertFalse(os.path.exists(f"{self.one}.parts"))

    def test_a_complete_evaluation_is_printed_again(self):
        before = os.stat(self.one).st_mtime_ns
        self.assertEqual(self.evaluate("1.h5", *self.WORDS)[1], self.text)
        self.assertEqual(os.stat(self.one).st_mtime_ns, before)


class Report(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file, cls.text = cls.evaluate("eval.h5", "--images", "0:6", "--steps", "4", "--sample", "2", "--layers",
                                          "conv5_3,fc6", "--json")
        cls.store = cls.run_store("store.h5", {"data.images": "0:4", "measure.flows": "none"})

    @unittest.skipUnless(has_page(), "this nrmflow has no page")
    def test_a_report_has_the_verdicts_the_figures_and_the_curves(self):
        found, = self.reported(self.store, self.file)
        self.assertEqual((found["file"], found["complete"], found["images"], found["ok"]), ("eval.h5", True, 6, 6))
        self.assertEqual(found["verdicts"], json.loads(self.text)["verdicts"])
        results = {(r["test"], r["place"], r["order"]): r for r in found["results"]}
        with h5py.File(self.file) as file:
            group = file["evaluation/channels/conv5_3/gradient"]
            shown = results["channels", "conv5_3", "gradient"]
            self.assert_close(shown["mean"], group["gain_mean"][:], 1e-8)
            self.assert_close(shown["difference_error"], group["gain_difference_error"][:], 1e-8)
            self.assert_close(shown["curve_morf"], group["curve_morf"][:, :, 0].astype("float64").mean(0), 1e-8)

    def test_check_finds_a_verdict_that_the_figures_do_not_give(self):
        self.assertTrue(json.loads(self.text)["verdicts"])
        check(self.file)
        copy = self.path("verdict.h5")
        shutil.copy(self.file, copy)
        with h5py.File(copy, "r+") as file:
            group = file["evaluation"]
            group.attrs.modify("verdicts", numpy.bytes_(group.attrs["verdicts"].replace(b"0.", b"1.")))
        done = nrmflow("check", copy)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/evaluation: the attribute verdicts is not what the figures say", done.stdout)

    @unittest.skipUnless(has_page(), "this nrmflow has no page")
    def test_a_report_says_by_the_evaluation_where_classes_differ_little(self):
        with h5py.File(self.file) as file:
            layers, want = file["variable"].asstr()[:], 0
            for i, layer in enumerate(layers):
                mean = file.get(f"evaluation/targets/{layer}/relevance/similarity_mean")
                if mean is not None and mean[0, 0] < 0.8:
                    break
                want = want if mean is None else i + 1
        depth = self.page_of(self.store, self.file)["class_depth"]
        self.assertEqual(depth["below"], list(layers[:want]))
        self.assertIn("by the evaluation's |cosine|", depth["text"])
        self.assertIn("a rule of thumb", self.page_of(self.store)["class_depth"]["text"])

    @unittest.skipUnless(has_page(), "this nrmflow has no page")
    def test_a_report_says_what_is_not_finished_and_leaves_out_errors_of_one_image(self):
        path = self.path("unfinished.h5")
        nrmflow("evaluate", DEMO, "--output", path, "--images", "0:3", "--steps", "2", "--tests", "layers", *sets({"run.epoch": "0"}),
                environment={"NRMFLOW_FAULT": "rename:2:kill"})
        whole, found = self.reported(self.store, self.file, path)
        self.assertTrue(whole["complete"])
        self.assertEqual((found["complete"], found["images"], found["ok"]), (False, 3, 1))
        for result in found["results"]:
            self.assertIsNone(result["error"][0][0])
            self.assertIsNotNone(result["mean"][0][0])

    def test_commands_for_stores_of_runs_refuse_it_and_say_what_shows_it(self):
        for command in ["classes", "walks"] + ["report"] * has_page():
            done = nrmflow(command, self.file, *["--output", self.path("none.html")] * (command == "report"))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"{self.file} is an evaluation, not the store of a run", done.stderr)
            self.assertIn(f"--evaluation {self.file}", done.stderr)
        self.assertFalse(os.path.exists(self.path("none.html")))

    def test_info_shows_settings_and_verdicts(self):
        text = nrmflow("info", self.file).stdout
        self.assertIn("tests=targets,damage,channels,layers", text)
        for verdict in json.loads(self.text)["verdicts"]:
            self.assertIn(verdict, text)
        self.assertNotIn("gap", text)

    def test_an_evaluation_of_other_weights_and_what_is_none_are_refused(self):
        other = self.run_store("resnet.h5", {"data.images": "0:2", "measure.flows": "none"}, config=RESNET)
        zero = self.run_store("zero.h5", {"data.images": "0:2", "measure.flows": "none", "measure.composite": "zero"})
        for store, evaluation, text in ((other, self.file, "of other weights"), (self.store, other, "no evaluation"),
                                        (zero, self.file, "measure.composite")):
            done = nrmflow("report", store, "-o", self.path("no.html"), "--evaluation", evaluation)
            if "Install them" not in done.stderr:
                self.assertIn(text, done.stderr)
                self.assertFalse(os.path.exists(self.path("no.html")))


class Networks(Case):
    def test_a_graph(self):
        path, text = self.evaluate("resnet.h5", "--images", "0:4", "--steps", "4", "--sample", "4", "--json",
                                   config=RESNET)
        with h5py.File(path) as file:
            for name, group in file["evaluation/channels"].items():
                self.assertTrue(numpy.isfinite(group["relevance/gain"][:]).all(), name)
        self.assertEqual(json.loads(text)["ok"], 4)


class Mistakes(Case):
    def refuse(self, *words, config=DEMO):
        output = self.path("mistake.h5")
        done = nrmflow("evaluate", config, "--output", output, "--images", "0:2", *words)
        self.assertIn(done.returncode, (1, 2), done.stdout)
        self.assertFalse(os.path.exists(output))
        return done.stderr

    def test_names_that_do_not_exist(self):
        self.assertIn('--tests: there is no "chanels"; did you mean "channels"?', self.refuse("--tests", "chanels"))
        self.assertIn('--orders: there is no "x"; choose from relevance, gradient', self.refuse("--orders", "x"))
        self.assertIn('--layers: there is no "conv9_9"; did you mean', self.refuse("--layers", "conv9_9"))
        self.assertIn("--replace median: must be zero or mean", self.refuse("--replace", "median"))

    def test_layers_that_cannot_be_replaced(self):
        self.assertIn("the channels of fc8 cannot be replaced", self.refuse("--layers", "fc8"))

    def test_a_contrast(self):
        self.assertIn("a contrast cannot be evaluated", self.refuse("--set", "measure.target=contrast:1-2"))

    def test_another_evaluation_is_not_overwritten(self):
        words = ("--images", "0:2", "--tests", "targets")
        path, _ = self.evaluate("there.h5", *words)
        for change in (("--orders", "random"), ("--set", "measure.composite=zero")):
            done = nrmflow("evaluate", DEMO, "--output", path, *words, *change)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("--restart", done.stderr)
        self.evaluate("there.h5", *words, "--orders", "random", "--restart")

    def test_a_store_of_a_run_is_not_overwritten(self):
        store = self.run_store("run.h5", {"data.images": "0:2"})
        done = nrmflow("evaluate", DEMO, "--output", store, "--images", "0:2", "--restart")
        self.assertIn("of no evaluation", done.stderr)
        self.assertEqual(done.returncode, 1)

    def test_a_dry_run_says_the_cost_and_writes_nothing(self):
        output = self.path("dry.h5")
        done = nrmflow("evaluate", DEMO, "--output", output, "--images", "0:100", "--dry-run", "--json")
        cost = json.loads(done.stdout)
        self.assertEqual(cost["images"], 100)
        self.assertGreater(cost["flops_per_image"], 1e8)
        self.assertEqual(cost["seconds"], 100 * cost["seconds_per_image"])
        self.assertFalse(os.path.exists(output))

    def test_a_dry_run_counts_the_permuted_networks(self):
        done = nrmflow("evaluate", DEMO, "--output", self.path("dry.h5"), "--images", "0:16", "--tests", "randomised",
                       "--dry-run", "--json")
        cost = json.loads(done.stdout)
        self.assertGreater(cost["seconds_together"], 16 * cost["seconds_per_image"])  # 16 networks for each image
        self.assertEqual(cost["seconds"], 16 * cost["seconds_per_image"] + cost["seconds_together"])

    def test_the_cost_of_an_average_over_layers_is_nothing(self):
        costs = [json.loads(nrmflow("evaluate", DEMO, "--output", self.path("dry.h5"), "--images", "0:2", "--tests", "flows",
                                    "--layers", layers, "--dry-run", "--json").stdout)["flops_per_image"]
                 for layers in ("fc6", "fc7", "fc6,fc7")]
        self.assertGreater(costs[2], max(costs[:2]))
        self.assertLess(costs[2], sum(costs[:2]))


if __name__ == "__main__":
    unittest.main()
