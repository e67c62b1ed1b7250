"""What `nrmflow evaluate` finds on the demo: against float64 figures (tests/reference), and its own laws."""

import json
import os
import unittest

import h5py
import numpy

from evaluations import Case

REFERENCE = os.path.join(os.environ["TEST_DATA"], "evaluation_reference.h5")
COUNT = 32  # images of the reference
ORDERS = {"relevance": "epsilon_gamma_box,input", "relevance_none": "epsilon_gamma_box", "gradient": "zero",
          "activation": "activation", "random": "random"}
GIVEN = {"measure.given": "input"}


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


if __name__ == "__main__":
    unittest.main()
