"""`nrmflow run --dry-run`: what it says, compared with what the run then does."""

import json
import os
import unittest

from support import DEMO, RunCase, nrmflow

SETTINGS = {"data.images": "0:100", "run.block": 8}


class DryRun(RunCase):
    def plan(self, *options, ranks=None, **settings):
        sets = [word for key, value in {**SETTINGS, **settings}.items() for word in ("--set", f"{key}={value}")]
        done = nrmflow("run", DEMO, "--dry-run", "--output", self.path("dry.h5"), *sets, *options, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_counts_and_sizes(self):
        plan = json.loads(self.plan("--json", ranks=2))
        self.assertEqual((plan["images"], plan["blocks"], plan["ranks"], plan["nodes"]), (100, 13, 2, 1))
        self.assertEqual(plan["node_bytes"], 2 * plan["rank_bytes"] + plan["shared_bytes"] + plan["writing_bytes"])
        self.assertAlmostEqual(plan["seconds"], 7 * plan["block_seconds"])

    def test_nothing_is_written(self):
        self.plan()
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("dry")], [])

    def test_the_store_is_no_larger_than_planned(self):
        settings = {**SETTINGS, "store.compression": 0, "store.per_image": "all", "store.maps": "conv5_3"}
        plan = json.loads(self.plan("--json", **settings))
        size = os.path.getsize(self.run_store("real.h5", settings))
        self.assertLessEqual(size, plan["store_bytes"])
        self.assertGreater(size, plan["store_bytes"] / 2)

    def test_far_flows_cost_more(self):
        flows = {"measure.flows": "conv4_1-conv5_3"}
        plan = json.loads(self.plan("--json", **flows))
        self.assertEqual((plan["far_exact"], plan["far_sampled"]), (1, 0))
        self.assertGreater(plan["far_gflop"], 0)
        self.assertIn("far flows", self.plan(**flows))

    def test_an_output_that_cannot_be_written_is_told(self):
        done = nrmflow("run", DEMO, "--dry-run", "--output", self.path("nowhere", "a.h5"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("nowhere", done.stderr)

    def test_json_is_for_plans(self):
        done = nrmflow("run", DEMO, "--json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--dry-run", done.stderr)


if __name__ == "__main__":
    unittest.main()
