"""Images that change between the stop of a run and its continuation: refused with the first difference, if not told."""

import io
import os
import shutil
import tarfile
import unittest

import h5py
import numpy
from PIL import Image
from support import TINY, RunCase, finished, nrmflow, run

COUNT, DONE = 6, 2


def pixels(i):
    return numpy.random.default_rng(i).integers(0, 256, (32, 32, 3), "uint8")


def encoded(i):
    memory = io.BytesIO()
    Image.fromarray(pixels(i)).save(memory, "PNG", compress_level=0)  # all of one size
    return memory.getvalue()


class ChangedImages(RunCase):
    def setUp(self):
        self.place = self.path(self._testMethodName)
        os.makedirs(os.path.join(self.place, "set", "a"))
        for i in range(COUNT):
            self.write(i, encoded(i))
        self.store, self.ini = os.path.join(self.place, "store.h5"), os.path.join(self.place, "run.ini")
        with open(self.ini, "w") as file:
            file.write("[measure]\nflows = none\n[run]\nblock = 1\nepoch = 0\n")

    def file(self, i):
        return os.path.join(self.place, "set", "a", f"{i}.png")

    def write(self, i, data):
        with open(self.file(i), "wb") as file:
            file.write(data)

    def run_on(self, path, store=None, **options):
        return run(store or self.store, {"data.path": path, "model.weights": TINY}, config=self.ini, **options)

    def begin(self, path):
        done = self.run_on(path, environment={"NRMFLOW_FAULT": f"reduce:{DONE + 1}"})
        self.assertEqual((done.returncode, finished(self.store)), (1, DONE), done.stderr)

    def check_refused(self, path, *words):
        done = self.run_on(path)
        self.assertEqual((done.returncode, finished(self.store)), (1, DONE), done.stderr)
        for word in (*words, "--restart", "--same-images"):
            self.assertIn(word, done.stderr)

    def check_continued(self, path, options=()):
        done = self.run_on(path, options=options)
        self.assertEqual((done.returncode, finished(self.store)), (0, COUNT), done.stderr)
        self.assertIn("run continues", done.stderr)

    def touch(self, path):
        os.utime(path, ns=(1, os.stat(path).st_mtime_ns + 1000))

    def images(self):
        return os.path.join(self.place, "set")

    def test_unchanged_images_continue(self):
        self.begin(self.images())
        self.check_continued(self.images())
        with h5py.File(self.store) as file:
            self.assertNotIn("state", file)

    def test_another_size(self):
        self.begin(self.images())
        self.write(4, encoded(4)[:-1])
        self.check_refused(self.images(), "the first is a/4.png", "bytes instead of")

    def test_another_image_of_the_same_size(self):
        self.begin(self.images())
        self.write(1, encoded(101))
        self.write(3, encoded(103))
        self.check_refused(self.images(), "the first is a/1.png: it was written to since")
        self.check_continued(self.images(), options=["--same-images"])

    def test_a_file_that_is_gone(self):
        self.begin(self.images())
        os.rename(self.file(5), os.path.join(self.place, "kept"))
        os.symlink("nowhere", self.file(5))
        self.check_refused(self.images(), "the first is a/5.png: it cannot be opened now")
        os.rename(os.path.join(self.place, "kept"), self.file(5))
        self.check_continued(self.images())

    def test_a_copy_that_keeps_times_is_the_same_and_one_that_does_not_is_asked_about(self):
        self.begin(self.images())
        exact, plain = os.path.join(self.place, "exact"), os.path.join(self.place, "plain")
        shutil.copytree(self.images(), exact)
        shutil.copytree(self.images(), plain, copy_function=shutil.copyfile)
        self.check_refused(plain, "the first is a/0.png")
        self.check_continued(exact)

    def test_a_shard(self):
        path = os.path.join(self.place, "set.tar")
        with tarfile.open(path, "w") as tar:
            for i in range(COUNT):
                tar.add(self.file(i), f"{i}.png")
        self.begin(path)
        self.touch(path)
        self.check_refused(path, "the first is set.tar:0.png")

    def test_an_array(self):
        path = os.path.join(self.place, "set.h5")
        with h5py.File(path, "w") as file:
            file["data"] = numpy.array([pixels(i) for i in range(COUNT)])
        self.begin(path)
        with h5py.File(path, "r+") as file:
            file["data"][4] = pixels(104)
        self.touch(path)
        self.check_refused(path, "the first is set.h5:/data[0]")

    def test_a_complete_store_does_not_ask(self):
        self.assertEqual(self.run_on(self.images()).returncode, 0)
        self.touch(self.file(0))
        self.assertIn("nothing to do", self.run_on(self.images()).stderr)

    def test_shards_may_be_computed_from_copies(self):
        parts = [os.path.join(self.place, f"part{i}.h5") for i in (1, 2)]
        for i, part in enumerate(parts):
            done = self.run_on(self.images(), part, options=["--set", f"data.shard={i + 1}/2"])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.touch(self.file(0))
        self.assertEqual(nrmflow("merge", "--output", self.store, *parts).returncode, 0)

    def test_the_first_difference_between_two_lists_is_named(self):
        self.begin(self.images())
        os.rename(self.file(3), self.file("3b"))
        done = self.run_on(self.images())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "its image 3 is a/3.png with label 0, here it is a/3b.png with label 0; choose another")
        os.rename(self.file("3b"), self.file(3))
        self.write(7, encoded(7))
        self.assertRegex(self.run_on(self.images()).stderr, "another dataset: it has 6 images, here there are 7")


if __name__ == "__main__":
    unittest.main()
