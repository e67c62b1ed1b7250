"""`nrmflow report`: the numbers that a page carries are the store's. What a browser shows of them: test_report_browser.py."""

import base64
import json
import os
import re
import subprocess
import unittest
import zlib

import numpy

from support import DEMO, NRMFLOW, RunCase, Store, demo_pixels, nrmflow, run

MATRIX, ERROR = 2.0 ** -12, 2.0 ** -8  # rounding of 11 and 7 bits of fraction, relatively
FLOAT = 2.0 ** -24
EXACT = {"histogram", "top_image", "top_position", "active_image", "active_position", "draws"}
DATASETS = {"mean", "std", "std_error", "mean_positive", "mean_negative", "min", "max", "histogram", "histogram_edges",
            "class_mean", "class_std_error", "top_image", "top_value", "top_position", "active_image", "active_value",
            "active_position"}
FLOWS = {"mean", "std_error", "to_bias", "absorbed", "lost", "left_out", "draws"}


def has_page():
    """Whether the program was built with npm at hand; otherwise it must say what it needs."""
    done = nrmflow("report", "no-such-store.h5")
    return "no-such-store" in done.stderr


HAS_PAGE = has_page()


class Page:
    """What is in a page: its JSON, and the arrays as numpy's."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.json = json.loads(self.script("page-json"))
        self.bytes = zlib.decompress(base64.b64decode(self.script("page-data"), validate=True))

    def octets(self, name):
        entry = self.json["arrays"][name]
        return numpy.frombuffer(self.bytes, "uint8", entry["shape"][0], entry["offset"])

    def script(self, name):
        found = re.findall(rf'<script id="{name}" type="[a-z/-]+">(.*?)</script>', self.text, re.DOTALL)
        assert len(found) == 1, f"{len(found)} elements {name}"
        return found[0]

    def __getitem__(self, name):
        entry = self.json["arrays"][name]
        count = int(numpy.prod(entry["shape"]))
        planes = numpy.frombuffer(self.bytes, "uint8", 4 * count, entry["offset"]).reshape(4, count)
        return numpy.ascontiguousarray(planes.T).view({"f32": "<f4", "i32": "<i4"}[entry["type"]]).reshape(entry["shape"])


@unittest.skipIf(HAS_PAGE, "this nrmflow has the page")
class WithoutThePage(unittest.TestCase):
    def test_report_says_what_is_missing_and_how_to_get_it(self):
        done = nrmflow("report", "store.h5")
        self.assertEqual(done.returncode, 1)
        self.assertIn("npm", done.stderr)
        self.assertIn("cmake", done.stderr)


@unittest.skipUnless(HAS_PAGE, "this nrmflow was built without the page: no npm")
class Report(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        names = cls.path("names.txt")
        with open(names, "w", encoding="utf-8") as file:
            file.write("</script><b>T-shirt\n" + "".join(f"class {k} ü\n" for k in range(1, 10)))
        cls.store = cls.run_store("small.h5", {
            "data.images": "0:20", "measure.flows": "adjacent, dense, conv3_3-conv5_3:2", "store.class_flows": "3,7",
            "model.classes": names, "measure.query.some": "conv5_3[9] given conv5_1[12]"})
        done = nrmflow("report", cls.store, "-o", cls.path("small.html"))
        assert done.returncode == 0, done.stderr
        cls.page = Page(cls.path("small.html"))
        cls.numbers = Store(cls.store)

    def assert_array(self, name, want, relative):
        got = self.page[name]
        self.assertEqual(got.shape, want.shape, name)
        self.assert_close(got, want, numpy.abs(want) * relative + 1e-44, name)

    def test_statistics_of_all_layers_are_the_store_s(self):
        for layer in self.page.json["summary"]["layers"]:
            for name, want in self.numbers.layer(layer["name"]).items():
                path = f"layers/{layer['name']}/{name}"
                self.assertEqual(path in self.page.json["arrays"], name in DATASETS, path)
                if name in EXACT:
                    self.assertTrue(numpy.array_equal(self.page[path], want), path)
                elif name in DATASETS:
                    self.assert_array(path, want, {"class_mean": MATRIX, "class_std_error": ERROR}.get(name, FLOAT))

    def test_flows_are_the_store_s(self):
        pairs = self.numbers.children("flows")
        self.assertIn("fc7-fc8", pairs)
        self.assertEqual(sorted(flow["name"] for flow in self.page.json["summary"]["flows"]), sorted(pairs))
        for pair in pairs:
            for name, want in self.numbers.flow(pair).items():
                if name in EXACT:
                    self.assertTrue(numpy.array_equal(self.page[f"flows/{pair}/{name}"], want))
                elif name in FLOWS:
                    self.assert_array(f"flows/{pair}/{name}", want, {"mean": MATRIX, "std_error": ERROR}.get(name, FLOAT))
                elif name == "class_mean":
                    for row, matrix in enumerate(want):
                        self.assert_array(f"flows/{pair}/class_mean/{row}", matrix, MATRIX)
        self.assertEqual(self.page.json["flow_classes"], [3, 7])

    def test_layers_in_which_classes_hardly_differ_are_named(self):
        depth = self.page.json["class_depth"]
        self.assertEqual(depth["below"][0], "input")
        self.assertEqual(depth["below"][-1], "conv4_1")
        self.assertIn("below conv4_2 a comparison says little about classes", depth["text"])

    def test_summary_is_that_of_info(self):
        want = json.loads(nrmflow("info", self.store, "--json").stdout)
        self.assertEqual(set(self.page.json["summary"]), set(want))
        for key in ("finished", "accuracy", "given_mass", "complete", "model_sha256"):
            self.assertAlmostEqual(self.page.json["summary"][key], want[key], places=8) if isinstance(want[key], float) \
                else self.assertEqual(self.page.json["summary"][key], want[key])

    def test_names_can_hold_anything(self):
        self.assertEqual(self.page.json["classes"][0]["name"], "</script><b>T-shirt")
        self.assertNotIn("<b>T-shirt", self.page.text)
        self.assertEqual(self.page.json["classes"][9]["name"], "class 9 ü")

    def test_accuracy_by_class_counts_every_labelled_image(self):
        label, predicted = self.numbers["images/label"], self.numbers["images/predicted"]
        for k, row in enumerate(self.page.json["classes"]):
            self.assertEqual(row["labelled"], numpy.count_nonzero(label == k))
            self.assertEqual(row["correct"], numpy.count_nonzero((label == k) & (predicted == k)))

    def test_nothing_is_loaded_from_anywhere(self):
        self.assertEqual(re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?!data:)", self.page.text), [])
        self.assertNotIn("@import", self.page.text)
        self.assertLess(os.path.getsize(self.path("small.html")), 8e6)

    def test_same_store_same_page(self):
        again = self.path("again.html")
        done = nrmflow("report", self.store, "--output", again, "--json")
        self.assertEqual(json.loads(done.stdout), {"page": again, "bytes": os.path.getsize(again)}, done.stderr)
        with open(again, "rb") as a, open(self.path("small.html"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_default_name_is_the_store_s_in_the_working_folder(self):
        done = subprocess.run([NRMFLOW, "report", self.store], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.stdout.split(":")[0], "small.html", done.stderr)

    def test_failures_leave_the_old_page_and_nothing_else(self):
        folder = self.path("failures")
        os.mkdir(folder)
        page = os.path.join(folder, "page.html")
        with open(page, "w", encoding="utf-8") as file:
            file.write("old")
        for fault in ("create:1", "write:1", "write:5", "sync:1", "rename:1"):
            with self.subTest(fault=fault):
                done = nrmflow("report", self.store, "-o", page, environment={"NRMFLOW_FAULT": fault})
                self.assertEqual(done.returncode, 1)
                self.assertIn("page.html", done.stderr)
                self.assertEqual(os.listdir(folder), ["page.html"])
                with open(page, encoding="utf-8") as file:
                    self.assertEqual(file.read(), "old")

    def test_bad_arguments_are_refused_by_name(self):
        for arguments, words in ((["/no/such.h5"], "/no/such.h5"), ([DEMO], "demo.ini"), ([], "STORE"),
                                 ([self.store, "-o", self.folder], "not a regular file"),
                                 ([self.store, "-o", "/no/such/folder/page.html"], "/no/such/folder")):
            with self.subTest(arguments=arguments):
                done = nrmflow("report", *arguments)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)

    def test_failed_images_are_listed(self):
        folder = self.path("broken", "class")
        os.makedirs(folder)
        for name in ("a.png", "b.png"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"no image")
        store = self.path("broken.h5")
        run(store, {"data.path": self.path("broken"), "data.pad": "0", "model.classes": "", "data.max_failed": "100 %"})
        self.assertEqual(nrmflow("report", store, "-o", self.path("broken.html")).returncode, 0)
        page = Page(self.path("broken.html"))
        self.assertEqual([row["path"] for row in page.json["failures"]], ["class/a.png", "class/b.png"])
        self.assertTrue(page.json["summary"]["complete"])

    def test_an_unfinished_run_is_known_as_such(self):
        store = self.path("unfinished.h5")
        run(store, {"data.images": "0:64", "run.epoch": "0", "measure.flows": "none"},
            environment={"NRMFLOW_FAULT": "rename:4:kill"})
        self.assertEqual(nrmflow("report", store, "-o", self.path("unfinished.html")).returncode, 0)
        summary = Page(self.path("unfinished.html")).json["summary"]
        self.assertFalse(summary["complete"])
        self.assertEqual(summary["images"], 64)
        self.assertTrue(0 < summary["finished"] < 64, summary["finished"])


@unittest.skipUnless(HAS_PAGE, "this nrmflow was built without the page: no npm")
class Images(RunCase):
    """--images: pictures of the listed images, and a channel's relevance at their pixels as `nrmflow map` has it."""

    SETTINGS = {"data.images": "0:24", "measure.flows": "none"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("images.h5", cls.SETTINGS)
        done = nrmflow("report", cls.store, "-o", cls.path("images.html"), "--images", DEMO, "--set", "data.images=0:24")
        assert done.returncode == 0, done.stderr
        cls.page = Page(cls.path("images.html"))
        cls.images = cls.page.json["images"]

    def test_pictures_are_what_the_network_sees(self):
        height, width, channels = self.images["picture"]
        got = self.page.octets("images/pixels").reshape(-1, height, width, channels)
        want = numpy.pad(demo_pixels()[self.images["numbers"]], ((0, 0), (2, 2), (2, 2)))
        self.assert_close(got[..., 0], want, 1)

    def test_every_listed_image_has_its_map(self):
        numbers = Store(self.store)
        for layer, channels in self.images["layers"].items():
            mean = numbers[f"layers/{layer}/mean"]
            self.assertEqual(channels, numpy.argsort(-mean, kind="stable")[:16].tolist())
            top = numpy.stack([numbers[f"layers/{layer}/{name}"][channels, :self.images["depth"]]
                               for name in ("top_image", "active_image")], 1)
            maps = self.page.octets(f"images/{layer}/maps").reshape(*top.shape, *self.images["map"])
            self.assertTrue(numpy.array_equal(maps[:, :, :, 0, 0] > 0, top >= 0), layer)
            self.assertTrue(set(top[top >= 0]) <= set(self.images["numbers"]))

    def test_maps_are_those_of_nrmflow_map(self):
        channel = self.images["layers"]["conv5_3"][0]
        folder = self.path("maps")
        done = nrmflow("map", DEMO, f"conv5_3[{channel}]", "--at", "input", "--images", "0:24", "-o", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        want = Store(os.path.join(folder, "maps.h5"))["queries/map/map"].sum(1)
        top = Store(self.store)["layers/conv5_3/top_image"][channel]
        scale = self.page["images/conv5_3/scale"]
        maps = self.page.octets("images/conv5_3/maps").reshape(*scale.shape, *self.images["map"]).astype(float)
        for rank in range(self.images["depth"]):
            level = (maps[0, 0, rank] - 32) / 31
            got = scale[0, 0, rank] * numpy.sign(level) * level ** 2
            self.assert_close(got, want[top[rank]], scale[0, 0, rank] * (1 / 31 + 1e-3))

    def test_another_measure_or_data_is_refused(self):
        for setting, words in (("measure.composite=zero", "composite"), ("measure.target=class:1", "target"),
                               ("measure.rule.conv1_2=zplus", "measure.rule"),
                               ("data.path=/no/such/file", "/no/such/file")):
            with self.subTest(setting=setting):
                done = nrmflow("report", self.store, "-o", self.path("no.html"), "--images", DEMO, "--set", setting)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertFalse(os.path.exists(self.path("no.html")))


if __name__ == "__main__":
    unittest.main()
