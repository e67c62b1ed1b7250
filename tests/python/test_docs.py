"""What the documentation says, held against the program and the repository: links, paths, options, keys, datasets,
every block of code, and the generated pages."""
import configparser
import fnmatch
import functools
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import h5py

from blocks import World, complaint, run_page
from pages import ROOT, Page, pages

sys.path.insert(0, str(ROOT / "docs"))
import generate  # noqa: E402  (reads the program's manual pages)

NRMFLOW = os.environ["NRMFLOW"]
README_BYTES = 8192
SECTIONS = ("data", "model", "measure", "store", "run")
SUFFIXES = "c h md py sh h5 ini txt json html cmake js".split()  # store.h is no key
GROUPS = ("images", "layers", "flows", "queries", "classes", "state")


# ---- what the program knows ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def program(*arguments):
    return subprocess.run([NRMFLOW, *arguments], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


@functools.lru_cache(maxsize=None)
def options():
    """{command: its options}; that of the program itself is ""."""
    names = [row["name"] for row in json.loads(program("help", "--json"))["commands"]]
    manuals = {name: generate.Manual(program("help", "--man", *([name] if name else []))) for name in ["", *names]}
    found = {name: set(re.findall(r"(?<!\w)--?[a-z][a-z-]*", " ".join(term for term, _ in manual.sections["OPTIONS"])))
             for name, manual in manuals.items()}
    found[""].add("--json")
    return found


@functools.lru_cache(maxsize=None)
def keys():
    """{section: its keys}; of keys with a name of the user's there is "rule."."""
    groups = generate.Manual(program("help", "--man", "run")).groups
    return {section: {re.sub(r"<.*", "", term.split(" = ")[0]) for term, _ in terms}
            for section, terms in groups.items()}


def is_key(section, name):
    return name in keys().get(section, ()) or name.split(".")[0] + "." in keys().get(section, ())


@functools.lru_cache(maxsize=None)
def datasets():
    """Paths of the format's datasets and of their groups."""
    paths = {row["path"] for row in json.loads(program("check", "--table", "--json"))["datasets"]}
    return paths | {path.rsplit("/", 1)[0] for path in paths} | set(GROUPS)


@functools.lru_cache(maxsize=None)
def scripts():
    """The text of the scripts whose options pages may name."""
    kinds = (".sh", ".sbatch", ".py", ".mjs", ".def", "")
    paths = [path for folder in ("jobs", "tests", "docs") for path in (ROOT / folder).rglob("*")
             if path.is_file() and path.suffix in kinds and path.stat().st_size < 200_000
             and "node_modules" not in path.parts and not path.name.startswith("test_docs")]
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)


# ---- what pages say ------------------------------------------------------------------------------------------------


def expanded(text):
    """{a,b} as a shell expands it."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", text)
    if not match:
        return [text]
    return list(itertools.chain.from_iterable(expanded(text[:match.start()] + word + text[match.end():])
                                              for word in match.group(1).split(",")))


def command_lines(page):
    """(line, text) of what a reader may type: blocks of sh, other lines of code that begin with the program, code in
    the text with the program in it. A line that goes on after a backslash is one."""
    for block in page.blocks:
        if block.language not in ("sh", "bash", "console", "text", ""):
            continue
        for match in re.finditer(r"(?:.*\\\n)*.*", block.text):
            text = match.group().replace("\\\n", " ")
            begins = re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*(?:(?:mpirun|srun)\b.*?)?(?:\S*/)?nrmflow\b", text)
            if text.strip() and (block.language in ("sh", "bash", "console") or begins):
                yield block.line + block.text.count("\n", 0, match.start()), text
    for line, text in page.spans():
        if re.search(r"\bnrmflow\b", text):
            yield line, text


def invocations(text):
    """(command, words after it) of every nrmflow in a line of sh; the command is "" where an option follows."""
    reader = shlex.shlex(text, posix=True, punctuation_chars=True)
    reader.whitespace_split, reader.commenters = True, "#"
    try:
        words = list(reader)
    except ValueError:  # a quote that ends on another line
        words = text.split()
    for at, word in enumerate(words):
        if word.rsplit("/", 1)[-1] != "nrmflow":
            continue
        rest = list(itertools.takewhile(lambda word: not re.fullmatch(r"[;|&()<>]+", word), words[at + 1:]))
        if rest and re.fullmatch(r"[a-z]+", rest[0]):
            yield rest[0], rest[1:]
        elif rest and rest[0].startswith("-"):
            yield "", rest


def ini_blocks(page):
    for block in page.blocks:
        begins = re.match(r"(?:[#;].*\n)*\[\w+\]\n", block.text)
        if block.language == "ini" or (block.language in ("", "text") and begins):
            yield block


class Says(unittest.TestCase):
    """A test gathers everything that is wrong on all pages, with file and line."""

    maxDiff = None

    def setUp(self):
        self.wrong = []

    def expect(self, condition, page, line, message):
        if not condition:
            self.wrong.append(f"{page.at(line)}: {message}")

    def tearDown(self):
        if self.wrong:
            self.fail("\n" + "\n".join(self.wrong))


class Text(Says):
    def test_links_lead_to_files_and_anchors_that_exist(self):
        for page in [*pages(), *(Page(path) for path in sorted((ROOT / "jobs").rglob("*.md")))]:
            for line, target in page.links():
                if re.match(r"[a-z][a-z+.-]*:", target):
                    continue
                path, _, anchor = target.partition("#")
                file = pathlib.Path(os.path.normpath(page.path.parent / path)) if path else page.path
                if not file.exists():
                    self.expect(False, page, line, f"the link {target} leads nowhere")
                elif anchor and file.suffix == ".md":
                    self.expect(anchor in Page(file).anchors(), page, line,
                                f"the link {target}: {file.name} has no heading or anchor of this name")

    def test_paths_of_the_repository_exist(self):
        form = re.compile(r"(?<![\w./$}-])(?:jobs|tests|kernels|io|pipeline|docs)/[\w./*<>{},-]*[\w*>}]")
        for page in pages():
            for line, text in enumerate(page.lines, 1):
                text = re.sub(r"\w+://\S+|\]\([^)]*\)", "", text)
                for match in form.findall(text):
                    for path in expanded(match):
                        pattern = re.sub(r"[A-Z]{4,}|<\w+>", "*", path)  # tests/unit/test_MODULE.c
                        self.expect(any(ROOT.glob(pattern)), page, line, f"the repository has no {path}")
            for line, text in page.spans():
                if re.fullmatch(r"[A-Z]\w+\.(?:md|cff|txt|json)", text):
                    self.expect((ROOT / text).exists() or (page.path.parent / text).exists(), page, line,
                                f"the repository has no {text}")

    def test_functions_exist(self):
        sources = "\n".join(path.read_text(encoding="utf-8") for layer in ("kernels", "io", "pipeline", "tests")
                            for path in [*(ROOT / layer).rglob("*.[ch]"), *(ROOT / layer).rglob("*.py")])
        functions = set(re.findall(r"^(?:[a-z][\w ]*[ *]|def )(\w+)\(", sources, re.M))
        for page in pages():
            for line, text in page.spans():
                match = re.fullmatch(r"(\w+)\(\)", text)
                self.expect(not match or match.group(1) in functions, page, line, f"the sources have no {text}")

    def test_readme_is_short(self):
        size = (ROOT / "README.md").stat().st_size
        self.assertLessEqual(size, README_BYTES, f"README.md has {size} bytes: move what is long to docs/")


class Program(Says):
    def test_commands_and_their_options_exist(self):
        for page in pages():
            for line, text in command_lines(page):
                for command, words in invocations(text):
                    if command not in options():
                        self.expect(False, page, line, f"there is no command nrmflow {command}")
                        continue
                    for word in words:
                        if re.match(r"--[a-z]", word):
                            name = word.partition("=")[0]
                            self.expect(name in options()[command], page, line,
                                        f"nrmflow {command} has no option {name}")

    def test_options_in_the_text_exist(self):
        known = set().union(*options().values())
        for page in pages():
            for line, text in page.spans():
                match = re.fullmatch(r"(--[a-z][\w-]*)(?:[= ].*)?", text)
                if match and match.group(1) not in known:
                    self.expect(re.search(rf"{match.group(1)}\b", scripts()), page, line,
                                f"neither a command nor a script of the repository has the option {match.group(1)}")

    def test_keys_of_the_configuration_exist(self):
        for page in pages():
            code = [(block.line + at, text) for block in page.blocks for at, text in enumerate(block.text.splitlines())]
            for line, text in [*code, *page.spans()]:
                for section, name in re.findall(r"--set[= ]['\"]?([a-z_]+)\.([a-z_][\w.]*)", text):
                    self.expect(is_key(section, name), page, line, f"there is no key {section}.{name}")
            for line, text in page.spans():
                match = re.match(rf"({'|'.join(SECTIONS)})\.([a-z_]+(?:\.[\w<>]+)?)(?:\s*=.*)?$", text)
                if match and match.group(2) not in SUFFIXES:
                    section, name = match.groups()
                    self.expect(is_key(section, name), page, line, f"there is no key {section}.{name}")

    def test_configurations_have_sections_and_keys_that_exist(self):
        for page in pages():
            for block in ini_blocks(page):
                parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
                try:
                    parser.read_string(block.text)
                except configparser.Error as error:
                    self.expect(False, page, block.line, f"no configuration: {error}")
                for section in parser.sections():
                    for name in parser[section]:
                        self.expect(is_key(section, name), page, block.line, f"there is no key {section}.{name}")

    def test_datasets_of_the_store_exist(self):
        for page in pages():
            for line, text in page.spans():
                if not re.fullmatch(rf"/?(?:{'|'.join(GROUPS)})/[\w*<>{{}},/-]*", text):
                    continue
                for path in expanded(text.strip("/")):
                    parts = path.split("/")
                    if parts[0] in ("layers", "flows", "queries") and len(parts) > 1:
                        parts[1] = "*"
                    self.expect(fnmatch.filter(datasets(), "/".join(parts)), page, line, f"stores have no {path}")


class Generated(unittest.TestCase):
    def check(self, *command):
        done = subprocess.run([sys.executable, "-B", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_pages_of_the_reference_are_up_to_date(self):
        self.check(str(ROOT / "docs" / "generate.py"), NRMFLOW, "--check")

    def test_numbers_of_the_example_network_are_right(self):
        script = ROOT / "docs" / "images" / "example_network.py"
        if not script.exists():
            self.skipTest("there is no docs/images/example_network.py")
        self.check(str(script), "--check")


class Blocks(unittest.TestCase):
    """Every block of sh and Python, page by page, in their order."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.world = World(cls.folder.name)
        cls.pages = {page.name: page for page in pages()}
        cls.results = {name: run_page(cls.world, page) for name, page in cls.pages.items()}

    def test_run(self):
        for name, results in self.results.items():
            for block, done in results:
                with self.subTest(block=self.pages[name].at(block.line)):
                    self.assertEqual(done.returncode, 0, complaint(self.pages[name], block, done))

    def shown(self, words):
        """What the Python block of docs/reference/store.md prints that has these words."""
        for block, done in self.results.get("docs/reference/store.md", ()):
            if block.language == "python" and words in block.text:
                return done.stdout
        return self.skipTest(f"docs/reference/store.md has no example with \"{words}\"")

    def store(self):
        return h5py.File(self.world.root / "out" / "demo.h5")

    def test_column_sums_of_a_flow_are_the_lower_layers_means(self):
        self.assertLess(float(self.shown("largest difference").split()[-1]), 1e-5)

    def test_every_class_has_its_most_relevant_channel(self):
        lines = self.shown("idxmax").splitlines()[:-1]
        with self.store() as store:
            relevance, target = store["layers/conv5_3/relevance"][:], store["images/target"][:]
            names = store["class"].asstr()[:]
        best = {names[k]: int(relevance[target == k].mean(axis=0).argmax()) for k in set(target)}
        self.assertEqual({line.rsplit(None, 1)[0]: int(line.rsplit(None, 1)[1]) for line in lines}, best)

    def test_the_picture_of_a_flow_is_written(self):
        self.shown("out/flow.png")
        with open(self.pages["docs/reference/store.md"].output["flow.png"], "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")

    def test_the_store_has_the_attributes_of_the_tables_and_no_other(self):
        path = ROOT / "docs" / "reference" / "store.md"
        if not path.exists():
            self.skipTest("there is no docs/reference/store.md")
        text = path.read_text(encoding="utf-8")
        section = re.search(r"\n### Root\n(.*?)\n### ", text, re.DOTALL).group(1)
        rows = re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE)
        groups = re.search(r"\n### Groups\n(.*?)\n### ", text, re.DOTALL).group(1)
        groups = set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", groups, re.MULTILINE))
        with self.store() as store:
            self.assertLessEqual(set(store.attrs), {name for name, _ in rows},
                                 f"{path}: root attributes that are missing")
            self.assertLessEqual({name for name, rest in rows if "bsent" not in rest}, set(store.attrs),
                                 f"{path}: root attributes that stores do not have")
            found = set()
            store.visititems(lambda _, item: found.update(item.attrs) if isinstance(item, h5py.Group) else None)
            self.assertLessEqual(found, groups, f"{path}: attributes of groups that are missing")


if __name__ == "__main__":
    unittest.main()
