"""Shards of a run, computed on their own, merge into the store of one run, to the last bit; others do not merge."""

import json
import os
import shutil
import unittest

import h5py

from support import RunCase, Store, nrmflow, run

FIRST, END, BLOCK = 5, 44, 8  # neither begins nor ends with a block
SETTINGS = {"data.images": f"{FIRST}:{END}", "run.block": BLOCK, "store.per_image": "conv5_3", "store.maps": "conv5_1",
            "store.class_flows": "3,8", "store.top": 5, "measure.sweeps": 0.5,
            "measure.flows": "adjacent, conv3_3-conv5_3:4, all",
            "measure.query.pair": "conv5_3[100:128] and conv4_3[7,20:24] given conv5_1"}
SMALL = {"data.images": f"{FIRST}:48", "run.block": BLOCK, "measure.flows": "none"}
SHARDS = 3


class MergeCase(RunCase):
    settings = SMALL

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shards = [cls.run_shard(f"shard{i}.h5", f"{i}/{SHARDS}") for i in range(1, SHARDS + 1)]

    @classmethod
    def run_shard(cls, name, shard, settings=None, **options):
        return cls.run_store(name, {**cls.settings, **(settings or {}), "data.shard": shard}, **options)

    def merge(self, output, shards, *options, **more):
        return nrmflow("merge", "--output", output, *options, *shards, **more)

    def assert_refused(self, reason, shards, *options):
        output = self.path("refused.h5")
        done = self.merge(output, shards, *options)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, reason)
        self.assertFalse(os.path.exists(output))


class Merge(MergeCase):
    settings = SETTINGS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.run_store("whole.h5", SETTINGS)

    def test_shards_in_any_order_are_the_store_of_one_run(self):
        output = self.path("merged.h5")
        done = self.merge(output, [self.shards[2], self.shards[0], self.shards[1]])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_stores(output, self.whole)
        self.assertEqual(sorted(Store(output).attributes), sorted(Store(self.whole).attributes))
        again = self.merge(output, self.shards)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("nothing to do", again.stdout)
        for options, written in (((), False), (("--restart",), True)):
            shown = json.loads(self.merge(output, self.shards, "--json", *options).stdout)
            self.assertEqual(shown, {"store": output, "images": len(Store(self.whole)["images/path"]), "shards": 3,
                                     "mixed": False, "written": written})

    def test_the_run_itself_takes_the_merged_store_for_its_own(self):
        output = self.path("taken.h5")
        self.assertEqual(self.merge(output, self.shards).returncode, 0)
        done = run(output, SETTINGS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the store is complete, nothing to do", done.stderr)

    def test_a_shard_computed_on_two_ranks_is_the_same(self):
        shards = [self.shards[0], self.run_shard("ranks.h5", "2/3", {"run.epoch": 0}, ranks=2), self.shards[2]]
        output = self.path("merged_ranks.h5")
        self.assertEqual(self.merge(output, shards).returncode, 0)
        self.assert_same_stores(output, self.whole, but=["config"])

    def test_a_shard_says_that_it_is_one(self):
        with h5py.File(self.shards[1]) as store:
            self.assertEqual(store.attrs["shard"].decode(), "2/3")
            self.assertEqual(store.attrs["complete"], 1)
        self.assertIn("warning: this is one shard", nrmflow("info", self.shards[1]).stdout)
        self.assertNotIn("shard", nrmflow("info", self.whole).stdout.replace("data.shard", ""))

    def test_shards_are_whole_blocks_that_cover_the_images(self):
        at = FIRST
        for i, shard in enumerate(self.shards):
            with h5py.File(shard) as store:
                self.assertEqual(store.attrs["first_image"], at)
                at += len(store["images/status"])
            self.assertEqual(at, END) if i == SHARDS - 1 else self.assertEqual(at % BLOCK, 0)


class Refused(MergeCase):
    def test_a_missing_shard(self):
        self.assert_refused("of 3 shards 1 is missing, the first of them 2/3", [self.shards[0], self.shards[2]])
        self.assert_refused("of 3 shards 2 are missing, the first of them 1/3", [self.shards[2]])

    def test_a_shard_twice(self):
        copy = self.path("copy.h5")
        shutil.copy(self.shards[1], copy)
        self.assert_refused(r"both shard 2/3", [*self.shards, copy])

    def test_another_cut(self):
        other = self.run_shard("other_cut.h5", "2/4")
        self.assert_refused("one of 4 shards, but .* one of 3", [self.shards[0], other, self.shards[2]])

    def test_another_configuration(self):
        other = self.run_shard("other_config.h5", "2/3", {"measure.pool": "first"})
        self.assert_refused('different runs: measure.pool is "first" here, but "winner"', [self.shards[0], other])

    def test_other_images(self):
        other = self.run_shard("other_images.h5", "2/3", {"data.images": f"{FIRST}:49"})
        self.assert_refused("different runs: data.images", [self.shards[0], other])

    def test_other_weights(self):
        changed = self.path("changed.h5")
        shutil.copy(self.shards[1], changed)
        with h5py.File(changed, "r+") as store:
            store.attrs.modify("model_sha256", b"0" * 64)
        self.assert_refused("different weights", [self.shards[0], changed, self.shards[2]])

    def test_other_rows_than_the_number_says(self):
        changed = self.path("moved.h5")
        shutil.copy(self.shards[1], changed)
        with h5py.File(changed, "r+") as store:
            store.attrs["first_image"] = store.attrs["first_image"] - BLOCK
        self.assert_refused("does not hold the images of shard 2/3", [self.shards[0], changed, self.shards[2]])

    def test_damaged_sums(self):
        changed = self.path("damaged.h5")
        shutil.copy(self.shards[1], changed)
        with h5py.File(changed, "r+") as store:
            sums = store["state/sums"]
            sums[...] = 2**63  # -2^127 in every exact sum
        self.assert_refused("sums .* are damaged", [self.shards[0], changed, self.shards[2]])

    def test_no_shard(self):
        whole = self.run_store("no_shard.h5", {**SMALL, "data.images": "0:8"})
        self.assert_refused("is no shard; a run with data.shard", [self.shards[0], whole])

    def test_a_shard_that_is_not_finished(self):
        output = self.path("unfinished.h5")
        shutil.copy(self.shards[1], output)
        with h5py.File(output, "r+") as store:
            store.attrs["complete"] = 0
            store.attrs["finished"] = 8
        self.assert_refused("is unfinished, with 8 of its", [self.shards[0], output, self.shards[2]])

    def test_over_a_shard_or_another_store(self):
        done = self.merge(self.shards[0], self.shards)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is one of the shards", done.stderr)
        other = self.run_store("there.h5", {**SMALL, "data.images": "0:8"})
        done = self.merge(other, self.shards)
        self.assertEqual(done.returncode, 1)
        self.assertIn("data.images", done.stderr)
        self.assertEqual(self.merge(other, self.shards, "--restart").returncode, 0)

    def test_more_shards_than_blocks(self):
        done = run(self.path("empty.h5"), {**SMALL, "data.images": "0:16", "data.shard": "1/3"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("16 images are only 2 blocks, fewer than shards", done.stderr)


class Machines(MergeCase):
    """OpenBLAS kernels stand for a processor."""

    OTHER = {"OPENBLAS_CORETYPE": "Nehalem"}

    def core(self, path):
        return Store(path).attributes["", "blas_core"].decode()

    def test_shards_of_another_core_merge_only_with_leave_and_are_named(self):
        other = self.run_shard("core.h5", "2/3", environment=self.OTHER)
        shards = [self.shards[0], other, self.shards[2]]
        mine, theirs = self.core(self.shards[0]), self.core(other)
        self.assertNotEqual(mine, theirs)
        self.assert_refused(f"different machines.*OpenBLAS kernels: {theirs}, not {mine}.*--allow-mixed", shards)
        output = self.path("mixed.h5")
        done = self.merge(output, shards, "--allow-mixed")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.core(output), f"{mine}, {theirs}")
        self.assertIn("warning: parts were computed with different", nrmflow("info", output).stdout)

    def test_an_unfinished_store_of_another_core_goes_on_only_with_leave_and_names_it(self):
        output = self.path("resumed.h5")
        settings = {**SMALL, "run.epoch": 0}
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        command = ["run", os.path.join(os.environ["JOBS"], "demo", "demo.ini"), "--output", output, *sets]
        hit = nrmflow(*command, environment={**self.OTHER, "NRMFLOW_FAULT": "reduce:3"})
        self.assertEqual(hit.returncode, 1)
        theirs = self.core(output)
        refused = nrmflow(*command)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, "comes from another machine.*OpenBLAS kernels: .*--allow-mixed")
        done = nrmflow(*command, "--allow-mixed")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.core(output), f"{theirs}, {self.core(self.shards[0])}")


del MergeCase

if __name__ == "__main__":
    unittest.main()
