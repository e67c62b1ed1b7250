"""Whatever of a dataset is passed over is counted and said, with one example; what can be read in two ways is refused."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
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

    def test_class_folders_in_tar_files_are_labels(self):
        os.makedirs(os.path.join(self.place, "set"))
        self.write_tar("set/a.tar", [("val/dog/1.png", image(0)), ("val/cat/deep/1.png", image(1))])
        self.write_tar("set/b.tar", [("val/cow/1.png", image(2)), ("val/dog/2.png", image(3))])
        said, store = self.said(os.path.join(self.place, "set"))
        self.assertEqual(said, {})
        self.assertIn('labels are the folders in the tar files, sorted by name classes=3 first="cat"', self.log)
        self.assertEqual(self.labels(store), {"a.tar:val/dog/1.png": 2, "a.tar:val/cat/deep/1.png": 0,
                                              "b.tar:val/cow/1.png": 1, "b.tar:val/dog/2.png": 2})

    def test_folders_in_tar_files_are_no_labels_beside_images_or_labels(self):
        path = self.write_tar("beside.tar", [("cat/1.png", image(0)), ("dog/1.png", image(1)), ("2.png", image(2))])
        said, store = self.said(path)
        self.assertEqual(said, {"labels by folder in tar files, since some images are in no folder": (2, "cat/1.png")})
        self.assertEqual(set(self.labels(store).values()), {-1})
        for i, (members, labels) in enumerate((([("a/1.png", image(0)), ("a/2.png", image(1))], [-1, -1]),
                                               ([("a/1.png", image(0)), ("a/1.cls", b"5"), ("b/1.png", image(1))], [5, -1]))):
            os.remove(os.path.join(self.place, "store.h5"))
            said, store = self.said(self.write_tar(f"{i}.tar", members))
            self.assertEqual((said, store["images/label"].tolist()), ({}, labels))
            self.assertNotIn("labels are the folders", self.log)

    def test_parts_of_a_data_set_in_a_tar_file_are_no_classes(self):
        path = self.write_tar("all.tar", [("all/train/cat/1.png", image(0)), ("all/val/cat/1.png", image(1))])
        done = self.run_on(path)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"all\.tar: the folders in it, such as train, .* data\.format = tar to take them for classes")
        _, store = self.said(path, format="tar")
        self.assertEqual(store["images/label"].tolist(), [0, 1])

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


class NotImages(DatasetCase):
    """What people take for a data set is named, with what makes it one; the Python of the message does."""

    def check_refused(self, path, *words, **data):
        done = self.run_on(path, **data)
        self.assertEqual(done.returncode, 1)
        for word in words:
            self.assertIn(word, done.stderr)
        return done.stderr

    def follow(self, said, file):
        """Run the Python that a message advises, in the test's folder."""
        code = said.strip().split("in Python", 1)[1].split(": ", 1)[1].replace("FILE.npz", "FILE").replace("FILE", file)
        subprocess.run([sys.executable, "-c", code], cwd=self.place, check=True)

    def check_followed(self, said, file, written, labels=None):
        self.follow(said, file)
        _, store = self.said(os.path.join(self.place, written))
        self.assertEqual(store["images/label"].tolist(), labels or [-1] * 3)

    def test_arrays_of_numpy(self):
        pixels = numpy.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), "uint8")
        array, arrays = (os.path.join(self.place, name) for name in ("images.npy", "images.npz"))
        numpy.save(array, pixels)
        self.check_followed(self.check_refused(array, "an array of NumPy"), array, "images.h5")
        os.remove(os.path.join(self.place, "images.h5"))
        os.remove(os.path.join(self.place, "store.h5"))
        numpy.savez(arrays, data=pixels, labels=[4, 0, 6])
        self.check_followed(self.check_refused(arrays, "a zip file; unpack it"), arrays, "images.h5", [4, 0, 6])

    def test_cifar(self):
        pixels = numpy.random.default_rng(1).integers(0, 256, (3, 3072), "uint8")
        path = self.write("data_batch_1", pickle.dumps({"data": pixels, "labels": [1, 6, 2]}, protocol=2))
        self.check_followed(self.check_refused(path, "a pickle, which is not opened"), path, "images.h5", [1, 6, 2])

    def test_labels_of_numpy(self):
        images, labels = (os.path.join(self.place, name) for name in ("images.h5", "labels.npy"))
        with h5py.File(images, "w") as file:
            file["data"] = numpy.zeros((3, 32, 32, 3), "uint8")
        numpy.save(labels, numpy.asfortranarray(numpy.array([[2], [0], [5]], "int8")))
        self.follow(self.check_refused(images, "labels.npy: is not an HDF5 file", labels=labels), labels)
        _, store = self.said(images, labels=os.path.join(self.place, "labels.h5"))
        self.assertEqual(store["images/label"].tolist(), [2, 0, 5])

    def test_damaged_labels_are_not_called_numpy(self):
        images = os.path.join(self.place, "images.h5")
        with h5py.File(images, "w") as file:
            file["data"] = numpy.zeros((3, 32, 32, 3), "uint8")
        for data, words in ((b"", "is empty"), (b"\x89HDF\r\n\x1a\n" + bytes(100), "is damaged")):
            said = self.check_refused(images, words, labels=self.write("labels.h5", data))
            self.assertNotIn("NumPy", said)

    def test_labels_that_are_text(self):
        path = os.path.join(self.place, "images.h5")
        with h5py.File(path, "w") as file:
            file["data"] = numpy.zeros((3, 32, 32, 3), "uint8")
            file["labels"] = numpy.array([b"2", b"0", b"5"])
        self.check_refused(path, "/labels does not hold plain numbers; write it with numpy.asarray(x)",
                           "numpy.unique(x, return_inverse=True)[1] (labels that are names)")

    def test_a_table_with_commas(self):
        for name in "ab":
            self.write(f"{name} 1.png", image(ord(name)))
        path = self.write("list.csv", b"path,label\na 1.png,5\nb 1.png,2\n")
        said = self.check_refused(path, "list.csv, line 2: a comma before the label")
        self.follow(said, path)
        _, store = self.said(os.path.join(self.place, "list.txt"))
        self.assertEqual(self.labels(store), {"a 1.png": 5, "b 1.png": 2})

    def test_a_table_with_commas_and_no_header(self):
        for name in "ab":
            self.write(f"{name}.png", image(ord(name)))
        path = self.write("list.csv", b"a.png,5\nb.png,2\n")
        self.follow(self.check_refused(path, "list.csv, line 1: a comma before the label"), path)
        _, store = self.said(os.path.join(self.place, "list.txt"))
        self.assertEqual(self.labels(store), {"a.png": 5, "b.png": 2})

    def test_a_table_with_quotes(self):
        for name in "ab":
            self.write(f"{name} 1.png", image(ord(name)))
        for i, number in enumerate(("5", '"5"')):
            path = self.write(f"{i}/list.csv", f'"../a 1.png",{number}\n"../b 1.png",2\n'.encode())
            self.check_refused(path, "list.csv, line 1: a comma before the label")
        path = self.write("r.txt", b'"path" "label"\n"1" "a 1.png" 5\n')
        self.check_refused(path, "r.txt, line 1: quotes that do not enclose one path", "in R: write.table(x,")

    def test_paths_in_quotes(self):
        for name in "a 1.png", "b.png", '"c"', "d,e.png":
            self.write(name, image(len(name)))
        _, store = self.said(self.write("list.txt", b'"a 1.png" 5\n"b.png"\t2\n"c" 3\n"d,e.png"\n"a 1.png"\n'))
        self.assertEqual(store["images/path"].tolist(), [b"a 1.png", b"b.png", b'"c"', b"d,e.png", b"a 1.png"])
        self.assertEqual(store["images/label"].tolist(), [5, 2, 3, -1, -1])

    def test_one_hot_labels(self):
        images = os.path.join(self.place, "images.h5")
        with h5py.File(images, "w") as file:
            file["data"] = numpy.zeros((3, 32, 32, 3), "uint8")
            file["label"] = numpy.eye(7)[[2, 0, 5]]
        said, store = self.said(images)
        self.assertEqual(said, {"arrays that may be labels, which data.labels would name": (1, "label")})
        self.follow(self.check_refused(images, "one integer for each of the 3 images; if it is one-hot", labels="label"), images)
        os.remove(os.path.join(self.place, "store.h5"))
        self.assertEqual(self.said(images)[1]["images/label"].tolist(), [2, 0, 5])

    def test_animated_webp(self):
        frames = [Image.fromarray(numpy.full((32, 32, 3), value, "uint8")) for value in (0, 200)]
        os.makedirs(os.path.join(self.place, "set"))
        frames[0].save(os.path.join(self.place, "set", "a.webp"), save_all=True, append_images=frames[1:], duration=10)
        self.write("set/b.png", image(0))
        _, store = self.said(os.path.join(self.place, "set"), max_failed="50%")
        self.assertIn("a.webp: animated WebP images are not read; extract the frames", self.log)
        self.assertEqual(store["images/status"].tolist(), [2, 0])

    def test_names_that_end_like_a_table(self):
        for i, name in enumerate(["x,1", "b 1,2"]):
            self.write(f"set/{name}", image(i))
        _, store = self.said(self.write("set/list.txt", b"x,1\nb 1,2\n"))
        self.assertEqual(self.labels(store), {"x,1": -1, "b 1,2": -1})

    def test_other_files(self):
        for name, data, advice in (("train.parquet", b"PAR1\0", "Parquet file; write its images as files"),
                                   ("set.mat", b"MATLAB 5.0\0", "scipy.io.loadmat"),
                                   ("new.mat", b"MATLAB 7.3 MAT-file\0", "with the dimensions in reverse; write it "
                                                                         "again, with h5py"),
                                   ("list.txt", "a.png 1".encode("utf-16"), "UTF-16; save it as UTF-8"),
                                   ("a.png", image(1), "a single image; set data.path to its folder")):
            self.check_refused(self.write(name, data), name, advice)

    def test_containers_in_a_folder_or_in_a_tar_file(self):
        inner = self.write_tar("n01440764.tar", [("n01440764_1.JPEG", image(1))])
        with open(inner, "rb") as file:
            outer = self.write_tar("train.tar", [("n01440764.tar", file.read())])
        self.check_refused(outer, "contains no images; passed over: 1 other members of tar files (n01440764.tar)",
                           "unpack it, and each of them into a folder of its name")
        self.write("set/data.mdb", b"")
        self.check_refused(os.path.join(self.place, "set"), "LMDB is not opened")

    def test_compressed_files_in_a_folder(self):
        for name, advice in (("images-idx3-ubyte.gz", "(images-idx3-ubyte.gz); if this .gz file is a data set"),
                             ("a.tar.gz", "compressed tar files are not opened"),
                             ("a.tgz", "compressed tar files are not opened")):
            self.write(f"{name}.folder/{name}", b"")
            self.check_refused(os.path.join(self.place, f"{name}.folder"), advice)

    def test_tar_files_in_a_folder(self):
        shards = os.path.join(self.place, "set", "shards")
        os.makedirs(shards)
        self.write_tar("set/shards/a.tar", [("0.png", image(0)), ("0.cls", b"3")])
        self.check_refused(os.path.dirname(shards), f"no image files, but tar files; set data.path = {shards} to read")
        self.check_refused(shards, "(a.tar); set data.format = tar to read tar files", format="folder")
        self.assertEqual(self.labels(self.said(shards)[1]), {"a.tar:0.png": 3})


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
