#!/usr/bin/env python3
"""The example network of docs/explanation/measure.md: its numbers and its drawing, in exact fractions.

    example_network.py            print the tables as Markdown
    example_network.py --write    write the tables into measure.md and the drawing into example_network.svg
    example_network.py --check    exit with status 1 if either file differs from what this script computes

A walk picks one node in every layer, from the target logit down. Besides its neurons, a layer has two more nodes: the
bias neuron, and the absorbed share. From both of them walks go straight down to the same node of the layer below.
"""

import argparse
import pathlib
import sys
from fractions import Fraction
from itertools import product

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "measure.md"
DRAWING = HERE / "example_network.svg"

BIAS, ABSORBED = "bias", "absorbed"
NEURONS = [["x1", "x2"], ["h1", "h2"], ["y1", "y2"]]  # of every layer, input first
INPUT = {"x1": Fraction(2), "x2": Fraction(1)}
WEIGHTS = {("h1", "x1"): 1, ("h1", "x2"): 1, ("h2", "x1"): 2, ("h2", "x2"): -2,
           ("y1", "h1"): 1, ("y1", "h2"): 1, ("y2", "h1"): 1, ("y2", "h2"): -1}  # (upper, lower)
BIASES = {"h1": 1, "h2": 1, "y1": 2, "y2": 0}
EPSILON = Fraction(1)  # of the rule `epsilon 1`
TARGET = "y1"


# ---- the measure ------------------------------------------------------------------------------------------------------

def forward():
    """Pre-activations z and activations a of all neurons."""
    z, a = {}, dict(INPUT)
    for lower, upper in zip(NEURONS, NEURONS[1:]):
        for j in upper:
            z[j] = Fraction(sum(WEIGHTS[j, i] * a[i] for i in lower) + BIASES[j])
            a[j] = z[j] if upper is NEURONS[-1] else max(z[j], Fraction(0))
    return z, a


Z, A = forward()


def conditional(j, level, epsilon=EPSILON):
    """r(i|j) of every node i of the layer below, for a node j of layer `level`; they sum to one."""
    if j in (BIAS, ABSORBED):
        return {j: Fraction(1)}
    stab = Z[j] + (epsilon if Z[j] >= 0 else -epsilon)
    shares = {i: WEIGHTS[j, i] * A[i] / stab for i in NEURONS[level - 1]}
    shares[BIAS] = BIASES[j] / stab
    shares[ABSORBED] = (stab - Z[j]) / stab
    return shares


def all_walks(epsilon=EPSILON):
    """{(y, h, x): measure} of all walks from the target."""
    walks = {}
    for h, share in conditional(TARGET, 2, epsilon).items():
        for x, rest in conditional(h, 1, epsilon).items():
            walks[TARGET, h, x] = share * rest
    return walks


def measure(*nodes, walks=None):
    """Joint relevance: the sum over the walks that pass all these (level, node) pairs."""
    walks = WALKS if walks is None else walks
    return sum((r for walk, r in walks.items() if all(walk[2 - level] == node for level, node in nodes)), Fraction(0))


WALKS = all_walks()
REACHING = {walk: r for walk, r in WALKS.items() if walk[2] in NEURONS[0]}  # the walks of given = input
MASS = sum(REACHING.values())


def ledger(level):
    """Mass, bias, absorbed and total variation of a layer."""
    mass = [measure((level, i)) for i in NEURONS[level]]
    bias, absorbed = measure((level, BIAS)), measure((level, ABSORBED))
    return sum(mass), bias, absorbed, sum(map(abs, mass)) + abs(bias) + abs(absorbed)


# ---- tables -----------------------------------------------------------------------------------------------------------

NAMES = {"x1": "x₁", "x2": "x₂", "h1": "h₁", "h2": "h₂", "y1": "y₁", "y2": "y₂"}
LAYERS = ["input", "hidden", "logits"]
COMMON = 200  # all walks are whole multiples of 1/200


def name(node):
    return NAMES.get(node, node)


def text(x):
    return str(x).replace("-", "−")


def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def walk_table():
    rows = []
    for number, (walk, r) in enumerate(WALKS.items(), 1):
        top, low = conditional(walk[0], 2)[walk[1]], conditional(walk[1], 1)[walk[2]]
        rows.append([str(number), " → ".join(map(name, walk)), f"{text(top)} · {text(low)}", text(r),
                     text(r * COMMON)])
    total = sum(WALKS.values())
    return table(["walk", "nodes", "r · r", "measure", f"in {COMMON}ths"],
                 rows + [["", "**sum**", "", f"**{text(total)}**", f"**{text(total * COMMON)}**"]])


def ledger_table():
    rows = []
    for level in (2, 1, 0):
        mass, bias, absorbed, variation = ledger(level)
        rows.append([LAYERS[level], *map(text, (mass, bias, absorbed, mass + bias + absorbed, variation))])
    return table(["layer", "mass", "bias", "absorbed", "sum", "variation"], rows)


def flow_table(level, walks):
    """The flow of the adjacent pair below `level`, with its row and column sums."""
    scale = sum(walks.values())
    lower, rows = NEURONS[level - 1], []
    for j in NEURONS[level]:
        cells = [measure((level, j), (level - 1, i), walks=walks) / scale for i in lower + [BIAS, ABSORBED]]
        rows.append([name(j), *map(text, cells), text(sum(cells))])
        assert sum(cells) == measure((level, j), walks=walks) / scale
    sums = [sum(measure((level, j), (level - 1, i), walks=walks) for j in NEURONS[level]) / scale for i in lower]
    assert sums == [measure((level - 1, i), walks=walks) / scale for i in lower]
    return table(["", *map(name, lower), "`to_bias`", "`absorbed`", "row sum: relevance of the upper neuron"],
                 rows + [["column sum: relevance of the lower neuron", *map(text, sums), "", "", ""]])


def given_table():
    rows = []
    for level in (2, 1, 0):
        joint = [measure((level, i), walks=REACHING) for i in NEURONS[level]]
        shares = [r / MASS for r in joint]
        rows.append([LAYERS[level], ", ".join(f"{name(i)}: {text(r)}" for i, r in zip(NEURONS[level], joint)),
                     text(sum(joint)), ", ".join(f"{name(i)}: {text(r)}" for i, r in zip(NEURONS[level], shares)),
                     text(sum(shares))])
    return table(["layer", "R(neuron, input)", "sum", "divided by R(input)", "sum"], rows)


def zero_table():
    walks, gradient = all_walks(Fraction(0)), {}
    for x in NEURONS[0]:
        gradient[x] = sum(WEIGHTS[TARGET, h] * (Z[h] > 0) * WEIGHTS[h, x] for h in NEURONS[1])
    rows = [[name(x), text(gradient[x]), text(gradient[x] * A[x]), text(measure((0, x), walks=walks)),
             text(measure((0, x), walks=walks) * Z[TARGET])] for x in NEURONS[0]]
    assert all(measure((0, x), walks=walks) * Z[TARGET] == gradient[x] * A[x] for x in NEURONS[0])
    bias = measure((0, BIAS), walks=walks)
    return table(["neuron", "gradient of y₁", "Gradient x Input", "R under `zero`", "R · logit"],
                 rows + [["bias", "", "", text(bias), text(bias * Z[TARGET])]])


TABLES = {
    "walks": walk_table,
    "ledger": ledger_table,
    "flow hidden-logits": lambda: flow_table(2, WALKS),
    "flow input-hidden": lambda: flow_table(1, WALKS),
    "given": given_table,
    "flow input-hidden given input": lambda: flow_table(1, REACHING),
    "zero": zero_table,
}


def fill(page):
    """The page with every table between its two markers."""
    for label, make in TABLES.items():
        begin, end = f"<!-- example: {label} -->\n", f"\n<!-- end of {label} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            sys.exit(f"{PAGE.name}: the markers of the table \"{label}\" are not there once each")
        before, rest = page.split(begin)
        page = before + begin + make() + end + rest.split(end)[1]
    return page


# ---- drawing ----------------------------------------------------------------------------------------------------------

COLUMN, WIDTH, HEIGHT = {0: 120, 1: 520, 2: 880}, 1000, 640
ROW = {"x1": 110, "x2": 285, "h1": 110, "h2": 285, "y1": 197, "y2": 330, BIAS: 440, ABSORBED: 545}
LABEL_AT = {"y1": 0.45, "h1": 0.24, "h2": 0.2}  # of the way down
STYLE = """
  text { font: 15px 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif; fill: #1a1a1a; text-anchor: middle }
  .head { font-size: 18px; font-weight: bold }
  .small { font-size: 13px; fill: #444 }
  .label { font-size: 13px }
  .neuron { fill: #e8f0fb; stroke: #1f4e8c; stroke-width: 2 }
  .other { fill: #f1f1f1; stroke: #777; stroke-width: 2 }
  .unused { fill: #fff; stroke: #aaa; stroke-width: 2; stroke-dasharray: 5 4 }
  .positive { stroke: #3b76c4 } .negative { stroke: #c43b3b } .aside { stroke: #9a9a9a }
  path { fill: none; stroke-linecap: round } .back { fill: #fff; opacity: .88 }
"""


def edge(level, j, i, share, at):
    """One step of a walk from node j of `level` down to i, as wide as the measure of the walks that take it."""
    r = measure((level, j), (level - 1, i))
    x0, x1, y0, y1 = COLUMN[level], COLUMN[level - 1], ROW[j], ROW[i]
    kind = "negative" if r < 0 else "aside" if i in (BIAS, ABSORBED) else "positive"
    line = f'<path class="{kind}" stroke-width="{1.5 + 30 * float(abs(r)):.1f}" d="M{x0} {y0}L{x1} {y1}"/>'
    if j in (BIAS, ABSORBED):
        return line, ""
    weight = f"w {text(Fraction(WEIGHTS[j, i]))}, " if i in NEURONS[level - 1] else ""
    weight = f"b {BIASES[j]}, " if i == BIAS else weight
    label, x, y = f"{weight}r {text(share)}", x0 + at * (x1 - x0), y0 + at * (y1 - y0)
    wide = 7.4 * len(label) + 6
    return line, (f'<rect class="back" x="{x - wide / 2:.1f}" y="{y - 10:.1f}" width="{wide:.1f}" height="19" rx="4"/>'
                  f'<text class="label" x="{x:.1f}" y="{y + 4.5:.1f}">{label}</text>')


def node(level, i):
    x, y, r = COLUMN[level], ROW[i], text(measure((level, i)))
    if i in (BIAS, ABSORBED):
        return (f'<rect class="other" x="{x - 44}" y="{y - 20}" width="88" height="40" rx="8"/>'
                f'<text x="{x}" y="{y + 5}">{i}</text><text class="small" x="{x}" y="{y + 38}">R = {r}</text>')
    kind = "unused" if level == 2 and i != TARGET else "neuron"
    return (f'<circle class="{kind}" cx="{x}" cy="{y}" r="27"/><text x="{x}" y="{y + 5}">{name(i)}</text>'
            f'<text class="small" x="{x}" y="{y - 34}">a = {text(A[i])}</text>'
            f'<text class="small" x="{x}" y="{y + 44}">R = {r}</text>')


def draw():
    lines, labels, nodes = [], [], []
    for level, j in product((2, 1), [TARGET, *NEURONS[1], BIAS, ABSORBED]):
        if j in (BIAS, ABSORBED) and level == 2 or j not in (*NEURONS[level], BIAS, ABSORBED):
            continue
        for i, share in conditional(j, level).items():
            line, label = edge(level, j, i, share, LABEL_AT.get(j, 0))
            lines.append(line)
            labels.append(label)
    for level in range(3):
        for i in NEURONS[level] + ([BIAS, ABSORBED] if level < 2 else []):
            nodes.append(node(level, i))
        nodes.append(f'<text class="head" x="{COLUMN[level]}" y="36">{LAYERS[level]}</text>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title description">',
        '<title id="title">A network with two inputs, two hidden neurons and two logits</title>',
        '<desc id="description">Activations a, weights w, biases b, conditional relevance r(i|j) on the edges and '
        'relevance R at the nodes. Edges are as wide as the measure of the walks along them; red is negative.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *lines, *filter(None, labels), *nodes,
        f'<text class="small" x="{WIDTH / 2:.0f}" y="{HEIGHT - 14}">Walks run from right to left. Rule: epsilon 1. '
        'Width: measure of the walks along an edge; red: negative; grey: to the bias or absorbed.</text>',
        "</svg>", ""])


# ---- command line -----------------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description="Numbers and drawing of the documentation's example network.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="update measure.md and example_network.svg")
    action.add_argument("--check", action="store_true", help="exit with status 1 if one of them is out of date")
    options = parser.parse_args()

    assert sum(WALKS.values()) == 1 and all(sum(ledger(level)[:3]) == 1 for level in range(3))
    if not (options.write or options.check):
        print("\n\n".join(f"{label}\n\n{make()}" for label, make in TABLES.items()))
        return 0
    page = PAGE.read_text(encoding="utf-8")
    wanted = {PAGE: fill(page), DRAWING: draw()}
    if options.write:
        for path, content in wanted.items():
            path.write_text(content, encoding="utf-8")
        return 0
    stale = [path.name for path, content in wanted.items()
             if not path.exists() or path.read_text(encoding="utf-8") != content]
    if stale:
        print(f"{' and '.join(stale)}: out of date, run docs/images/example_network.py --write", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
