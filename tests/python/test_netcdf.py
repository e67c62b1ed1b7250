"""Stores of every kind are netCDF-4: ncdump, nccopy, netCDF4 and xarray find what h5py finds, with names for all axes."""

import os
import subprocess
import unittest

import h5py
import netCDF4
import numpy
import xarray

from support import LINKED, RunCase, Store, datasets, finished, nrmflow, run

SMALL = {"data.images": "0:24", "run.block": 8, "store.top": 3, "store.histogram_bins": 16}
FULL = {**SMALL, "store.maps": "conv3_1, conv5_3", "store.per_image": "conv5_3, fc8", "store.class_flows": "5, 7, 9",
        "measure.flows": "adjacent, conv3_3-conv5_3, conv3_3-conv5_1:16, all", "measure.sweeps": 2,
        "measure.query.both": "conv5_3[9] and conv4_3[7,20:24] given conv5_1[12]@(0:2,0:1)",
        "measure.query.bias": "bias(conv4_2)"}
BARE = "state/word"  # a dimension without a variable


def text(dataset):
    return h5py.check_string_dtype(dataset.dtype) is not None


def values(dataset):
    return dataset.asstr()[()] if text(dataset) else dataset[()]


def groups(file):
    """Paths of all groups with datasets, the root's is "/"."""
    found = ["/"]
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Group) else None)
    return [name for name in found if any(isinstance(item, h5py.Dataset) for item in file[name].values())]


class Stores:
    """Tests of one store, whose path is cls.store."""

    def setUp(self):
        self.file = h5py.File(self.store)
        self.addCleanup(self.file.close)

    def tool(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        return done.stdout

    def test_ncdump_names_every_dimension_and_variable(self):
        header = self.tool("ncdump", "-h", self.store)
        self.assertFalse("phony_dim" in header)
        for name, dataset in datasets(self.file):
            axes = ", ".join(dimension.label for dimension in dataset.dims)
            line = f" {name.split('/')[-1]}({axes}) ;" if axes else f" {name.split('/')[-1]} ;"
            if name != BARE:
                self.assertTrue(line in header, f"{name}: ncdump -h does not show \"{line}\"")

    def test_xarray_gives_the_numbers_and_labels_of_h5py(self):
        with netCDF4.Dataset(self.store) as store:  # opened once: there may be a hundred groups
            for group in groups(self.file):
                found = xarray.open_dataset(xarray.backends.NetCDF4DataStore(store if group == "/" else store[group]))
                for name, dataset in self.file[group].items():
                    if isinstance(dataset, h5py.Dataset) and f"{group}/{name}" != BARE:
                        self.check_array(found[name], dataset)

    def check_array(self, array, dataset):
        self.assertEqual(array.dims, tuple(dimension.label for dimension in dataset.dims), dataset.name)
        want = values(dataset)
        self.assertEqual(array.dtype, want.dtype if isinstance(want, numpy.ndarray) else dataset.dtype, dataset.name)
        numpy.testing.assert_array_equal(array.values, want, dataset.name)
        self.assertEqual(array.attrs["units"], dataset.attrs["units"].decode(), dataset.name)
        for name, dimension in zip(array.dims, dataset.dims):
            scale = dimension[0] if len(dimension) else dataset
            if name == BARE.split("/")[-1]:
                continue
            if name in dataset.parent:
                numpy.testing.assert_array_equal(array[name].values, values(scale), f"{dataset.name}, {name}")
            else:  # in the root; xarray counts where there are no coordinates
                self.assertNotIn(name, LINKED)
                self.assertEqual(values(scale).tolist(), list(range(array.sizes[name])), f"{dataset.name}, {name}")

    def test_nccopy_copies_all_numbers(self):
        copy = self.path("copy.nc")
        self.addCleanup(os.remove, copy)
        self.tool("nccopy", self.store, copy)
        with netCDF4.Dataset(copy) as found:
            found.set_auto_maskandscale(False)
            for name, dataset in datasets(self.file):
                if name != BARE:
                    numpy.testing.assert_array_equal(found[name][...], values(dataset), name)
                    self.assertEqual(found[name].description, dataset.attrs["description"].decode())
            self.assertEqual(found.config, self.file.attrs["config"].decode())
            self.assertEqual(found.format_version, 2)

    def test_shared_axes_have_the_lengths_of_the_store(self):
        with netCDF4.Dataset(self.store) as found:
            lengths = {name: len(dimension) for name, dimension in found.dimensions.items()}
        self.assertEqual(lengths, {name: len(item) for name, item in self.file.items() if isinstance(item, h5py.Dataset)})


class Demo(Stores, RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("demo.h5", SMALL)

    def test_a_group_has_class_names_and_channel_numbers(self):
        with xarray.open_dataset(self.store, group="layers/conv5_3") as layer:
            best = layer["class_mean"].sel({"class": "Sneaker"}).idxmax("channel")
            row = self.file["class"].asstr()[:].tolist().index("Sneaker")
            self.assertEqual(best, self.file["layers/conv5_3/class_mean"][row].argmax())
            self.assertEqual(dict(layer.sizes), {"image": 24, "channel": 128, "class": 10, "bin": 16, "edge": 17, "rank": 3})

    def test_an_ledger_is_selected_by_the_names_of_its_variables(self):
        with xarray.open_dataset(self.store, group="images") as images:
            sums = images["mass"] + images["bias"] + images["absorbed"]
            numpy.testing.assert_allclose(sums.sel(variable=["conv1_1", "fc8"]), 1, atol=1e-5)

    def test_status_has_flags_of_the_cf_conventions(self):
        with xarray.open_dataset(self.store, group="images") as images:
            status = images["status"]
            self.assertEqual(status.flag_meanings.split()[int(status[0])], "ok")
            self.assertEqual(status.flag_values.tolist(), [0, 1, 2, 3, 4])


class Full(Stores, RunCase):
    """Maps, far and sampled flows, queries and flows of classes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("full.h5", FULL)

    def test_flows_of_classes_are_selected_by_class(self):
        with xarray.open_dataset(self.store, group="flows/conv3_3-conv5_3") as flow:
            self.assertEqual(flow["class_mean"].dims, ("flow_class", "upper_channel", "lower_channel"))
            numpy.testing.assert_array_equal(flow["class_mean"].sel(flow_class=7, upper_channel=9),
                                             self.file["flows/conv3_3-conv5_3/class_mean"][1, 9])


class Unfinished(Stores, RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.path("unfinished.h5")
        done = run(cls.store, {**FULL, "run.epoch": 0}, environment={"NRMFLOW_FAULT": "reduce:3"})
        if (done.returncode, finished(cls.store)) != (1, 16):
            raise AssertionError(done.stderr)

    def test_the_sums_have_a_dimension_without_numbers(self):
        with netCDF4.Dataset(self.store) as found:
            state = found["state"]
            self.assertEqual(len(state.dimensions["word"]), len(self.file["state/sums"]))
            self.assertNotIn("word", state.variables)
        self.assertEqual(self.file["state/word"].id.get_storage_size(), 0)


class Shard(Stores, RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("shard.h5", {**SMALL, "data.shard": "2/3", "measure.flows": "none"})


class Map(Stores, RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = os.path.join(os.environ["JOBS"], "demo", "demo.ini")
        done = nrmflow("map", config, "conv5_3[9] given input", "--images", "3:8", "--output", cls.path("maps"))
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.store = cls.path("maps", "maps.h5")

    def test_maps_have_pixels(self):
        with xarray.open_dataset(self.store, group="queries/map") as query:
            self.assertEqual(dict(query["map"].sizes), {"image": 5, "channel": 1, "y": 32, "x": 32})


class NoClasses(Stores, RunCase):
    """Neither histograms nor statistics of classes nor names in the files."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("plain.h5", {**SMALL, "store.histogram_bins": 0, "store.classes": "none",
                                               "model.classes": "", "measure.flows": "none"})

    def test_only_axes_that_are_used_have_scales(self):
        self.assertEqual({name for name in Store(self.store).names() if "/" not in name},
                         {"image", "class", "variable", "rank"})


if __name__ == "__main__":
    unittest.main()
