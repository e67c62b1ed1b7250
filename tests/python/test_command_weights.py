"""The command line: commands, help, exit statuses, and what `nrmflow weights` prints."""

import hashlib
import json
import os
import subprocess
import tempfile
import unittest

DEMO = os.path.join(os.environ["JOBS"], "demo", "fashion_vgg16.safetensors")


def nrmflow(*arguments):
    return subprocess.run([os.environ["NRMFLOW"], *arguments], capture_output=True, text=True)


def tensors_of(path):
    """Names, types and shapes in a safetensors file, read here and not by the program."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}


class CommandLine(unittest.TestCase):
    def test_help_lists_the_commands(self):
        done = nrmflow("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("weights", done.stdout)

    def test_version(self):
        self.assertRegex(nrmflow("--version").stdout, r"^nrmflow \d+\.\d+\.\d+\n")

    def test_no_command_is_a_usage_error(self):
        done = nrmflow()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("usage:", done.stderr)

    def test_an_unknown_command_gets_a_suggestion(self):
        done = nrmflow("wieghts", DEMO)
        self.assertEqual(done.returncode, 2)
        self.assertIn('did you mean "weights"?', done.stderr)

    def test_an_unknown_option_gets_a_suggestion(self):
        done = nrmflow("weights", "--jsno", DEMO)
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean --json?", done.stderr)

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([os.environ["NRMFLOW"], "weights", DEMO], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


class Weights(unittest.TestCase):
    def test_json_says_what_is_in_the_file(self):
        done = nrmflow("weights", "--json", DEMO)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        with open(DEMO, "rb") as file:
            self.assertEqual(said["sha256"], hashlib.sha256(file.read()).hexdigest())
        tensors = {t["name"]: (t["dtype"], t["shape"]) for t in said["tensors"]}
        self.assertEqual(tensors, tensors_of(DEMO))
        network = said["network"]
        self.assertEqual((said["format"], network["name"], network["classes"]), ("safetensors", "vgg16", 10))
        self.assertEqual(network["input"], [1, 32, 32])
        count = 0
        for _, shape in tensors.values():
            size = 1
            for n in shape:
                size *= n
            count += size
        self.assertEqual(network["parameters"], count)

    def test_the_text_has_a_line_for_every_tensor(self):
        done = nrmflow("weights", DEMO)
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        for name, (dtype, shape) in tensors_of(DEMO).items():
            words = [name, dtype, *" x ".join(map(str, shape)).split()]
            self.assertIn(words, [line.split() for line in lines])

    def run_on_tensor(self, name, *options):
        """The command on a file with one tensor of this name, and the file's path."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "other.safetensors")
            header = json.dumps({name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
            with open(path, "wb") as file:
                file.write(len(header).to_bytes(8, "little") + header + bytes(8))
            return nrmflow("weights", path, *options), path

    def test_a_file_without_a_network_is_listed_and_fails(self):
        text, path = self.run_on_tensor("stray")
        self.assertEqual(text.returncode, 1)
        self.assertRegex(text.stdout, r"(?m)^stray +F32 +2$")
        self.assertIn(path, text.stderr)
        said, path = self.run_on_tensor("stray", "--json")
        self.assertEqual(said.returncode, 1)
        self.assertIsNone(json.loads(said.stdout)["network"])

    def test_names_do_not_control_the_terminal(self):
        done, _ = self.run_on_tensor("x\u001b[2J")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("\x1b", done.stdout + done.stderr)

    def test_a_missing_file_is_an_error(self):
        done = nrmflow("weights", "no/such/file")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no/such/file", done.stderr)


if __name__ == "__main__":
    unittest.main()
