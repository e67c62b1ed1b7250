"""kill -9 at random moments: what the quick test and the slow one share."""

import os
import random
import re
import signal
import subprocess
import time

import h5py

from support import DEMO, MPIRUN, NRMFLOW, RunCase, run, sized

IMAGES, BLOCK, RANKS = sized(500, sanitized=160), 16, 2
SEED = int(os.environ.get("NRMFLOW_SEED", "20261124"))
# Sweeps make the run take several of the shortest epochs.
SETTINGS = {"data.images": f"0:{IMAGES}", "run.block": BLOCK, "run.epoch": 1,
            "measure.flows": "adjacent, conv3_3-conv5_3:4"}


def start(output, ranks=RANKS, settings=None):
    """A run in the background; mpirun's process."""
    sets = [word for key, value in (settings or SETTINGS).items() for word in ("--set", f"{key}={value}")]
    return subprocess.Popen([MPIRUN, "-n", str(ranks), NRMFLOW, "run", DEMO, "--verbose", "--output", output, *sets],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ranks_of(mpirun):
    """Processes of the program below mpirun."""
    found = []
    with open(f"/proc/{mpirun.pid}/task/{mpirun.pid}/children", encoding="ascii") as file:
        for pid in map(int, file.read().split()):
            try:
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "nrmflow":
                    found.append(pid)
            except FileNotFoundError:  # it has ended meanwhile
                pass
    return found


def rest_of(mpirun):
    """What it prints until it ends. Where a rank was killed, mpirun itself may wait forever for a lock in PMIx's end, after
    all ranks are gone; then it is killed, too."""
    try:
        return mpirun.communicate(timeout=120)[1]
    except subprocess.TimeoutExpired:
        if ranks_of(mpirun):
            raise
        print("mpirun did not end after its ranks; killed")
        mpirun.kill()
        return mpirun.communicate()[1]


def finished(store):
    """Images in a store, finished or not; 0 without one."""
    if not os.path.exists(store):
        return 0
    with h5py.File(store) as file:
        return int(len(file["images/status"]) if file.attrs["complete"] else file.attrs["finished"])


class Log:
    """What a run with --verbose says of its blocks and epochs."""

    def __init__(self, text):
        blocks = re.findall(r"block computed epoch=(\d+) block=(\d+)$", text, re.MULTILINE)
        saved = {int(epoch) for epoch in re.findall(r"epoch saved epoch=(\d+) ", text)}
        self.computed = [int(block) for _, block in blocks]
        self.unsaved = {}  # epoch: blocks that went with it
        for epoch, block in blocks:
            if int(epoch) not in saved:
                self.unsaved.setdefault(int(epoch), set()).add(int(block))


class KillCase(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        begun = time.monotonic()
        cls.undisturbed = cls.run_store("undisturbed.h5", SETTINGS, ranks=RANKS)
        cls.seconds = time.monotonic() - begun

    def killed_run(self, store, generator):
        """Start or continue a run and kill one of its ranks at a random moment, or let it end; its log, and whether it was
        killed."""
        process, killed = start(store), False
        while process.poll() is None and len(ranks_of(process)) < RANKS:
            time.sleep(0.01)
        end = time.monotonic() + generator.uniform(0, 0.7 * self.seconds)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        durable = finished(store)
        ranks = ranks_of(process) if process.poll() is None else []
        if ranks:
            os.kill(generator.choice(ranks), signal.SIGKILL)
            killed = True
        text = rest_of(process)
        self.assertGreaterEqual(finished(store), durable, "what was durable is lost")
        return Log(text), killed and process.returncode != 0

    def check_kills(self, kills):
        """Runs are killed so many times in all, and each goes on until its store is complete."""
        generator, store = random.Random(SEED), self.path("killed.h5")
        count = lost = most = 0
        before = set()  # blocks of epochs that were running when a run was killed, and that were not computed since
        done = set()
        while count < kills:
            log, killed = self.killed_run(store, generator)
            self.assertLessEqual(len(log.unsaved), 1, "more than the running epoch was computed in vain")
            self.assertLessEqual(done & set(log.computed), before, "blocks of an epoch that was saved are computed again")
            lost += len(done & set(log.computed))
            unsaved = set().union(*log.unsaved.values())
            before = (before - set(log.computed)) | unsaved
            most = max(most, len(unsaved))
            done |= set(log.computed)
            count += killed
            if not killed:
                self.check_end(store)
                before, done = set(), set()
        self.assertEqual(run(store, SETTINGS, ranks=RANKS).returncode, 0)
        self.check_end(store)
        print(f"seed {SEED}: {count} kills survived, {lost} blocks of {BLOCK} images computed again, {lost / count:.1f} for a "
              f"kill, at most {most} after one")

    def check_end(self, store):
        self.assert_same_stores(store, self.undisturbed)
        self.assertFalse(os.path.exists(store + ".parts"), "the folder of parts is left over")
        os.remove(store)
