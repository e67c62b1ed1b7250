"""What a user gets for a mistake: one message that says what, where and what to do; no store, no rubbish, no crash."""

import os
import re
import shutil
import tarfile
import unittest

import h5py
import numpy
import torch

from support import DEMO_WEIGHTS, JOBS, RunCase, Store, nrmflow, read_safetensors, write_safetensors

FAILED, USAGE = 1, 2

INI = f"""# A comment
[data]
path = {JOBS}/demo/t10k-images-idx3-ubyte.gz
images = 0:8
pad = 2
mean = 0.2860
std = 0.3530

[model]
weights = {DEMO_WEIGHTS}
"""


class ErrorCase(RunCase):
    """Every test runs in a folder with a store of before, which must be there afterwards, alone and whole."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.path("before.ini"), "w") as file:
            file.write(INI)
        with open(cls.run_store("before.h5", {}, config=cls.path("before.ini")), "rb") as file:
            cls.before = file.read()

    def setUp(self):
        self.place = self.path(self._testMethodName)
        os.makedirs(os.path.join(self.place, "out"))
        self.store, self.ini = os.path.join(self.place, "out", "store.h5"), os.path.join(self.place, "run.ini")
        with open(self.store, "wb") as file:
            file.write(self.before)
        self.addCleanup(shutil.rmtree, self.place)

    def check_untouched(self):
        self.assertEqual(os.listdir(os.path.dirname(self.store)), ["store.h5"])
        with open(self.store, "rb") as file:
            self.assertEqual(file.read(), self.before)

    def check_fails(self, *patterns, ini=INI, sets=(), output=None, ranks=None):
        """The run fails before work with one message, in which all patterns (regular expressions) are found."""
        with open(self.ini, "w") as file:
            file.write(ini)
        words = [word for value in sets for word in ("--set", value)]
        done = nrmflow("run", self.ini, "--output", output or self.store, *words, ranks=ranks)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        messages = re.findall("^nrmflow: .*", done.stderr, re.MULTILINE)
        self.assertEqual(len(messages), 1, done.stderr)
        for pattern in patterns:
            self.assertRegex(messages[0], pattern)
        # mpiexec says so where the machine was asleep and goes on (SIGCONT).
        said = done.stderr.replace("Forwarding signal 18 to job", "")
        self.assertNotRegex(said, "(?i)traceback|assertion|signal|segmentation|sanitizer")
        self.assertNotIn("images computed", done.stderr)
        self.check_untouched()


class Configuration(ErrorCase):
    def test_unknown_key_is_placed_and_the_nearest_named(self):
        self.check_fails(r"run\.ini:11: ", "wieghts", "weights", ini=INI + "wieghts = x\n")

    def test_unknown_section_is_placed_and_the_nearest_named(self):
        self.check_fails(r"run\.ini:11: ", "mesure", "measure",
                         ini=INI + "[mesure]\ncomposite = zplus\n")

    def test_wrong_word_is_placed_and_the_nearest_named(self):
        self.check_fails(r"run\.ini:12: ", r"measure\.composite", "epsilon_pluss", '"epsilon_plus"',
                         ini=INI + "[measure]\ncomposite = epsilon_pluss\n")

    def test_wrong_number_is_placed(self):
        self.check_fails(r"run\.ini:12: ", r"run\.block", "many", ini=INI + "[run]\nblock = many\n")

    def test_unknown_key_of_set_is_named(self):
        self.check_fails("--set", r'"blok" in \[run\]', '"block"', sets=["run.blok=8"])

    def test_missing_key_is_named(self):
        self.check_fails(r"model\.weights", ini=INI.replace("weights =", "# weights ="))

    def test_one_or_all_failed_images(self):
        self.check_fails(r"run\.ini:12: ", r"data\.max_failed", "one image or as all", "write 100 % for all",
                         ini=INI + "[data]\nmax_failed = 1\n")

    def test_variable_that_is_not_set(self):
        self.check_fails(r"run\.ini:12: ", r"model\.classes", "NRMFLOW_NONE is not set", "mpirun -x NRMFLOW_NONE",
                         ini=INI + "[model]\nclasses = $NRMFLOW_NONE/names\n")

    def test_missing_configuration(self):
        done = nrmflow("run", os.path.join(self.place, "none.ini"), "--output", self.store)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("none.ini", done.stderr)
        self.check_untouched()

    def test_no_configuration_is_a_usage_error(self):
        done = nrmflow("run")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("nrmflow run CONFIG", done.stderr)

    def test_unknown_layer_of_a_rule(self):
        self.check_fails(r"run\.ini:12: ", r"measure\.rule\.conv9_1", '"conv[1-5]_1"',
                         ini=INI + "[measure]\nrule.conv9_1 = zplus\n")

    def test_rule_of_a_pool(self):
        self.check_fails(r"measure\.rule\.pool1", sets=["measure.rule.pool1=zplus"])

    def test_unknown_rule(self):
        self.check_fails(r"measure\.rule\.conv1_1", "zpluss", "alphabeta",
                         sets=["measure.rule.conv1_1=zpluss"])

    def test_unknown_layer_of_per_image(self):
        self.check_fails(r"store\.per_image", "conv9_1", '"conv[1-5]_1"',
                         sets=["store.per_image=conv1_1, conv9_1"])

    def test_target_beyond_the_classes(self):
        self.check_fails(r"measure\.target", "class 10", "0 to 9", sets=["measure.target=class:10"])

    def test_contrast_beyond_the_classes(self):
        self.check_fails(r"measure\.target", "class 12", sets=["measure.target=contrast:1-12"])

    def test_contrast_of_a_class_with_itself(self):
        self.check_fails(r"measure\.target", sets=["measure.target=contrast:3-3"])

    def test_classes_beyond_those_of_the_network(self):
        self.check_fails(r"store\.classes", sets=["store.classes=1, 99"])

    def test_class_flows_are_not_forgotten_silently(self):
        self.check_fails(r"store\.class_flows", sets=["store.class_flows=all"])

    def test_images_beyond_the_dataset(self):
        self.check_fails(r"data\.images", "10000", sets=["data.images=10000:10016"])

    def test_all_ranks_report_once(self):
        self.check_fails(r"measure\.target", "class 10", sets=["measure.target=class:10"], ranks=3)


class Weights(ErrorCase):
    def test_missing_weights(self):
        self.check_fails("no_such_file", sets=["model.weights=no_such_file"])

    def test_missing_weights_with_ranks(self):
        self.check_fails("no_such_file", sets=["model.weights=no_such_file"], ranks=2)

    def test_weights_that_are_no_weights(self):
        self.check_fails(r"run\.ini", "safetensors", sets=[f"model.weights={self.ini}"])

    def test_weights_of_no_network(self):
        other = os.path.join(self.place, "other.safetensors")
        write_safetensors(other, {"encoder.weight": numpy.zeros((3, 4), "float32")})
        self.check_fails("other.safetensors", "encoder.weight", sets=[f"model.weights={other}"])

    def test_truncated_weights(self):
        cut = os.path.join(self.place, "cut.safetensors")
        with open(DEMO_WEIGHTS, "rb") as whole, open(cut, "wb") as file:
            file.write(whole.read(1000000))
        self.check_fails("cut.safetensors", sets=[f"model.weights={cut}"])

    def test_weights_that_are_not_finite(self):
        tensors = {name: tensor.copy() for name, tensor in read_safetensors(DEMO_WEIGHTS).items()}
        tensors["features.7.weight"][1, 2, 0, 1] = numpy.nan
        bad = os.path.join(self.place, "nan.safetensors")
        write_safetensors(bad, tensors)
        self.check_fails("nan.safetensors", r"features\.7\.weight", sets=[f"model.weights={bad}"])

    def test_batchnorm_epsilon_without_a_batchnorm(self):
        self.check_fails(r"model\.batchnorm_eps", "no BatchNorm", sets=["model.batchnorm_eps=1e-3"])

    def test_checkpoint_of_two_networks_says_how_to_keep_one(self):
        tensors = {name: torch.tensor(tensor) for name, tensor in read_safetensors(DEMO_WEIGHTS).items()}
        both = os.path.join(self.place, "both.pth")
        torch.save({"model": tensors, "model_ema": {name: tensor + 1 for name, tensor in tensors.items()}}, both)
        self.check_fails(r"both\.pth", r'at \["model"\], \["model_ema"\]', r"torch\.save\(c\[",
                         sets=[f"model.weights={both}"])

    def test_program_in_a_checkpoint_is_not_run(self):
        class Shell:
            def __reduce__(self):
                return os.system, ("touch executed",)

        bad = os.path.join(self.place, "bad.pth")
        torch.save({"state_dict": {}, "extra": Shell()}, bad)
        self.check_fails(r"bad\.pth", r"posix\.system", "nothing was executed", sets=[f"model.weights={bad}"])

    def test_weights_of_another_network_than_configured(self):
        self.check_fails(r"model\.network", "vgg16", sets=["model.network=vgg19"])


class Dataset(ErrorCase):
    def test_missing_dataset(self):
        self.check_fails("no_such_folder", sets=["data.path=no_such_folder"])

    def test_missing_shard_of_braces_is_named(self):
        with tarfile.open(os.path.join(self.place, "t-00.tar"), "w"):
            pass
        self.check_fails(r"t-01\.tar: no shard matches", sets=[f"data.path={self.place}/t-{{00..02}}.tar"])

    def test_dataset_without_images(self):
        empty = os.path.join(self.place, "empty")
        os.makedirs(empty)
        self.check_fails("empty", sets=[f"data.path={empty}"])

    def test_labels_beyond_the_classes(self):
        path = self.write_array(labels=[0, 9, 17])
        self.check_fails(r"store\.class_by", "18 classes", "10",
                         sets=[f"data.path={path}", "data.images=", "store.class_by=label"])

    def test_labels_that_are_needed_and_missing(self):
        path = self.write_array()
        self.check_fails(r"measure\.target", "no labels",
                         sets=[f"data.path={path}", "data.images=", "measure.target=label"])

    def write_array(self, **others):
        path = os.path.join(self.place, "array.h5")
        with h5py.File(path, "w") as file:
            file["data"] = numpy.zeros((3, 28, 28), "uint8")
            for name, values in others.items():
                file[name] = numpy.array(values)
        return path

    def test_grey_network_without_mean(self):
        self.check_fails(r"data\.mean", "1 channel", ini=INI.replace("mean =", "# mean ="))

    def test_missing_class_names(self):
        self.check_fails("no_such_names", sets=["model.classes=no_such_names"])

    def test_more_class_names_than_outputs(self):
        names = self.write_names("background\n" + "".join(f"name {i}\n" for i in range(10)))
        self.check_fails("--set: ", r"model\.classes", r'11 names \("background" to "name 9"\)', "10 outputs",
                         "the first, no output", sets=[f"model.classes={names}"])

    def test_fewer_class_names_than_outputs(self):
        names = self.write_names("a\nb\n\n")
        self.check_fails(r"model\.classes", "2 names", "10 outputs", sets=[f"model.classes={names}"])

    def test_class_names_as_a_dict_of_python(self):
        names = self.write_names("{0: 'T-shirt', 1: 'Trouser'}")
        self.check_fails("begins as JSON but is not, line 1", r"ast\.literal_eval", sets=[f"model.classes={names}"])

    def write_names(self, content):
        path = os.path.join(self.place, "names")
        with open(path, "w") as file:
            file.write(content)
        return path

    def test_class_names_that_never_end(self):
        self.check_fails("/dev/zero: line 1 is no class name", sets=["model.classes=/dev/zero"])


class Output(ErrorCase):
    def test_output_in_a_missing_folder(self):
        self.check_fails("no_such_folder", output=os.path.join(self.place, "no_such_folder", "a.h5"))

    def test_output_that_is_a_folder(self):
        folder = os.path.join(self.place, "folder.h5")
        os.makedirs(folder)
        self.check_fails(r"folder\.h5", output=folder)
        self.assertEqual(sorted(os.listdir(self.place)), ["folder.h5", "out", "run.ini"])

    def test_too_little_memory_allowed(self):
        self.check_fails(r"run\.memory", "MiB", sets=["run.memory=1M"])


class StoreOfBefore(ErrorCase):
    """The same run leaves a complete store alone, another one refuses to replace it unless it is told to."""

    def run_again(self, *options):
        with open(self.ini, "w") as file:
            file.write(INI)
        return nrmflow("run", self.ini, "--output", self.store, *options)

    def test_the_same_run_has_nothing_to_do(self):
        done = self.run_again()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("images computed", done.stderr)
        self.check_untouched()

    def test_another_configuration_is_refused_and_named(self):
        self.check_fails(r"store\.h5", r"measure\.composite", "zplus", "--restart",
                         sets=["measure.composite=zplus"])

    def test_other_weights_are_refused(self):
        other = os.path.join(self.place, "other.safetensors")
        tensors = read_safetensors(DEMO_WEIGHTS)
        tensors["features.0.bias"] = tensors["features.0.bias"] + 1
        write_safetensors(other, tensors)
        self.check_fails(r"store\.h5", "weights", "--restart", sets=[f"model.weights={other}"])

    def test_restart_replaces_it(self):
        done = self.run_again("--restart", "--set", "data.images=0:2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(Store(self.store)["images/status"]), 2)
        self.assertEqual(os.listdir(os.path.dirname(self.store)), ["store.h5"])

    def test_a_file_that_is_no_store_is_not_replaced(self):
        self.check_fails(r"notes\.txt", output=self.write_notes())
        with open(os.path.join(self.place, "notes.txt")) as file:
            self.assertEqual(file.read(), "of importance")

    def write_notes(self):
        path = os.path.join(self.place, "notes.txt")
        with open(path, "w") as file:
            file.write("of importance")
        return path

    def test_an_input_is_not_replaced(self):
        self.check_fails(r"run\.ini", output=self.ini)


if __name__ == "__main__":
    unittest.main()
