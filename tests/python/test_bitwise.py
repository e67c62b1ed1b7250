"""A store's bits depend on the images, the model and the configuration alone: not on ranks, nodes, order or epochs."""

import unittest

from support import RunCase, Store

COUNT = 150  # ten blocks, of which the last is not full
FIRST, END = 37, 119  # neither begins nor ends with a block

EVERYTHING = {"measure.flows": "adjacent, dense", "store.per_image": "all", "store.maps": "all"}
WHOLE = {**EVERYTHING, "data.images": f"0:{COUNT}"}


class Bitwise(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one_rank = cls.run_store("one.h5", WHOLE)

    def check_run(self, but=(), settings=None, **options):
        store = self.run_store(f"{self.id()}.h5", {**WHOLE, **(settings or {})}, **options)
        self.assert_same_stores(store, self.one_rank, but)

    def test_one_rank_by_mpirun(self):
        self.check_run(ranks=1)

    def test_two_ranks(self):
        self.check_run(ranks=2)

    def test_three_ranks(self):
        self.check_run(ranks=3)

    def test_four_ranks(self):
        self.check_run(ranks=4)

    def test_blocks_in_reverse_order(self):
        self.check_run(ranks=2, environment={"NRMFLOW_ORDER": "reverse"})

    def test_blocks_in_random_order(self):
        self.check_run(ranks=2, environment={"NRMFLOW_ORDER": "12345"})

    def test_every_rank_a_node(self):
        self.check_run(ranks=3, environment={"NRMFLOW_NODE_SIZE": "1"})

    def test_nodes_of_two_ranks(self):
        self.check_run(ranks=3, environment={"NRMFLOW_NODE_SIZE": "2", "NRMFLOW_ORDER": "reverse"})

    def test_no_shared_memory(self):
        self.check_run(ranks=2, environment={"NRMFLOW_NODE_PRIVATE": "1"})

    def test_many_epochs(self):
        """Every block is an epoch; parts are written by two nodes."""
        self.check_run(ranks=2, settings={"run.epoch": 0}, but=["config"], environment={"NRMFLOW_NODE_SIZE": "1"})

    def test_compression_changes_no_number(self):
        self.check_run(settings={"store.compression": 0}, but=["config"])


class PartOfTheImages(RunCase):
    """data.images cuts rows out of the whole run, in the middle of blocks."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = Store(cls.run_store("whole.h5", WHOLE))
        cls.part = Store(cls.run_store("part.h5", {**EVERYTHING, "data.images": f"{FIRST}:{END}"}, ranks=2))

    def row_datasets(self):
        names = [name for name in self.whole.names() if name.startswith("images/")]
        return names + [f"layers/{name}/relevance" for name in self.whole.variables()]

    def test_rows_are_those_of_the_whole_run(self):
        for name in self.row_datasets():
            self.assertEqual(self.part[name].tobytes(), self.whole[name][FIRST:END].tobytes(), name)

    def test_store_says_where_it_begins(self):
        self.assertEqual(self.part.attributes["", "first_image"], FIRST)

    def test_top_lists_count_rows_of_the_store(self):
        for name in self.part.variables():
            layer = self.part.layer(name)
            channels = range(len(layer["mean"]))
            for c in channels:
                relevance = layer["relevance"][layer["top_image"][c], c]
                self.assertEqual(relevance.tolist(), layer["top_value"][c].astype("float32").tolist(), f"{name} {c}")


if __name__ == "__main__":
    unittest.main()
