"""One image's whole measure against PyTorch's forward pass alone, on one core.

Runs the forward pass of VGG16 (random weights, batch 8, one thread) and `nrmflow bench` alternately, and prints both times
and their ratio. Not a test: it needs an idle machine.

    NRMFLOW=build/release/nrmflow /usr/bin/python3 tests/bench/torch_forward.py [--rounds 3] [--core 1]
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import torch

WIDTHS = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool"]
BATCH = 8


def vgg16():
    layers, channels = [], 3
    for width in WIDTHS:
        if width == "pool":
            layers.append(torch.nn.MaxPool2d(2, 2))
        else:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU(inplace=True)]
            channels = width
    layers.append(torch.nn.Flatten())
    for inputs, outputs in ((25088, 4096), (4096, 4096)):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(inplace=True)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(4096, 1000)).eval()


def forward_seconds(model, images):
    """Median seconds an image of three passes, after one that is not counted."""
    seconds = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            model(images)
            seconds.append((time.perf_counter() - start) / BATCH)
    return statistics.median(seconds[1:])


def measure_seconds():
    done = subprocess.run([os.environ["NRMFLOW"], "bench", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--core", type=int, default=1, help="the processor that both are bound to")
    arguments = parser.parse_args()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # here only: both choose their kernels themselves
        os.environ.pop(name, None)
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)
    model, images = vgg16(), torch.rand(BATCH, 3, 224, 224)
    forward, measure = [], []
    for _ in range(arguments.rounds):
        forward.append(forward_seconds(model, images))
        figures = measure_seconds()
        measure.append(figures["image_seconds"])
        print(f"forward {forward[-1]:.4f} s  measure {measure[-1]:.4f} s  ratio {measure[-1] / forward[-1]:.3f}  "
              f"floor / own time {figures['floor_ratio']:.2f}  {figures['isa']}, {figures['blas_core']}", flush=True)
    print(f"median ratio {statistics.median(m / f for m, f in zip(measure, forward)):.3f} "
          f"(torch {torch.__version__}, batch {BATCH})")


if __name__ == "__main__":
    main()
