"""A run that is hit anywhere leaves nothing wrong behind, and the next run ends as if nothing had been."""

import random
import re
import unittest

from faults import SEED, FaultCase, MergeFaultCase, alone, counts, remove_store, words
from support import nrmflow

SINGLE = ("share",)  # met only where ranks share memory


class Faults(FaultCase):
    def test_every_point_is_met_by_a_run(self):
        self.assertGreater(len(self.met), 10)
        self.assertEqual([name for name, n in self.met.items() if n == 0], list(SINGLE))

    def test_a_run_that_is_hit_once_at_any_point_recovers_or_the_next_one_does(self):
        generator = random.Random(SEED)
        for number, (point, met) in enumerate(self.met.items()):
            if met:
                self.inject(f"{point}:{generator.randint(1, met)}" + (":kill" if number % 2 else ""))

    def test_a_rank_that_is_hit_alone_does_not_leave_the_others_waiting(self):
        store = self.path("ranks.h5")
        arguments = ["run", self.ini, "--output", store, *words(self.settings)]
        met = counts(alone(2, 1, "count", arguments).stderr)
        remove_store(store)
        done = alone(2, 1, f"allocate:{met['allocate'] // 2}", arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "rank 1 on .*memory")
        type(self).injected += 1
        self.assertEqual(self.start(store).returncode, 0)
        self.assert_same_stores(store, self.reference)
        remove_store(store)

    def test_a_query_with_a_rank_that_is_hit_alone_ends_on_all_ranks(self):
        arguments = ["query", self.ini, "--images", "0:4", "conv2_1[1]", *words(self.settings)]
        met = counts(alone(2, 1, "count", arguments).stderr)["allocate"]
        for nth in range(1, met + 1, max(1, met // 12)):
            done = alone(2, 1, f"allocate:{nth}", arguments)
            self.assertNotEqual(done.returncode, 0, nth)
            self.assertRegex(done.stderr, "memory", nth)
            type(self).injected += 1

    def test_without_shared_memory_the_ranks_keep_copies(self):
        store = self.path("copies.h5")
        done = alone(2, 0, "share:1", ["run", self.ini, "--output", store, *words(self.settings)])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("every rank keeps a copy of the weights", done.stderr)
        type(self).injected += 1
        self.assert_same_stores(store, self.reference)

    def test_an_unknown_point_is_refused_and_the_known_ones_are_named(self):
        for text in ("wrote:1", "write", "write:0", "write:1:stop", "write:-1"):
            done = nrmflow("info", self.reference, environment={"NRMFLOW_FAULT": text})
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, re.escape(text) + ".*rename, sync_folder")


class MergeFaults(MergeFaultCase):
    def test_a_merge_that_is_hit_once_at_any_point_recovers_or_the_next_one_does(self):
        generator = random.Random(SEED)
        self.assertGreaterEqual(len([name for name, n in self.met.items() if n]), 9)
        for number, (point, met) in enumerate(self.met.items()):
            if met:
                self.inject(f"{point}:{generator.randint(1, met)}" + (":kill" if number % 2 else ""))


del FaultCase, MergeFaultCase

if __name__ == "__main__":
    unittest.main()
