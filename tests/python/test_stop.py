"""What ends a run early: signals to mpirun, time limits, the stop file. It saves, exits with 75, and can be continued."""

import os
import signal
import time
import unittest

from support import DEMO, RunCase, finished, nrmflow, run, start, wait_for

FAILED, USAGE, STOPPED = 1, 2, 75
IMAGES = 2000
LIGHT = {"measure.flows": "none", "store.top": 4, "store.histogram_bins": 8, "store.classes": "none"}
SETTINGS = {**LIGHT, "data.images": f"0:{IMAGES}"}
EPOCHS = {**SETTINGS, "run.epoch": 0}  # of a block
ENDLESS = {**LIGHT, "run.epoch": 1000}  # all 10,000 images take longer than any limit here


class StopCase(RunCase):
    @classmethod
    def setUpClass(cls):
        """How long it takes this machine, busy as it is, to start a run and write a store."""
        super().setUpClass()
        began = time.monotonic()
        cls.run_store("sample.h5", {**LIGHT, "data.images": "0:64"}, ranks=2)
        cls.unit = time.monotonic() - began


class Signals(StopCase):
    def stopped(self, store, stop):
        """Run until an epoch more is in the store, then call `stop` with mpirun's process. The store is unfinished, and
        holds what the log says, which is returned."""
        before = finished(store)
        process = start(store, EPOCHS, 2)
        wait_for(lambda: finished(store) > before, process)
        stop(process)
        _, log = process.communicate(timeout=600)
        self.assertEqual(process.returncode, STOPPED, log)
        self.assertIn(f"finished={finished(store)} ", log)
        self.assertGreater(finished(store), before)
        self.assertLess(finished(store), IMAGES)
        return log

    def test_what_is_stopped_again_and_again_becomes_the_undisturbed_store(self):
        store = self.path("stopped.h5")

        log = self.stopped(store, lambda mpirun: mpirun.send_signal(signal.SIGUSR1))
        self.assertIn('reason="SIGUSR1"', log)

        log = self.stopped(store, lambda _: open(store + ".stop", "w", encoding="ascii").close())
        self.assertIn('reason="the stop file"', log)
        refused = run(store, SETTINGS, ranks=2)
        self.assertEqual(refused.returncode, FAILED)
        self.assertIn("remove it first", refused.stderr)
        os.remove(store + ".stop")

        self.assertEqual(run(store, SETTINGS, ranks=2).returncode, 0)
        self.assert_same_stores(store, self.run_store("undisturbed.h5", SETTINGS, ranks=2))

    def test_int_and_term_save_where_mpirun_leaves_time(self):
        """It makes TERM of both, after this time, and kills after as long again; the exit status is its own."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        stores = [self.path(f"{number.name}.h5") for number in numbers]
        launch = ("--mca", "odls_base_sigkill_timeout", str(int(2 + 2 * self.unit)))
        processes = [start(store, ENDLESS, 1, launch) for store in stores]
        for number, store, process in zip(numbers, stores, processes):
            wait_for(lambda: os.path.exists(store + ".parts/lock"), process)
            process.send_signal(number)
        for store, process in zip(stores, processes):
            _, log = process.communicate(timeout=600)
            self.assertNotIn(process.returncode, (0, STOPPED), log)
            self.assertIn(f'finished={finished(store)} reason="SIGTERM"', log)
            self.assertGreater(finished(store), 0)

    def test_a_second_signal_ends_it_at_once_and_leaves_the_last_state(self):
        """One block takes longer than the test, so that nothing is looked at in between."""
        store = self.path("twice.h5")
        process = start(store, {"run.block": 4000}, 1)
        while "run begins" not in process.stderr.readline():
            self.assertIsNone(process.poll(), "the run has ended before it began")
        time.sleep(1)  # in the block
        process.send_signal(signal.SIGUSR1)
        time.sleep(2)
        self.assertIsNone(process.poll(), "the first signal has ended it")
        process.send_signal(signal.SIGUSR1)
        _, log = process.communicate(timeout=600)
        self.assertNotIn(process.returncode, (0, STOPPED), log)
        self.assertNotIn("images computed", log)
        self.assertFalse(os.path.exists(store))


class Times(StopCase):
    def assert_stopped(self, name, reason, *arguments, environment=None):
        store = self.path(name)
        done = run(store, ENDLESS, *arguments, ranks=2, environment=environment)
        self.assertEqual(done.returncode, STOPPED, done.stderr)
        self.assertIn(f'finished={finished(store)} reason="{reason}"', done.stderr)
        self.assertLess(0, finished(store))

    def test_a_time_limit_ends_it_before(self):
        began, limit = time.monotonic(), 2 + 4 * self.unit
        self.assert_stopped("limit.h5", "the time limit", "--time-limit", f"{limit}s")
        self.assertLess(time.monotonic() - began, limit + self.unit)  # mpirun takes its time, too

    def test_the_reserve_is_taken_off_the_time_limit(self):
        self.assert_stopped("reserve.h5", "the time limit", "--time-limit", "1000h", "--reserve",
                            f"{3600000 - 2 - 2 * self.unit}s")

    def test_slurms_end_time_counts_where_it_is_earlier(self):
        self.assert_stopped("slurm.h5", "Slurm's end time", "--time-limit", "2h",
                            environment={"SLURM_JOB_END_TIME": str(int(time.time() + 3 + 4 * self.unit))})

    def test_an_end_time_that_is_over_is_not_heeded(self):
        store = self.path("over.h5")
        done = run(store, {"data.images": "0:16"}, environment={"SLURM_JOB_END_TIME": "1700000000"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ignored", done.stderr)

    def test_wrong_times_are_refused(self):
        for words, reason in ((("--time-limit", "soon"), "--time-limit"), (("--reserve", "-1"), "--reserve"),
                              (("--time-limit", "60", "--reserve", "1m"), "leaves nothing")):
            with self.subTest(words=words):
                done = nrmflow("run", DEMO, "--output", self.path("wrong.h5"), *words)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn(reason, done.stderr)

    def test_one_rank_in_a_slurm_step_of_several_tasks_is_refused(self):
        done = run(self.path("alone.h5"), SETTINGS, environment={"SLURM_STEP_NUM_TASKS": "2"})
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("srun --mpi=pmix", done.stderr)
        self.assertFalse(os.path.exists(self.path("alone.h5")))


if __name__ == "__main__":
    unittest.main()
