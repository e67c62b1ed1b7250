"""The sources keep the laws of structure.py, and each law is noticed when it is broken."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_symbols
import structure

ROOMS = "```rooms\nkernels/base  low\nkernels/layer  high\nio/base  errors\npipeline/run  runs\n```\n"


class TestTree(unittest.TestCase):
    def test_the_sources_keep_the_laws(self):
        self.assertEqual(structure.check(structure.ROOT), [])


class TestLaws(unittest.TestCase):
    """A small tree that keeps all laws, and one file in it that breaks one."""

    def found(self, path, text):
        tree = {"docs/architecture.md": ROOMS, "kernels/base/arena.h": "int a;\n", "kernels/layer/link.h": "int l;\n",
                "io/base/error.h": "int e;\n", "pipeline/run/run.c": '#include "kernels/layer/link.h"\n', path: text}
        with tempfile.TemporaryDirectory() as folder:
            for name, content in tree.items():
                file = pathlib.Path(folder, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
            return structure.check(folder)

    def assert_found(self, path, text, *words):
        found = self.found(path, text)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_tree_that_keeps_all_laws_passes(self):
        self.assertEqual(self.found("kernels/layer/pool.c", '#include "kernels/base/arena.h"\n'), [])

    def test_an_include_that_points_up(self):
        self.assert_found("kernels/base/up.c", '\n#include "kernels/layer/link.h"\n', "kernels/base/up.c:2",
                          "kernels/base is below kernels/layer")

    def test_io_and_kernels_do_not_know_each_other(self):
        self.assert_found("io/base/x.c", '#include "kernels/base/arena.h"\n', "io/ does not know kernels/")
        self.assert_found("kernels/base/x.c", '#include "io/base/error.h"\n', "kernels/ does not know io/")

    def test_neither_knows_the_pipeline(self):
        self.assert_found("io/base/x.c", '#include "pipeline/run/run.h"\n#include "io/base/error.h"\n', "no path from the root")
        tree = '#include "pipeline/run/run.c"\n'
        self.assert_found("io/base/x.c", tree, "io/ does not know pipeline/")

    def test_an_include_that_does_not_begin_at_the_root(self):
        self.assert_found("kernels/base/x.c", '#include "arena.h"\n', "no path from the root")

    def test_a_program_file_that_includes_one_of_the_tests(self):
        self.assert_found("kernels/base/x.c", '#include "tests/support/guarded.h"\n', "no path from the root")

    def test_a_circle_of_includes(self):
        self.assert_found("kernels/base/arena.h", '#include "kernels/base/arena.h"\n', "a circle of includes")

    def test_a_file_that_is_too_long(self):
        self.assert_found("kernels/base/long.c", "int x;\n" * 601, "kernels/base/long.c", "601 lines")
        self.assert_found("jobs/long.sh", ":\n" * 601, "jobs/long.sh", "601 lines")

    def test_a_line_that_is_too_long(self):
        self.assertEqual(self.found("kernels/base/x.c", "/*" + "x" * 116 + "*/\n"), [])
        self.assert_found("kernels/base/x.c", "\n/*" + "x" * 117 + "*/\n", "kernels/base/x.c:2", "121 columns")

    def test_a_function_that_is_too_long(self):
        body = "    x();\n" * 58
        self.assertEqual(self.found("io/base/f.c", f"void f(void)\n{{\n{body[:-9]}}}\n"), [])
        self.assert_found("io/base/f.c", f"void f(void)\n{{\n{body}}}\n", "io/base/f.c:1", "f has 61 lines")

    def test_a_list_of_too_many_parameters(self):
        eight = ", ".join(f"int a{i}" for i in range(8))
        self.assertEqual(self.found("io/base/f.c", f"void f({eight})\n{{\n}}\n"), [])
        self.assert_found("io/base/f.c", f"\nvoid f({eight},\n       int (*g)(int, int))\n{{\n}}\n", "io/base/f.c:2",
                          "f has 9 parameters")

    def test_a_folder_that_is_not_in_the_list(self):
        self.assert_found("io/cellar/x.c", "int x;\n", "io/cellar is not in the list")

    def test_a_name_that_repeats_the_folder(self):
        self.assert_found("io/base/base_error.c", "int x;\n", "the folder says base already")

    def test_a_folder_of_too_many_modules(self):
        with tempfile.TemporaryDirectory():
            sources = {f"io/base/m{i}.c": "" for i in range(31)}
            found = list(structure.check_folders(sources, ["io/base"]))
        self.assertEqual(found, ["io/base: 31 modules, more than 30"])

    def test_words_that_do_not_belong_into_a_layer(self):
        self.assert_found("kernels/base/x.c", "#include <mpi.h>\n", "no MPI here")
        self.assert_found("io/base/x.c", "    printf(text);\n", "no printing")
        self.assert_found("kernels/base/x.c", "    p = malloc(n);\n", "no allocation")


class TestSymbols(unittest.TestCase):
    def test_a_symbol_without_the_name_of_its_folder_or_file(self):
        self.assertEqual(check_symbols.misnamed("io/weights/keras", {"weights_keras", "keras_read"}), [])
        self.assertEqual(check_symbols.misnamed("io/weights/hdf5_array", {"hdf5_shape"}), [])
        self.assertEqual(check_symbols.misnamed("io/weights/keras", {"read_names"}), ["read_names"])

    def test_modules_that_call_each_other(self):
        self.assertEqual(check_symbols.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}), [])
        self.assertEqual(check_symbols.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}), [["a", "b", "c"]])


if __name__ == "__main__":
    unittest.main()
