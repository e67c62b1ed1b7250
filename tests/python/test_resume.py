"""A run that is stopped or killed goes on where it ended, and its store is the one of an undisturbed run."""

import os
import random
import signal
import subprocess
import time
import unittest

import h5py

from support import DEMO, MPIRUN, NRMFLOW, RunCase, nrmflow, run, sized

IMAGES = sized(800, 250)
SEED = int(os.environ.get("NRMFLOW_SEED", "20261124"))
SETTINGS = {"data.images": f"0:{IMAGES}", "run.epoch": 1,
            "measure.query.united": "conv5_3[3] or conv5_1[7:20]@(0,0:2) given conv5_2"}
KILLS = 5


def start(output, ranks):
    """A run in the background; mpirun's process."""
    sets = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    return subprocess.Popen([MPIRUN, "-n", str(ranks), NRMFLOW, "run", DEMO, "--output", output, *sets],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ranks_of(mpirun):
    """Processes of the program below mpirun."""
    with open(f"/proc/{mpirun.pid}/task/{mpirun.pid}/children", encoding="ascii") as file:
        children = [int(word) for word in file.read().split()]
    return [pid for pid in children if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "nrmflow"]


def finished(store):
    """Images in an unfinished store; 0 without one."""
    if not os.path.exists(store):
        return 0
    with h5py.File(store) as file:
        return IMAGES if file.attrs["complete"] else int(file.attrs["finished"])


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


class Resume(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.undisturbed = cls.run_store("undisturbed.h5", SETTINGS, ranks=2)

    def assert_undisturbed(self, store):
        self.assert_same_stores(store, self.undisturbed)
        self.assertFalse(os.path.exists(store + ".parts"), "the folder of parts is left over")

    def stopped_run(self, name, number):
        """A store whose run got a signal after its first epoch; the exit status."""
        store = self.path(name)
        process = start(store, 2)
        wait_for(lambda: finished(store) > 0, process)
        process.send_signal(number)
        process.communicate()
        return store, process.returncode

    def test_usr1_to_mpirun_saves_and_exits_with_75(self):
        store, status = self.stopped_run("usr1.h5", signal.SIGUSR1)
        self.assertEqual(status, 75)
        self.assertGreater(finished(store), 0)
        self.assertLess(finished(store), IMAGES)
        self.assertIn("start it again to continue", nrmflow("info", store).stdout)

    def test_the_same_command_continues_on_other_numbers_of_ranks(self):
        store, _ = self.stopped_run("ranks.h5", signal.SIGUSR1)
        self.assertEqual(run(store, SETTINGS, ranks=3).returncode, 0)
        self.assert_undisturbed(store)

    def test_killed_at_random_moments_it_loses_at_most_the_running_epoch(self):
        generator, store = random.Random(SEED), self.path("killed.h5")
        print(f"seed {SEED}")
        for _ in range(KILLS):
            process = start(store, 2)
            before = finished(store)
            moment = time.monotonic() + generator.uniform(0.2, 4)
            wait_for(lambda: time.monotonic() > moment, process)
            alive = ranks_of(process) if process.poll() is None else []
            durable = finished(store)
            if alive:
                os.kill(generator.choice(alive), signal.SIGKILL)
            process.communicate()
            self.assertGreaterEqual(finished(store), max(before, durable), "what was durable is lost")
        self.assertEqual(run(store, SETTINGS, ranks=2).returncode, 0)
        self.assert_undisturbed(store)

    def test_a_complete_store_is_left_alone(self):
        done = run(self.undisturbed, SETTINGS)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nothing to do", done.stderr)

    def test_a_store_of_another_configuration_is_refused_by_name_of_the_key(self):
        done = run(self.undisturbed, {**SETTINGS, "measure.pool": "first"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("measure.pool", done.stderr)

    def test_restart_replaces_a_store_of_another_configuration(self):
        store = self.run_store("restart.h5", {"data.images": "0:20"})
        done = nrmflow("run", DEMO, "--output", store, "--restart", "--set", "data.images=0:10")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(store) as file:
            self.assertEqual(len(file["images/status"]), 10)

    def test_two_runs_on_one_store_are_refused(self):
        store = self.path("two.h5")
        process = start(store, 1)
        wait_for(lambda: os.path.exists(store + ".parts/lock"), process)
        time.sleep(0.2)
        second = run(store, SETTINGS)
        process.send_signal(signal.SIGUSR1)
        process.communicate()
        self.assertEqual(second.returncode, 1)
        self.assertIn("another run is writing this store", second.stderr)


if __name__ == "__main__":
    unittest.main()
