"""Stores of format version 1: every command reads them, a run continues them, a merge of them is a store of version 2.

tests/data/version_1.tar.xz has stores that nrmflow 0.2.0 wrote, from the images that Version1 makes and tests/data/random64.safetensors:
whole.h5 with everything that a store may have, two shards, and a run that failed when 8 of 24 images were done."""

import json
import os
import shutil
import tarfile
import unittest

import h5py
import numpy

from support import RunCase, Store, finished, nrmflow, run

DATA = os.environ["TEST_DATA"]
COUNT = 24
CONFIG = """[data]
path = images.h5
[model]
weights = random64.safetensors
[measure]
given = input
[store]
top = 2
compression = 0
[run]
block = 4
"""
WHOLE = {"store.histogram_bins": 4, "store.class_by": "label", "store.maps": "conv5_1", "store.per_image": "conv5_1",
         "store.class_flows": "1,3", "measure.flows": "adjacent,conv4_1-conv5_1,all", "measure.sweeps": 2,
         "measure.query.both": "conv5_1[1:3] given conv4_1[0:4]"}
FEW = {"store.histogram_bins": 0, "measure.flows": "none", "store.classes": "none"}
MOVED = {"variable": "images/variable", "class": "classes/name", "flow_class": "classes/flow_class"}


def write_images(path):
    i, y, x, c = numpy.ogrid[0:COUNT, 0:64, 0:64, 0:3]
    pixels = (i * 37 + y * (5 + i % 3) + x * (3 + i % 5) + c * 61 + (y * x * (1 + i % 4)) // 16) % 256
    numbers = numpy.arange(COUNT)
    with h5py.File(path, "w") as file:
        file["data"], file["labels"] = pixels.astype("uint8"), numpy.where(numbers < 16, 1, numbers % 7)


class Version1(RunCase):
    """In the folder of the stores, because paths in them are relative."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(os.chdir, os.getcwd())
        os.chdir(cls.folder)
        with tarfile.open(os.path.join(DATA, "version_1.tar.xz")) as archive:
            archive.extractall()
        shutil.copy(os.path.join(DATA, "random64.safetensors"), cls.folder)
        write_images("images.h5")
        with open("small.ini", "w", encoding="utf-8") as file:
            file.write(CONFIG)
        cls.old = Store("whole.h5")
        done = run("now.h5", WHOLE, config="small.ini")  # the same with this program
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def said(self, *arguments):
        """What a command prints as JSON."""
        done = nrmflow(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        return json.loads(done.stdout)

    def assert_like(self, path, want, but=()):
        """A store of version 2 with the numbers of another store up to rounding, as instruction sets differ."""
        got = Store(path)
        self.assertEqual(got.attributes["", "format_version"], 2)
        self.assertEqual(nrmflow("check", path).returncode, 0)
        for name in want.names():
            if want[name].dtype.kind == "f" and name not in but and not name.endswith("_value"):
                scale = numpy.nanmax(numpy.abs(want[name])) if numpy.isfinite(want[name]).any() else 1
                self.assert_close(got[name], want[name], 1e-4 * scale, name)

    def test_the_archive_holds_version_1(self):
        self.assertEqual(self.old.attributes["", "format_version"], 1)
        self.assertTrue(all(old in self.old.names() for old in MOVED.values()))

    def test_check_finds_them_sound(self):
        for name in ("whole.h5", "shard-1.h5", "shard-2.h5", "unfinished.h5"):
            found = self.said("check", name)
            self.assertTrue(found["sound"] and found["numbers_checked"], name)
        self.assertEqual(self.said("check", "whole.h5")["datasets"], len(self.old.names()))

    def test_check_finds_what_is_wrong_in_them(self):
        shutil.copy("whole.h5", "wrong.h5")
        with h5py.File("wrong.h5", "r+") as file:
            file["images/mass"][3, 2] += 1
            del file["layers/conv5_1/std"]
            del file["classes/name"]
        done = nrmflow("check", "wrong.h5")
        self.assertEqual(done.returncode, 1)
        for line in ("/layers/conv5_1/std: is missing", "/classes/name: is missing"):
            self.assertIn(line, done.stdout.splitlines())

    def test_info_says_what_they_hold(self):
        found = self.said("info", "whole.h5")
        self.assertEqual((found["images"], found["finished"], found["failed"], found["complete"]), (COUNT, COUNT, 0, True))
        self.assertEqual([layer["name"].encode() for layer in found["layers"]], self.old["images/variable"].tolist())
        for k, layer in enumerate(found["layers"]):
            self.assert_close(layer["mass"], self.old["images/mass"][:, k].mean(), 1e-12)
        self.assertEqual(len(found["flows"]), len(self.old.children("flows")))
        found = self.said("info", "unfinished.h5")
        self.assertEqual((found["images"], found["finished"], found["complete"]), (COUNT, 8, False))

    def test_classes_compares_theirs(self):
        found = self.said("classes", "whole.h5", "1", "3", "--flow", "conv4_2-conv5_1")
        rows = self.old["classes/flow_class"].tolist()
        self.assertEqual(rows, [1, 3])
        self.assertEqual([found["a"]["images"], found["b"]["images"]], self.old["classes/count"][[1, 3]].tolist())
        layers = self.said("classes", "whole.h5", "1", "3", "--layer", "conv5_1")["layers"]["conv5_1"]
        for name, row in ("a", 1), ("b", 3):
            self.assert_close(layers[name], self.old["layers/conv5_1/class_mean"][row][layers["channel"]], 1e-12)

    def test_walks_are_those_of_their_flows(self):
        """A walk through two layers is an entry of a flow matrix."""
        found = self.said("walks", "whole.h5", "--from", "conv4_2", "--to", "conv5_1", "--top", "1")
        flow = self.old["flows/conv4_2-conv5_1/mean"]
        upper, lower = found["walks"][0]["channels"]
        self.assertEqual((upper, lower), numpy.unravel_index(numpy.abs(flow).argmax(), flow.shape))
        found = self.said("walks", "whole.h5", "--from", "conv4_2", "--to", "conv5_1", "--class", "3", "--top", "1")
        flow = self.old["flows/conv4_2-conv5_1/class_mean"][1]
        self.assertEqual(tuple(found["walks"][0]["channels"]), numpy.unravel_index(numpy.abs(flow).argmax(), flow.shape))
        self.assertTrue(self.said("walks", "whole.h5", "--verify", "small.ini")["verified"])

    def test_report_and_export(self):
        for arguments in (["report", "whole.h5", "--images", "small.ini", "-o", "page.html"],
                          ["export", "virelay", "whole.h5", "--config", "small.ini", "-o", "virelay"]):
            done = nrmflow(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File("virelay/attribution.h5") as file:
            sums = file["attribution"][()].sum((1, 2, 3), dtype="float64")
        self.assert_close(sums, self.old["images/mass"][:, 0], 1e-4)
        self.assertGreater(os.path.getsize("page.html"), 100000)

    def test_a_complete_one_is_left_alone(self):
        before = os.stat("whole.h5").st_mtime_ns
        done = run("whole.h5", WHOLE, "--allow-mixed", config="small.ini")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing to do", done.stderr)
        self.assertEqual(os.stat("whole.h5").st_mtime_ns, before)

    def test_the_condition_that_was_the_default_must_be_said(self):
        """Stores keep the condition that they were made with."""
        with open("silent.ini", "w", encoding="utf-8") as file:
            file.write(CONFIG.replace("given = input\n", ""))
        done = run("whole.h5", WHOLE, "--allow-mixed", config="silent.ini")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('measure.given is "none" here by default, but "input" in the store: set measure.given = input for '
                      "the same run", done.stderr)

    def test_the_same_run_now_has_the_same_numbers(self):
        now = Store("now.h5")
        self.assert_like("now.h5", self.old, but=[f"flows/{pair}/{name}" for pair in self.old.children("flows")
                                                  for name in ("mean", "std_error", "sampling_error")
                                                  if self.old.attributes[f"flows/{pair}", "method"] == b"sampled"])
        for name, old in MOVED.items():
            self.assertEqual(now[name].tolist(), self.old[old].tolist())
        self.assertEqual(now["images/status"].tolist(), self.old["images/status"].tolist())

    def test_shards_make_a_store_of_version_2(self):
        done = nrmflow("merge", "-o", "merged.h5", "shard-1.h5", "shard-2.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        merged, shards = Store("merged.h5"), [Store("shard-1.h5"), Store("shard-2.h5")]
        for name in shards[0].names():
            if name.startswith("images/") and name != "images/variable" or name == "layers/fc8/relevance":
                rows = numpy.concatenate([shard[name] for shard in shards])
                self.assertEqual(merged[name].tolist(), rows.tolist(), name)
        self.assertEqual(merged["class"].tolist(), shards[0]["classes/name"].tolist())
        self.assertFalse([name for name in merged.names() if name.endswith("activation_mean")])
        whole = Store(self.run_store("one.h5", {**FEW, "store.per_image": "fc8"}, config="small.ini", options=["--restart"]))
        self.assert_like("merged.h5", whole, but=[name for name in whole.names() if name.endswith("activation_mean")])

    def test_shards_of_both_versions_merge(self):
        done = run("second.h5", {**FEW, "store.per_image": "fc8", "data.shard": "2/2"}, config="small.ini")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = nrmflow("merge", "--allow-mixed", "-o", "both.h5", "shard-1.h5", "second.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        both = Store("both.h5")
        self.assertEqual(len(both["images/path"]), COUNT)
        self.assertIn("layers/conv1_1/activation_mean", Store("second.h5").names())
        self.assertNotIn("layers/conv1_1/activation_mean", both.names(), "it would be of the second shard's images alone")
        whole = Store(self.run_store("one.h5", {**FEW, "store.per_image": "fc8"}, config="small.ini", options=["--restart"]))
        self.assert_like("both.h5", whole, but=[name for name in whole.names() if name.endswith("activation_mean")])

    def test_an_unfinished_one_is_not_continued_since_its_sums_lack_activations(self):
        shutil.copy("unfinished.h5", "continued.h5")
        shutil.copytree("unfinished.h5.parts", "continued.h5.parts")
        self.assertEqual(finished("continued.h5"), 8)
        done = run("continued.h5", {**FEW, "run.epoch": 0}, "--allow-mixed", config="small.ini")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('continued.h5: was begun by another version of the program, which does not keep the sums of '
                      '"activation"; finish it with that one, or start again with --restart', done.stderr)
        self.assertEqual(finished("continued.h5"), 8)


if __name__ == "__main__":
    unittest.main()
