"""What README.md says, held against the program: the table of the store, the commands, the Python example."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import h5py

ROOT = pathlib.Path(os.environ["JOBS"]).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def nrmflow(*arguments, **options):
    return subprocess.run([os.environ["NRMFLOW"], *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)


class Readme(unittest.TestCase):
    maxDiff = None

    def test_lists_every_dataset_of_the_store_and_no_other(self):
        rows = re.findall(r"^\| `(?:images|layers|flows|queries|classes|state)/.*$", README, re.MULTILINE)
        self.assertEqual(rows, nrmflow("check", "--table").stdout.splitlines()[2:])

    def test_names_only_commands_that_exist(self):
        for command in sorted(set(re.findall(r"\bnrmflow ([a-z]+) (?:[A-Za-z./-]+\b)", "\n".join(code("sh"))))):
            with self.subTest(command=command):
                self.assertEqual(nrmflow(command, "--help").returncode, 0)

    def test_names_only_files_that_exist(self):
        for path in sorted(set(re.findall(r"\b(?:jobs|tests|kernels|io|pipeline)/[\w./*-]*[\w*]", README))):
            pattern = re.sub(r"[A-Z]{4,}", "*", path)  # tests/unit/test_MODULE.c
            with self.subTest(path=path):
                self.assertTrue(any(ROOT.glob(pattern)))


class Store(unittest.TestCase):
    """A small store of the demo."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        os.mkdir(os.path.join(cls.folder.name, "out"))
        run = nrmflow("run", str(ROOT / "jobs" / "demo" / "demo.ini"), "--output", "out/demo.h5", "--set", "data.images=0:200",
                      cwd=cls.folder.name)
        assert run.returncode == 0, run.stdout

    def test_has_the_attributes_that_readme_names(self):
        section = re.search(r"\n## The store\n\n(.*?)\n\n", README, re.DOTALL).group(1)
        names = set(re.findall(r"`(config|\w+_sha256|dataset|\w+_version)`", section))
        self.assertEqual(names, {"config", "model_sha256", "dataset", "dataset_sha256", "program_version"})
        with h5py.File(os.path.join(self.folder.name, "out", "demo.h5")) as store:
            self.assertLessEqual(names, set(store.attrs))

    def shown(self, example):
        """What an example prints, run as it stands."""
        done = subprocess.run([sys.executable, "-c", example], cwd=self.folder.name, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_opens_in_the_python_examples(self):
        channels, images, picture = code("python")
        self.assertLess(float(self.shown(channels).split()[-1]), 1e-5, "column sums of a flow are the lower layer's means")
        with h5py.File(os.path.join(self.folder.name, "out", "demo.h5")) as store:
            relevance, target = store["layers/conv5_3/relevance"][:], store["images/target"][:]
            names = store["classes/name"].asstr()[:]
        best = {names[k]: int(relevance[target == k].mean(axis=0).argmax()) for k in set(target)}
        lines = self.shown(images).splitlines()[:-1]
        self.assertEqual({line.rsplit(None, 1)[0]: int(line.rsplit(None, 1)[1]) for line in lines}, best)
        self.assertEqual(self.shown(picture), "")
        with open(os.path.join(self.folder.name, "out", "flow.png"), "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")

    def test_exports_as_it_says(self):
        (line,) = [line for line in "\n".join(code("sh")).splitlines() if " export " in line]
        line = line.replace("build/release/nrmflow", os.environ["NRMFLOW"]).replace("jobs/", f"{ROOT}/jobs/")
        done = subprocess.run(line, shell=True, cwd=self.folder.name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(os.path.exists(os.path.join(self.folder.name, "out", "virelay", "project.yaml")))


if __name__ == "__main__":
    unittest.main()
