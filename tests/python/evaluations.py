"""What the tests of `nrmflow evaluate` share."""

import json

from support import DEMO, RunCase, check, nrmflow, sets


class Case(RunCase):
    @classmethod
    def evaluate(cls, name, *words, config=DEMO, settings=None, ranks=None, status=0):
        """Path of the file, which must be sound, and what was printed."""
        output = cls.path(name)
        done = nrmflow("evaluate", config, "--output", output, *words, *sets(settings or {}), ranks=ranks)
        if done.returncode != status:
            raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
        if status == 0:
            check(output)
        return output, done.stdout


class Stores(RunCase):
    """Of what stores say: --circuit and --prune."""

    FLOWS = {"data.images": "0:64", "measure.given": "none", "measure.flows": "dense"}

    def answers(self, *arguments, config=DEMO, ranks=None):
        """What is printed as JSON."""
        done = nrmflow("evaluate", config, *arguments, "--json", ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, *arguments, config=DEMO):
        """The message."""
        done = nrmflow("evaluate", config, *arguments)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr
