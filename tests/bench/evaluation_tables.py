"""The tables of docs/explanation/evaluation.md from an evaluation of the demo: usage: evaluation_tables.py EVALUATION."""
import sys

import h5py

LAYERS = "conv1_2 conv2_2 conv3_3 conv4_3 conv5_3 fc6".split()
VARIABLES = "input conv1_2 conv3_3 conv4_3 conv5_1 conv5_3 fc7".split()
ORDERS = "relevance relevance_none gradient activation random".split()


def row(order, cells):
    print(f"| `{order}` | " + " | ".join(cells) + " |")


def figure(group, stem, value):
    return f"{group[stem + '_mean'][0, value]:.3f} ± {group[stem + '_error'][0, value]:.3f}"


def main():
    with h5py.File(sys.argv[1]) as file:
        tests = file["evaluation"]
        for order in ORDERS:
            cells = [figure(tests[f"channels/{layer}/{order}"], "gain", 0) for layer in LAYERS]
            row(order, [*cells, figure(tests[f"layers/convolutions/{order}"], "gain", 0)])
        print()
        for order in ORDERS:
            row(order, [figure(tests[f"damage/{layer}/{order}"], "similarity", 1) for layer in LAYERS])
        print()
        for order in ORDERS[:3]:
            row(order, [figure(tests[f"targets/{variable}/{order}"], "similarity", 0) for variable in VARIABLES])
        print()
        for place in ("channels/all", "layers/convolutions"):
            for order in ORDERS:
                mean, error = (tests[f"{place}/{order}/gain_{name}"][:, 0] for name in ("mean", "error"))
                print(place, order, *(f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error)))


main()
