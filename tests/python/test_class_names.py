"""The names of the network's outputs, and whether the dataset's labels are its classes."""

import json
import os
import unittest

import h5py
import numpy
from PIL import Image

from support import TINY, RunCase, Store, nrmflow, smooth_image

CLASSES = 7
NAMES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]


class ClassNames(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(21)
        cls.images = [smooth_image(generator, 32, 32) for _ in range(8)]

    def folders(self, names):
        """A dataset with one image in each class folder."""
        root = self.path(self._testMethodName)
        for name, image in zip(names, self.images):
            os.makedirs(os.path.join(root, name))
            Image.fromarray(image).save(os.path.join(root, name, "a.png"))
        return root

    def array(self, labels):
        path = self.path(f"{self._testMethodName}.data.h5")
        with h5py.File(path, "w") as file:
            file["data"], file["labels"] = numpy.array(self.images[:len(labels)]), numpy.array(labels)
        return path

    def names_file(self, content):
        path = self.path(f"{self._testMethodName}.names")
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self, data, names=None):
        """What a run on the data says, and the names in its store."""
        ini, store = self.path(f"{self._testMethodName}.ini"), self.path(f"{self._testMethodName}.h5")
        with open(ini, "w") as file:
            file.write(f"[data]\npath = {data}\n[model]\nweights = {TINY}\n[measure]\nflows = none\n")
            file.write(f"[model]\nclasses = {names}\n" if names else "")
        done = nrmflow("run", ini, "--output", store)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr, [name.decode() for name in Store(store)["class"]]

    def check_names(self, content, expected):
        self.assertEqual(self.start(self.array([0, 3]), self.names_file(content))[1], expected)

    def test_lines_with_what_editors_add(self):
        self.check_names(b"\xef\xbb\xbf" + "\r\n".join(NAMES).encode() + b"\r\n\r\n", NAMES)

    def test_lines_that_end_as_on_old_macs(self):
        self.check_names("\r".join(NAMES) + "\r", NAMES)

    def test_keras_class_index(self):
        self.check_names(json.dumps({str(i): [f"n{i:08}", NAMES[i]] for i in reversed(range(CLASSES))}), NAMES)

    def test_json_list(self):
        self.check_names(json.dumps(NAMES), NAMES)

    def test_empty_line_keeps_the_number(self):
        self.check_names("ant\n\ncat\ndog\neel\nfox\ngnu\n", ["ant", "1", *NAMES[2:]])

    def test_folders_name_as_many_outputs_and_the_order_is_told(self):
        said, names = self.start(self.folders(reversed(NAMES)))
        self.assertEqual(names, NAMES)
        self.assertRegex(said, r'info: outputs have the names of the class folders.* output_0="ant" output_6="gnu"')
        self.assertNotIn("warn: labels", said)

    def test_fewer_folders_name_nothing_and_may_be_wrong_labels(self):
        said, names = self.start(self.folders(["zebu", "yak"]))
        self.assertEqual(names, [str(i) for i in range(CLASSES)])
        self.assertRegex(said, r'warn: labels may not be .* the 2 class folders are labels 0 to 1 .*"yak" to "zebu", '
                               r"but the network has 7 outputs")

    def test_folders_in_another_order_than_the_names(self):
        said, names = self.start(self.folders(["cat", "dog"]), self.names_file("\n".join(NAMES)))
        self.assertEqual(names, NAMES)
        self.assertRegex(said, r'warn: labels are not .* 2 of 2 class folders .*"cat" is label 0, but class 2')

    def test_folders_with_numbers_sort_as_text(self):
        said, _ = self.start(self.folders(["0", "1", "10", "2"]))
        self.assertRegex(said, r'warn: labels are not .* 1 of 4 class folders .*"2" is label 3, but class 2')

    def test_labels_beyond_the_outputs_are_counted(self):
        said, _ = self.start(self.array([0, 3, 12, 7]))
        self.assertRegex(said, r"warn: labels are not .* 2 of 4 images have labels from 7 on, up to 12, .* 7 outputs")

    def test_a_part_of_the_classes_is_no_reason_to_warn(self):
        self.assertNotRegex(self.start(self.array([0, 3, 1]))[0], "warn: labels")

    def test_folders_of_the_first_names_are_no_reason_to_warn(self):
        said, _ = self.start(self.folders(["ant", "bee", "cat"]), self.names_file("\n".join(NAMES)))
        self.assertNotRegex(said, "warn: labels")


if __name__ == "__main__":
    unittest.main()
