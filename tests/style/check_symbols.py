"""What objects of a library export and call, checked with nm.

    check_symbols.py OBJECT ...     prints what breaks a law and exits with 1

A global symbol begins with its folder's or its file's first word: io/weights/keras.c exports weights_*. And no two objects
call each other, by whatever detour: who reads the callee first has read all that the caller needs."""
import pathlib
import re
import subprocess
import sys


def place(path):
    """io/weights/keras of .../io.dir/io/weights/keras.c.o"""
    return re.sub(r"^.*\.dir/", "", str(path)).removesuffix(".o").removesuffix(".c")


def symbols(path):
    """Exported and needed names of an object."""
    exported, needed = set(), set()
    for line in subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout.splitlines():
        *_, kind, name = line.split()
        if not name.startswith("__"):
            (exported if kind in "TDBRC" else needed if kind == "U" else set()).add(name)
    return exported, needed


def misnamed(module, exported):
    *_, folder, stem = ("/" + module).split("/")
    words = {folder, stem, stem.split("_")[0]}
    return sorted(name for name in exported if name not in words and not any(name.startswith(word + "_") for word in words))


def circles(calls):
    """Sets of modules that reach each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(calls.get(module, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            ring = [stack.pop()]
            while ring[-1] != module:
                ring.append(stack.pop())
            if len(ring) > 1:
                found.append(sorted(ring))

    for module in sorted(calls):
        if module not in index:
            visit(module)
    return found


def main(paths):
    modules = {place(path): symbols(path) for path in paths if "report_page" not in path}
    owner = {name: module for module, (exported, _) in modules.items() for name in exported}
    calls = {module: {owner[name] for name in needed if name in owner} - {module} for module, (_, needed) in modules.items()}
    found = [f"{module}.c exports {name}" for module, (exported, _) in sorted(modules.items())
             for name in misnamed(module, exported)]
    for ring in circles(calls):
        found.append("modules that call each other: " + ", ".join(ring))
        found += [f"    {a} -> {b}: {', '.join(sorted(modules[a][1] & modules[b][0]))}"
                  for a in ring for b in ring if b in calls[a]]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.setrecursionlimit(10000)
    sys.exit(main([path for path in sys.argv[1:] if pathlib.Path(path).suffix == ".o"]))
