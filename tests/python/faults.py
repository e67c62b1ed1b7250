"""Failures on purpose (io/base/fault.h): what the quick test and the slow one share."""

import os
import random
import re
import shutil
import subprocess

import h5py
import numpy
from PIL import Image

from support import MPIRUN, NRMFLOW, STATUS, TINY, RunCase, Store, nrmflow, same_bits, smooth_image

COUNT, BLOCK = 12, 4
SEED = int(os.environ.get("NRMFLOW_SEED", "20261124"))
KILLED = -9
SECONDS = 60  # longer is a hang

SETTINGS = {"model.weights": TINY, "store.per_image": "conv2_1", "run.block": BLOCK, "run.epoch": 0,
            "data.max_failed": 0.5, "store.top": 4, "store.histogram_bins": 8, "store.compression": 0,
            "measure.flows": "none"}
IMAGE_POINTS = ("open", "read", "decode")  # may cost an image; then its row says so, and nothing else differs


def words(settings):
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def counts(text):
    """{point: how often it was met}, as the program prints it."""
    return {name: int(n) for name, n in re.findall(r"^fault (\w+) met=(\d+)$", text, re.MULTILINE)}


class FaultCase(RunCase):
    """Faults of a run; its reference is the store of an undisturbed one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(11)
        os.makedirs(cls.path("images", "a"))
        for i in range(COUNT):
            Image.fromarray(smooth_image(generator, 40, 40)).save(cls.path("images", "a", f"{i:02}.png"))
        cls.ini = cls.path("run.ini")
        with open(cls.ini, "w"):
            pass
        cls.settings = {**SETTINGS, "data.path": cls.path("images")}
        cls.reference = cls.path("reference.h5")
        cls.prepare()
        counting = cls.start(cls.reference, "count")
        if counting.returncode != 0:
            raise AssertionError(counting.stderr)
        cls.met = counts(counting.stderr)
        cls.expected = Store(cls.reference)
        cls.injected = cls.kills = 0
        print(f"seed {SEED}")

    @classmethod
    def prepare(cls):
        """What comes before the command that is hit."""

    @classmethod
    def tearDownClass(cls):
        print(f"faults injected: {cls.injected}, of these kills: {cls.kills}; all recovered from")

    @classmethod
    def start(cls, store, fault=None):
        return nrmflow("run", cls.ini, "--output", store, *words(cls.settings), seconds=SECONDS,
                       environment={"NRMFLOW_FAULT": fault} if fault else None)

    def check_store(self, store, fault, point):
        """What is at the store's place is nothing, an unfinished store that says so, or the right one."""
        if not os.path.exists(store):
            return False
        with h5py.File(store) as file:
            if not file.attrs["complete"]:
                self.assertLessEqual(file.attrs["finished"], COUNT, fault)
                return False
        got = Store(store)
        lost = numpy.flatnonzero(got["images/status"] != STATUS["ok"])
        if len(lost) == 0:
            self.assert_same_stores(store, self.reference)
            return True
        self.assertIn(point, IMAGE_POINTS, fault)
        self.assertEqual(got["images/status"][lost].tolist(), [STATUS["unread"]], fault)
        kept = numpy.delete(numpy.arange(COUNT), lost)
        for name in ("mass", "logit", "given_mass"):
            self.assertTrue(same_bits(got[f"images/{name}"][kept], self.expected[f"images/{name}"][kept]), fault)
        return True

    def inject(self, fault):
        """One run that is hit, and the next one, which is not."""
        point, store = fault.split(":")[0], self.path("store.h5")
        hit = self.start(store, fault)
        type(self).injected += 1
        if fault.endswith("kill"):
            type(self).kills += 1
            # a process apart (io/base/sandbox.h) may meet the point first; then the program sees it end, and fails
            self.assertIn(hit.returncode, (KILLED, 1), f"{fault}: {hit.stderr}")
        else:
            self.assertIn(hit.returncode, (0, 1), f"{fault}: {hit.stderr}")
            self.assertEqual(len(re.findall("^nrmflow: ", hit.stderr, re.MULTILINE)), hit.returncode,
                             f"{fault}: {hit.stderr}")
        self.assertNotRegex(hit.stderr, "(?i)sanitizer|runtime error|assertion")
        complete = self.check_store(store, fault, point)
        if hit.returncode == 0:
            self.assertTrue(complete, f"{fault}: exit status 0 without a complete store")
        after = self.start(store)
        self.assertEqual(after.returncode, 0, f"{fault}: {after.stderr}")
        self.assertTrue(self.check_store(store, fault, point), fault)
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("store.h5")], ["store.h5"], fault)
        os.remove(store)

    def sample(self, point, most):
        """Meetings of a point from one on: all, or the first, the last and some between."""
        n = self.met[point]
        if n <= most:
            return list(range(1, n + 1))
        generator = random.Random(f"{SEED} {point}")
        return sorted({1, n, *generator.sample(range(2, n), max(0, most - 2))})[:most]


class MergeFaultCase(FaultCase):
    """Faults of a merge of three shards."""

    @classmethod
    def prepare(cls):
        cls.shards = [cls.run_store(f"shard{i}.h5", {**cls.settings, "data.shard": f"{i}/3"}, config=cls.ini)
                      for i in (1, 2, 3)]

    @classmethod
    def start(cls, store, fault=None):
        return nrmflow("merge", "--output", store, *cls.shards, seconds=SECONDS,
                       environment={"NRMFLOW_FAULT": fault} if fault else None)


def alone(ranks, hit, fault, arguments):
    """`nrmflow` on several ranks, of which only one has the fault."""
    command = [MPIRUN]
    for rank in range(ranks):
        command += ([":"] if rank else []) + ["-n", "1", *(["-x", f"NRMFLOW_FAULT={fault}"] if rank == hit else []),
                                              NRMFLOW, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def remove_store(store):
    shutil.rmtree(store + ".parts", ignore_errors=True)
    if os.path.exists(store):
        os.remove(store)
