"""25 kills."""

import unittest

from kills import KillCase


class ManyKills(KillCase):
    def test_25_kills_lose_at_most_the_running_epoch_each(self):
        self.check_kills(25)


del KillCase

if __name__ == "__main__":
    unittest.main()
