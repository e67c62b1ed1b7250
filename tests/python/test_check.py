"""`nrmflow check`: a sound store, and stores that are broken in one place, of which it says what is broken.

That the stores of all other tests are sound is checked where they are written (support.run).
"""

import json
import shutil
import unittest

import h5py
import numpy

from support import RunCase, datasets, nrmflow

COUNT = 12
SETTINGS = {"data.images": f"0:{COUNT}", "store.per_image": "conv5_3", "store.maps": "conv5_3", "store.top": 3,
            "store.histogram_bins": 16, "store.class_flows": "9", "measure.query.stripes": "conv5_3[0:64]",
            "measure.given": "input", "measure.flows": "adjacent, conv5_1-conv5_3:4"}


class Check(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sound = cls.run_store("sound.h5", SETTINGS)

    def problems(self, path):
        """What is wrong, as {place: [what, ...]}."""
        done = nrmflow("check", path, "--json")
        found = json.loads(done.stdout)
        self.assertEqual((done.returncode, done.stderr), (0 if found["sound"] else 1, ""))
        self.assertEqual(found["sound"], not found["problems"])
        places = {}
        for problem in found["problems"]:
            places.setdefault(problem["place"], []).append(problem["what"])
        return places

    def broken(self, change):
        """Problems of a copy that `change(file)` has changed."""
        path = self.path("broken.h5")
        shutil.copy(self.sound, path)
        with h5py.File(path, "r+") as file:
            change(file)
        return self.problems(path)

    def assert_only(self, problems, place, part):
        """One problem, at this place, which says this."""
        self.assertEqual(list(problems), [place], problems)
        self.assertEqual(len(problems[place]), 1, problems)
        self.assertIn(part, problems[place][0])

    def assert_some(self, problems, place, part):
        self.assertTrue(any(part in what for what in problems.get(place, [])), problems)

    def test_a_sound_store(self):
        self.assertEqual(self.problems(self.sound), {})
        found = json.loads(nrmflow("check", self.sound, "--json").stdout)
        counts = {name: found[name] for name in ("complete", "numbers_checked", "images", "layers", "flows", "queries")}
        self.assertEqual(counts, {"complete": True, "numbers_checked": True, "images": COUNT, "layers": 22,
                                  "flows": 15, "queries": 1})
        with h5py.File(self.sound) as file:
            names = [name for name, _ in datasets(file)]
        self.assertEqual(found["datasets"], len(names))
        self.assertIn("a sound store", nrmflow("check", self.sound).stdout)

    def test_text_says_what_json_says(self):
        def change(file):
            file["images/absorbed"][5, 3] += 1
            del file["images/logit"].attrs["units"]
        problems = self.broken(change)
        done = nrmflow("check", self.path("broken.h5"))
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(done.stdout.splitlines(), [f"{place}: {what}" for place in problems for what in problems[place]])

    def test_table_as_json_is_that_of_the_readme(self):
        table = json.loads(nrmflow("check", "--table", "--json").stdout)
        lines = nrmflow("check", "--table").stdout.splitlines()[2:]
        self.assertEqual([line.split("`")[1] for line in lines], [field["path"] for field in table["datasets"]])
        (mass,) = [field for field in table["datasets"] if field["path"] == "images/mass"]
        self.assertEqual((mass["type"], mass["axes"], mass["units"], mass["optional"]),
                         ("float64", ["image", "variable"], "1", False))

    # ---- form ----

    def test_missing_dataset(self):
        def change(file):
            del file["layers/conv4_1/std"]
        self.assert_only(self.broken(change), "/layers/conv4_1/std", "is missing")

    def test_missing_group(self):
        def change(file):
            del file["images"]
        self.assert_some(self.broken(change), "/images", "is missing")

    def test_missing_names_of_classes(self):
        def change(file):
            del file["class"]
        self.assert_some(self.broken(change), "/class", "is missing")

    def replace(self, file, path, array, but=()):
        """Another array with the attributes of the old one, scales included."""
        old = file[path]
        attributes = {name: value for name, value in old.attrs.items()
                      if name not in ("DIMENSION_LIST", "REFERENCE_LIST", *but)}
        scales = [[item for item in dimension.values()] for dimension in old.dims]
        del file[path]
        new = file.create_dataset(path, data=array)
        for name, value in attributes.items():
            new.attrs[name] = value
        for axis, items in enumerate(scales):
            for item in items:
                new.dims[axis].attach_scale(item)

    def test_another_type(self):
        def change(file):
            self.replace(file, "layers/conv4_1/std", file["layers/conv4_1/std"][()].astype("float32"))
        self.assert_only(self.broken(change), "/layers/conv4_1/std", "has the type float32, not float64")

    def test_another_byte_order(self):
        def change(file):
            self.replace(file, "layers/conv4_1/std", file["layers/conv4_1/std"][()].astype(">f8"))
        self.assert_only(self.broken(change), "/layers/conv4_1/std", "big-endian")

    def test_another_length(self):
        def change(file):
            self.replace(file, "layers/conv4_1/std", file["layers/conv4_1/std"][:-1])
        self.assert_some(self.broken(change), "/layers/conv4_1/std", "has the length 127 along the axis channel")

    def test_another_number_of_axes(self):
        def change(file):
            self.replace(file, "layers/fc8/std", file["layers/fc8/std"][()].reshape(2, 5), but=("DIMENSION_LABELS",))
        self.assert_only(self.broken(change), "/layers/fc8/std", "has 2 axes, not 1")

    def test_a_dataset_of_no_store(self):
        def change(file):
            file["layers/conv4_1/median"] = numpy.zeros(3)
        self.assert_only(self.broken(change), "/layers/conv4_1/median", "is not a dataset of a store")

    def test_no_description(self):
        def change(file):
            del file["flows/conv5_1-conv5_2/mean"].attrs["description"]
        self.assert_only(self.broken(change), "/flows/conv5_1-conv5_2/mean", "has no description")

    def test_other_units(self):
        def change(file):
            file["images/logit"].attrs["units"] = numpy.bytes_("m")
        self.assert_only(self.broken(change), "/images/logit", 'the attribute units is "m", not "1"')

    def test_detached_scale(self):
        def change(file):
            file["images/mass"].dims[1].detach_scale(file["variable"])
        self.assert_only(self.broken(change), "/images/mass", "the axis variable lacks its scale /variable")

    def test_missing_scale(self):
        def change(file):
            file["layers/conv5_3/histogram"].dims[1].detach_scale(file["bin"])
            for layer in file["layers"].values():
                if layer.name != "/layers/conv5_3":
                    layer["histogram"].dims[1].detach_scale(file["bin"])
            del file["bin"]
        self.assert_some(self.broken(change), "/layers/conv5_3/histogram", "the axis bin lacks its scale /bin")

    def test_scale_that_is_none(self):
        def change(file):
            del file["layers/conv5_3/channel"].attrs["CLASS"]
        self.assert_some(self.broken(change), "/layers/conv5_3/channel", "has no attribute CLASS")

    def test_missing_link_to_a_scale(self):
        def change(file):
            del file["layers/conv5_3/class"]
        problems = self.broken(change)
        self.assertEqual(set(problems), {f"/layers/conv5_3/class_{name}" for name in ("mean", "std_error", "count")})
        self.assert_some(problems, "/layers/conv5_3/class_mean", "its group has no link to the scale /class")

    def test_link_to_another_scale(self):
        def change(file):
            del file["layers/conv5_3/class"]
            file["layers/conv5_3/class"] = file["variable"]
        self.assert_only(self.broken(change), "/layers/conv5_3/class", "is not the scale /class")

    def test_status_without_names(self):
        def change(file):
            file["images/status"].attrs["flag_meanings"] = numpy.bytes_("ok bad")
        self.assert_only(self.broken(change), "/images/status", 'the attribute flag_meanings is "ok bad", not "ok unread')

    def test_no_labels(self):
        def change(file):
            del file["images/mass"].attrs["DIMENSION_LABELS"]
        self.assert_only(self.broken(change), "/images/mass", "no labels of its axes (image,variable)")

    def test_a_plot_of_nothing(self):
        def change(file):
            file["flows/conv5_1-conv5_2"].attrs["signal"] = numpy.bytes_("nothing")
        self.assert_only(self.broken(change), "/flows/conv5_1-conv5_2", 'the attribute signal is "nothing"')

    def test_a_viewer_sent_nowhere(self):
        def change(file):
            file["layers"].attrs["default"] = numpy.bytes_("conv9_9")
        self.assert_only(self.broken(change), "/layers", '"conv9_9", which does not exist')

    def test_missing_attribute(self):
        def change(file):
            del file.attrs["model_sha256"]
        self.assert_only(self.broken(change), "/", "the attribute model_sha256 is missing")

    def test_attribute_of_another_type(self):
        def change(file):
            file.attrs["seed"] = numpy.bytes_("seven")
        self.assert_only(self.broken(change), "/", "the attribute seed is not an integer")

    # ---- numbers ----

    def shift(self, path, place, by):
        """Problems where one number is changed."""
        def change(file):
            file[path][place] += by
        return self.broken(change)

    def test_open_ledger(self):
        problems = self.shift("images/absorbed", (5, 3), 1e-3)
        self.assert_some(problems, "/images/mass", "the ledger is open")
        self.assert_some(problems, "/images/mass", "1 of the images, first 5")

    def test_flow_that_does_not_sum_to_its_layers(self):
        problems = self.shift("flows/conv4_3-conv5_1/mean", (7, 9), 1e-2)
        self.assertEqual(list(problems), ["/flows/conv4_3-conv5_1/mean"])
        self.assert_some(problems, "/flows/conv4_3-conv5_1/mean", "row sums")
        self.assert_some(problems, "/flows/conv4_3-conv5_1/mean", "first 7")
        self.assert_some(problems, "/flows/conv4_3-conv5_1/mean", "column sums")
        self.assert_some(problems, "/flows/conv4_3-conv5_1/mean", "first 9")

    def test_flow_to_the_bias_under_a_condition(self):
        self.assert_only(self.shift("flows/conv4_3-conv5_1/to_bias", 7, 1e-2), "/flows/conv4_3-conv5_1/mean",
                         "row sums")

    def test_chosen_rows(self):
        self.assert_only(self.shift("flows/conv5_1-conv5_3/left_out", 7, 1e-2), "/flows/conv5_1-conv5_3/mean",
                         "row sums")

    def test_flow_of_a_class(self):
        self.assert_only(self.shift("flows/conv5_1-conv5_2/class_mean", (0, 1, 2), 1), "/flows/conv5_1-conv5_2/class_mean",
                         "column sums")

    def test_mean_activation_above_the_highest(self):
        self.assert_only(self.shift("layers/conv4_1/activation_mean", 3, 1e6), "/layers/conv4_1/activation_mean",
                         "is above the highest activation")
        self.assert_only(self.shift("layers/conv4_1/activation_mean", 3, numpy.nan), "/layers/conv4_1/activation_mean",
                         "is not finite")

    def test_stores_of_earlier_versions_have_no_mean_activations(self):
        def change(file):
            for layer in file["layers"].values():
                del layer["activation_mean"]
        self.assertEqual(self.broken(change), {})

    def test_layer_that_does_not_sum_to_one(self):
        problems = self.shift("layers/pool4/mean", 3, 1e-2)
        self.assert_some(problems, "/layers/pool4/mean", "sums to 1.0")
        self.assert_some(problems, "/layers/pool4/mean", "is not mean_positive + mean_negative")
        self.assert_some(problems, "/layers/pool4/class_mean", "does not average to the mean over all images")

    def test_count(self):
        self.assert_only(self.shift("layers/conv4_1/count", 0, 1), "/layers/conv4_1/count", "images that are ok")

    def test_histogram(self):
        self.assert_only(self.shift("layers/conv4_1/histogram", (4, 8), 1), "/layers/conv4_1/histogram",
                         "(1 of the channels, first 4)")

    def test_class_counts(self):
        def change(file):
            file["classes/count"][2] += 1
            file["layers/fc7/class_count"][3] += 1
        problems = self.broken(change)
        self.assertEqual(sorted(problems), ["/classes/count", "/layers/fc7/class_count"])
        self.assert_some(problems, "/classes/count", "(1 of the classes, first 2)")
        self.assert_some(problems, "/layers/fc7/class_count", "(1 of the classes, first 3)")

    def test_top_list(self):
        problems = self.shift("layers/conv4_1/top_value", (0, 2), 100)
        self.assert_only(problems, "/layers/conv4_1/top_value", "not in descending order")

    def test_top_list_without_the_highest(self):
        problems = self.shift("layers/conv5_3/top_value", (3, 0), 1)
        self.assert_only(problems, "/layers/conv5_3/top_value", "does not begin with max")

    def test_map(self):
        self.assert_only(self.shift("layers/conv5_3/map_mean", (3, 0, 0), 0.1), "/layers/conv5_3/map_mean", "first 3")

    def test_rows(self):
        self.assert_only(self.shift("layers/conv5_3/relevance", (3, 17), 0.1), "/layers/conv5_3/relevance",
                         "does not average to the mean (1 of the channels, first 17)")

    def test_query(self):
        problems = self.shift("queries/stripes/value", 3, 0.1)
        self.assert_some(problems, "/queries/stripes", "the rows' ratio of means")

    def test_condition(self):
        problems = self.shift("images/given_mass", 3, 0.1)
        self.assert_some(problems, "/", "given_mean")

    def test_prediction_that_is_no_class(self):
        self.assert_only(self.shift("images/predicted", 3, 10), "/images/predicted", "first 3")

    def test_number_that_is_none(self):
        self.assert_only(self.shift("images/logit", 3, numpy.nan), "/images/logit", "not finite, though the image is ok")

    def test_failed_image_with_numbers(self):
        def change(file):
            file["images/status"][3] = 1
        problems = self.broken(change)
        self.assert_some(problems, "/images/status", "failed, but it has a prediction")
        self.assert_some(problems, "/images/mass", "has numbers of images that failed")
        self.assert_some(problems, "/images/given_mass", "NaN for others")

    # ---- no stores ----

    def test_truncated_file(self):
        path = self.path("short.h5")
        with open(self.sound, "rb") as whole, open(path, "wb") as short:
            short.write(whole.read()[:-1000])
        done = nrmflow("check", path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, "is cut: it has [0-9]+ of its [0-9]+ bytes")

    def test_damaged_data(self):
        """Bytes in a compressed chunk: HDF5 cannot inflate it."""
        path = self.path("damaged.h5")
        shutil.copy(self.sound, path)
        with h5py.File(path) as file:
            chunk = file["flows/conv4_3-conv5_1/mean"].id.get_chunk_info(0)
        with open(path, "r+b") as file:
            file.seek(chunk.byte_offset + 2)
            file.write(bytes(64))
        self.assert_only(self.problems(path), "/flows/conv4_3-conv5_1", "cannot be read")

    def test_command_line(self):
        for arguments, part in (([], "missing argument"), (["--table", "x.h5"], "--table takes no store"),
                                (["--tabel"], "did you mean --table")):
            done = nrmflow("check", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(part, done.stderr)
        done = nrmflow("check", self.path("nothing.h5"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing.h5: cannot be opened", done.stderr)


if __name__ == "__main__":
    unittest.main()
