"""A store seen with h5py, pandas and HDF5's own tools: names, shapes, types, attributes, scales."""

import configparser
import hashlib
import subprocess
import unittest

import h5py
import numpy
import pandas

from support import DEMO_WEIGHTS, JOBS, STATUS, RunCase, datasets, nrmflow

COUNT, TOP, BINS, CLASSES = 40, 5, 32, 10

SETTINGS = {
    "data.path": f"{JOBS}/demo/t10k-images-idx3-ubyte.gz",
    "model.weights": DEMO_WEIGHTS,
    "model.classes": f"{JOBS}/demo/classes.txt",
    "data.images": f"0:{COUNT}",
    "measure.given": "input",
    "store.per_image": "input, conv1_1",
    "store.maps": "input, conv3_1",
    "store.top": TOP,
    "store.histogram_bins": BINS,
    "run.seed": 7,
}

# Shapes of the demo model's variables, (C, H, W), and of the datasets that every store has.
VARIABLES = {
    "input": (1, 32, 32),
    "conv1_1": (16, 32, 32), "conv1_2": (16, 32, 32), "pool1": (16, 16, 16),
    "conv2_1": (32, 16, 16), "conv2_2": (32, 16, 16), "pool2": (32, 8, 8),
    "conv3_1": (64, 8, 8), "conv3_2": (64, 8, 8), "conv3_3": (64, 8, 8), "pool3": (64, 4, 4),
    "conv4_1": (128, 4, 4), "conv4_2": (128, 4, 4), "conv4_3": (128, 4, 4), "pool4": (128, 2, 2),
    "conv5_1": (128, 2, 2), "conv5_2": (128, 2, 2), "conv5_3": (128, 2, 2), "pool5": (128, 1, 1),
    "fc6": (256, 1, 1), "fc7": (256, 1, 1), "fc8": (10, 1, 1),
}
IMAGES = {
    "path": ("text", (COUNT,)), "label": ("<i4", (COUNT,)), "predicted": ("<i4", (COUNT,)), "target": ("<i4", (COUNT,)),
    "logit": ("<f4", (COUNT,)), "probability": ("<f4", (COUNT,)), "status": ("|u1", (COUNT,)),
    "mass": ("<f8", (COUNT, 22)), "bypass": ("<f8", (COUNT, 22)), "variation": ("<f8", (COUNT, 22)), "bias": ("<f8", (COUNT, 22)),
    "absorbed": ("<f8", (COUNT, 22)), "given_mass": ("<f8", (COUNT,)), "variable": ("text", (22,)),
}


def layer_datasets(name):
    c, h, w = VARIABLES[name]
    numbers = ["mean", "std", "std_error", "mean_positive", "mean_negative", "activation_mean", "min", "max"]
    want = {number: ("<f8", (c,)) for number in numbers}
    want.update(channel=("<i4", (c,)), count=("<u8", (c,)))
    want.update(histogram=("<u8", (c, BINS)), histogram_edges=("<f8", (BINS + 1,)))
    want.update(class_mean=("<f8", (CLASSES, c)), class_std_error=("<f8", (CLASSES, c)))
    want.update({"class_count": ("<u8", (CLASSES,)), "class": ("text", (CLASSES,))})
    for kind in "top", "active":
        want.update({f"{kind}_image": ("<i8", (c, TOP)), f"{kind}_value": ("<f8", (c, TOP)),
                     f"{kind}_position": ("<i8", (c, TOP))})
    if name in ("input", "conv1_1"):
        want["relevance"] = ("<f4", (COUNT, c))
    if name in ("input", "conv3_1"):
        want.update(map_mean=("<f4", (c, h, w)), y=("<i4", (h,)), x=("<i4", (w,)))
    return want


def flow_datasets(pair):
    lower, upper = (VARIABLES[name][0] for name in pair.split("-"))
    return {"upper_channel": ("<i4", (upper,)), "lower_channel": ("<i4", (lower,)), "mean": ("<f8", (upper, lower)),
            "std_error": ("<f8", (upper, lower)), "to_bias": ("<f8", (upper,)), "absorbed": ("<f8", (upper,))}


def text(item, name):
    """An attribute of fixed length, which h5py gives as bytes."""
    return item.attrs[name].decode()


class StoreInPython(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("store.h5", SETTINGS, ranks=2)

    def setUp(self):
        self.file = h5py.File(self.store)
        self.addCleanup(self.file.close)

    def datasets(self):
        return [dataset for _, dataset in datasets(self.file)]

    def groups(self):
        found = [self.file]
        self.file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Group) else None)
        return found

    def check_group(self, path, want):
        """want: {name: (type, shape)}"""
        got = {name: ("text" if h5py.check_string_dtype(item.dtype) else item.dtype.str, item.shape)
               for name, item in self.file[path].items()}
        self.assertEqual(got, want, path)

    def test_root_has_these_groups_and_scales(self):
        self.assertEqual({name for name, item in self.file.items() if isinstance(item, h5py.Group)},
                         {"classes", "flows", "images", "layers", "network"})
        got = {name: ("text" if h5py.check_string_dtype(item.dtype) else item.dtype.str, item.shape)
               for name, item in self.file.items() if isinstance(item, h5py.Dataset)}
        self.assertEqual(got, {"image": ("<i4", (COUNT,)), "variable": ("text", (22,)), "class": ("text", (CLASSES,)),
                               "bin": ("<i4", (BINS,)), "edge": ("<i4", (BINS + 1,)), "rank": ("<i4", (TOP,))})

    def test_images_have_these_columns(self):
        self.check_group("images", IMAGES)

    def test_layers_have_these_datasets(self):
        self.assertEqual(set(self.file["layers"]), set(VARIABLES))
        for name in VARIABLES:
            self.check_group(f"layers/{name}", layer_datasets(name))

    def test_flows_have_these_datasets(self):
        weighted = [name for name in VARIABLES if not name.startswith("pool")]
        pairs = [f"{lower}-{upper}" for lower, upper in zip(weighted, weighted[1:])][:-2]
        self.assertEqual(set(self.file["flows"]), set(pairs))
        for pair in pairs:
            self.check_group(f"flows/{pair}", flow_datasets(pair))

    def test_classes_have_these_columns(self):
        self.check_group("classes", {"class": ("text", (CLASSES,)), "name": ("text", (CLASSES,)),
                                     "count": ("<u8", (CLASSES,)),
                                     "given_mass": ("<f8", (CLASSES,)),
                                     "given_std_error": ("<f8", (CLASSES,))})

    def test_variables_are_in_the_order_of_the_network(self):
        self.assertEqual(self.file["variable"].asstr()[()].tolist(), list(VARIABLES))

    def test_status_has_the_names_of_its_values(self):
        status = self.file["images/status"].attrs
        self.assertEqual(dict(zip(text(self.file["images/status"], "flag_meanings").split(), status["flag_values"])), STATUS)

    def test_paths_name_file_and_place(self):
        paths = self.file["images/path"].asstr()[()]
        self.assertEqual((paths[0], paths[39]), ("t10k-images-idx3-ubyte.gz[0]", "t10k-images-idx3-ubyte.gz[39]"))

    def test_every_dataset_is_described(self):
        for dataset in self.datasets():
            self.assertGreater(len(text(dataset, "description")), 8, dataset.name)
            self.assertTrue(text(dataset, "units"), dataset.name)

    def test_every_axis_has_a_name(self):
        for dataset in self.datasets():
            self.assertTrue(all(dimension.label for dimension in dataset.dims), dataset.name)

    def check_scale(self, path, axis, scale):
        attached = list(self.file[path].dims[axis].values())
        self.assertEqual(attached, [self.file[scale]], f"{path}, axis {axis}")
        self.assertEqual(len(self.file[scale]), self.file[path].shape[axis])

    def test_every_axis_has_a_scale(self):
        for dataset in self.datasets():
            for axis, dimension in enumerate(dataset.dims):
                scales = list(dimension.values())
                self.assertTrue(h5py.h5ds.is_scale(dataset.id) if not scales else
                                scales[0].shape == dataset.shape[axis:axis + 1], f"{dataset.name}, axis {axis}")

    def test_scales_of_images(self):
        self.check_scale("images/logit", 0, "image")
        self.check_scale("images/mass", 0, "image")
        self.check_scale("images/mass", 1, "variable")
        self.assertEqual(self.file["image"][()].tolist(), list(range(COUNT)))

    def test_scales_of_layers(self):
        self.check_scale("layers/conv1_1/mean", 0, "layers/conv1_1/channel")
        self.check_scale("layers/conv1_1/class_mean", 0, "class")
        self.check_scale("layers/conv1_1/class_mean", 1, "layers/conv1_1/channel")
        self.check_scale("layers/conv1_1/relevance", 0, "image")
        self.check_scale("layers/conv1_1/histogram", 1, "bin")
        self.check_scale("layers/conv1_1/histogram_edges", 0, "edge")
        self.check_scale("layers/conv1_1/top_value", 1, "rank")
        self.check_scale("layers/conv3_1/map_mean", 2, "layers/conv3_1/x")
        self.assertEqual(self.file["layers/conv1_1/channel"][()].tolist(), list(range(16)))

    def test_scales_of_flows(self):
        self.check_scale("flows/conv1_2-conv2_1/mean", 0, "flows/conv1_2-conv2_1/upper_channel")
        self.check_scale("flows/conv1_2-conv2_1/mean", 1, "flows/conv1_2-conv2_1/lower_channel")

    def test_every_group_has_a_nexus_class(self):
        for group in self.groups():
            self.assertRegex(text(group, "NX_class"), "^NX(root|entry|data|collection)$", group.name)

    def test_default_attributes_lead_to_a_plot(self):
        group = self.file
        while "default" in group.attrs:
            group = group[text(group, "default")]
        self.assertEqual(text(group, "NX_class"), "NXdata")
        self.assertIn(text(group, "signal"), group)

    def test_signals_and_axes_fit(self):
        for group in self.groups():
            if text(group, "NX_class") != "NXdata":
                continue
            signal, axes = group[text(group, "signal")], [a.decode() for a in numpy.atleast_1d(group.attrs["axes"])]
            self.assertEqual(len(axes), signal.ndim, group.name)
            for length, axis in zip(signal.shape, axes):
                self.assertTrue(axis == "." or group[axis].shape == (length,), f"{group.name}, {axis}")

    def test_attributes_say_what_made_the_store(self):
        version = nrmflow("--version").stdout.split()[1]
        texts = {"format": "nrmflow", "program_version": version, "network": "vgg16",
                 "composite": "epsilon_gamma_box", "dataset": SETTINGS["data.path"]}
        self.assertEqual({name: text(self.file, name) for name in texts}, texts)
        numbers = {"format_version": 2, "dataset_count": 10000, "first_image": 0, "seed": 7, "complete": 1}
        self.assertEqual({name: self.file.attrs[name] for name in numbers}, numbers)

    def test_attributes_say_what_the_bits_depend_on(self):
        for name in "isa", "blas_core":
            self.assertTrue(text(self.file, name), name)
        self.assertRegex(text(self.file, "dataset_sha256"), "^[0-9a-f]{64}$")

    def test_model_checksum_is_that_of_the_file(self):
        with open(DEMO_WEIGHTS, "rb") as file:
            self.assertEqual(text(self.file, "model_sha256"), hashlib.sha256(file.read()).hexdigest())

    def test_flows_say_how_they_were_computed(self):
        for group in self.file["flows"].values():
            self.assertEqual(text(group, "method"), "exact")

    def test_configuration_is_an_ini_file(self):
        config = configparser.ConfigParser()
        config.read_string(text(self.file, "config"))
        self.assertEqual((config["run"]["seed"], config["store"]["top"]), ("7", str(TOP)))

    def test_configuration_makes_the_same_store_again(self):
        with open(self.path("again.ini"), "w") as file:
            file.write(text(self.file, "config"))
        again = self.run_store("again.h5", {}, config=self.path("again.ini"))
        self.assert_same_stores(again, self.store)

    def test_images_make_a_data_frame(self):
        frame = pandas.DataFrame({name: column[()] for name, column in self.file["images"].items()
                                  if column.shape == (COUNT,)})
        self.assertEqual(frame.shape, (COUNT, 8))
        correct = (frame.label == frame.predicted).mean()
        self.assertGreater(correct, 0.7)

    def test_ledger_makes_a_data_frame(self):
        frame = pandas.DataFrame(self.file["images/mass"], self.file["images/path"].asstr()[()],
                                 self.file["variable"].asstr()[()])
        numpy.testing.assert_allclose(frame["input"], self.file["images/given_mass"], atol=1e-5)

    def test_a_layer_makes_a_data_frame(self):
        frame = pandas.DataFrame({name: column[()] for name, column in self.file["layers/conv5_3"].items()
                                  if column.shape == (128,)})
        self.assertEqual(set(frame["count"]), {COUNT})
        numpy.testing.assert_allclose(frame["mean"], frame["mean_positive"] + frame["mean_negative"], atol=1e-12)

    def test_a_flow_makes_a_data_frame(self):
        flow = self.file["flows/conv5_3-fc6"]
        frame = pandas.DataFrame(flow["mean"], flow["upper_channel"], flow["lower_channel"])
        self.assertEqual(frame.shape, flow["mean"].shape)

    def check_tool(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_h5dump_reads_everything(self):
        text = self.check_tool("h5dump", self.store)
        self.assertIn('DATASET "std_error"', text)

    def test_h5ls_lists_everything(self):
        lines = self.check_tool("h5ls", "-r", self.store).splitlines()
        self.assertEqual(len([line for line in lines if " Dataset " in line and "same as" not in line]),
                         len(self.datasets()))


if __name__ == "__main__":
    unittest.main()
