"""Whatever of a dataset is passed over is counted and said, with one example; what can be read in two ways is refused."""

import io
import json
import os
import re
import tarfile
import unittest

import h5py
import numpy
from PIL import Image
from support import TINY, RunCase, Store, nrmflow, run


def image(i):
    memory = io.BytesIO()
    pixels = numpy.random.default_rng(i).integers(0, 256, (32, 32, 3), "uint8")
    Image.fromarray(pixels).save(memory, "PNG")
    return memory.getvalue()


class DatasetCase(RunCase):
    def setUp(self):
        self.place = self.path(self._testMethodName)
        os.makedirs(self.place)
        self.ini = self.write("run.ini", b"[measure]\nflows = none\n")

    def write(self, name, data):
        path = os.path.join(self.place, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def write_tar(self, name, members):
        """members: (name, bytes), or (name, name) for a symbolic link."""
        path = os.path.join(self.place, name)
        with tarfile.open(path, "w") as tar:
            for member, data in members:
                info = tarfile.TarInfo(member)
                if isinstance(data, str):
                    info.type, info.linkname = tarfile.SYMTYPE, data
                    tar.addfile(info)
                else:
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return path

    def run_on(self, path, **data):
        settings = {"data.path": path, "model.weights": TINY, **{f"data.{key}": value for key, value in data.items()}}
        return run(os.path.join(self.place, "store.h5"), settings, config=self.ini)

    def said(self, path, **data):
        """{what: (count, example)} and the store."""
        done = self.run_on(path, **data)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = re.findall(r'(warn|info): passed over (\d+) (.*?) example="(.*)"', done.stderr)
        self.assertEqual(len(found), done.stderr.count("passed over"))
        self.log, self.levels = done.stderr, {what: level for level, _, what, _ in found}
        return ({what: (int(count), example) for _, count, what, example in found},
                Store(os.path.join(self.place, "store.h5")))

    def labels(self, store):
        return dict(zip([path.decode() for path in store["images/path"]], store["images/label"].tolist()))


class PassedOver(DatasetCase):
    def test_folders(self):
        for i, name in enumerate(["a/1.png", "a/.Trash/2.png", "a/._1.png", "b/deep/3.png", "b/anim.gif", "b/deep/x.jfif",
                                  "b/deep/notes.txt", ".git/4.png", "@eaDir/5.png", "6.png", "7.png", "classes.txt",
                                  ".DS_Store"]):
            self.write(f"set/{name}", image(i))
        said, store = self.said(os.path.join(self.place, "set"))
        self.assertEqual(said["images beside the class folders"], (2, "6.png"))
        self.assertEqual(said["hidden or system folders"][0], 3)
        self.assertEqual(said["files of another kind"][0], 4)
        self.assertEqual(said["hidden files"][0], 2)
        self.assertEqual(len(said), 4)
        self.assertEqual(self.labels(store), {"a/1.png": 0, "b/deep/3.png": 1})
        self.assertEqual((self.levels["hidden files"], self.levels["files of another kind"]), ("info", "warn"))

    def test_a_clean_folder_is_not_talked_about(self):
        for name in "a/1.png", "b/2.png":
            self.write(f"set/{name}", image(1))
        self.assertEqual(self.said(os.path.join(self.place, "set"))[0], {})
        self.assertNotIn("labels are missing", self.log)

    def test_flat_folder_with_hidden_copies_has_no_classes(self):
        for name in "1.png", ".ipynb_checkpoints/1-checkpoint.png":
            self.write(f"set/{name}", image(1))
        said, store = self.said(os.path.join(self.place, "set"))
        self.assertEqual(said, {"hidden or system folders": (1, ".ipynb_checkpoints")})
        self.assertEqual(self.labels(store), {"1.png": -1})

    def test_tar(self):
        path = self.write_tar("set.tar", [
            ("0.png", image(0)), ("0.cls", b"3"), ("0.json", b"{}"), ("1.png", "elsewhere/1.png"), ("1.cls", b"2"),
            ("2.png", "0.png"), ("2.cls", b"1"), ("3.left.png", image(3)), ("3.png", image(4)), ("3.jpg", image(5)),
            ("readme", b"text")])
        said, store = self.said(path)
        self.assertEqual(said, {"links to what is not in the tar file": (1, "1.png"),
                                "further images of a sample, or with two extensions": (2, "3.left.png"),
                                "labels without an image": (1, "1.cls"), "other members of tar files": (2, "0.json")})
        self.assertEqual(self.labels(store), {"set.tar:0.png": 3, "set.tar:2.png": 1, "set.tar:3.png": -1})
        self.assertEqual(store["images/logit"][0], store["images/logit"][1])
        self.assertRegex(self.log, r'labels are missing: labels=2 of images=3 example="set\.tar:3\.png"')

    def test_shards_beside_others(self):
        os.makedirs(os.path.join(self.place, "set"))
        self.write_tar("set/a.tar", [("0.png", image(0)), ("0.cls", b"3")])
        self.write("set/b.tar.gz", b"")
        said, store = self.said(os.path.join(self.place, "set"))
        self.assertEqual(said, {"files of another kind": (1, "b.tar.gz")})
        self.assertEqual(self.labels(store), {"a.tar:0.png": 3})

    def test_arrays(self):
        path = os.path.join(self.place, "set.h5")
        with h5py.File(path, "w") as file:
            file["data"] = numpy.zeros((4, 32, 32, 3), "uint8")
            file["labels"] = numpy.eye(4, 7, dtype="uint8")
            file["classes"] = [3, 2, 1, 0]
            file["names"] = [1, 2, 3]
        said, store = self.said(path)
        self.assertEqual(said, {"arrays that may be labels, which data.labels would name": (2, "classes")})
        self.assertEqual(store["images/label"].tolist(), [-1] * 4)
        os.remove(os.path.join(self.place, "store.h5"))
        said, store = self.said(path, labels="classes")
        self.assertEqual((said, store["images/label"].tolist()), ({}, [3, 2, 1, 0]))

    def test_labels_from_another_file_beside_the_configuration(self):
        with h5py.File(os.path.join(self.place, "x.h5"), "w") as file:
            file["x"] = numpy.zeros((4, 32, 32, 3), "uint8")
        with h5py.File(os.path.join(self.place, "y.h5"), "w") as file:
            file["y"] = numpy.array([5, 0, 6, 1]).reshape(4, 1, 1, 1)
            file["fold/train"] = numpy.array([1, 2, 3, 4], "uint8")
        for given, want in (("y.h5", [5, 0, 6, 1]), ("y.h5:/y", [5, 0, 6, 1]), ("y.h5:/fold/train", [1, 2, 3, 4])):
            config = self.write("apart.ini", f"[data]\npath = x.h5\nlabels = {given}\n[measure]\nflows = none\n[model]\n"
                                             f"weights = {TINY}\n".encode())
            output = os.path.join(self.place, "apart.h5")
            done = nrmflow("run", config, "--output", output, "--restart")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(Store(output)["images/label"].tolist(), want)

    def test_info_counts_labels(self):
        lines = ["a.png 1", "b.png", "c.png 2"]
        for name in "abc":
            self.write(f"set/{name}.png", image(ord(name)))
        said, _ = self.said(self.write("set/list.txt", "\n".join(lines).encode()))
        self.assertEqual(said, {})
        self.assertRegex(self.log, r'labels=2 of images=3 example="b\.png"')
        store = os.path.join(self.place, "store.h5")
        self.assertRegex(nrmflow("info", store).stdout, r"(?m)^labels +2 of 3$")
        self.assertEqual(json.loads(nrmflow("info", "--json", store).stdout)["labels"], 2)


class Names(DatasetCase):
    """Names in any encoding are stored so that they can be told apart and opened again."""

    def decoded(self, path):
        return re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), path)

    def test_names_that_are_not_utf8(self):
        names = [b"\xe8.png", b"\xe9.png", b"caf\xc3\xa9.png", b"\\xE9.png", b"a\\b.png", b"\xff\xfe\\x41.png"]
        folder = os.fsencode(os.path.join(self.place, "set"))
        os.makedirs(folder + b"/\xdc")
        for i, name in enumerate(names):
            with open(folder + b"/\xdc/" + name, "wb") as file:
                file.write(image(i))
        _, store = self.said(os.path.join(self.place, "set"))
        paths = store["images/path"].tolist()
        self.assertEqual(len(set(paths)), len(names))
        for path in paths:
            path.decode("utf-8")
            self.assertTrue(os.path.exists(folder + b"/" + self.decoded(path)))
        self.assertEqual(sorted(os.path.basename(self.decoded(path)) for path in paths), sorted(names))
        self.assertIn(rb"\xDC/caf\xC3\xA9.png".replace(rb"\xC3\xA9", b"\xc3\xa9"), paths)

    def test_a_merge_keeps_them(self):
        folder = os.fsencode(os.path.join(self.place, "set"))
        os.makedirs(folder)
        for i, name in enumerate([b"\xe8.png", b"\\xE8.png"]):
            with open(folder + b"/" + name, "wb") as file:
                file.write(image(i))
        settings = {"data.path": os.path.join(self.place, "set"), "model.weights": TINY, "run.block": 1}
        parts = [os.path.join(self.place, f"{i}.h5") for i in (1, 2)]
        for i, part in enumerate(parts):
            self.assertEqual(run(part, {**settings, "data.shard": f"{i + 1}/2"}, config=self.ini).returncode, 0)
        merged = os.path.join(self.place, "merged.h5")
        self.assertEqual(nrmflow("merge", "--output", merged, *parts).returncode, 0)
        self.assertEqual([self.decoded(path) for path in Store(merged)["images/path"]], [b"\\xE8.png", b"\xe8.png"])


class TwoReadings(DatasetCase):
    def both(self):
        self.write("set/cat/1.png", image(1))
        self.write_tar("set/val.tar", [("0.png", image(0))])
        return os.path.join(self.place, "set")

    def test_images_and_tar_files_are_refused_and_both_are_named(self):
        done = self.run_on(self.both())
        self.assertEqual(done.returncode, 1)
        for words in "cat/1.png", "val.tar", "data.format = folder", "data.format = tar":
            self.assertIn(words, done.stderr)

    def test_images_beside_tar_files_without_class_folders_too(self):
        self.write("set/1.png", image(1))
        self.write_tar("set/val.tar", [("0.png", image(0))])
        self.assertIn("data.format = folder", self.run_on(os.path.join(self.place, "set")).stderr)

    def test_parts_of_a_data_set_are_not_classes(self):
        for part in "train", "val":
            for name in "cat", "dog":
                self.write(f"set/{part}/{name}/1.png", image(1))
        done = self.run_on(os.path.join(self.place, "set"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"data\.path = \S+/set/(train|val) .* data\.format = folder to take them for classes")
        _, store = self.said(os.path.join(self.place, "set"), format="folder")
        self.assertEqual(self.labels(store), {"train/cat/1.png": 0, "train/dog/1.png": 0, "val/cat/1.png": 1,
                                              "val/dog/1.png": 1})

    def test_the_format_decides(self):
        path = self.both()
        said, store = self.said(path, format="folder")
        self.assertEqual((said, self.labels(store)), ({"files of another kind": (1, "val.tar")}, {"cat/1.png": 0}))
        os.remove(os.path.join(self.place, "store.h5"))
        said, store = self.said(path, format="tar")
        self.assertEqual((said, self.labels(store)), ({"files of another kind": (1, "cat")}, {"val.tar:0.png": -1}))

    def test_nothing_that_is_read_says_what_is_there(self):
        os.makedirs(os.path.join(self.place, "none"))
        self.write("none/train.tgz", b"")
        self.assertRegex(self.run_on(os.path.join(self.place, "none")).stderr,
                         r"contains no images; passed over: 1 files of another kind \(train\.tgz\)")


del DatasetCase

if __name__ == "__main__":
    unittest.main()
