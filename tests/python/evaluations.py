"""What the tests of `nrmflow evaluate` share."""

import json
import re

from support import DEMO, RunCase, check, nrmflow, sets


def has_page():
    """Whether the program was built with the report's page."""
    return "Install them" not in nrmflow("report", "no-such-store.h5").stderr


class Reports(RunCase):
    def reported(self, store, *files):
        """What the page of a store has of evaluations."""
        return self.page_of(store, *files)["evaluations"]

    def page_of(self, store, *files):
        page = self.path("page.html")
        done = nrmflow("report", store, "-o", page, *(word for file in files for word in ("--evaluation", file)))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(page, encoding="utf-8") as file:
            return json.loads(re.search(r'<script id="page-json" type="[a-z/-]+">(.*?)</script>', file.read(),
                                        re.DOTALL).group(1))


class Case(Reports):
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


class Stores(Reports):
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
