"""File systems that users have: without locks, without fsync, with symbolic links, and with stores that are cut."""

import os
import re
import signal
import subprocess
import threading
import time
import unittest

import h5py
from support import DEMO, NRMFLOW, RunCase, finished, nrmflow, run, sets, wait_for

SETTINGS = {"data.images": "0:8", "measure.flows": "none", "measure.given": "none"}
LONG = {**SETTINGS, "data.images": "0:4000", "run.block": 4, "run.epoch": 0}
ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL = 37, 38, 95, 22

PRELOAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/file.h>
static int failing(const char *name) { const char *text = getenv(name); errno = text ? atoi(text) : 0; return errno; }
static int change(const char *name, int fd, int command, void *argument)
{
    if ((command == F_SETLK || command == F_SETLKW || command == F_GETLK) && failing("LOCK_ERRNO")) return -1;
    return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, name))(fd, command, argument);
}
#define CHANGE(name) int name(int fd, int command, ...) \
{ va_list l; va_start(l, command); void *a = va_arg(l, void *); va_end(l); return change(#name, fd, command, a); }
CHANGE(fcntl)
CHANGE(fcntl64)
int flock(int fd, int o) { return failing("LOCK_ERRNO") ? -1 : ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, o); }
int fsync(int fd) { return failing("FSYNC_ERRNO") ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
"""


class FileSystemCase(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.path("preload.c"), "w") as file:
            file.write(PRELOAD)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", cls.path("preload.so"), cls.path("preload.c"), "-ldl"], check=True)
        cls.plain = cls.run_store("plain.h5", SETTINGS)

    def preload(self):
        """A sanitized program wants its runtime to be first, unless told otherwise."""
        options = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": self.path("preload.so"), "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0".lstrip(":")}

    def without(self, name, settings=SETTINGS, options=(), **errnos):
        return run(self.path(name), settings, options=options,
                   environment={**self.preload(), **{key: str(value) for key, value in errnos.items()}})

    def start(self, name, settings, beat=None):
        environment = {**os.environ, **({"NRMFLOW_HEARTBEAT": str(beat)} if beat else {})}
        process = subprocess.Popen([NRMFLOW, "run", DEMO, "--output", self.path(name), *sets(settings)], text=True,
                                   stderr=subprocess.PIPE, env=environment)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def owner(self, name):
        return self.path(name + ".parts", "owner")


class WithoutLocks(FileSystemCase):
    def test_the_run_keeps_a_lock_of_its_own(self):
        for errno in ENOLCK, ENOSYS, EOPNOTSUPP:
            done = self.without(f"{errno}.h5", LOCK_ERRNO=errno)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r"the file system has no locks, so the run keeps one of its own file=\S+/owner\n")
            self.assert_same_stores(self.path(f"{errno}.h5"), self.plain)
            self.assertFalse(os.path.exists(self.path(f"{errno}.h5.parts")))

    def test_another_failure_of_a_lock_says_what_to_do(self):
        done = self.without("denied.h5", LOCK_ERRNO=5)
        self.assertEqual(done.returncode, 1)
        self.assertIn("run.lock = file", done.stderr)

    def test_no_lock_at_all_if_told_so(self):
        done = self.without("none.h5", {**SETTINGS, "run.lock": "none"}, LOCK_ERRNO=5)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_file_system_that_cannot_sync_is_warned_about(self):
        for errno in EINVAL, ENOSYS, EOPNOTSUPP:
            done = self.without(f"sync{errno}.h5", FSYNC_ERRNO=errno)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(re.findall("warn: the file system cannot sync files", done.stderr)), 1)
            self.assert_same_stores(self.path(f"sync{errno}.h5"), self.plain)
            self.assertFalse(os.path.exists(self.path(f"sync{errno}.h5.parts")))

    def test_a_sync_that_fails_is_an_error(self):
        done = self.without("io.h5", FSYNC_ERRNO=5)
        self.assertEqual(done.returncode, 1)
        self.assertIn("synced", done.stderr)

    def test_merge_and_report_work_there_too(self):
        for i in 1, 2:
            self.without(f"part{i}.h5", {**SETTINGS, "run.block": 4, "data.shard": f"{i}/2"}, LOCK_ERRNO=ENOSYS)
        environment = {**self.preload(), "LOCK_ERRNO": str(ENOSYS), "FSYNC_ERRNO": str(ENOSYS)}
        merged, page = self.path("merged.h5"), self.path("page.html")
        done = nrmflow("merge", "--output", merged, self.path("part1.h5"), self.path("part2.h5"), environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = nrmflow("report", merged, "--output", page, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)


class OwnLock(FileSystemCase):
    own = {**LONG, "run.lock": "file"}

    def test_a_second_run_is_refused_and_told_who_is_there(self):
        process = self.start("two.h5", self.own)
        wait_for(lambda: finished(self.path("two.h5")) > 0, process)
        for settings in self.own, LONG:  # in whatever way it would lock
            done = run(self.path("two.h5"), settings)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf"another run is writing this store \(process {process.pid} on \S+")

    def test_the_lock_of_a_killed_run_is_taken_at_once(self):
        process = self.start("killed.h5", self.own)
        wait_for(lambda: finished(self.path("killed.h5")) > 0, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertTrue(os.path.exists(self.owner("killed.h5")))
        began = time.monotonic()
        done = run(self.path("killed.h5"), self.own, options=["--time-limit", "2s", "--reserve", "1s"])
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn("run continues", done.stderr)
        self.assertLess(time.monotonic() - began, 40)
        self.assertFalse(os.path.exists(self.owner("killed.h5")))

    def write_owner(self, name, beat=0):
        os.makedirs(self.path(name + ".parts"), exist_ok=True)
        with open(self.owner(name), "r+" if beat else "w") as file:
            file.write(f"process 1 on elsewhere start 17 of pid:[1]\nbeat {beat:012}\n")

    def test_a_dead_owner_on_another_host_is_waited_for(self):
        self.write_owner("away.h5")
        done = run(self.path("away.h5"), {**SETTINGS, "run.lock": "file"}, environment={"NRMFLOW_HEARTBEAT": "0.1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, 'waiting for a sign of life .* owner="process 1 on elsewhere')
        self.assert_same_stores(self.path("away.h5"), self.plain, but=["config"])
        self.assertFalse(os.path.exists(self.path("away.h5.parts")))

    def test_a_living_owner_on_another_host_is_not_disturbed(self):
        self.write_owner("alive.h5")
        over = threading.Event()

        def live():
            beat = 0
            while not over.wait(0.05):
                beat += 1
                self.write_owner("alive.h5", beat)
        thread = threading.Thread(target=live)
        thread.start()
        try:
            for lock in "file", "auto":
                done = run(self.path("alive.h5"), {**SETTINGS, "run.lock": lock}, environment={"NRMFLOW_HEARTBEAT": "0.2"})
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, r"another run is writing this store \(process 1 on elsewhere")
        finally:
            over.set()
            thread.join()

    def test_the_file_changes_while_the_run_lives(self):
        process = self.start("beats.h5", self.own, beat=0.1)
        wait_for(lambda: finished(self.path("beats.h5")) > 0, process)
        notes = set()
        for _ in range(10):
            with open(self.owner("beats.h5")) as file:
                notes.add(file.read())
            time.sleep(0.1)
        self.assertGreater(len(notes), 3)
        self.assertEqual({len(note) for note in notes}, {len(next(iter(notes)))})

    def test_a_run_whose_lock_was_taken_writes_nothing_more(self):
        process = self.start("taken.h5", self.own)
        wait_for(lambda: finished(self.path("taken.h5")) > 0, process)
        self.write_owner("taken.h5")
        _, log = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1)
        self.assertIn("another process has taken over the store", log)
        with open(self.owner("taken.h5")) as file:
            self.assertIn("process 1 on elsewhere", file.read())


class Links(FileSystemCase):
    """An output that is a symbolic link stays one; the file that it leads to is the store."""

    def link(self, name, chain=False):
        place = self.path(name)
        os.makedirs(os.path.join(place, "scratch"))
        os.symlink("scratch/second.h5" if chain else "scratch/store.h5", os.path.join(place, "store.h5"))
        if chain:
            os.symlink("store.h5", os.path.join(place, "scratch", "second.h5"))
        return os.path.join(place, "store.h5"), os.path.join(place, "scratch", "store.h5")

    def check(self, link, store):
        self.assertTrue(os.path.islink(link))
        self.assertFalse(os.path.islink(store))
        self.assert_same_stores(store, self.plain)
        self.assertEqual([name for name in os.listdir(os.path.dirname(store)) if ".parts" in name or "tmp" in name], [])

    def test_a_link_that_leads_to_nothing_yet(self):
        for chain in False, True:
            link, store = self.link(f"new{chain}", chain=chain)
            self.assertEqual(run(link, SETTINGS).returncode, 0)
            self.check(link, store)

    def test_restart_behind_a_link(self):
        link, store = self.link("restart")
        self.assertEqual(run(link, {**SETTINGS, "data.images": "0:4"}).returncode, 0)
        done = run(link, SETTINGS, options=["--restart"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check(link, store)

    def test_a_stop_and_a_continuation_by_either_name(self):
        link, store = self.link("go on")
        settings = {**SETTINGS, "run.block": 2, "run.epoch": 0}
        done = run(link, settings, environment={"NRMFLOW_FAULT": "reduce:2"})
        self.assertEqual((done.returncode, finished(store)), (1, 2))
        self.assertTrue(os.path.isdir(store + ".parts"))
        self.assertEqual(run(store, settings).returncode, 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(finished(link), 8)

    def test_both_names_have_one_lock(self):
        link, store = self.link("lock")
        process = self.start(link, LONG)
        wait_for(lambda: finished(store) > 0, process)
        self.assertIn("another run is writing this store", run(store, LONG).stderr)

    def test_reports_and_merges(self):
        link, store = self.link("others")
        page, target = self.path("others", "page.html"), self.path("others", "scratch", "page.html")
        os.symlink("scratch/page.html", page)
        parts = [self.run_store(f"link{i}.h5", {**SETTINGS, "run.block": 4, "data.shard": f"{i}/2"}) for i in (1, 2)]
        self.assertEqual(nrmflow("merge", "--output", link, *parts).returncode, 0)
        self.assertEqual(nrmflow("report", link, "--output", page).returncode, 0)
        self.assertTrue(os.path.islink(link) and os.path.isfile(store))
        self.assertTrue(os.path.islink(page) and os.path.getsize(target) > 1000)

    def test_links_in_a_circle(self):
        os.symlink("b.h5", self.path("a.h5"))
        os.symlink("a.h5", self.path("b.h5"))
        done = run(self.path("a.h5"), SETTINGS)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "a.h5: this link leads nowhere")


class CutStores(FileSystemCase):
    """A store that an interrupted copy has left is named as that, and replaced only if the user says so."""

    def cut(self, name, size):
        with open(self.plain, "rb") as file:
            data = file.read()
        with open(self.path(name), "wb") as file:
            file.write(data[:size] if size >= 0 else data[:len(data) // 2] + bytes(len(data) - len(data) // 2))
        return self.path(name), len(data)

    def test_info_and_run_say_how_much_of_it_is_there(self):
        store, size = self.cut("cut.h5", 100000)
        for done in nrmflow("info", store), run(store, SETTINGS):
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf"cut\.h5: is cut: it has 100000 of its {size} bytes")
        self.assertIn("--restart", run(store, SETTINGS).stderr)
        self.assertEqual(os.path.getsize(store), 100000)

    def test_restart_replaces_it(self):
        for size in 0, 3000, 100000, -1:
            store, _ = self.cut("restart.h5", size)
            done = run(store, SETTINGS, options=["--restart"])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_same_stores(store, self.plain)

    def test_other_hdf5_files_are_not_replaced(self):

        with h5py.File(self.path("other.h5"), "w") as file:
            file["precious"] = list(range(10000))
        os.truncate(self.path("other.h5"), 5000)
        done = run(self.path("other.h5"), SETTINGS, options=["--restart"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no store of nrmflow, so it is not overwritten", done.stderr)
        self.assertEqual(os.path.getsize(self.path("other.h5")), 5000)


del FileSystemCase

if __name__ == "__main__":
    unittest.main()
