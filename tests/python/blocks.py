"""Running the blocks of a page's code as a reader would, from the repository's root after jobs/demo.sh.

The root is a copy in a temporary folder: `build/release` is the folder of the program under test, `out/demo.h5` a
store of the demo, and what blocks write stays there. Some programs are stand-ins that do nothing or only check their
arguments: those that would install, build, test, or open a window, and the scripts of jobs/ and tests/, which have
tests of their own.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from pages import ROOT

IMAGES = 320  # of the demo in the quick test: 20 blocks, some 30 images a class
SECONDS = 300

NOTHING = ("apt", "apt-get", "sudo", "dnf", "pacman", "npm", "pip", "man", "module", "xdg-open", "firefox", "chromium",
           "virelay", "spack", "apptainer", "cpack")

STAND_INS = {
    "git": 'case "${1:-}" in clone) ln -sfn . "$(basename "${@: -1}" .git)";; esac',
    "mpirun": 'exec "$MPIRUN" "$@"',
    "python3": 'exec "$TEST_PYTHON" "$@"',
    "cmake": 'case "$1" in --install) exec "$REAL_CMAKE" "$@";; esac; exec "$TEST_PYTHON" "$CHECKED" cmake "$@"',
    "ctest": 'exec "$TEST_PYTHON" "$CHECKED" ctest "$@"',
}


def executable(path, text):
    path.unlink(missing_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


class World:
    """What the roots of all pages are copies of, in `folder`. `images`: of the demo, None for all."""

    def __init__(self, folder, images=IMAGES):
        self.folder, self.root = pathlib.Path(folder), pathlib.Path(folder) / "root"
        self.count = 0
        self.root.mkdir()
        for entry in ROOT.iterdir():
            if entry.name in ("jobs", "docs"):
                shutil.copytree(entry, self.root / entry.name)
            elif entry.name == "tests":
                self._link_tests(entry)
            elif entry.name not in ("build", "out", ".git"):
                (self.root / entry.name).symlink_to(entry)
        (self.root / "build").mkdir()
        (self.root / "out").mkdir()
        (self.root / "build" / "release").symlink_to(pathlib.Path(os.environ["NRMFLOW"]).resolve().parent)
        for script in ("demo.sh", "setup.sh"):
            executable(self.root / "jobs" / script, ":")
        self._make_programs()
        self.environment = self._make_environment()
        if images:
            demo = self.root / "jobs" / "demo" / "demo.ini"
            text = demo.read_text(encoding="utf-8")
            demo.write_text(text.replace("[data]\n", f"[data]\nimages = 0:{images}\n"), encoding="utf-8")
        done = self._execute(["nrmflow", "run", "jobs/demo/demo.ini", "--output", "out/demo.h5"], self.root)
        if done.returncode != 0:
            raise AssertionError(f"the demo: exit status {done.returncode}\n{done.stdout}")

    def _link_tests(self, entry):
        (self.root / "tests").mkdir()
        for path in entry.iterdir():
            if path.suffix == ".sh":
                executable(self.root / "tests" / path.name, ":")
            else:
                (self.root / "tests" / path.name).symlink_to(path)

    def _make_programs(self):
        programs = self.folder / "bin"
        programs.mkdir()
        for name in NOTHING:
            executable(programs / name, ":")
        for name, text in STAND_INS.items():
            executable(programs / name, text)
        (programs / "nrmflow").symlink_to(os.environ["NRMFLOW"])

    def _make_environment(self):
        for name in ("home", "tmp"):
            (self.folder / name).mkdir()
        return {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HOME": str(self.folder / "home"),
                "TMPDIR": str(self.folder / "tmp"), "MPLBACKEND": "Agg", "TEST_PYTHON": sys.executable,
                "PYTHONDONTWRITEBYTECODE": "1", "CHECKED": str(pathlib.Path(__file__).resolve()),
                "REAL_CMAKE": shutil.which("cmake") or "cmake", "REAL_CTEST": shutil.which("ctest") or "ctest"}

    def _execute(self, words, folder, seconds=SECONDS):
        try:
            return subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False,
                                  env=self.environment, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            text = late.stdout or b""
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
            return subprocess.CompletedProcess(words, f"none after {seconds} s; put <!-- slow --> before it", text)

    def enter(self):
        """The root for another page."""
        self.count += 1
        root = self.folder / f"page{self.count}"
        shutil.copytree(self.root, root, symlinks=True)
        return root

    def run(self, block, root, seconds=SECONDS):
        """Run a block of sh or Python; lines in messages are those of the page."""
        script = self.folder / ("block.py" if block.language == "python" else "block.sh")
        if block.language == "python":
            script.write_text("\n" * (block.line - 1) + block.text + "\n", encoding="utf-8")
            return self._execute([sys.executable, "-B", str(script)], root, seconds)
        pipefail = "" if "| head" in block.text else "set -o pipefail; "
        first = f"set -Eeu; {pipefail}trap 'echo \"line $LINENO: $BASH_COMMAND: exit status $?\" >&2' ERR"
        script.write_text(first + "\n" * (block.line - 1) + block.text + "\n", encoding="utf-8")
        return self._execute(["bash", str(script)], root, seconds)


def run_page(world, page, quick=True):
    """[(block, what subprocess.run returned)] of a page's blocks in their order: those that are quick, or all up to the
    last slow one. The files that they leave in out/ are in page.output."""
    blocks = [block for block in page.blocks if block.language in ("sh", "python")]
    if quick:
        blocks = [block for block in blocks if not block.slow]
    else:
        slow = [at for at, block in enumerate(blocks) if block.slow]
        blocks = blocks[:slow[-1] + 1] if slow else []
    root = world.enter() if blocks else None
    results = [(block, world.run(block, root, SECONDS if quick else 3000)) for block in blocks]
    if root:
        page.output = {path.name: path for path in (root / "out").iterdir()}
    return results


def complaint(page, block, done):
    return (f"{page.at(block.line)}: exit status {done.returncode} of this block\n{block.text}\n---- it printed\n"
            f"{done.stdout[-4000:]}")


# ---- stand-ins for cmake and ctest -------------------------------------------------------------------------------


def value_of(option, words):
    """What follows an option, or None."""
    return words[words.index(option) + 1] if option in words[:-1] else None


def checked_command(name, words):
    """Whether a preset exists, and whether ctest would run any test; nothing is built or tested."""
    with open(ROOT / "CMakePresets.json", encoding="utf-8") as file:
        presets = json.load(file)
    kind = "testPresets" if name == "ctest" else "buildPresets" if "--build" in words else "configurePresets"
    preset = value_of("--preset", words)
    if preset and preset not in [row["name"] for row in presets[kind]]:
        sys.exit(f"{name}: CMakePresets.json has no {kind[:-1]} \"{preset}\"")
    folder = pathlib.Path(os.environ["NRMFLOW"]).resolve().parent
    if name == "ctest" and (folder / "CTestTestfile.cmake").exists():
        filters = [word for option in ("-R", "-L") if value_of(option, words)
                   for word in (option, value_of(option, words))]
        listed = subprocess.run([os.environ["REAL_CTEST"], "--test-dir", str(folder), "-N", *filters],
                                stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
        if "Total Tests: 0" in listed:
            sys.exit(f"ctest: no test for {' '.join(filters)}")


if __name__ == "__main__":
    checked_command(sys.argv[1], sys.argv[2:])
