"""What the tests of `nrmflow evaluate` share."""

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
