"""One image's whole measure against PyTorch's forward pass alone, of the same networks, on one core.

Runs the forward pass of torchvision's networks with random weights (batch 8, one thread) and `nrmflow bench --network`
alternately, and compares each with its neighbours; where zennit is installed, its attribution too. Where the processor has
AVX-512, AVX2 is measured besides. Prints Markdown tables with medians, least and most. Times of images are processor time,
which other programs on the core lengthen least; ratios to the floor, and of flows and condition, are of the clock's times of
neighbouring blocks. Not a test: it needs an idle machine, and takes several minutes a network (`--quick`: about
one, for a look).

    NRMFLOW=build/release/nrmflow /usr/bin/python3 tests/bench/peers.py [vgg16 resnet50] [--rounds 5] [--core 1] [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import torch
import torchvision

NETWORKS = "vgg16", "resnet18", "resnet50", "mobilenet_v2"
BATCH = 8
UNTUNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # all programs choose their kernels themselves
ISA_NAMES = {"amx": "AMX", "avx512": "AVX-512", "avx2": "AVX2"}
NEXT = {"amx": ("avx512", "avx2"), "avx512": ("avx2",)}  # those that are measured beside the best one


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def forward_seconds(model, images):
    """Median seconds an image of three passes, after one that is not counted."""
    seconds = []
    with torch.no_grad():
        for _ in range(4):
            start = time.process_time()
            model(images)
            seconds.append((time.process_time() - start) / BATCH)
    return statistics.median(seconds[1:])


def bench(name, repeats, *options, isa=None):
    environment = dict(os.environ, **({"NRMFLOW_ISA": isa} if isa else {}))
    done = subprocess.run([os.environ["NRMFLOW"], "bench", "--json", "--network", name, "--repeats", str(repeats), *options],
                          stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def zennit_seconds(model, images):
    """Seconds an image of one attribution with the default composite; None without zennit."""
    try:
        from zennit.composites import EpsilonGammaBox
        from zennit.torchvision import ResNetCanonizer
    except ImportError:
        return None
    images = images.clone().requires_grad_()
    start = time.process_time()
    with EpsilonGammaBox(low=-3.0, high=3.0, canonizers=[ResNetCanonizer()]).context(model) as explained:
        torch.autograd.grad(explained(images).max(dim=1).values.sum(), images)
    return (time.process_time() - start) / BATCH


def spread(values, form="{:.2f}"):
    """Median, least and most, as a cell of a table."""
    cells = [form.format(value) for value in (statistics.median(values), min(values), max(values))]
    return f"{cells[0]} ({cells[1]} to {cells[2]})"


def own_cells(runs, whole):
    """Of the runs without flows and condition, every round at its own peak, and of the one with all variants."""
    rounds = [dict(one, gflop=run["floor_gflop"]) for run in runs for one in run["images"][0]["rounds"]]
    plain, flows, given, _ = whole["images"]
    return {
        "Time per image, ms": spread([1e3 * one["cpu_seconds"] for one in rounds], "{:.0f}"),
        "Peak, GFLOP/s": spread([one["peak_gflops"] for one in rounds], "{:.0f}"),
        "floor / own time": spread([one["gflop"] / one["peak_gflops"] / one["seconds"] for one in rounds]),
        "flows, %": spread([100 * (one["ratio"] - 1) for one in flows["rounds"]], "{:+.0f}"),
        "condition, %": spread([100 * (one["ratio"] - 1) for one in given["rounds"]], "{:+.0f}"),
        "Memory, GiB": f"{plain['rank_bytes'] / 2**30:.2f}",
        "with condition": f"{given['rank_bytes'] / 2**30:.2f}",
    }


def measure(name, arguments):
    """Rows of both tables: this program by instruction set, and the other programs against the best one."""
    model = getattr(torchvision.models, name)().eval()
    images = torch.rand(BATCH, 3, 224, 224)
    forward, ratios, theirs = [forward_seconds(model, images)], [], []
    runs = {}
    for _ in range(arguments.rounds):
        run = bench(name, arguments.repeats, "--plain")
        own = statistics.median(one["cpu_seconds"] for one in run["images"][0]["rounds"])
        runs.setdefault(run["isa"], []).append(run)
        forward.append(forward_seconds(model, images))
        ratios.append(2 * own / (forward[-2] + forward[-1]))
        zennit = zennit_seconds(model, images)
        theirs += [] if zennit is None else [zennit / own]
        for isa in NEXT.get(run["isa"], ()):
            runs.setdefault(isa, []).append(bench(name, arguments.repeats, "--plain", isa=isa))
        if run["isa"] in NEXT:
            forward.append(forward_seconds(model, images))
        print(f"{name}: {own:.4f} s, forward {forward[-1]:.4f} s", file=sys.stderr, flush=True)
    peers = {"Network": name, "PyTorch's forward, ms": spread([1e3 * one for one in forward], "{:.0f}"),
             "own / PyTorch's forward": spread(ratios), **({"zennit / own": spread(theirs)} if theirs else {})}
    return [{"Network": name, "Instruction set": ISA_NAMES.get(isa, isa),
             **own_cells(own, bench(name, arguments.repeats, isa=isa))} for isa, own in runs.items()], [peers]


def print_table(rows):
    print("\n| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="of bench, in every round")
    parser.add_argument("--quick", action="store_true", help="one round, one repeat")
    parser.add_argument("--core", type=int, default=1, help="the processor that all are bound to")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = arguments.repeats = 1
    for name in UNTUNED:
        os.environ.pop(name, None)
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)
    own, peers = [], []
    for name in arguments.networks:
        mine, others = measure(name, arguments)
        own += mine
        peers += others
    print(f"{processor()}, one core; torch {torch.__version__}, torchvision {torchvision.__version__}, batch {BATCH}, one thread; "
          f"{arguments.rounds} rounds: median (least to most)")
    print_table(own)
    print_table(peers)


if __name__ == "__main__":
    main()
