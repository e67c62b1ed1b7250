"""Every meeting of every point of io/base/fault.h, failing and killed; of points that are met very often, a sample."""

import unittest

from faults import FaultCase, MergeFaultCase

MOST = 12  # meetings of one point


class Every:
    def test_every_failure_is_recovered_from(self):
        for point in self.met:
            for n in self.sample(point, MOST):
                self.inject(f"{point}:{n}")

    def test_every_kill_is_recovered_from(self):
        for point in self.met:
            for n in self.sample(point, MOST):
                self.inject(f"{point}:{n}:kill")


class EveryFaultOfARun(Every, FaultCase):
    pass


class EveryFaultOfAMerge(Every, MergeFaultCase):
    pass


del FaultCase, MergeFaultCase

if __name__ == "__main__":
    unittest.main()
