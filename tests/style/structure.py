"""The laws of the source tree that a reader relies on, checked on the text of the sources alone.

    structure.py [ROOT]     prints what breaks a law, one line each, and exits with 1

The order of the folders is the list in docs/architecture.md. test_structure.py breaks every law on purpose."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = ("kernels", "io", "pipeline")
MOST_LINES, MOST_COLUMNS, MOST_FUNCTION_LINES, MOST_PARAMETERS, MOST_MODULES = 600, 120, 60, 8, 30
SOURCES = ("*.c", "*.h", "*.py", "*.sh", "*.js", "*.mjs", "*.cmake")
NO_PRINTING = r"(?<![\w.>])(printf|puts|putchar|exit|abort)\("
FORBIDDEN = [  # layer, pattern, reason
    ("kernels", r"#include <mpi\.h>", "no MPI here"),
    ("io", r"#include <mpi\.h>", "no MPI here"),
    ("kernels", NO_PRINTING, "no printing and no exits here"),
    ("io", NO_PRINTING, "no printing and no exits here"),
    ("kernels", r"#include <hdf5", "no files here"),
    ("kernels", r"(?<!\w)(malloc|calloc|realloc|aligned_alloc|fopen)\(", "no allocation and no files here"),
]


def rooms(root):
    """The folders of docs/architecture.md in their order."""
    text = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"```rooms\n(.*?)```", text, re.S).group(1)
    return [line.split()[0] for line in block.splitlines() if line.strip()]


def functions(text):
    """Name, first line, number of lines and of parameters of every function: clang-format puts its braces at the line's start."""
    lines = text.split("\n")
    for begin, line in enumerate(lines):
        if line != "{":
            continue
        end = lines.index("}", begin) if "}" in lines[begin:] else len(lines) - 1
        first = begin
        while first > 0 and lines[first - 1] and lines[first - 1][0] not in "#/}*" and not lines[first - 1].startswith(" *"):
            first -= 1
        head = " ".join(lines[first:begin])
        match = re.search(r"(\w+)\s*\((.*)\)\s*$", head)
        if match:
            yield match.group(1), first + 1, end - first + 1, parameters(match.group(2))


def parameters(text):
    depth, count = 0, 0 if text.strip() in ("", "void") else 1
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        count += character == "," and depth == 0
    return count


def includes(text):
    """Line and path of what a source includes of ours."""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include "([^"]+)"', line)
        if match:
            yield number, match.group(1)


def room_of(path):
    return str(pathlib.PurePosixPath(path).parent)


def check_includes(root, sources, order):
    for path, text in sources.items():
        layer, room = path.split("/")[0], room_of(path)
        for number, target in includes(text):
            place = f"{path}:{number}"
            if target not in sources:
                yield f"{place}: \"{target}\" is no path from the root"
            elif layer == "tests":
                continue
            elif target.startswith("tests/"):
                yield f"{place}: {target} belongs to the tests"
            elif layer != "pipeline" and target.split("/")[0] not in (layer,):
                yield f"{place}: {layer}/ does not know {target.split('/')[0]}/"
            elif room_of(target) in order and room in order and order.index(room_of(target)) > order.index(room):
                yield f"{place}: {room} is below {room_of(target)}"


def check_circles(sources):
    """No file includes itself by way of others."""
    done, trail = set(), []

    def visit(path):
        if path in trail:
            yield "a circle of includes: " + " -> ".join(trail[trail.index(path):] + [path])
        elif path not in done:
            trail.append(path)
            for _, target in includes(sources.get(path, "")):
                yield from visit(target)
            trail.pop()
            done.add(path)

    for path in sorted(sources):
        yield from visit(path)


def check_sizes(root, sources):
    for pattern in SOURCES:
        for folder in (*LAYERS, "jobs", "tests", "docs"):
            for path in sorted((root / folder).rglob(pattern)):
                name, count = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8").count("\n")
                if count > MOST_LINES and "node_modules" not in path.parts:
                    yield f"{name}: {count} lines, more than {MOST_LINES}"
    for path, text in sources.items():
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > MOST_COLUMNS:
                yield f"{path}:{number}: {len(line)} columns, more than {MOST_COLUMNS}"
        for name, line, count, arguments in functions(text):
            if count > MOST_FUNCTION_LINES:
                yield f"{path}:{line}: {name} has {count} lines, more than {MOST_FUNCTION_LINES}"
            if arguments > MOST_PARAMETERS:
                yield f"{path}:{line}: {name} has {arguments} parameters, more than {MOST_PARAMETERS}"


def check_folders(sources, order):
    modules = {}
    for path in sources:
        if path.split("/")[0] == "tests":
            continue
        room, stem = room_of(path), pathlib.PurePosixPath(path).stem
        modules.setdefault(room, set()).add(stem)
        if room not in order:
            yield f"{path}: {room} is not in the list of docs/architecture.md"
        if stem.startswith(room.split("/")[-1] + "_"):
            yield f"{path}: the folder says {room.split('/')[-1]} already"
    for room in order:
        if room not in modules:
            yield f"docs/architecture.md: {room} has no source"
    for room, stems in modules.items():
        if len(stems) > MOST_MODULES:
            yield f"{room}: {len(stems)} modules, more than {MOST_MODULES}"


def check_words(sources):
    for path, text in sources.items():
        for layer, pattern, reason in FORBIDDEN:
            if path.startswith(layer + "/"):
                for number, line in enumerate(text.split("\n"), 1):
                    if re.search(pattern, line):
                        yield f"{path}:{number}: {reason}: {line.strip()}"


def check(root):
    root = pathlib.Path(root).resolve()
    sources = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
               for layer in (*LAYERS, "tests") for path in sorted((root / layer).rglob("*.[ch]"))}
    order = rooms(root)
    return [*check_folders(sources, order), *check_includes(root, sources, order), *check_circles(sources),
            *check_sizes(root, sources), *check_words(sources)]


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    print("\n".join(found))
    sys.exit(1 if found else 0)
