"""`cmake --install` into a folder that is then moved; the Spack recipe and the container's definition beside it."""

import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types
import unittest

from support import JOBS, NRMFLOW, RunCase, nrmflow

ROOT = pathlib.Path(JOBS).parent
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


class Install(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["cmake", "--install", os.path.dirname(NRMFLOW), "--prefix", cls.path("first")], check=True,
                       capture_output=True)
        os.rename(cls.path("first"), cls.path("second"))

    def read(self, *names):
        with open(self.path("second", *names), encoding="utf-8") as file:
            return file.read()

    def test_the_program_runs_where_it_has_been_moved(self):
        moved = subprocess.run([self.path("second", "bin", "nrmflow"), "--version"], capture_output=True, text=True, check=True)
        self.assertEqual(moved.stdout, nrmflow("--version").stdout)

    def test_manual_pages_and_completions_are_those_of_the_program(self):
        names = [command["name"] for command in json.loads(nrmflow("help", "--json").stdout)["commands"]]
        pages = sorted(os.path.basename(page) for page in glob.glob(self.path("second", "share", "man", "man1", "*")))
        self.assertEqual(pages, sorted(["nrmflow.1", *(f"nrmflow-{name}.1" for name in names)]))
        for name in names:
            self.assertEqual(self.read("share", "man", "man1", f"nrmflow-{name}.1"), nrmflow("help", "--man", name).stdout)
        self.assertEqual(self.read("share", "bash-completion", "completions", "nrmflow"),
                         nrmflow("help", "--completion", "bash").stdout)
        self.assertEqual(self.read("share", "zsh", "site-functions", "_nrmflow"), nrmflow("help", "--completion", "zsh").stdout)

    def test_the_demo_is_whole(self):
        demo = self.path("second", "share", "nrmflow", "demo", "demo.ini")
        plan = nrmflow("run", demo, "--dry-run", "--json", "--output", self.path("x.h5"), "--set", "data.images=0:16")
        self.assertEqual(plan.returncode, 0, plan.stderr)
        self.assertEqual(json.loads(plan.stdout)["images"], 16)

    def test_no_file_knows_its_place(self):
        for folder, _, files in os.walk(self.path("second")):
            for name in files:
                with self.subTest(file=name), open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                    self.assertNotIn(self.path("first").encode(), data)

    @unittest.skipUnless(shutil.which("tclsh"), "tclsh is not installed, which reads modulefiles")
    def test_the_modulefile_finds_the_installation(self):
        (modulefile,) = glob.glob(self.path("second", "share", "nrmflow", "modulefiles", "nrmflow", "*"))
        script = f"""
            set ModulesCurrentModulefile {modulefile}
            foreach command {{module-whatis conflict prepend-path setenv}} {{ proc $command {{args}} "puts \\"$command \\$args\\"" }}
            source {modulefile}"""
        shown = subprocess.run(["tclsh"], input=script, capture_output=True, text=True, check=True)
        self.assertEqual(shown.stderr, "")
        place = os.path.realpath(self.path("second"))
        self.assertIn(f"prepend-path PATH {place}/bin\n", shown.stdout)
        for name in re.findall(r"^(?:prepend-path|setenv) \w+ (.*)$", shown.stdout, re.MULTILINE):
            self.assertTrue(os.path.isdir(name), name)


class Recipes(unittest.TestCase):
    def recipe(self):
        """What the Spack recipe depends on, by when, and the recipe's class: Spack's directives, written down."""
        names = {"": [], "+report": []}
        spack = types.ModuleType("spack.package")
        spack.CMakePackage = type("CMakePackage", (), {})
        spack.depends_on = lambda spec, when="", **_: names[when].append(spec)
        spack.license = spack.variant = spack.version = spack.generator = lambda *_, **__: None
        place = ROOT / "jobs" / "package" / "spack" / "packages" / "nrmflow" / "package.py"
        modules = {"spack": types.ModuleType("spack"), "spack.package": spack}
        saved = {name: sys.modules.get(name) for name in modules}
        sys.modules.update(modules)
        scope = {"__file__": str(place)}
        try:
            exec(compile(place.read_text(encoding="utf-8"), str(place), "exec"), scope)  # pylint: disable=exec-used
        finally:
            for name, module in saved.items():
                sys.modules.pop(name)
                if module:
                    sys.modules[name] = module
        return names, scope["Nrmflow"]

    def test_spack_has_what_the_page_of_other_systems_lists_and_cmake_asks_for(self):
        names, recipe = self.recipe()
        page = (ROOT / "docs" / "how-to" / "other-systems.md").read_text(encoding="utf-8")
        row = re.search(r"^\| Spack \| `([^`]*)` \| `([^`]*)`", page, re.MULTILINE)
        virtual = {"openmpi": "mpi", "pkgconf": "pkgconfig"}
        for specs, column in zip(names.values(), row.groups()):
            listed = {virtual.get(name, name).split("+")[0] for name in column.split()}
            self.assertEqual({re.split("[@+]", name)[0] for name in specs} - {"c"}, listed)
        least = re.search(r"cmake_minimum_required\(VERSION ([\d.]+)\)", CMAKE).group(1)
        self.assertIn(f"cmake@{least}:", names[""])
        for spec, report in ("", "OFF"), ("+report", "ON"):
            fake = types.SimpleNamespace(spec=spec, define=lambda name, value: f"-D{name}={value}")
            self.assertIn(f"-DNRMFLOW_REPORT={report}", recipe.cmake_args(fake))
        self.assertEqual(recipe.git, ROOT.resolve().as_uri())

    def test_the_container_copies_what_cmake_builds_from(self):
        definition = (ROOT / "jobs" / "package" / "nrmflow.def").read_text(encoding="utf-8")
        copied = re.findall(r"^    (\S+) /source/\1$", definition, re.MULTILINE)
        for name in copied:
            self.assertTrue((ROOT / name).exists(), name)
        for folder in set(re.findall(r"GLOB \w+ CONFIGURE_DEPENDS (\w+)/", CMAKE)) | {"jobs", "README.md", "LICENSE"}:
            self.assertIn(folder, copied)


if __name__ == "__main__":
    unittest.main()
