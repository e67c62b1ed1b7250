"""A disk that fills up at any moment: a clear error, the last state whole; once there is room the run goes on.

The disk is a small tmpfs. Only root may mount one; others get a user namespace of their own, where that is allowed."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py

from support import RunCase, Store, run

SIZE, BLOCK = 64 << 20, 8
SETTINGS = {"data.images": "0:40", "run.block": BLOCK, "run.epoch": 0, "measure.flows": "none", "measure.given": "none",
            "store.per_image": "all", "store.top": 2, "store.histogram_bins": 0, "store.compression": 0}


def mount(folder):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "nrmflow-test", folder], capture_output=True,
                          check=False).returncode == 0


class DiskFull(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.undisturbed = cls.run_store("undisturbed.h5", SETTINGS)
        unfinished = cls.path("unfinished.h5")
        run(unfinished, SETTINGS, environment={"NRMFLOW_FAULT": "reduce:2"})  # after a block
        parts = [os.path.join(unfinished + ".parts", name) for name in os.listdir(unfinished + ".parts")]
        cls.store = os.path.getsize(unfinished)  # what an unfinished store takes
        cls.part = max(map(os.path.getsize, parts))  # and the rows of a block
        os.mkdir(cls.path("disk"))
        if not mount(cls.path("disk")):
            raise AssertionError("this could be mounted a moment ago")
        cls.addClassCleanup(subprocess.run, ["umount", cls.path("disk")], check=True)

    def fill(self, free):
        """A file that leaves so many bytes of the disk."""
        with open(self.path("disk", "filler"), "wb") as file:
            left = os.statvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - free)

    def check_full(self, free):
        """Whether there were images in the state that a full disk left."""
        store = self.path("disk", "store.h5")
        self.fill(free)
        done = run(store, SETTINGS)
        self.assertEqual(done.returncode, 1, f"{free} bytes were enough")
        self.assertRegex(done.stderr, r"(?m)^nrmflow: \S*/disk/store\.h5.*: No space left on device$")
        self.assertEqual([name for name in os.listdir(self.path("disk")) if ".tmp-" in name], [])
        finished = 0
        if os.path.exists(store):
            with h5py.File(store) as file:
                self.assertEqual(file.attrs["complete"], 0)
                finished = int(file.attrs["finished"])
            Store(store)  # all of it can be read
        os.remove(self.path("disk", "filler"))
        done = run(store, SETTINGS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"finished={finished} ", done.stderr)
        self.assert_same_stores(store, self.undisturbed)
        os.remove(store)
        return finished

    def test_the_run_fails_clearly_and_goes_on_when_there_is_room(self):
        # nothing at all; no first store; none beside the first; beside the first two or three
        frees = (0, self.store // 2, 3 * self.store // 2, 2 * self.store + 7 * self.part // 2)
        left = [self.check_full(free) for free in frees]
        self.assertEqual(left[:3], [0, 0, BLOCK])
        self.assertGreater(left[3], BLOCK)
        print(f"disk full {len(left)} times, with {left} images saved; all recovered from")


def mountable():
    folder = tempfile.mkdtemp()
    try:
        if not mount(folder):
            return False
        subprocess.run(["umount", folder], check=True)
        return True
    finally:
        os.rmdir(folder)


if __name__ == "__main__":
    if mountable():
        unittest.main()
    elif "NRMFLOW_NAMESPACE" not in os.environ and shutil.which("unshare"):
        os.execvpe("unshare", ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-B", *sys.argv],
                   {**os.environ, "NRMFLOW_NAMESPACE": "1"})
    print("skipped: this user may neither mount a tmpfs nor make a namespace to mount it in")
    sys.exit(77)
