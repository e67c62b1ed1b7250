"""A run that is stopped or killed goes on where it ended, and its store is the one of an undisturbed run."""

import os
import shutil
import signal
import time
import unittest

import h5py

from kills import IMAGES, SETTINGS, KillCase, finished, start
from support import RunCase, nrmflow, run, sized


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


def stop(process):
    """SIGUSR1 to mpirun; the exit status."""
    process.send_signal(signal.SIGUSR1)
    process.communicate()
    return process.returncode


class Kills(KillCase):
    def test_5_kills_lose_at_most_the_running_epoch_each(self):
        self.check_kills(sized(5, sanitized=2))

    def test_1_to_4_ranks_with_stops_between_make_the_store_of_one_run(self):
        store, settings = self.path("ranks.h5"), {**SETTINGS, "run.epoch": 0}
        for ranks in sized((1, 2, 3), sanitized=(1, 2)):  # few enough that the fewer images do not come to an end
            before, process = finished(store), start(store, ranks, settings)
            wait_for(lambda at=before: finished(store) > at, process)
            self.assertEqual(stop(process), 75)
        self.assertIn("start it again to continue", nrmflow("info", store).stdout)
        self.assertLess(finished(store), IMAGES)
        self.assertEqual(run(store, settings, ranks=4).returncode, 0)
        self.assert_same_stores(store, self.undisturbed, but=["config"])


SMALL = {"data.images": "0:32", "run.block": 8, "run.epoch": 0, "measure.flows": "none", "measure.given": "none"}


class Stores(RunCase):
    """Stores that are there already."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.run_store("whole.h5", SMALL)

    def unfinished(self, name):
        """A store whose run failed when two of four blocks were done."""
        store = self.path(name)
        done = run(store, SMALL, environment={"NRMFLOW_FAULT": "reduce:3"})
        self.assertEqual((done.returncode, finished(store)), (1, 16), done.stderr)
        return store

    def test_a_part_outside_of_the_folder_is_refused(self):
        store = self.unfinished("outside.h5")
        with h5py.File(store, "r+") as file:
            file["state/parts"][0] = b"../outside.h5"
        done = run(store, SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("lists a part file that no run has written: ../outside.h5", done.stderr)
        self.assertTrue(os.path.exists(store))

    def test_a_complete_store_is_left_alone(self):
        done = run(self.whole, SMALL)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing to do", done.stderr)

    def test_a_store_of_another_configuration_is_refused_by_name_of_the_key(self):
        for store in (self.whole, self.unfinished("other.h5")):
            done = run(store, {**SMALL, "measure.pool": "first"})
            self.assertEqual(done.returncode, 1)
            self.assertIn("measure.pool", done.stderr)

    def test_a_store_that_is_refused_can_still_be_continued(self):
        store = self.unfinished("refused.h5")
        self.assertEqual(run(store, {**SMALL, "measure.pool": "first"}).returncode, 1)
        self.assertEqual(run(store, SMALL).returncode, 0)
        self.assert_same_stores(store, self.whole)

    def test_restart_says_what_it_deletes(self):
        store = self.unfinished("restart.h5")
        done = run(store, {**SMALL, "data.images": "0:10"}, options=["--restart"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"restart deletes a store path=\S+restart.h5 complete=0 images=32 finished=16\n")
        self.assertRegex(done.stderr, r"removed files that no store lists folder=\S+restart.h5.parts files=3\n")
        self.assertEqual(finished(store), 10)

    def test_restart_that_fails_before_it_can_work_deletes_nothing(self):
        store = self.unfinished("kept.h5")
        self.assertEqual(run(store, {**SMALL, "measure.composite": "none"}, options=["--restart"]).returncode, 1)
        self.assertEqual(finished(store), 16)

    def test_restart_that_is_killed_leaves_nothing_that_misleads(self):
        store = self.unfinished("killed.h5")
        run(store, {**SMALL, "data.images": "0:24"}, options=["--restart"],
            environment={"NRMFLOW_FAULT": "sync:1:kill"})
        self.assertEqual(finished(store), 0)
        self.assertEqual(run(store, SMALL).returncode, 0)
        self.assert_same_stores(store, self.whole)

    def test_a_part_that_is_missing_or_damaged_is_named(self):
        for change in (os.remove, lambda path: os.truncate(path, os.path.getsize(path) // 2)):
            store = self.unfinished(f"part{change.__name__}.h5")
            part = sorted(os.listdir(store + ".parts"))[1]
            change(os.path.join(store + ".parts", part))
            done = run(store, SMALL)
            self.assertEqual(done.returncode, 1)
            self.assertIn(part, done.stderr)
            self.assertEqual(run(store, SMALL, options=["--restart"]).returncode, 0)
            self.assert_same_stores(store, self.whole)

    def test_a_store_that_lists_other_files_as_parts_touches_none_of_them(self):
        store, precious = self.unfinished("hostile.h5"), self.path("precious.h5")
        shutil.copy(self.whole, precious)
        with h5py.File(store, "r+") as file:
            file["state/parts"][0] = b"../precious.h5"
        done = run(store, SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("lists a part file that no run has written", done.stderr)
        self.assertTrue(os.path.exists(precious))

    def test_damaged_sums_are_noticed(self):
        store = self.unfinished("sums.h5")
        with h5py.File(store) as file:
            at = file["state/sums"].id.get_chunk_info(0).byte_offset
        with open(store, "r+b") as file:
            file.seek(at + 64 * 256 + 8)
            file.write(b"\x55")
        done = run(store, SMALL)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/state/sums cannot be read", done.stderr)

    def test_readers_say_that_a_store_is_unfinished(self):
        store = self.unfinished("reading.h5")
        for command in (["info", store], ["classes", store]):
            done = nrmflow(*command)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout + done.stderr, "(?i)not complete|unfinished")

    def test_two_runs_on_one_store_are_refused(self):
        store = self.path("two.h5")
        process = start(store, 1)
        wait_for(lambda: os.path.exists(store + ".parts/lock"), process)
        time.sleep(0.2)
        second = run(store, SETTINGS)
        restarted = run(store, SETTINGS, options=["--restart"])
        stop(process)
        for refused in (second, restarted):
            self.assertEqual(refused.returncode, 1)
            self.assertRegex(refused.stderr, r"another run is writing this store \(process \d+ on ")


del KillCase

if __name__ == "__main__":
    unittest.main()
