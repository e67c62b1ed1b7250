"""Job scripts on a real Slurm, which cluster.sh starts: limits, signals, queueing again, arrays. What they leave in the end
is, to the last bit, the store of an undisturbed run."""

import os
import re
import signal
import subprocess
import time
import unittest

from support import DEMO, JOBS, MPIRUN, NRMFLOW, RunCase, finished, run, sets, wait_for

STOPPED = 75
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY")
SRUN = ["srun", "--mpi=pmix"]
SHORT = {"data.images": "0:1500", "run.epoch": 0.5, "store.top": 4, "measure.flows": "none"}  # seconds
LONG_SECONDS = 55  # of the long run on an idle machine: more than Slurm needs to find that a limit is near
SAMPLE = 200


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def job(number):
    """What Slurm knows of a job: {"JobState": "RUNNING", ...}."""
    return dict(word.split("=", 1) for word in output("scontrol", "show", "job", "-o", str(number)).split() if "=" in word)


def processor_seconds():
    """Of all processes that have ended; unlike the clock's, not more on a busy machine, which may be idle soon."""
    times = os.times()
    return times.children_user + times.children_system


class Slurm(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.short = cls.run_store("short.h5", SHORT, ranks=2)
        before = processor_seconds()
        slow = {"run.block": 4, "store.top": 4, "measure.flows": "all", "measure.sweeps": 8}
        cls.run_store("sample.h5", {**slow, "data.images": f"0:{SAMPLE}"}, ranks=2)
        images = int(SAMPLE * LONG_SECONDS * 2 / (processor_seconds() - before))  # two ranks
        print(f"the long run has {images} images")
        cls.long_settings = {**slow, "data.images": f"0:{images}"}
        cls.long = cls.run_store("long.h5", cls.long_settings, ranks=2)

    def submit(self, name, settings, *arguments, options=(), environment=None):
        """Submit jobs/slurm/imagenet.sbatch; number of the job, path of the store."""
        store = self.path(name)
        command = ["sbatch", "--parsable", "--ntasks-per-node=2", f"--output={store}.log", *options,
                   os.path.join(JOBS, "slurm", "imagenet.sbatch"), DEMO, store, *sets(settings), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True,
                              env={**os.environ, "NRMFLOW": NRMFLOW, **(environment or {})})
        return int(done.stdout), store

    def await_job(self, number, seconds=1200):
        """Until the job has ended; what Slurm knows of it then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            known = job(number)
            if known["JobState"] in ENDED:
                return known
            time.sleep(0.5)
        self.fail(f"job {number} has not ended in {seconds} s: {known}\n")

    def await_epoch(self, number, store):
        end = time.monotonic() + 300
        while finished(store) == 0 and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(job(number)["JobState"], "RUNNING", self.log(store))

    @staticmethod
    def log(store):
        with open(store + ".log", encoding="utf-8") as file:
            return file.read()

    def assert_requeued_until_complete(self, number, store, reason):
        known = self.await_job(number)
        log = self.log(store)
        self.assertEqual((known["JobState"], known["ExitCode"]), ("COMPLETED", "0:0"), log)
        reasons = re.findall('stopped early.*reason="([^"]+)"', log)
        self.assertGreaterEqual(len(reasons), 1)
        self.assertIn(reason, reasons, log)
        self.assertLessEqual(set(reasons), {reason, "Slurm's end time"}, log)  # which comes first where the run is slow
        self.assertEqual(int(known["Restarts"]), len(reasons), log)
        self.assert_same_stores(store, self.long)
        print(f"{reason}: queued again {len(reasons)} times")

    # ---- limits ------------------------------------------------------------------------------------------------

    def test_mpirun_is_warned_by_slurm_and_the_job_queued_again_until_complete(self):
        number, store = self.submit("mpirun.h5", self.long_settings, options=("--time=1", "--signal=B:USR1@60"),
                                    environment={"LAUNCH": MPIRUN})
        self.assert_requeued_until_complete(number, store, "SIGUSR1")

    def test_srun_is_warned_by_slurm_and_the_job_queued_again_until_complete(self):
        number, store = self.submit("srun.h5", self.long_settings, options=("--time=1", "--signal=B:USR1@60"))
        self.assert_requeued_until_complete(number, store, "SIGUSR1")

    def test_a_run_knows_the_end_of_its_job_without_a_signal(self):
        number, store = self.submit("end.h5", self.long_settings, "--reserve", "40",
                                    options=("--time=1", "--signal=B:USR1@1"))
        self.assert_requeued_until_complete(number, store, "Slurm's end time")

    def test_a_job_is_queued_again_only_so_often(self):
        number, store = self.submit("cap.h5", self.long_settings, "--time-limit", "8",
                                    environment={"RESTARTS": "1"})
        known = self.await_job(number)
        self.assertEqual((known["JobState"], known["ExitCode"]), ("FAILED", f"{STOPPED}:0"))
        self.assertEqual(known["Restarts"], "1")
        self.assertIn("was queued again 1 times and is not any more", self.log(store))
        self.assertLess(0, finished(store))
        self.assertLess(finished(store), finished(self.long))

    def test_a_stop_file_ends_a_job_for_good(self):
        number, store = self.submit("file.h5", {**self.long_settings, "run.epoch": 0.5})
        self.await_epoch(number, store)
        with open(store + ".stop", "w", encoding="ascii"):
            pass
        known = self.await_job(number)
        self.assertEqual((known["JobState"], known["ExitCode"]), ("FAILED", f"{STOPPED}:0"))
        self.assertEqual(known["Restarts"], "0")
        self.assertIn('reason="the stop file"', self.log(store))

    # ---- arrays ------------------------------------------------------------------------------------------------

    def test_an_array_is_merged_to_the_store_of_one_run(self):
        store = self.path("array.h5")
        environment = {**os.environ, "NRMFLOW": NRMFLOW,
                       "SBATCH": f"--ntasks-per-node=2 --output={store}.%a.log --time=1 --signal=B:USR1@60"}
        done = subprocess.run([os.path.join(JOBS, "slurm", "imagenet-array.sh"), "3", DEMO, store, *sets(self.long_settings)],
                              check=True, capture_output=True, text=True, env=environment, cwd=self.folder)
        _, merge = map(int, re.findall(r"job (\d+) ", done.stdout))
        known = self.await_job(merge)
        self.assertEqual((known["JobState"], known["ExitCode"]), ("COMPLETED", "0:0"), known)
        self.assert_same_stores(store, self.long)

    # ---- kills -------------------------------------------------------------------------------------------------

    def test_a_rank_that_is_killed_ends_the_job_and_leaves_the_last_state(self):
        number, store = self.submit("killed.h5", {**SHORT, "run.epoch": 0})
        self.await_epoch(number, store)
        oldest = output("pgrep", "--oldest", "--exact", "--full", f"{NRMFLOW} run {DEMO} --output {store} .*")
        os.kill(int(oldest), signal.SIGKILL)
        known = self.await_job(number, seconds=120)
        self.assertEqual((known["JobState"], known["Restarts"]), ("FAILED", "0"), self.log(store))
        self.assert_continued(store)

    # ---- signals -----------------------------------------------------------------------------------------------

    def cancelled(self, launch):
        """The store of a job that is cancelled after its first epoch, which must not be queued again, and its log."""
        number, store = self.submit(f"cancel-{os.path.basename(launch.split()[0])}.h5", {**SHORT, "run.epoch": 0},
                                    environment={"LAUNCH": launch})
        self.await_epoch(number, store)
        output("scancel", str(number))
        known = self.await_job(number)
        self.assertEqual((known["JobState"], known["Restarts"]), ("CANCELLED", "0"))
        return store, self.log(store)

    def test_scancel_lets_srun_save(self):
        store, log = self.cancelled("srun --mpi=pmix")
        self.assertRegex(log, 'reason="SIG(USR1|TERM)"')
        self.assert_continued(store)

    def test_scancel_makes_mpirun_kill_after_some_seconds_and_leaves_the_last_state(self):
        store, _ = self.cancelled(MPIRUN)
        self.assert_continued(store)

    def signalled(self, store, number):
        """srun, without a job script, gets a signal after the first epoch; its exit status and log."""
        process = subprocess.Popen([*SRUN, "-n", "2", NRMFLOW, "run", DEMO, "--output", store, *sets(SHORT)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: finished(store) > 0, process)
        process.send_signal(number)
        _, log = process.communicate(timeout=300)
        return process.returncode, log

    def assert_continued(self, store):
        self.assertLess(0, finished(store))
        self.assertLess(finished(store), finished(self.short))
        done = subprocess.run([*SRUN, "-n", "2", NRMFLOW, "run", DEMO, "--output", store, *sets(SHORT)], check=False,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_stores(store, self.short)

    def test_usr1_to_srun_saves(self):
        store = self.path("usr1.h5")
        status, log = self.signalled(store, signal.SIGUSR1)
        self.assertEqual(status, STOPPED, log)
        self.assertIn('reason="SIGUSR1"', log)
        self.assert_continued(store)

    def test_term_to_srun_kills_and_leaves_the_last_state(self):
        store = self.path("term.h5")
        status, log = self.signalled(store, signal.SIGTERM)
        self.assertNotIn(status, (0, STOPPED), log)
        self.assert_continued(store)

    # ---- starting ----------------------------------------------------------------------------------------------

    def test_srun_without_pmix_is_told_what_to_do(self):
        store = self.path("plain.h5")
        done = subprocess.run(["srun", "--mpi=none", "-n", "2", NRMFLOW, "run", DEMO, "--output", store, *sets(SHORT)],
                              check=False, capture_output=True, text=True, timeout=300)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("start with `srun --mpi=pmix`"), 1, done.stderr)
        self.assertFalse(os.path.exists(store))


if __name__ == "__main__":
    unittest.main()
