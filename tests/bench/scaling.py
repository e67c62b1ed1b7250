"""Images a second on one rank and on two, each rank on a core of its own.

Runs `nrmflow bench` alternately on one rank and under mpirun on two, and prints how much faster two are: 2 is perfect. Not a
test: it needs an idle machine with two cores.

    NRMFLOW=build/release/nrmflow /usr/bin/python3 tests/bench/scaling.py [--rounds 3] [-- options of bench]
"""

import argparse
import json
import os
import statistics
import subprocess


def image_seconds(ranks, options, environment):
    command = [os.environ.get("MPIRUN", "mpirun"), "-n", str(ranks), "--bind-to", "core", os.environ["NRMFLOW"], "bench",
               "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return {f"given {image['given']}, flows {image['flows']}": image["seconds"]
            for image in json.loads(done.stdout)["images"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("options", nargs="*", help="for nrmflow bench, after --")
    arguments = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    gains = {}
    for _ in range(arguments.rounds):
        one, two = (image_seconds(ranks, arguments.options, environment) for ranks in (1, 2))
        for case in one:
            gains.setdefault(case, []).append(2 * one[case] / two[case])
            print(f"{case:28} {1 / one[case]:7.2f} images/s on one rank, {2 / two[case]:7.2f} on two: "
                  f"{gains[case][-1]:.2f}", flush=True)
    for case, gain in gains.items():
        print(f"median, {case}: {statistics.median(gain):.2f}")


if __name__ == "__main__":
    main()
