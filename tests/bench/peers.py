"""One image's whole measure against PyTorch's forward pass alone, of the same ONNX network, on one core.

Exports torchvision networks with random weights, and runs their forward pass (batch 8, one thread) and `nrmflow bench --model`
alternately; where zennit is installed, its attribution too. Prints times, ratios and their spread. Not a test: it needs an idle
machine.

    NRMFLOW=build/release/nrmflow /usr/bin/python3 tests/bench/peers.py [resnet18 resnet50 mobilenet_v2] [--rounds 5] [--core 1]
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
import torchvision

BATCH = 8
UNTUNED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # all programs choose their kernels themselves


def exported(name, folder):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)().eval()
    path = os.path.join(folder, f"{name}.onnx")
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), path)
    return model, path


def forward_seconds(model, images):
    """Median seconds an image of three passes, after one that is not counted."""
    seconds = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            model(images)
            seconds.append((time.perf_counter() - start) / BATCH)
    return statistics.median(seconds[1:])


def measured(path):
    done = subprocess.run([os.environ["NRMFLOW"], "bench", "--json", "--plain", "--model", path, "--repeats", "3"], capture_output=True,
                          text=True, check=True)
    return json.loads(done.stdout)


def zennit_seconds(model, images):
    """Seconds an image of one attribution with the default composite; None without zennit."""
    try:
        from zennit.composites import EpsilonGammaBox
        from zennit.torchvision import ResNetCanonizer
    except ImportError:
        return None
    images = images.clone().requires_grad_()
    start = time.perf_counter()
    with EpsilonGammaBox(low=-3.0, high=3.0, canonizers=[ResNetCanonizer()]).context(model) as explained:
        torch.autograd.grad(explained(images).max(dim=1).values.sum(), images)
    return (time.perf_counter() - start) / BATCH


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def compare(name, rounds, folder):
    model, path = exported(name, folder)
    images = torch.rand(BATCH, 3, 224, 224)
    forward, measure, floors, theirs = [], [], [], []
    for _ in range(rounds):
        forward.append(forward_seconds(model, images))
        figures = measured(path)
        measure.append(figures["image_seconds"])
        floors.append(figures["floor_ratio"])
        seconds = zennit_seconds(model, images)
        theirs += [] if seconds is None else [seconds]
        print(f"{name}: forward {forward[-1]:.4f} s, measure {measure[-1]:.4f} s, floor / own {floors[-1]:.2f}", flush=True)
    print(f"{name}: own / PyTorch's forward {spread([m / f for m, f in zip(measure, forward)])}, floor / own {spread(floors)}, "
          f"{figures['isa']}, rank {figures['images'][0]['rank_bytes'] >> 20} MiB")
    if theirs:
        print(f"{name}: zennit / own {spread([t / m for t, m in zip(theirs, measure)])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["resnet18", "resnet50", "mobilenet_v2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=1, help="the processor that all are bound to")
    arguments = parser.parse_args()
    for name in UNTUNED:
        os.environ.pop(name, None)
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, batch {BATCH}, one thread")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            compare(name, arguments.rounds, folder)


if __name__ == "__main__":
    main()
