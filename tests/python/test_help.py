"""`nrmflow help` and `--version`: manual pages and completions have every command, option and key that the help has."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

from support import DEMO, JOBS, NRMFLOW, RESNET, RunCase, nrmflow

FRAME = r"""
compopt() { :; }
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_nrmflow
printf '%s\n' "${COMPREPLY[@]}"
"""

# Control-X writes down the line as it has become.
ZSHRC = r"""
fpath=($ZDOTDIR $fpath)
autoload -Uz compinit && compinit -u -d $ZDOTDIR/dump
write-line() { print -r -- "<$BUFFER>" >$ZDOTDIR/line.new && mv $ZDOTDIR/line.new $ZDOTDIR/line; BUFFER=; }
zle -N write-line && bindkey '^X' write-line
"""


class Zsh:
    """A shell on a terminal of its own."""

    def __init__(self, folder):
        self.line = os.path.join(folder, "line")
        with open(os.path.join(folder, ".zshrc"), "w", encoding="utf-8") as file:
            file.write(ZSHRC)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-i"], {**os.environ, "ZDOTDIR": folder, "TERM": "dumb"})

    def complete(self, text):
        """The line after a tab."""
        if os.path.exists(self.line):
            os.remove(self.line)
        os.write(self.terminal, (text + "\t\x18").encode())
        shown, end = b"", time.monotonic() + 60
        while not os.path.exists(self.line) and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.05)[0]:
                shown += os.read(self.terminal, 4096)
        assert os.path.exists(self.line), shown.decode(errors="replace")
        with open(self.line, encoding="utf-8") as file:
            return file.read().strip("<>\n")

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def output(*arguments):
    done = nrmflow(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands():
    return [command["name"] for command in json.loads(output("help", "--json"))["commands"]]


def options_of(command):
    """Long options that `nrmflow COMMAND --help` lists."""
    return re.findall(r"^  (?:-\w, )?(--[\w-]+)", output(command, "--help"), re.MULTILINE)


def keys():
    """section.key of `nrmflow run --help`; a dot at the end where the user's name follows."""
    section, found = "", []
    for line in output("run", "--help").splitlines():
        head, key = re.match(r"\[(\w+)\]$", line), re.match(r"  (\w+)(\.<\w+>)? = ", line)
        section = head.group(1) if head else section
        if key:
            found.append(f"{section}.{key.group(1)}{'.' if key.group(2) else '='}")
    assert len(found) > 30, found
    return found


class Help(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = commands()
        for shell, name in ("bash", "nrmflow"), ("zsh", "_nrmflow"):
            with open(cls.path(name), "w", encoding="utf-8") as file:
                file.write(output("help", "--completion", shell))

    def complete(self, *words):
        """What bash offers for the last of these words."""
        done = subprocess.run(["bash", "-c", FRAME, "bash", self.path("nrmflow"), *words], capture_output=True, text=True,
                              check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_lists_the_commands(self):
        self.assertIn("run", self.names)
        self.assertIn("help", self.names)
        listed = re.findall(r"^  ([a-z]+)", output("help"), re.MULTILINE)
        self.assertEqual(listed, self.names)
        self.assertEqual(output("help"), output("--help"))

    def test_explains_a_command_as_the_command_does(self):
        self.assertEqual(output("help", "query"), output("query", "--help"))

    def test_help_fits_and_the_manual_says_the_same(self):
        for name in self.names:
            with self.subTest(command=name):
                shown = output(name, "--help")
                self.assertEqual([line for line in shown.splitlines() if len(line) > 100 or line != line.rstrip()], [])
                page = output("help", "--man", name).replace("\\e", "\\").replace("\\-", "-").replace("\\&", "")
                page = re.sub(r"^\.(PP|nf|fi)$", "", page.split(".SH DESCRIPTION")[1].split(".SH OPTIONS")[0], flags=re.MULTILINE)
                text = re.split(r"^  (?:-o, )?--", shown.split("\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
                self.assertEqual(text.split(), page.split())

    def test_mistakes_are_told(self):
        for words, message in ((("help", "rnu"), 'did you mean "run"?'), (("help", "--completion", "fish"), "bash or zsh"),
                               (("help", "--man", "--json"), "cannot be combined"), (("help", "--json", "run"), "take no command"),
                               (("--version", "--jsn"), "--json")):
            with self.subTest(words=words):
                done = nrmflow(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(message, done.stderr)

    def test_manual_pages_have_every_option_and_key(self):
        program = output("help", "--man")
        for name in self.names:
            page = output("help", "--man", name).replace(r"\-", "-")
            with self.subTest(command=name):
                self.assertIn(f".SH NAME\nnrmflow-{name} - ", page)
                self.assertEqual(re.findall(r"^\.TP\n\\fB(?:-\w, )?(--[\w-]+)", page, re.MULTILINE), options_of(name))
                self.assertIn(rf"nrmflow\-{name}\fR(1)", program)
        page = output("help", "--man", "run").replace(r"\-", "-")
        found = re.findall(r"^\.TP\n\\fB(\w+)(?:\.<\w+>)? = ", page, re.MULTILINE)
        self.assertEqual(found, [key.rstrip("=.").split(".")[1] for key in keys()])

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed, which shows manual pages")
    def test_manual_pages_are_clean_roff(self):
        for page in ([], *([name] for name in self.names)):
            with self.subTest(page=page):
                shown = subprocess.run(["groff", "-man", "-ww", "-Tascii"], input=output("help", "--man", *page), text=True,
                                       capture_output=True, check=True)
                self.assertEqual(shown.stderr, "")
                self.assertIn("NRMFLOW", shown.stdout)

    def test_bash_completes_commands_and_options(self):
        self.assertEqual(self.complete("nrmflow", ""), [*self.names, "--help", "--version"])
        self.assertEqual(self.complete("nrmflow", "wei"), ["weights"])
        for name in self.names:
            with self.subTest(command=name):
                offered = [word for word in self.complete("nrmflow", name, "-") if word.startswith("--")]
                self.assertEqual(offered, options_of(name))
        self.assertEqual(self.complete("nrmflow", "help", "qu"), ["query"])
        self.assertEqual(self.complete("nrmflow", "help", "--completion", ""), ["bash", "zsh"])

    def test_bash_completes_keys_and_their_values(self):
        self.assertEqual(self.complete("nrmflow", "run", "--set", ""), keys())
        self.assertEqual(self.complete("nrmflow", "run", "--set", "measure.b"), ["measure.bias="])
        # "measure.bias=" and "measure.bias=sp", as readline cuts them
        self.assertEqual(self.complete("nrmflow", "run", "--set", "measure.bias", "="), ["neuron", "spread"])
        self.assertEqual(self.complete("nrmflow", "run", "--set", "measure.bias", "=", "sp"), ["spread"])

    def test_layers_of_stores_models_and_configurations_are_listed(self):
        names = output("help", "--layers", RESNET).split()
        self.assertEqual(names[:2], ["input", "conv1"])
        self.assertIn("layer2.1.conv1", names)
        self.assertEqual(output("help", "--layers", os.path.join(JOBS, "demo", "fashion_resnet18.onnx")).split(), names)
        store = self.run_store("layers.h5", {"data.images": "0:2"}, config=RESNET)
        self.assertEqual(output("help", "--layers", store).split(), names)
        self.assertIn("conv5_3", output("help", "--layers", DEMO).split())
        done = nrmflow("help", "--layers", self.path("nrmflow"))
        self.assertEqual((done.returncode, done.stdout), (1, ""))

    def test_bash_completes_layers_of_the_file_on_the_line(self):
        os.makedirs(self.path("bin"), exist_ok=True)
        for words, want in ((["walks", RESNET, "--from", "layer1.0."], ["layer1.0.conv1", "layer1.0.conv2", "layer1.0.add"]),
                            (["walks", RESNET, "--layers", "conv1,layer4.1.c"], ["conv1,layer4.1.conv1", "conv1,layer4.1.conv2"]),
                            (["map", DEMO, "--at", "conv5_"], ["conv5_1", "conv5_2", "conv5_3"]),
                            (["run", DEMO, "--set", "store.maps", "=", "pool1"], ["pool1"]), (["walks", "--to", "layer"], [])):
            with self.subTest(words=words):
                self.assertEqual(self.complete(NRMFLOW, *words), want)

    def test_bash_completes_files(self):
        for words in (["run"], ["run", "--output"], ["run", "--output", "="], ["run", "-o"]):
            with self.subTest(words=words):
                self.assertEqual(self.complete("nrmflow", *words, self.path("_nrm")), [self.path("_nrmflow")])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_completes(self):
        shell = Zsh(self.folder)
        self.addCleanup(shell.close)
        for line, want in (("nrmflow wei", "nrmflow weights "), ("nrmflow run --ou", "nrmflow run --output="),
                           ("nrmflow run --set measure.bi", "nrmflow run --set measure.bias="),
                           ("nrmflow run --set measure.bias=sp", "nrmflow run --set measure.bias=spread "),
                           ("nrmflow help --completion z", "nrmflow help --completion zsh "),
                           (f"nrmflow info {self.path('_nrm')}", f"nrmflow info {self.path('_nrmflow')} "),
                           (f"nrmflow run -o {self.path('_nrm')}", f"nrmflow run -o {self.path('_nrmflow')} ")):
            with self.subTest(line=line):
                self.assertEqual(shell.complete(line), want)

    def test_version_names_libraries(self):
        known = json.loads(output("--version", "--json"))
        text = output("--version")
        self.assertEqual(text.splitlines()[0], f"nrmflow {known['version']}")
        table = dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines()[1:])
        self.assertEqual(table, {"build type": known["build_type"], "compiler": known["compiler"],
                                 "sanitizers": known["sanitizers"], "instruction set": known["isa"], **known["libraries"]})
        for library in "MPI", "OpenBLAS", "HDF5":
            self.assertRegex(known["libraries"][library], r"\d+\.\d+")
        with open(NRMFLOW, "rb") as program:
            data = program.read()
        self.assertEqual(known["sanitizers"] != "none", b"libasan" in data or b"libtsan" in data)


if __name__ == "__main__":
    unittest.main()
