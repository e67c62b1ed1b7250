"""Every meeting of every point of io/fault.h, failing and killed; of points that are met very often, a sample."""

import unittest

from faults import FaultCase

MOST = 40  # meetings of one point


class EveryFault(FaultCase):
    def test_every_failure_is_recovered_from(self):
        for point in self.met:
            for n in self.sample(point, MOST):
                self.inject(f"{point}:{n}")

    def test_every_kill_is_recovered_from(self):
        for point in self.met:
            for n in self.sample(point, MOST):
                self.inject(f"{point}:{n}:kill")


if __name__ == "__main__":
    unittest.main()
