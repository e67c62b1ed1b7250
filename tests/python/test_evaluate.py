"""`nrmflow evaluate` on the demo: against float64 figures, its own laws, ranks, continuation, mistakes."""

import json
import os
import signal
import subprocess

import h5py
import numpy

from support import DEMO, FLOAT32, MPIRUN, NRMFLOW, RESNET, TINY, RunCase, check, nrmflow, sets, wait_for

REFERENCE = os.path.join(os.environ["TEST_DATA"], "evaluation_reference.h5")
COUNT = 32  # images of the reference
ORDERS = {"relevance": "epsilon_gamma_box,input", "relevance_none": "epsilon_gamma_box", "gradient": "zero",
          "activation": "activation", "random": "random"}
GIVEN = {"measure.given": "input"}


class Case(RunCase):
    @classmethod
    def evaluate(cls, name, *words, config=DEMO, settings=None, ranks=None, status=0):
        """Path of the file, which must be sound, and what was printed."""
        output = cls.path(name)
        done = nrmflow("evaluate", config, "--output", output, *words, *sets(settings or {}), ranks=ranks)
        if done.returncode != status:
            raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
        if status == 0:
            check(output)
        return output, done.stdout


def layers(dataset):
    return dataset.attrs["layers"].split()


class Figures(Case):
    """Tests of the reference's images in one run, with a condition: so it has both."""

    LAYERS = ("conv2_2", "conv3_2", "conv4_3", "conv5_3", "fc6", "fc7")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path, text = cls.evaluate("all.h5", "--images", f"0:{COUNT}", "--tests", "targets,channels,layers,pixels",
                                  "--layers", ",".join(cls.LAYERS), "--json", settings=GIVEN, ranks=2)
        cls.file, cls.printed = h5py.File(path), json.loads(text)
        cls.reference = h5py.File(REFERENCE)
        cls.addClassCleanup(cls.file.close)

    def place(self, test, place, order):
        return self.file[f"evaluation/{test}/{place}/{order}"]

    def test_outcomes_of_unchanged_images(self):
        want = self.reference["images/outcome"][:, 0]
        self.assert_close(self.file["images/probability"][:], want, 1e-4)
        self.assertEqual(self.file["images/target"][:].tolist(), self.reference["images/target"][:].tolist())

    def compare_curves(self, test, places, orders, replaced=""):
        for order, name in orders.items():
            want = self.reference[f"{test}/{name}{replaced}"]
            for place in places:
                i = layers(want["gain_mean"]).index(place) if "layers" in want["gain_mean"].attrs else 0
                got, where = self.place(test, place, order), f"{test} {place} {order}"
                self.assert_close(got["gain_mean"][0, 0], want["gain_mean"][i, 0], 1e-3, where)
                self.assert_close(got["gain_mean"][0, 1:], want["gain_mean"][i, 1:], 1e-2, where)
                self.assert_close(got["gain"][:8, 0], want["gain"][i, :, 0], 5e-3, where)
                for side, curve in enumerate(("curve_morf", "curve_lerf")):
                    self.assert_close(got[curve][:].mean(0)[:, 0], want["curve"][i, side, :, 0], 1e-3, where)

    def test_channels_have_the_gains_and_curves_of_the_reference(self):
        self.compare_curves("channels", self.LAYERS, ORDERS, "/zero")

    def test_layers_have_the_gains_and_curves_of_the_reference(self):
        self.compare_curves("layers", ["convolutions"], ORDERS)

    def test_pixels_have_the_gains_and_curves_of_the_reference(self):
        self.compare_curves("pixels", ["input"], {"relevance_none": "epsilon_gamma_box", "gradient": "zero",
                                                  "random": "random"})

    def test_targets_have_the_similarities_of_the_reference(self):
        for order, name in {"relevance_none": "epsilon_gamma_box", "gradient": "zero"}.items():
            want = self.reference[f"targets/{name}"]
            for i, place in enumerate(layers(want)):
                got = self.place("targets", place, order)["similarity"][:8]
                self.assert_close(got, abs(want[i].T) * [1, 0, 0] + want[i].T * [0, 1, 1], 2e-3, f"{place} {order}")

    def test_random_cannot_be_told_from_zero(self):
        for place in ("conv3_2", "conv5_3"):
            random = self.place("channels", place, "random")
            self.assertLess(abs(random["gain_mean"][0, 0]), 4 * random["gain_error"][0, 0], place)

    def test_gains_and_means_are_those_of_the_rows(self):
        group, base = self.place("channels", "conv4_3", "gradient"), self.place("channels", "conv4_3", "relevance")
        sides = [group[c][:].astype("float64") for c in ("curve_lerf", "curve_morf")]
        gain = numpy.trapz(sides[0] - sides[1], group["fraction"][:], axis=1)
        self.assert_close(group["gain"][:], gain, 1e-12)
        self.assert_close(group["gain_mean"][0], gain.mean(0), 1e-12)
        difference = gain - base["gain"][:]
        self.assert_close(group["gain_difference"][0], difference.mean(0), 1e-12)
        self.assert_close(group["gain_difference_error"][0], difference.std(0, ddof=1) / COUNT ** 0.5, 1e-12)
        sure = numpy.argsort(-self.file["images/probability"][:], kind="stable")[:COUNT // 2]
        self.assert_close(group["gain_mean"][2], gain[numpy.sort(sure)].mean(0), 1e-12)

    def test_orders_agree_where_nothing_and_where_everything_is_replaced(self):
        for place in ("conv2_2", "conv3_2", "fc7"):
            ends = [self.place("channels", place, order)[curve][:, [0, -1]]
                    for order in ORDERS for curve in ("curve_morf", "curve_lerf")]
            for end in ends[1:]:
                self.assertEqual(end.tobytes(), ends[0].tobytes(), place)

    def test_average_is_over_all_layers(self):
        for order in ORDERS:
            gains = [group[order]["gain"][:] for name, group in self.file["evaluation/channels"].items()
                     if name != "all"]
            self.assertEqual(len(gains), len(self.LAYERS))
            self.assert_close(self.place("channels", "all", order)["gain"][:], numpy.mean(gains, 0), 1e-12)

    def test_printed_figures_are_those_of_the_file(self):
        rows = {(r["test"], r["place"], r["order"]): r for r in self.printed["results"]}
        self.assertEqual(rows["layers", "convolutions", "gradient"]["all"]["p"]["mean"],
                         self.place("layers", "convolutions", "gradient")["gain_mean"][0, 0])
        self.assertTrue(any(v.startswith("targets: up to conv") for v in self.printed["verdicts"]))
        self.assertIn("layers: relevance_none orders the channels of all convolutions together better than relevance",
                      " ".join(self.printed["verdicts"]))


class Damage(Case):
    def test_damages_and_correlations_are_those_of_the_reference(self):
        with h5py.File(REFERENCE) as reference:
            names = layers(reference["damage_similarity/zero"])
            path, _ = self.evaluate("damage.h5", "--images", "0:8", "--tests", "damage", "--sample", "1000", "--layers",
                                    ",".join(names), settings=GIVEN)
            with h5py.File(path) as file:
                for i, name in enumerate(names):
                    group, want = file[f"evaluation/damage/{name}"], reference[f"damage/{name}"][:8]
                    logits = abs(file["images/logit"][:]).max()
                    self.assertTrue((group["drawn"][:] == numpy.arange(want.shape[1])).all())
                    self.assert_close(group["damage"][:], want, 1e-4 * logits, name)
                    for order in ("relevance", "relevance_none", "gradient", "activation"):
                        similar = reference[f"damage_similarity/{ORDERS[order]}"][i]
                        self.assert_close(group[f"{order}/similarity"][:, 1:], similar[1:].T, 2e-3, f"{name} {order}")

    def test_a_sample_is_part_of_all_channels(self):
        words = ("--images", "0:3", "--tests", "damage", "--layers", "conv5_3")
        with h5py.File(self.evaluate("all.h5", *words, "--sample", "128")[0]) as every, \
                h5py.File(self.evaluate("some.h5", *words, "--sample", "10")[0]) as some:
            for i in range(3):
                drawn = some["evaluation/damage/conv5_3/drawn"][i]
                self.assertEqual(sorted(set(drawn)), drawn.tolist())
                self.assertEqual(some["evaluation/damage/conv5_3/damage"][i].tolist(),
                                 every["evaluation/damage/conv5_3/damage"][i][drawn].tolist())
            self.assertNotEqual(some["evaluation/damage/conv5_3/drawn"][0].tolist(),
                                some["evaluation/damage/conv5_3/drawn"][1].tolist())


class Identities(Case):
    def test_fc7_loses_the_relevance_that_is_replaced(self):
        """Composite zero: z(k) = z (1 - sum of the relevance of the k channels)."""
        path, _ = self.evaluate("zero.h5", "--images", "0:6", "--tests", "damage", "--layers", "fc7", "--sample",
                                "1000", settings={"measure.composite": "zero", "measure.given": "none"})
        store = self.run_store("store.h5", {"data.images": "0:6", "measure.composite": "zero", "measure.given": "none",
                                            "measure.flows": "none", "store.per_image": "fc7"})
        with h5py.File(path) as file, h5py.File(store) as run:
            z = file["images/logit"][:].astype("float64")[:, None]
            self.assert_close(file["evaluation/damage/fc7/damage"][:], z * run["layers/fc7/relevance"][:],
                              1e-5 * abs(z).max())

    def test_means_are_those_of_the_reference(self):
        with h5py.File(REFERENCE) as reference:
            path, _ = self.evaluate("mean.h5", "--images", f"0:{COUNT}", "--tests", "channels", "--replace", "mean",
                                    "--layers", "conv2_2,conv4_1,fc6", "--orders", "gradient", ranks=2,
                                    settings={"measure.given": "none"})
            with h5py.File(path) as file:
                names = layers(reference["channels/zero/mean/gain_mean"])
                for layer in ("conv2_2", "conv4_1", "fc6"):
                    for order, name in (("relevance", "epsilon_gamma_box"), ("gradient", "zero")):
                        got = file[f"evaluation/channels/{layer}/{order}/gain_mean"][0, 0]
                        want = reference[f"channels/{name}/mean/gain_mean"][names.index(layer), 0]
                        self.assert_close(got, want, 1e-3, f"{layer} {order}")


class Ranks(Case):
    WORDS = ("--images", "3:10", "--layers", "conv4_3,fc6", "--steps", "2", "--sample", "2", "--replace", "mean")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one, cls.text = cls.evaluate("1.h5", *cls.WORDS)

    def test_ranks_change_no_bit(self):
        for ranks in (2, 3):
            self.assert_same_stores(self.evaluate(f"{ranks}.h5", *self.WORDS, ranks=ranks)[0], self.one)

    def test_a_killed_evaluation_goes_on_and_has_the_same_bits(self):
        output, slow = self.path("killed.h5"), {"run.epoch": "0"}
        process = subprocess.Popen([MPIRUN, "-n", "2", NRMFLOW, "evaluate", DEMO, "--output", output, *self.WORDS,
                                    *sets(slow)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(output), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        check(output)
        with h5py.File(output) as file:
            self.assertEqual(file.attrs["complete"], 0)
            self.assertLess(file.attrs["finished"], 7)
        self.evaluate("killed.h5", *self.WORDS, settings=slow)
        self.assert_same_stores(output, self.one, but=("config",))

    def test_a_complete_evaluation_is_printed_again(self):
        before = os.stat(self.one).st_mtime_ns
        self.assertEqual(self.evaluate("1.h5", *self.WORDS)[1], self.text)
        self.assertEqual(os.stat(self.one).st_mtime_ns, before)


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
        self.assertFalse(os.path.exists(output))


if __name__ == "__main__":
    import unittest

    unittest.main()
