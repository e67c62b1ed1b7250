"""What commands print: --json parses and has the numbers of the tables, colours are for terminals, bars for eyes."""

import json
import math
import os
import pty
import re
import unittest

from support import DEMO, DEMO_WEIGHTS, NRMFLOW, RunCase, nrmflow

QUERY = "conv5_3[9] given conv5_1@(0:2,0:1)"
BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


def rows(text, title):
    """Cells of the table whose first column has this title, split at two blanks or more."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(rf" *{title}\b.*  ", line))
    found = []
    for line in lines[first + 1:]:
        if not line.strip():
            break
        found.append(re.split(r"  +", line.strip()))
    return found


def size(nbytes):
    """As the tables show a number of bytes."""
    units = ["bytes", "KiB", "MiB", "GiB"]
    power = min(int(math.log(nbytes, 1024)), 3) if nbytes else 0
    return f"{nbytes / 1024 ** power:.{1 if power else 0}f} {units[power]}"


def on_terminal(*arguments, **environment):
    """What the program writes to a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        os.execve(NRMFLOW, [NRMFLOW, *arguments], {**clean, "TERM": "xterm", **environment})
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # how a terminal ends
        pass
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0, shown.decode()
    return shown.decode()


class Tables(RunCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("demo.h5", {"data.images": "0:48", "measure.query.corner": QUERY})

    def both(self, *arguments):
        """The text and the JSON that a command prints."""
        text, data = nrmflow(*arguments), nrmflow(*arguments, "--json")
        self.assertEqual((text.returncode, data.returncode), (0, 0), text.stderr + data.stderr)
        return text.stdout, json.loads(data.stdout)

    def test_every_command_has_json(self):
        for command in json.loads(nrmflow("help", "--json").stdout)["commands"]:
            with self.subTest(command=command["name"]):
                self.assertIn("\n  --json ", nrmflow(command["name"], "--help").stdout)

    def test_info_layers(self):
        text, data = self.both("info", self.store)
        want = [[layer["name"], str(layer["channels"]), "%.5f" % layer["mass"], "%.5f" % layer["bias"],
                 "%.2e" % layer["absorbed"], "%.4g" % layer["variation"], "%.1e" % layer["gap"], size(layer["bytes"])]
                for layer in data["layers"]]
        self.assertEqual(rows(text, "layer"), want)
        self.assertEqual(len(want), 22)

    def test_info_flows_queries_and_stages(self):
        text, data = self.both("info", self.store)
        self.assertEqual(rows(text, "flow"), [[flow["name"], str(flow["upper"]), str(flow["lower"]), flow["method"],
                                               size(flow["bytes"])] for flow in data["flows"]])
        (query,) = data["queries"]
        self.assertEqual(rows(text, "query"), [["corner", "%.5g" % query["mean"], "%.2g" % query["std_error"], QUERY]])
        total = sum(data["seconds"].values())
        stages = sorted(data["seconds"].items(), key=lambda item: -item[1])
        want = [[name, "%.1f" % seconds, "%.0f %%" % (100 * seconds / total)] for name, seconds in stages]
        want[0].append("slowest")
        self.assertEqual(rows(text, "stage"), want)

    def test_info_sizes_are_those_of_the_file(self):
        data = self.both("info", self.store)[1]
        parts = sum(part["bytes"] for part in data["layers"] + data["flows"]) + data["images_bytes"] + data["state_bytes"]
        self.assertEqual(data["bytes"], os.path.getsize(self.store))
        self.assertLess(parts, data["bytes"])
        self.assertGreater(parts, data["bytes"] / 2)
        self.assertGreater(min(flow["bytes"] for flow in data["flows"]), 0)

    def test_info_draws_the_mass_of_layers(self):
        masses = [layer["mass"] for layer in json.loads(nrmflow("info", self.store, "--json").stdout)["layers"]]
        top = max(1, *masses)
        for locale, bars in ("C.UTF-8", BARS), ("C", "_.:-=+*#"):
            with self.subTest(locale=locale):
                text = nrmflow("info", self.store, environment={"LC_ALL": locale}).stdout
                drawn = re.search(r"^mass by layer +(\S+)", text, re.MULTILINE).group(1)
                self.assertEqual(drawn, "".join(bars[min(int(mass / top * 8), 7)] for mass in masses))

    def test_columns_are_aligned(self):
        text = nrmflow("info", self.store).stdout
        for title, columns in ("layer", 8), ("flow", 5):
            lines = text[text.index(f"\n{title} "):].split("\n\n")[0].strip("\n").splitlines()
            ends = [[match.end() for match in re.finditer(r"\S+(?: \S+)*", line)] for line in lines]
            for column in range(1, columns):
                if title == "flow" and column == 3:
                    continue  # method, which is text
                with self.subTest(title=title, column=column):
                    self.assertEqual(len({row[column] for row in ends}), 1)

    def test_colours_are_for_terminals(self):
        plain = nrmflow("info", self.store).stdout
        shown = on_terminal("info", self.store)
        self.assertIn("\x1b[1m", shown)
        self.assertEqual(re.sub(r"\x1b\[\d*m", "", shown).replace("\r\n", "\n"), plain)
        self.assertNotIn("\x1b", plain)
        for variable in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
            with self.subTest(variable=variable):
                self.assertNotIn("\x1b", on_terminal("info", self.store, **variable))

    def test_classes(self):
        text, data = self.both("classes", self.store)
        self.assertEqual({c["given_mass"] for c in data["classes"]}, {1})
        shown = [" ".join(line.split()) for line in text.splitlines()[1:]]
        self.assertEqual(shown, [f"{c['class']} {c['name']} {c['images']}" for c in data["classes"]])

    def test_classes_under_a_condition(self):
        store = self.run_store("input.h5", {"data.images": "0:48", "measure.given": "input", "measure.flows": "none"})
        text, data = self.both("classes", store)
        want = [f"{c['class']} {c['name']} {c['images']} {c['given_mass']:.4g} +- {c['given_std_error']:.2g}"
                for c in data["classes"]]
        shown = [" ".join(line.split()).removesuffix(" weak") for line in text.split("\n\n")[0].splitlines()[1:]]
        self.assertEqual(shown, want)

    def test_difference_of_classes(self):
        text, data = self.both("classes", self.store, "1", "2", "--layer", "conv5_3", "--top", "5")
        layer = data["layers"]["conv5_3"]
        numbers = zip(*(layer[key] for key in ("channel", "a", "a_std_error", "b", "b_std_error", "difference", "std_error")))
        want = ["%d %.4g +- %.1g %.4g +- %.1g %.4g +- %.1g" % row for row in numbers]
        table = text[text.index("\nconv5_3\n"):].splitlines()[3:3 + len(want)]
        self.assertEqual([" ".join(line.split()).removesuffix(" *") for line in table], want)

    def test_query(self):
        text, data = self.both("query", DEMO, "--images", "0:6", QUERY)
        want = []
        for image, value, given, ratio, target in zip(*(data[key] for key in ("images", "values", "given", "ratio", "target"))):
            want.append([str(image), "%.5g" % value, "%.5g" % given, "-" if ratio is None else "%.5g" % ratio, str(target)])
        self.assertEqual([row[:4] + row[4].split()[:1] for row in rows(text, "image")], want)
        self.assertIn("%.6g +- %.2g" % (data["mean"], data["std_error"]), text)

    def test_map(self):
        text, data = self.both("map", DEMO, "--images", "0:3", "--output", self.path("maps"), "conv5_3[9]")
        want = [[str(image), "%.5g" % value, "%.5g" % total, "%.5g" % largest, str(target)] for image, value, total, largest, target
                in zip(*(data[key] for key in ("images", "values", "sums", "largest", "target")))]
        self.assertEqual([row[:4] + row[4].split()[:1] for row in rows(text, "image")], want)
        self.assertIn("%.6g +- %.2g" % (data["mean"], data["std_error"]), text)

    def test_query_plan(self):
        text, data = self.both("query", DEMO, "--explain", "conv5_3[9] and conv5_1[3]")
        self.assertEqual(int(re.search(r"(\d+) masked passes", text).group(1)), data["passes"]["value"])

    def test_walks(self):
        text, data = self.both("walks", self.store, "--from", "conv5_1", "--top", "4")
        self.assertEqual(rows(text, "estimate"), [["%.4g" % walk["estimate"], walk["expression"]] for walk in data["walks"]])

    def test_weights(self):
        text, data = self.both("weights", DEMO_WEIGHTS)
        shown = [line.split(maxsplit=2) for line in text.split("\n\n")[1].splitlines()]
        self.assertEqual(shown, [[tensor["name"], tensor["dtype"], " x ".join(map(str, tensor["shape"]))]
                                 for tensor in data["tensors"]])
        self.assertIn(data["sha256"], text)
        self.assertIn(f"{data['network']['classes']} classes, {data['network']['parameters']} parameters", text)

    def test_plan(self):
        text, data = self.both("run", DEMO, "--dry-run", "--output", self.path("none.h5"), "--set", "data.images=0:20")
        self.assertIn(f"{data['images']} in {data['blocks']} blocks", text)
        self.assertIn(f"{data['rank_bytes'] >> 20} MiB", text)
        self.assertIn(f"{data['store_bytes'] / 2 ** 20:.1f} MiB at most", text)
        self.assertIn(f"{data['image_gflop']:.1f} GFLOP", text)
        self.assertIn(f"{data['network']}, {data['composite']}, given {data['given']}\n", text)
        self.assertIn(f"{data['adjacent']} adjacent pairs", text)
        self.assertIn(data["store"], text)


if __name__ == "__main__":
    unittest.main()
