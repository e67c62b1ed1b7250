"""`nrmflow report` in Chromium: it loads from a file without a network and without errors, what it shows are the store's
numbers, and it does what is clicked or typed. SCREENSHOTS names a folder for pictures of all sections, and for
readme.png, the picture in README.md."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import numpy

from support import DEMO, RESNET, RunCase, Store, nrmflow, write_safetensors

BROWSER = pathlib.Path(__file__).parent.parent / "browser"
CHROMIUM = shutil.which("chromium")
DIGITS = 0.6e-3  # four digits, rounded
MATRIX_DIGITS = 0.6e-2  # three
CHANNEL = 78  # of conv5_3: among the 16 most relevant, of which a report has images, and of one class alone
PICTURE_BYTES = 250_000  # every clone and every visitor of the README loads it
PAINTED = 1500  # milliseconds for a matrix of 512 x 512; a tenth of that on an idle machine


def number(text):
    return float(text.replace("−", "-").replace(" %", "").replace(",", "").split(" ±")[0])


def missing():
    """What the test cannot do without, and this machine does not have."""
    for tool in ("node", "npm", "chromium"):
        if not shutil.which(tool):
            return f"{tool} is not installed: jobs/setup.sh tests browser"
    if "built without" in nrmflow("report", "no-such-store.h5").stderr:
        return "this nrmflow was built without the report's page"
    return None


class Browser(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tools = cls.path("tools")
        shutil.copytree(BROWSER, cls.tools)
        done = subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=cls.tools, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"npm ci: {done.stderr}")

    @classmethod
    def look(cls, name, store, screenshots, *options):
        """What report.mjs has seen of a store's page."""
        if screenshots:
            os.makedirs(screenshots, exist_ok=True)
        return cls.drive("report.mjs", name, store, [screenshots] if screenshots else [], options)

    @classmethod
    def drive(cls, script, name, store, arguments, options):
        """What a script of browser/ prints about a store's page; the report's own options come last."""
        page = cls.path(f"{name}.html")
        done = nrmflow("report", store, "-o", page, *options)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        command = ["node", os.path.join(cls.tools, script), CHROMIUM, page, cls.path(f"profile-{name}"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def assert_number(self, shown, want, digits=DIGITS):
        self.assertLessEqual(abs(number(shown) - want), abs(want) * digits + 1e-12, f"{shown} is not {want}")

    def check_clean(self, seen):
        self.assertEqual((seen["errors"], seen["requests"]), ([], []))

    def check_flow(self, store, flow, matrix_entry=re.compile(r"(\S+)\[(\d+)\] → (\S+)\[(\d+)\]: (\S+) ± ")):
        lower, low, upper, up, value = matrix_entry.match(flow["read"]).groups()
        self.assertEqual(f"{lower}-{upper}", flow["pair"])
        self.assert_number(value, store[f"flows/{flow['pair']}/mean"][int(up), int(low)], MATRIX_DIGITS)


class Demo(Browser):
    """The demo's configuration, with flows up to the logits and of classes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.run_store("demo.h5", {"data.images": "0:200", "measure.given": "input", "measure.flows": "adjacent, dense, conv3_3-conv5_3:4",
                                         "store.class_flows": "3,7"}, ranks=2)
        cls.store = Store(path)
        cls.seen = cls.look("demo", path, os.environ.get("SCREENSHOTS"), "--images", DEMO, "--set", "data.images=0:200")
        cls.size = os.path.getsize(cls.path("demo.html"))

    def test_no_error_and_nothing_from_the_network(self):
        self.check_clean(self.seen)

    def test_overview_is_the_store_s(self):
        shown = self.seen["overview"]
        self.assertEqual(number(shown["finished"]), 200)
        self.assertEqual(number(shown["failed"]), 0)
        accuracy = numpy.mean(self.store["images/label"] == self.store["images/predicted"])
        self.assertAlmostEqual(number(shown["accuracy"]), 100 * accuracy, places=2)
        self.assert_number(shown["given_mass"], self.store["images/given_mass"].mean())
        self.assertEqual(self.seen["banners"], ["The ledger is closed, and signs hardly cancel"])

    def test_ledger_is_the_store_s(self):
        variables = self.store.variables()
        self.assertEqual([row[0] for row in self.seen["ledger"]], variables[::-1])
        for row in self.seen["ledger"]:
            at = variables.index(row[0])
            for shown, name in zip(row[1:], ("mass", "bias", "absorbed", "variation")):
                self.assert_number(shown, self.store[f"images/{name}"][:, at].mean())
        self.assertGreater(self.seen["ledgerBars"], 3 * len(variables))

    def test_every_way_to_choose_a_channel_shows_its_numbers(self):
        names = [channel["name"] for channel in self.seen["channels"]]
        self.assertEqual(len(set(names)), len(names), names)
        self.assertEqual(len(self.seen["channels"]), 5)
        for channel in self.seen["channels"]:
            layer, at = re.match(r"(\w+)\[(\d+)\]", channel["name"]).groups()
            mean = self.store[f"layers/{layer}/mean"]
            self.assertEqual(int(channel["rank"]), 1 + numpy.count_nonzero(mean > mean[int(at)]))
            for name in ("mean", "std", "mean_positive"):
                self.assert_number(channel[name], self.store[f"layers/{layer}/{name}"][int(at)])

    def test_the_keyboard_s_place_is_kept(self):
        self.assertEqual(self.seen["focus"], ["CANVAS", "SELECT"])

    def test_upstream_channels_are_those_of_the_flow_matrix(self):
        layer, at = re.match(r"(\w+)\[(\d+)\]", self.seen["channels"][3]["name"]).groups()
        row = None
        for name, shown in self.seen["upstream"]:
            lower, low = re.match(r"(\w+)\[(\d+)\]", name).groups()
            row = self.store[f"flows/{lower}-{layer}/mean"][int(at)]
            self.assert_number(shown, row[int(low)] / self.store[f"layers/{layer}/mean"][int(at)], MATRIX_DIGITS)
        self.assertEqual(len(self.seen["upstream"]), 8)
        strongest = numpy.argsort(-numpy.abs(row))[0]
        self.assertIn(f"[{strongest}]", self.seen["upstream"][0][0])

    def test_given_a_channel_missing_pairs_name_the_key(self):
        given = self.seen["given"]
        layer = given["channel"].split("[")[0]
        layers = [name for name in self.store.variables() if not name.startswith("pool")]
        stored = {pair for pair in self.store.children("flows") if layer in pair.split("-")}
        self.assertEqual(given["strips"], len(stored) + 1)
        self.assertEqual(len(given["missing"]), len(layers) - len(stored) - 1)
        for pair, text in given["missing"]:
            self.assertNotIn(pair, stored)
            self.assertIn(layer, pair.split("-"))
            self.assertRegex(text, f"({pair}|dense) in measure.flows adds them")
        self.assertIn(f"given {given['channel']}", given["read"])

    def test_classes_are_the_store_s(self):
        name, layer, channel, value = re.match(r"(.+), (\w+)\[(\d+)\]: (\S+)", self.seen["classes"]).groups()
        row = [text.decode() for text in self.store["class"]].index(name)
        self.assert_number(value, self.store[f"layers/{layer}/class_mean"][row, int(channel)], MATRIX_DIGITS)

    def test_every_flow_is_the_store_s(self):
        self.assertEqual(sorted(flow["pair"] for flow in self.seen["flows"]), sorted(self.store.children("flows")))
        for flow in self.seen["flows"]:
            if not flow["pair"].endswith("-fc8"):  # whose channels have names
                self.check_flow(self.store, flow)

    def test_paths_are_drawn_for_all_images_and_for_a_class(self):
        self.assertGreater(self.seen["links"], 100)
        self.assertGreater(self.seen["linksOfClass"], 100)

    def test_images_are_drawn_with_and_without_relevance(self):
        plain, over = self.seen["images"]
        self.assertEqual(len(plain), 8)
        self.assertEqual(len(set(plain + over)), len(set(plain)) + len(set(over)), "relevance changes every picture")
        self.assertLess(self.size, 8e6)

    def test_nothing_is_wider_than_the_window_and_paper_comes_out(self):
        for width, got in self.seen["widths"].items():
            self.assertLessEqual(got, int(width.split()[0]), width)
        self.assertGreater(self.seen["paper"], 50000)


class Resnet(Browser):
    """A network with branches: the share that takes each skip."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = cls.run_store("resnet.h5", {"data.images": "0:200", "store.class_flows": "3,7"}, config=RESNET, ranks=2)
        cls.store = Store(path)
        pictures = os.environ.get("SCREENSHOTS")
        cls.seen = cls.look("resnet", path, pictures and os.path.join(pictures, "resnet"), "--images", RESNET, "--set", "data.images=0:200")

    def test_no_error_and_nothing_from_the_network(self):
        self.check_clean(self.seen)

    def test_blocks_are_the_sums_of_the_store_s_flows(self):
        adds = [name for name in self.store.variables() if name.endswith(".add")]
        self.assertEqual([row[0] for row in self.seen["blocks"]], [name for name in adds[::-1] for _ in range(2)])
        for name, lower, steps, share in self.seen["blocks"]:
            self.assert_number(share, self.store[f"flows/{lower}-{name}/diagonal_mean"].sum())
            self.assertEqual(int(steps), 2 if lower.endswith("conv2") else 1 if "downsample" in lower else 0, lower)
        self.assertGreaterEqual(self.seen["blockBars"], 2 * len(adds))

    def test_the_ledger_has_what_goes_past_a_layer(self):
        at = self.store.variables().index("layer3.1.conv1")
        row = next(row for row in self.seen["ledger"] if row[0] == "layer3.1.conv1")
        self.assert_number(row[2], self.store["images/bypass"][:, at].mean())

    def test_nothing_is_wider_than_the_window(self):
        for width, got in self.seen["widths"].items():
            self.assertLessEqual(got, int(width.split()[0]), width)


class Picture(Browser):
    """The picture in README.md, of the whole demo, as jobs/demo.sh computes it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = os.environ.get("SCREENSHOTS", cls.path("screenshots"))
        os.makedirs(folder, exist_ok=True)
        cls.picture = os.path.join(folder, "readme.png")
        path = cls.run_store("demo.h5", {}, ranks=2)
        cls.store = Store(path)
        cls.seen = cls.drive("readme.mjs", "readme", path, [cls.picture, str(CHANNEL)], ["--images", DEMO])

    def test_shows_the_readme_s_channel_of_conv5_3_and_its_class(self):
        self.assertEqual(self.seen["channel"], f"conv5_3[{CHANNEL}]")
        most = self.store["layers/conv5_3/class_mean"][:, CHANNEL].argmax()
        self.assertEqual(self.store["class"][most], b"Shirt")
        self.assertEqual(self.seen["classes"][0], "Shirt")

    def test_is_as_wide_as_a_page_and_quick_to_load(self):
        from PIL import Image
        with Image.open(self.picture) as image:
            self.assertEqual((image.format, image.width), ("PNG", 1280))
        self.assertLess(os.path.getsize(self.picture), PICTURE_BYTES)


class Wide(Browser):
    """A VGG11 of full width, whose upper flow matrices have 512 x 512 entries."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = numpy.random.default_rng(5)
        tensors, lower = {}, 3
        for at, upper in zip((0, 3, 6, 8, 11, 13, 16, 18), (64, 128, 256, 256, 512, 512, 512, 512)):
            tensors[f"features.{at}.weight"] = random.normal(0, (2 / 9 / lower) ** 0.5, (upper, lower, 3, 3))
            tensors[f"features.{at}.bias"] = numpy.zeros(upper)
            lower = upper
        for at, upper in zip((0, 3, 6), (64, 64, 10)):
            tensors[f"classifier.{at}.weight"] = random.normal(0, (2 / lower) ** 0.5, (upper, lower))
            tensors[f"classifier.{at}.bias"] = numpy.zeros(upper)
            lower = upper
        write_safetensors(cls.path("wide.safetensors"), tensors)
        folder = cls.path("images", "one")
        os.makedirs(folder)
        from PIL import Image
        for i in range(4):
            Image.fromarray(random.integers(0, 256, (32, 32, 3), "uint8")).save(os.path.join(folder, f"{i}.png"))
        cls.path_of_store = cls.run_store("wide.h5", {
            "data.path": cls.path("images"), "data.pad": "0", "data.mean": "0.5,0.5,0.5", "data.std": "0.2,0.2,0.2",
            "model.weights": cls.path("wide.safetensors"), "model.classes": "", "store.per_image": "none"})
        cls.store = Store(cls.path_of_store)
        cls.seen = cls.look("wide", cls.path_of_store, None)

    def test_matrices_of_512_channels_are_fast_and_right(self):
        self.check_clean(self.seen)
        wide = [flow for flow in self.seen["flows"] if self.store[f"flows/{flow['pair']}/mean"].shape == (512, 512)]
        self.assertGreaterEqual(len(wide), 3)
        for flow in wide:
            self.assertIn("512 upper and 512 lower", flow["label"])
            self.check_flow(self.store, flow)
            self.assertLess(flow["took"], PAINTED)
        print("512 x 512, ms: page open", round(self.seen["opened"]), "channel chosen", round(self.seen["chosen"]),
              "matrices painted", [round(flow["took"]) for flow in wide])


if __name__ == "__main__":
    REASON = missing()
    if REASON:
        print(REASON)
        sys.exit(77)
    unittest.main()
