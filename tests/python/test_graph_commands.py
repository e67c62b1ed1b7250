"""Commands that read a store, on a network with branches: classes, the report, the layer that ViRelAy gets."""

import json
import os
import re
import unittest

import h5py
from support import JOBS, RunCase, nrmflow

RESNET = os.path.join(JOBS, "demo", "resnet.ini")


class Commands(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("classes.h5", {"data.images": "0:200", "store.class_flows": "1, 2",
                                                      "store.per_image": "layer2.1.conv1"}, config=RESNET)

    def test_classes_compare_the_entries_that_a_diagonal_flow_has(self):
        pair = "layer2.0.conv2-layer2.0.add"
        done = nrmflow("classes", self.store, "1", "2", "--flow", pair, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)["flows"][pair]
        with h5py.File(self.store) as file:
            mean = file[f"flows/{pair}/diagonal_class_mean"][()].astype("float64")
        self.assertEqual(sorted(got["upper"]), list(range(mean.shape[1])))
        self.assertEqual(got["upper"], got["lower"])
        self.assert_close(got["a"], mean[0][got["upper"]], 1e-12)
        self.assert_close(got["difference"], (mean[0] - mean[1])[got["upper"]], 1e-12)

    def page(self):
        """The JSON in the report's page."""
        output = self.path("report.html")
        done = nrmflow("report", self.store, "-o", output)
        if "built without the report's page" in done.stderr:
            self.skipTest("no Node.js")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(output, encoding="utf-8") as file:
            return json.loads(re.search(r'id="?page-json"?[^>]*>(.*?)</script>', file.read(), re.DOTALL)[1])

    def test_the_report_begins_with_the_last_cut_below_the_head_and_has_every_connection(self):
        page = self.page()
        self.assertEqual(page["network"]["first"], "layer4.1.add")
        layers = {layer["name"]: layer["cut"] for layer in page["network"]["layers"]}
        self.assertEqual((layers["layer2.1.conv1"], layers["layer2.1.add"]), (False, True))
        self.assertNotIn("maxpool", layers)
        for pair in ("layer1.0.add-layer1.1.add", "layer1.1.conv2-layer1.1.add"):
            entry = page["arrays"][f"flows/{pair}/mean"]
            self.assertEqual(len(entry["shape"]), 2)

    def test_the_report_says_which_share_takes_each_skip(self):
        blocks = {block["name"]: block["ways"] for block in self.page()["network"]["blocks"]}
        self.assertEqual(len(blocks), 8)
        with h5py.File(self.store) as file:
            for name, ways in blocks.items():
                for way in ways:
                    flow = file[f"flows/{way['from']}-{name}/diagonal_mean"][()].astype("float64")
                    self.assertAlmostEqual(way["share"], flow.sum(), places=6)
        self.assertEqual([(way["from"], way["steps"]) for way in blocks["layer2.1.add"]], [("layer2.0.add", 0), ("layer2.1.conv2", 2)])
        self.assertEqual([(way["from"], way["steps"]) for way in blocks["layer2.0.add"]],
                         [("layer2.0.downsample.0", 1), ("layer2.0.conv2", 2)])

    def test_virelay_asks_for_the_last_cut_below_the_head(self):
        done = nrmflow("export", "virelay", self.store, "--config", RESNET, "-o", self.path("virelay"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("store.per_image = layer4.1.add", done.stderr)  # a layer in a branch is not taken instead


if __name__ == "__main__":
    unittest.main()
