"""`nrmflow bench` on tiny networks: its JSON, its table, its arithmetic. Figures themselves depend on the machine."""

import glob
import json
import os
import statistics
import unittest

from support import RunCase, TINY, nrmflow

REPEATS = 2
SMALL = "--network", "vgg11", "--side", "32", "--narrow", "32", "--block", "4", "--repeats", str(REPEATS)
OPERATIONS = "forward", "backward", "flow", "lift"


class Bench(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.done = nrmflow("bench", "--json", *SMALL, environment={"TMPDIR": cls.folder})
        if cls.done.returncode != 0:
            raise AssertionError(cls.done.stderr)
        cls.figures = json.loads(cls.done.stdout)

    def test_names_what_was_measured(self):
        self.assertEqual((self.figures["network"], self.figures["composite"]), ("vgg11", "epsilon_gamma_box"))
        self.assertEqual((self.figures["ranks"], self.figures["block"]), (1, 4))
        self.assertTrue(self.figures["isa"])
        self.assertTrue(self.figures["blas_core"])

    def test_floor_ratio_is_of_every_round_at_its_own_peak(self):
        f = self.figures
        rounds = f["images"][0]["rounds"]
        self.assert_spread(f["floor_ratio_spread"], [f["floor_gflop"] / r["peak_gflops"] / r["seconds"] for r in rounds])
        self.assertEqual(f["floor_ratio"], f["floor_ratio_spread"]["median"])
        self.assertEqual(f["peak_gflops"], {peak["isa"]: peak["gflops"] for peak in f["peaks"]}[f["peak_isa"]])

    def assert_spread(self, spread, values):
        for name, function in ("median", statistics.median), ("least", min), ("most", max):
            self.assertAlmostEqual(spread[name], function(values), places=9)

    def test_every_link_has_all_its_operations(self):
        layers = {layer["name"]: layer for layer in self.figures["layers"]}
        self.assertEqual(list(layers)[:3] + list(layers)[-1:], ["conv1_1", "pool1", "conv2_1", "fc8"])
        for name, layer in layers.items():
            for operation in OPERATIONS:
                absent = name.startswith("pool") and operation == "flow"
                (self.assertEqual if absent else self.assertGreater)(layer[operation], 0, (name, operation))
        self.assertAlmostEqual(sum(layer["share"] for layer in layers.values()), 1)

    def test_images_with_and_without_flows_and_condition(self):
        images = self.figures["images"]
        self.assertEqual([(i["given"], i["flows"]) for i in images],
                         [("none", "none"), ("none", "adjacent"), ("input", "none"), ("input", "adjacent")])
        for image in images:
            self.assertGreaterEqual(image["seconds"] * 1.001, image["measure"])
            self.assertAlmostEqual(image["seconds"], statistics.median(r["seconds"] for r in image["rounds"]))
            for one in image["rounds"]:
                self.assertGreater(one["cpu_seconds"], 0)
        self.assertEqual(self.figures["image_seconds"], images[0]["seconds"])
        self.assertEqual(self.figures["flows_overhead"], images[1]["more"]["median"])
        self.assertEqual(self.figures["given_overhead"], images[2]["more"]["median"])

    def test_variants_alternate_and_compare_with_their_neighbours(self):
        plain, *others = self.figures["images"]
        self.assertIsNone(plain["more"])
        self.assertEqual(len(plain["rounds"]), len(others) * (REPEATS + 1))
        for i, image in enumerate(others):
            around = [r["seconds"] for r in plain["rounds"][i * (REPEATS + 1):(i + 1) * (REPEATS + 1)]]
            own = [r["seconds"] for r in image["rounds"]]
            self.assertEqual(len(own), REPEATS)
            ratios = [2 * own[r] / (around[r] + around[r + 1]) for r in range(REPEATS)]
            for r, ratio in enumerate(ratios):
                self.assertAlmostEqual(image["rounds"][r]["ratio"], ratio)
            self.assert_spread(image["more"], [ratio - 1 for ratio in ratios])

    def test_a_store_was_written_and_nothing_is_left(self):
        self.assertGreater(self.figures["store_bytes"], 0)
        self.assertEqual(glob.glob(os.path.join(self.folder, "nrmflow-bench*")), [])


class BenchCommand(RunCase):
    def test_the_floor_of_vgg16_is_that_of_direct_convolution(self):
        """2 x 9 C_l C_u H W for forward, gamma's denominators and back (three parts in the first layer), and the dense
        forward pass: 92.5 GFLOP at 224 x 224; here at 32 x 32 with a 64th of the channels."""
        widths = [3] + [max(w // 64, 1) for w in (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)]
        sides = [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]
        maps = [2 * 9 * widths[i] * widths[i + 1] * sides[i] ** 2 for i in range(13)]
        floor = sum(maps) + 2 * (8 * 64 + 64 * 64 + 64 * 1000) + sum(maps[1:]) + sum(maps[1:]) + 3 * maps[0]
        done = nrmflow("bench", "--json", "--network", "vgg16", "--side", "32", "--narrow", "64", "--block", "1",
                       "--repeats", "1")
        self.assertAlmostEqual(json.loads(done.stdout)["floor_gflop"] * 1e9, floor, delta=1)

    def test_accuracy_of_every_weighted_layer(self):
        """Float32 against the double reference: n eps sum |x| is far below 1e-4 for sums of this length."""
        for composite in ("epsilon_gamma_box", "epsilon_alpha2_beta1_flat"):
            done = nrmflow("bench", "--json", *SMALL, "--accuracy", "--composite", composite)
            self.assertEqual(done.returncode, 0, done.stderr)
            layers = json.loads(done.stdout)["layers"]
            self.assertEqual(sum("errors" in layer for layer in layers), 8 + 3)
            for layer in layers:
                self.assertEqual("errors" in layer, not layer["name"].startswith("pool"))
                for operation, error in layer.get("errors", {}).items():
                    self.assertLess(error, 1e-4, (composite, layer["name"], operation))

    def test_every_way_of_every_weighted_layer(self):
        done = nrmflow("bench", "--json", *SMALL, "--tune")
        self.assertEqual(done.returncode, 0, done.stderr)
        layers = {layer["name"]: layer for layer in json.loads(done.stdout)["layers"]}
        self.assertEqual(set(layers["conv1_1"]["ways"]), {"linear", "direct"})
        self.assertEqual(set(layers["conv2_1"]["ways"]), {"linear", "F(4x4)", "F(2x2)", "taps"})
        self.assertEqual(set(layers["fc8"]["ways"]), {"linear"})
        for name, layer in layers.items():
            self.assertEqual("ways" in layer, not name.startswith("pool"))
            if "ways" in layer:
                self.assertGreater(layer["ways"][layer["way"]], 0, name)
        table = nrmflow("bench", *SMALL, "--tune").stdout
        self.assertRegex(table, r"\nconv2_1 +[0-9.]+  +-  +[0-9.]+\*? +[0-9.]+\*?")

    def test_a_far_pair_is_that_of_single_sweeps(self):
        done = nrmflow("bench", "--json", *SMALL, "--flows")
        self.assertEqual(done.returncode, 0, done.stderr)
        far = json.loads(done.stdout)["far"]
        self.assertEqual((far["pair"], far["channels"]), ("conv4_2-conv5_2", 16))
        self.assertAlmostEqual(far["ratio"], far["single_seconds"] / far["seconds"])
        self.assertLess(far["difference"], 1e-5)

    def test_a_configuration_on_two_ranks(self):
        config = self.path("tiny.ini")
        with open(config, "w") as file:
            file.write(f"[data]\npath = {os.environ['JOBS']}/demo/t10k-images-idx3-ubyte.gz\n[model]\n"
                       f"weights = {TINY}\n")
        done = nrmflow("bench", config, "--repeats", "1", "--set", "run.block=2", ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 ranks", done.stdout)
        self.assertRegex(done.stdout, r"floor / own time +\d")

    def test_a_network_with_branches_by_every_operation(self):
        done = nrmflow("bench", os.path.join(os.environ["JOBS"], "demo", "resnet.ini"), "--json", "--plain", "--accuracy",
                       "--tune", "--repeats", "1", "--set", "run.block=2")
        self.assertEqual(done.returncode, 0, done.stderr)
        figures = json.loads(done.stdout)
        self.assertEqual([len(image["rounds"]) for image in figures["images"]], [1])
        self.assertEqual((figures["flows_overhead"], figures["given_overhead"]), (None, None))
        layers = {layer["name"]: layer for layer in figures["layers"]}
        self.assertEqual(layers["layer2.0.add"]["way"], "add")
        self.assertEqual(layers["layer2.0.downsample.0"]["way"], "taps")
        for name, layer in layers.items():
            self.assertGreater(layer["backward"], 0, name)
            for operation, error in layer.get("errors", {}).items():
                self.assertLess(error, 1e-4, (name, operation))

    def test_networks_with_branches_by_name(self):
        for name, layer in ("resnet18", "layer4.0.downsample.0"), ("resnet50", "layer4.2.conv3"), ("mobilenet_v2", "features.18.0"):
            done = nrmflow("bench", "--json", "--plain", "--network", name, "--side", "32", "--narrow", "16", "--block", "1",
                           "--repeats", "1")
            self.assertEqual(done.returncode, 0, done.stderr)
            figures = json.loads(done.stdout)
            self.assertEqual(figures["network"], name)
            self.assertIn(layer, [found["name"] for found in figures["layers"]])
            self.assertGreater(figures["image_seconds"], 0)

    def test_a_model_s_file_instead_of_random_weights(self):
        done = nrmflow("bench", "--json", "--plain", "--repeats", "1", "--block", "1", "--model", TINY)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(json.loads(done.stdout)["network"].startswith("vgg"))

    def test_the_floor_is_at_the_peak_of_the_instruction_set_in_force(self):
        done = nrmflow("bench", "--json", "--plain", *SMALL, environment={"NRMFLOW_ISA": "generic"})
        self.assertEqual(done.returncode, 0, done.stderr)
        figures = json.loads(done.stdout)
        peaks = {peak["isa"]: peak["gflops"] for peak in figures["peaks"]}
        self.assertEqual((figures["isa"], figures["peak_isa"], figures["peak_gflops"]), ("generic", "generic", peaks["generic"]))
        if len(peaks) > 1:  # wider by a factor of four at least
            for image in figures["images"][0]["rounds"]:
                self.assertLess(image["peak_gflops"], max(peaks.values()) / 2)
        text = nrmflow("bench", "--plain", *SMALL, environment={"NRMFLOW_ISA": "generic"}).stdout
        self.assertRegex(text, r"GFLOP at the peak of generic: ")

    def test_a_far_pair_that_the_network_does_not_have_is_refused_at_once(self):
        done = nrmflow("bench", "--network", "resnet18", "--side", "32", "--narrow", "8", "--flows")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("conv4_2 and the last convolution of a VGG network", done.stderr)

    def test_wrong_options_are_told(self):
        for options, words in ((("--network", "vgg17"), "vgg17"), (("--side", "31"), "--side"), (("--repeats", "0"), "--repeats"),
                               (("--side", "33"), "33"), (("--composite", "best"), "best"), (("--set", "run.blok=1"), "block")):
            done = nrmflow("bench", "--narrow", "64", *options)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
