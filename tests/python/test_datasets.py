"""The same images through every kind of dataset; and images that cannot be read."""

import io
import os
import re
import subprocess
import tarfile
import unittest

import h5py
import numpy
from PIL import Image

from support import NRMFLOW, STATUS, TINY, RunCase, Store, finished, run, sets, smooth_image, wait_for

COUNT, CLASSES = 40, 4
SETTINGS = {"model.weights": TINY, "store.per_image": "all", "store.class_by": "label"}


def make_images():
    """Pixels and labels, ordered by label as a folder of classes orders them."""
    generator = numpy.random.default_rng(5)
    pixels = numpy.array([smooth_image(generator, 48, 60) for _ in range(COUNT)])
    return pixels, numpy.arange(COUNT) * CLASSES // COUNT


def png(pixels):
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, "PNG")
    return memory.getvalue()


def file_name(i):
    return f"image{i:03}.png"


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


class DatasetCase(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pixels, cls.labels = make_images()
        cls.ini = cls.path("run.ini")  # all settings come from --set
        with open(cls.ini, "w"):
            pass

    @classmethod
    def write_folder(cls, name):
        for i, label in enumerate(cls.labels):
            write(cls.path(name, f"class{label}", file_name(i)), png(cls.pixels[i]))
        return cls.path(name)

    @classmethod
    def store_of(cls, name, data, **settings):
        """A store of the whole dataset: {"data.path": ...} as keywords without the section."""
        keys = {f"data.{key}": value for key, value in data.items()}
        return Store(cls.run_store(name, {**SETTINGS, **keys, **settings}, config=cls.ini))


class GoneAndBack(DatasetCase):
    def test_a_folder_that_goes_away_fails_no_image_and_the_run_continues_when_it_is_back(self):
        folder, store = self.write_folder("far"), self.path("far.h5")
        settings = {**SETTINGS, "data.path": folder, "run.block": 1}
        process = subprocess.Popen([NRMFLOW, "run", self.ini, "--output", store, *sets({**settings, "run.epoch": 0})],
                                   stderr=subprocess.PIPE, text=True)
        wait_for(lambda: finished(store) > 0, process)
        os.rename(folder, folder + ".away")
        _, log = process.communicate(timeout=120)
        os.rename(folder + ".away", folder)
        self.assertEqual(process.returncode, 1, log)
        self.assertRegex(log, r"nrmflow: image \d+: \S+/far/?: the folder of the images is gone")
        self.assertNotIn("image failed", log)
        self.assertLess(finished(store), COUNT)
        self.run_store("far.h5", settings, config=self.ini)
        self.assert_same_stores(store, self.run_store("undisturbed.h5", settings, config=self.ini), but=["config"])


class KindsOfDatasets(DatasetCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder_store = cls.store_of("folder.h5", {"path": cls.write_folder("folder")})

    def check_same_numbers(self, store):
        """All numbers but those of the listing."""
        for name in self.folder_store.names():
            if name not in ("images/path", "class"):
                self.assertTrue(self.folder_store[name].tobytes() == store[name].tobytes(), f"{name} differs")

    def test_a_folder_gives_labels_and_paths(self):
        self.assertEqual(self.folder_store["images/label"].tolist(), self.labels.tolist())
        self.assertEqual(self.folder_store["images/path"][0], b"class0/image000.png")

    def test_a_list(self):
        lines = [f"folder/class{label}/{file_name(i)} {label}\n" for i, label in enumerate(self.labels)]
        write(self.path("list.txt"), "".join(lines).encode())
        self.check_same_numbers(self.store_of("list.h5", {"path": self.path("list.txt")}))

    def test_an_array(self):
        with h5py.File(self.path("array.h5"), "w") as file:
            file["data"] = self.pixels
            file["labels"] = self.labels
        self.check_same_numbers(self.store_of("from_array.h5", {"path": self.path("array.h5")}))

    def test_a_compressed_array_with_channels_first_and_other_names(self):
        with h5py.File(self.path("planes.h5"), "w") as file:
            planes = self.pixels.transpose(0, 3, 1, 2)
            file.create_dataset("set/pixels", data=planes, chunks=(3, 3, 48, 60), compression="gzip", shuffle=True)
            file["set/classes"] = self.labels.astype("uint8")
        data = {"path": self.path("planes.h5:/set/pixels"), "labels": "/set/classes"}
        self.check_same_numbers(self.store_of("from_planes.h5", data))

    def test_tar_shards(self):
        os.makedirs(self.path("shards"))
        for shard in range(3):
            with tarfile.open(self.path("shards", f"train-{shard}.tar"), "w") as tar:
                for i in range(shard * 15, min((shard + 1) * 15, COUNT)):
                    self.add_sample(tar, i)
        self.check_same_numbers(self.store_of("tar.h5", {"path": self.path("shards")}))

    def add_sample(self, tar, i):
        for ending, data in ("png", png(self.pixels[i])), ("cls", str(self.labels[i]).encode()):
            member = tarfile.TarInfo(f"sample{i:03}.{ending}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

    def test_idx_files(self):
        header = bytes([0, 0, 8, 4]) + b"".join(n.to_bytes(4, "big") for n in self.pixels.shape)
        write(self.path("set-images-idx3-ubyte"), header + self.pixels.tobytes())
        labels = self.labels.astype("uint8")
        write(self.path("set-labels-idx1-ubyte"), bytes([0, 0, 8, 1]) + COUNT.to_bytes(4, "big") + labels.tobytes())
        self.check_same_numbers(self.store_of("idx.h5", {"path": self.path("set-images-idx3-ubyte")}))


class FailedImages(DatasetCase):
    """Five of forty images are broken after a clean run; the others must not notice."""

    broken = {
        3: ("unread", "truncated", lambda data: data[:len(data) // 2]),
        4: ("unread", "empty", lambda data: b""),
        17: ("unread", "text", lambda data: b"this is no image\n" * 30),
        18: ("unsupported", "TIFF", lambda data: tiff(data)),
        39: ("unread", "zeros for pixels", lambda data: data[:60] + bytes(len(data) - 60)),
    }
    allow = {"data.max_failed": "20 %"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        data = {"path": cls.write_folder("folder")}
        cls.clean = cls.store_of("clean.h5", data)
        for i, (_, _, damage) in cls.broken.items():
            write(cls.path("folder", f"class{cls.labels[i]}", file_name(i)), damage(png(cls.pixels[i])))
        cls.done = run(cls.path("broken.h5"), {**SETTINGS, **cls.allow, "data.path": data["path"]}, config=cls.ini)
        cls.store = Store(cls.path("broken.h5"))
        cls.good = [i for i in range(COUNT) if i not in cls.broken]
        cls.bad = list(cls.broken)

    def rows(self):
        return [name for name in self.store.names() if name.startswith("images/") or name.endswith("/relevance")]

    def test_the_run_succeeds_if_so_many_may_fail(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)

    def test_their_rows_say_what_is_wrong(self):
        for i, (status, kind, _) in self.broken.items():
            self.assertEqual(self.store["images/status"][i], STATUS[status], kind)

    def test_the_log_says_which_and_why(self):
        for i in self.broken:
            self.assertRegex(self.done.stderr, rf'index={i} reason="[^"]*{re.escape(file_name(i))}: ')

    def test_their_numbers_are_nan(self):
        for name in self.rows():
            if self.store[name].dtype.kind == "f":
                self.assertTrue(numpy.isnan(self.store[name][self.bad]).all(), name)

    def test_their_integers_are_minus_one(self):
        for name in "predicted", "target":
            self.assertEqual(self.store[f"images/{name}"][self.bad].tolist(), [-1] * len(self.bad))

    def test_they_keep_path_and_label(self):
        for name in "path", "label":
            self.assertEqual(self.store[f"images/{name}"].tolist(), self.clean[f"images/{name}"].tolist())

    def test_all_other_rows_are_those_of_the_clean_run(self):
        for name in self.rows():
            self.assertEqual(self.store[name][self.good].tobytes(), self.clean[name][self.good].tobytes(), name)

    def test_they_are_in_no_sum(self):
        self.assertEqual(self.store["classes/count"].sum(), len(self.good))
        for name in self.store.variables():
            layer = self.store.layer(name)
            self.assertEqual(set(layer["count"]), {len(self.good)}, name)
            self.assertEqual(set(layer["histogram"].sum(1)), {len(self.good)}, name)
            self.assertFalse(numpy.isin(layer["top_image"], self.bad).any(), name)

    def test_all_ranks_agree(self):
        settings = {**SETTINGS, **self.allow, "data.path": self.path("folder"), "run.block": 4}
        for ranks in 1, 3:
            self.run_store(f"ranks{ranks}.h5", settings, config=self.ini, ranks=ranks)
        self.assert_same_stores(self.path("ranks1.h5"), self.path("ranks3.h5"))


def tiff(data):
    memory = io.BytesIO()
    Image.open(io.BytesIO(data)).save(memory, "TIFF")
    return memory.getvalue()


class TooManyFailures(DatasetCase):
    """More than data.max_failed: the store is complete, and the run has failed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.write_folder("folder")
        for i in 3, 4, 5:
            write(cls.path("folder", "class0", file_name(i)), b"")
        cls.done = run(cls.path("failed.h5"), {**SETTINGS, "data.path": folder, "data.max_failed": "0.05"},
                       config=cls.ini, ranks=2)

    def test_exit_status_is_one(self):
        self.assertEqual(self.done.returncode, 1)

    def test_message_says_how_many_failed_and_how_many_may(self):
        self.assertRegex(self.done.stderr, r"3 of 40 images failed, more than data\.max_failed = 0\.05 allows")

    def test_store_is_written(self):
        status = Store(self.path("failed.h5"))["images/status"]
        self.assertEqual(numpy.flatnonzero(status).tolist(), [3, 4, 5])

    def test_no_parts_are_left(self):
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("failed")], ["failed.h5"])


class NothingButFailures(DatasetCase):
    """Not one image can be read."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(6):
            write(cls.path("folder", file_name(i)), b"")
        cls.done = run(cls.path("empty.h5"), {**SETTINGS, "data.path": cls.path("folder"), "store.class_by": "target"},
                       config=cls.ini)

    def test_exit_status_is_one(self):
        self.assertEqual(self.done.returncode, 1)

    def test_means_are_nan(self):
        store = Store(self.path("empty.h5"))
        self.assertTrue(numpy.isnan(store.layer("conv1_1")["mean"]).all())
        self.assertTrue(numpy.isnan(store.layer("conv1_1")["min"]).all())


if __name__ == "__main__":
    unittest.main()
