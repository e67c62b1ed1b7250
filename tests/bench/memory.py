"""Memory of a run: what each rank has for itself, and what the ranks of the node share, from /proc/*/smaps_rollup.

Starts `nrmflow bench` under mpirun, looks at its ranks twice a second, and prints the highest of what it saw. With `-- --plain`
that is one run without flows and condition; else `bench` has two runs in memory at a time, this one and one with flows,
condition or both. Once it measures the links one by one, with arrays of its own of 0.4 GB for VGG16.

    NRMFLOW=build/release/nrmflow /usr/bin/python3 tests/bench/memory.py [--ranks 2] [-- options of bench]
"""

import argparse
import os
import subprocess
import time


def ranks_of(launcher):
    """Process numbers of the program's descendants of a process, without those that a rank makes to read a file apart."""
    children, found = {}, []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                children.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    waiting = [launcher]
    while waiting:
        process = waiting.pop()
        try:
            if os.path.samefile(f"/proc/{process}/exe", os.environ["NRMFLOW"]):
                found.append(process)
                continue
        except OSError:
            pass
        waiting += children.get(process, [])
    return sorted(found)


def rollup(process):
    """MiB of one process by kind."""
    sizes = {}
    with open(f"/proc/{process}/smaps_rollup") as file:
        for line in file:
            words = line.split()
            if words[-1] == "kB":
                sizes[words[0].rstrip(":")] = int(words[1]) / 1024
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("options", nargs="*", help="for nrmflow bench, after --")
    arguments = parser.parse_args()
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    command = [os.environ.get("MPIRUN", "mpirun"), "-n", str(arguments.ranks), os.environ["NRMFLOW"], "bench",
               "--repeats", "1", *arguments.options]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    private, shared, total = {}, {}, 0
    while run.poll() is None:
        once = {}
        for process in ranks_of(run.pid):
            try:
                once[process] = rollup(process)
            except (OSError, ValueError, IndexError):  # it has ended
                continue
        for process, sizes in once.items():
            if not sizes:
                continue
            # A page of shared memory that one rank alone has touched yet counts as Private_*: anonymous memory does not.
            private[process] = max(private.get(process, 0), sizes["Pss_Anon"])
            shared[process] = max(shared.get(process, 0), sizes["Pss_Shmem"])
        total = max(total, sum(sizes.get("Pss", 0) for sizes in once.values()))
        time.sleep(0.5)
    for rank, process in enumerate(sorted(private)):
        print(f"rank {rank}: private {private[process]:7.0f} MiB, its part of shared memory {shared[process]:7.0f} MiB")
    print(f"node: {sum(shared.values()):.0f} MiB shared by {len(shared)} ranks, {total:.0f} MiB in all")
    raise SystemExit(run.returncode)


if __name__ == "__main__":
    main()
