"""Blocks of the documentation that take long (`<!-- slow -->` before them), with the whole demo."""
import tempfile
import unittest

from blocks import World, complaint, run_page
from pages import pages


class SlowBlocks(unittest.TestCase):
    def test_run(self):
        slow = [page for page in pages() if any(block.slow for block in page.blocks)]
        if not slow:
            self.skipTest("no block is marked slow")
        with tempfile.TemporaryDirectory() as folder:
            world = World(folder, images=None)
            for page in slow:
                for block, done in run_page(world, page, quick=False):
                    with self.subTest(block=page.at(block.line)):
                        self.assertEqual(done.returncode, 0, complaint(page, block, done))


if __name__ == "__main__":
    unittest.main()
