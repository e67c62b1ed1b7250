#!/usr/bin/env python3
"""Whether two builds of the program compute the same numbers, to the last bit: for changes that must not change any.

    tests/bench/same_numbers.py OLD NEW [IMAGES]     two programs; IMAGES of the demo (default 10000), 400 in the other stores

Both run the demo; a store with maps, far and sampled flows, queries and flows of classes; one under a condition of sets; and one
merged from three shards. Every dataset and attribute of the stores is compared decoded, and so are what the commands print as
JSON, maps, and the numbers in the report's page. Only times, the program's version and the size of the file may differ.

If the stores have different format versions, datasets that have moved are compared at their places, text and status by value,
and what only describes the format (versions, scales of numbers, names of axes) is left out."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "jobs" / "demo" / "demo.ini"
os.environ.update(NRMFLOW=os.path.abspath(sys.argv[1]), MPIRUN="mpirun", JOBS=str(ROOT / "jobs"), TEST_DATA=str(ROOT / "tests" / "data"))
os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1",
                  OMPI_MCA_hwloc_base_binding_policy="none", OMPI_MCA_btl_vader_single_copy_mechanism="none")
sys.path.insert(0, str(ROOT / "tests" / "python"))
from support import Store, differences, same_bits  # noqa: E402

INPUT = {"measure.given": "input"}  # said to all programs, since its default has changed
FEW = {**INPUT, "data.images": "0:400"}
FULL = {**FEW, "store.maps": "conv3_1,conv5_3", "store.per_image": "all", "store.class_flows": "5,7,9",
        "measure.flows": "adjacent,dense,conv3_3-conv5_3,conv3_3-conv5_1:16,all", "measure.sweeps": "3",
        "measure.query.both": "conv5_3[9] and conv4_3[7,20:24] given conv5_1[12]@(0:2,0:1)", "measure.query.bias": "bias(conv4_2)"}
GIVEN = {**FEW, "measure.given": "conv5_3[9,20:60] and conv4_1@(0:2,0:4)", "measure.composite": "epsilon_alpha2_beta1_flat"}
SHARDS = {"data.images": "0:300", "measure.given": "none", "store.maps": "conv5_3"}
MAY_DIFFER = re.compile(r"seconds|program_version|^version$|bytes$")
# Format 1 and later: the place of what has moved, and what only format 2 has.
MOVED = {"images/variable": "variable", "classes/name": "class", "classes/flow_class": "flow_class"}
SCALES = re.compile(r"(^|/)(image|bin|edge|rank|y|x|word|weighted|size|part)$")
FORMAT = re.compile(r"^(format_version|CLASS|NAME|DIMENSION_LABELS|flag_values|flag_meanings|description)$")
COUNTS = re.compile(r"^datasets$")  # of `check`, scales included


def command(program, *arguments, ranks=1):
    launch = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    done = subprocess.run([*launch, program, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode not in (0, 1):
        sys.exit(f"{program} {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def sets(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def compute(program, folder, images):
    """All stores and outputs of a program, by name."""
    def run(name, values, ranks=2):
        command(program, "run", DEMO, "--output", folder / f"{name}.h5", *sets(values), ranks=ranks)

    run("demo", {**INPUT, "data.images": f"0:{images}"})
    run("full", FULL)
    run("given", GIVEN)
    for k in (1, 2, 3):
        run(f"shard-{k}", {**SHARDS, "data.shard": f"{k}/3"}, ranks=1)
    command(program, "merge", "--output", folder / "merged.h5", *(folder / f"shard-{k}.h5" for k in (1, 2, 3)))
    command(program, "map", DEMO, "--images", "0:8", "conv5_3[9] and conv4_3[20:40] given conv5_1", "--output", folder / "maps")
    demo, full = folder / "demo.h5", folder / "full.h5"
    outputs = {"info": ("info", demo), "info of full": ("info", full), "check": ("check", demo), "check of full": ("check", full),
               "classes": ("classes", demo, "Sneaker", "Ankle boot"), "walks": ("walks", demo, "--from", "conv3_1", "--to", "conv5_3"),
               "walks of a class": ("walks", full, "--class", "7", "--from", "conv4_1", "--to", "conv5_3"),
               "query": ("query", DEMO, "--images", "0:32", "conv5_3[9] and conv4_3[7,20:24] given conv5_1[12]@(0:2,0:1)")}
    texts = {name: command(program, *arguments, "--json").replace(str(folder), "") for name, arguments in outputs.items()}
    command(program, "report", demo, "-o", folder / "report.html")
    page = folder / "report.html"
    if page.exists():
        for name in ("page-data", "page-json"):
            texts[f"report's {name}"] = re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', page.read_text(), re.S).group(1)
    return texts


def without(value, *names):
    """A JSON value without what may differ, and without these names."""
    if isinstance(value, dict):
        return {key: without(item, *names) for key, item in value.items()
                if not any(name.search(key) for name in (MAY_DIFFER, *names))}
    return [without(item, *names) for item in value] if isinstance(value, list) else value


def comparable(text, *names):
    try:
        return without(json.loads(text), *names)
    except json.JSONDecodeError:
        return text


def to_format_2(store):
    """Rename what has moved, and drop what only describes the format."""
    def place(name):
        return MOVED.get(name, name) if store.attributes["", "format_version"] == 1 else name

    store.arrays = {place(name): array for name, array in store.arrays.items() if not SCALES.search(name)}
    store.attributes = {(place(name), key): value for (name, key), value in store.attributes.items()
                        if not FORMAT.search(key) and not SCALES.search(name)}


def compare_stores(one, two):
    a, b = Store(one), Store(two)
    other_format = a.attributes["", "format_version"] != b.attributes["", "format_version"]
    if other_format:
        to_format_2(a)
        to_format_2(b)
    differing = [f"{name}: {'only in one' if (name in a.names()) != (name in b.names()) else differences(b[name], a[name])}"
                 for name in sorted({*a.names(), *b.names()})
                 if name not in a.names() or name not in b.names() or a[name].dtype != b[name].dtype or not same_bits(a[name], b[name])]
    keys = {key for key in (*a.attributes, *b.attributes) if not MAY_DIFFER.search(key[1])}
    differing += [f"attribute {name} of /{place}" for place, name in sorted(keys)
                  if a.attributes.get((place, name)) != b.attributes.get((place, name))]
    return len(a.names()), differing, other_format


def main(old, new, images="10000"):
    failed, names = 0, set()
    with tempfile.TemporaryDirectory() as folder:
        texts = []
        for name, program in ("old", old), ("new", new):
            pathlib.Path(folder, name).mkdir()
            texts.append(compute(os.path.abspath(program), pathlib.Path(folder, name), images))
        for path in sorted(pathlib.Path(folder, "old").rglob("*.h5")):
            place = path.relative_to(pathlib.Path(folder, "old"))
            count, differing, other_format = compare_stores(path, pathlib.Path(folder, "new", place))
            names.update([COUNTS] if other_format else [])
            print(f"{place}: {count} datasets" + "".join(f"\n    {line}" for line in differing) + ("" if differing else " equal"))
            failed += len(differing)
    for name in texts[0]:
        equal = comparable(texts[0][name], *names) == comparable(texts[1].get(name, ""), *names)
        print(f"{name}: {len(texts[0][name])} characters {'equal' if equal else 'DIFFER'}")
        failed += not equal
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
