"""nrmflow map: maps of set expressions as numbers and pictures, and the methods that are special cases of them."""

import json
import os
import re
import unittest

import h5py
import numpy
import torch
from faults import alone, counts
from oracle import Oracle, demo_modules, vgg_modules
from PIL import Image
from support import DEMO, STATUS, TINY, RunCase, Store, demo_pixels, nrmflow

BAR = 1e-4  # of the largest value of a map in float32
LAW = 1e-5  # of the same, between sums of float32
SETS = "conv5_3[5:60] and conv4_2[0:40]@(0:3,1:4) and conv3_1[10:50]"
CONDITION = {"conv5_3": (slice(5, 60),), "conv4_2": (slice(0, 40), slice(0, 3), slice(1, 4)), "conv3_1": (slice(10, 50),)}
RED, BLUE = (178, 24, 43), (33, 102, 172)


class MapCase(RunCase):
    @classmethod
    def map(cls, folder, expression, *options, config=DEMO, ranks=None):
        """What is printed as JSON, and the store."""
        done = nrmflow("map", config, expression, "-o", cls.path(folder), "--json", *options, ranks=ranks)
        if done.returncode != 0:
            raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
        return json.loads(done.stdout), Store(cls.path(folder, "maps.h5"))

    def assert_maps(self, got, want, bar):
        self.assertEqual(got.shape, want.shape)
        self.assertLess(numpy.abs(got - want).max(), bar * numpy.abs(want).max())


class Demo(MapCase):
    """Sets of three layers, mapped below, between and above them."""
    LAYERS = ("input", "pool2", "conv3_3", "conv4_2", "conv5_3", "fc6")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        torch.set_grad_enabled(False)
        cls.addClassCleanup(torch.set_grad_enabled, True)
        cls.oracles = [Oracle(demo_modules(), demo_pixels()[i], CONDITION) for i in range(2)]
        cls.maps = {name: cls.map(name, SETS, "--at", name, "--images", "0:2") for name in cls.LAYERS}

    def test_a_map_is_the_masked_measure_of_every_neuron(self):
        for name, (_, store) in self.maps.items():
            want = numpy.array([(oracle.m[name] * oracle.h[name]).numpy() for oracle in self.oracles])
            self.assert_maps(store["queries/map/map"], want.reshape(*want.shape[:2], *(want.shape[2:] or (1, 1))), BAR)

    def test_from_its_lowest_layer_up_a_map_sums_to_the_query_s_value(self):
        done = nrmflow("query", DEMO, SETS, "--images", "0:2", "--json")
        values = json.loads(done.stdout)["values"]
        for name, (printed, store) in self.maps.items():
            self.assertEqual(printed["values"], values)
            self.assertEqual(store["queries/map/value"].tolist(), values)
            self.assert_close(printed["sums"], store["queries/map/map"].sum((1, 2, 3), "float64"), 1e-15)
            if name not in ("input", "pool2"):
                self.assert_close(printed["sums"], values, LAW * numpy.abs(values))

    def test_the_store_says_what_is_in_it(self):
        _, store = self.maps["conv3_3"]
        self.assertEqual(store.attributes["queries/map", "expression"].decode(), SETS)
        self.assertEqual(store.attributes["queries/map", "layer"].decode(), "conv3_3")
        self.assertEqual(store["images/path"].tolist(), [b"t10k-images-idx3-ubyte.gz[0]", b"t10k-images-idx3-ubyte.gz[1]"])
        self.assertEqual(store["images/target"].tolist(), [9, 2])
        self.assertTrue(store.attributes["queries/map/map", "description"])
        self.assertEqual(store.attributes["queries/map/map", "units"].decode(), "1")
        shown = nrmflow("info", self.path("conv3_3", "maps.h5"))
        self.assertEqual(shown.returncode, 0)
        self.assertIn(SETS, shown.stdout)

    def test_a_layer_without_positions_has_no_pictures(self):
        self.assertEqual(os.listdir(self.path("fc6")), ["maps.h5"])
        self.assertEqual(self.maps["fc6"][0]["pictures"], [None, None])

    def test_the_picture_is_the_image_and_the_image_in_grey_below_the_colours(self):
        for name in ("input", "conv4_2"):
            printed, store = self.maps[name]
            for i, picture in enumerate(printed["pictures"]):
                self.assertEqual(picture, self.path(name, f"{i:08}.png"))
                pixels = numpy.array(Image.open(picture), "float64")
                self.assertEqual(pixels.shape, (448, 448 + 8 + 448, 3))
                image = numpy.pad(demo_pixels()[i], 2).repeat(14, 0).repeat(14, 1)
                self.assertTrue((pixels[:, :448] == image[:, :, None]).all())
                sums = store["queries/map/map"][i].sum(0, "float64")
                enlarged = sums.repeat(448 // len(sums), 0).repeat(448 // len(sums), 1)[:, :, None]
                cover = numpy.sqrt(numpy.abs(enlarged) / printed["largest"][i])
                grey = 255 - 0.3 * (255 - image[:, :, None])
                want = (1 - cover) * grey + cover * numpy.where(enlarged > 0, RED, BLUE)
                self.assertLessEqual(numpy.abs(pixels[:, 456:] - want).max(), 0.51)


class Laws(MapCase):
    A, B = "conv5_1[3:70]", "conv3_2@(1:6,2:8)"

    def test_maps_add_up(self):
        at = ("--at", "conv4_1", "--images", "0:4")
        maps = {name: self.map(name, expression, *at)[1]["queries/map/map"] for name, expression in
                (("a", self.A), ("b", self.B), ("and", f"{self.A} and {self.B}"), ("or", f"{self.A} or {self.B}"),
                 ("not", f"not {self.A}"), ("all", "conv4_1"), ("void", f"{self.A} and conv5_1[100]"))}
        scale = LAW * numpy.abs(maps["all"]).max()
        self.assert_close(maps["or"], maps["a"] + maps["b"] - maps["and"], scale)
        self.assert_close(maps["a"] + maps["not"], maps["all"], scale)
        self.assertTrue((maps["void"] == 0).all())

    def test_a_condition_divides_and_turns_the_colours(self):
        printed, store = self.map("given", f"{self.B} given {self.A}", "--images", "2:8")
        joint = self.map("joint", f"{self.B} and {self.A}", "--images", "2:8")[1]
        self.assertEqual(store["queries/map/map"].tobytes(), joint["queries/map/map"].tobytes())
        given, sums = store["queries/map/given"], store["queries/map/map"].sum((1, 2, 3), "float64")
        self.assertGreater(numpy.abs(given).min(), 1e-6)
        self.assert_close(printed["sums"], sums / given, 1e-12)
        self.assertEqual(printed["given"], given.tolist())
        for i in range(6):
            same = numpy.array(Image.open(self.path("given", f"{i + 2:08}.png")))
            other = numpy.array(Image.open(self.path("joint", f"{i + 2:08}.png")))
            self.assertEqual((same == other).all(), given[i] > 0)

    def test_a_condition_too_small_to_divide_by_has_no_picture(self):
        printed, store = self.map("small", "input given conv5_3[9]", "--images", "0:6")
        small = [abs(y) < 1e-6 for y in store["queries/map/given"]]
        self.assertIn(True, small)
        self.assertEqual([picture is None for picture in printed["pictures"]], small)
        self.assertEqual([os.path.exists(self.path("small", f"{i:08}.png")) for i in range(6)], [not x for x in small])
        self.assertEqual([value is None for value in printed["sums"]], small)
        text = nrmflow("map", DEMO, "input given conv5_3[9]", "--images", "0:6", "-o", self.path("small")).stdout
        self.assertEqual(text.count("too small to divide by"), sum(small))

    def test_ranks_change_no_bit(self):
        arguments = "conv4_3[20:40] and conv3_2", "--images", "3:38", "--set", "run.block=4"
        one = self.map("one", *arguments)
        three = self.map("three", *arguments, ranks=3)
        self.assert_same_stores(self.path("three", "maps.h5"), self.path("one", "maps.h5"))
        self.assertEqual(sorted(os.listdir(self.path("three"))), sorted(os.listdir(self.path("one"))))
        self.assertEqual(len(os.listdir(self.path("one"))), 36)
        for name in os.listdir(self.path("one")):
            if name.endswith(".png"):
                with open(self.path("one", name), "rb") as a, open(self.path("three", name), "rb") as b:
                    self.assertEqual(a.read(), b.read())
        self.assertEqual(one[0]["sums"], three[0]["sums"])


# ---- known methods, as their papers have them: autograd, one layer after the other ----------------------------------


def heatmap(layers, x, rule, start, masked=None):
    """LRP of an image. rule(number of the weighted layer, layer, a): pairs (input, weight), and the bias or None.
    masked: (number of the weighted layer, channel): only this channel of its output hands down."""
    inputs, a = [], x
    for layer in layers:
        inputs.append(a)
        a = layer(a[None])[0] if not isinstance(layer, torch.nn.Linear) else layer(a.flatten())
    r, number = start(a), sum(hasattr(layer, "weight") for layer in layers)
    for layer, a in zip(reversed(layers), reversed(inputs)):
        if isinstance(layer, torch.nn.ReLU):
            continue
        if isinstance(layer, torch.nn.MaxPool2d):
            a = a.clone().requires_grad_()
            r = a * torch.autograd.grad((layer(a[None])[0] * (r / layer(a[None])[0].clamp(min=1e-30)).detach()).sum(), a)[0]
            r = r.detach()
            continue
        number -= 1
        if masked and masked[0] == number:
            kept = torch.zeros_like(r)
            kept[masked[1]] = r[masked[1]]
            r = kept
        pairs, bias = rule(number, layer, a)
        z = [apply(layer, pair.requires_grad_(), weight) for pair, weight in pairs]
        total = sum(z) + (0 if bias is None else bias.reshape(-1, *[1] * (r.dim() - 1)))
        s = r / (total + 1e-6 * (1 - 2 * (total < 0).double()))
        grads = torch.autograd.grad((sum(z) * s.detach()).sum(), [pair for pair, _ in pairs])
        r = sum((pair * grad).detach() for (pair, _), grad in zip(pairs, grads))
    return r


def apply(layer, x, weight):
    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(x.flatten(), weight)
    return torch.nn.functional.conv2d(x[None], weight, padding=1)[0]


class KnownMethods(MapCase):
    """On the tiny VGG11, times the logit."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pixels = numpy.random.default_rng(5).integers(0, 256, (1, 32, 32, 3)).astype("uint8")
        with h5py.File(cls.path("images.h5"), "w") as file:
            file["data"] = cls.pixels
        with open(cls.path("tiny.ini"), "w", encoding="utf-8") as file:
            print(f"[data]\npath = images.h5\n[model]\nweights = {TINY}\n[measure]\npool = first", file=file)
        mean, std = numpy.array([0.485, 0.456, 0.406], "float32"), numpy.array([0.229, 0.224, 0.225], "float32")
        cls.x = torch.tensor(((cls.pixels[0] / numpy.float32(255) - mean) / std).transpose(2, 0, 1)).double()
        cls.low, cls.high = (torch.tensor(((v - mean) / std).astype("float64")).reshape(3, 1, 1).expand(3, 32, 32)
                             for v in (numpy.float32(0), numpy.float32(1)))
        cls.features, cls.classifier = vgg_modules(TINY, [1, 1, 2, 2, 2])

    def times_logit(self, folder, expression, *settings):
        sets = [word for setting in settings for word in ("--set", setting)]
        printed, store = self.map(folder, expression, *sets, config=self.path("tiny.ini"))
        self.assertEqual(printed["status"], ["ok"])
        return store["queries/map/map"][0] * float(store["images/logit"][0])

    @staticmethod
    def largest(logits):
        return logits * (logits == logits.max())

    def zbox(self, weight):
        return [(self.x.clone(), weight), (-self.low.clone(), weight.clamp(min=0)), (-self.high.clone(), weight.clamp(max=0))]

    def composite(self, number, layer, a):
        """epsilon_gamma_box"""
        w, b = layer.weight.detach(), layer.bias.detach()
        if number == 0:
            return self.zbox(w), None
        if isinstance(layer, torch.nn.Linear):
            return [(a.detach().clone(), w)], b
        return [(a.detach().clone(), w + 0.25 * w.clamp(min=0))], b + 0.25 * b.clamp(min=0)

    def test_lrp(self):
        want = heatmap(self.features + self.classifier, self.x, self.composite, self.largest)
        self.assert_maps(self.times_logit("lrp", "input"), want.numpy(), BAR)

    def test_gradient_times_input_by_differences(self):
        with torch.no_grad():
            net = torch.nn.Sequential(*self.features, torch.nn.Flatten(), *self.classifier)
            target, step, gradient = int(net(self.x[None]).argmax()), 1e-5, []
            for at in range(0, self.x.numel(), 512):
                steps = step * torch.eye(self.x.numel())[at:at + 512].double().reshape(-1, *self.x.shape)
                gradient.append((net(self.x + steps) - net(self.x - steps))[:, target] / (2 * step))
            want = self.x * torch.cat(gradient).reshape(self.x.shape)
        self.assert_maps(self.times_logit("gradient", "input", "measure.composite=zero"), want.numpy(), BAR)

    def test_deep_taylor(self):
        def rule(number, layer, a):
            w = layer.weight.detach()
            return (self.zbox(w) if number == 0 else [(a.detach().clone(), w.clamp(min=0))]), None

        want = heatmap(self.features + self.classifier, self.x, rule, self.largest)
        got = self.times_logit("taylor", "input", "measure.composite=zplus", "measure.rule.conv1_1=zbox", "measure.bias=spread")
        self.assert_maps(got, want.numpy(), BAR)

    def test_concept_relevance_propagation_of_a_channel(self):
        conv5_1 = 6
        want = heatmap(self.features + self.classifier, self.x, self.composite, self.largest, (conv5_1, 3))
        self.assertGreater(float(want.abs().max()), 0)
        self.assert_maps(self.times_logit("crp", "conv5_1[3]"), want.numpy(), BAR)

    def test_left_panel_is_the_image_in_its_colours(self):
        self.times_logit("colours", "input")
        pixels = numpy.array(Image.open(self.path("colours", "00000000.png")))
        self.assertTrue((pixels[:, :448] == self.pixels[0].repeat(14, 0).repeat(14, 1)).all())


class Failures(MapCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.path("list.txt"), "w", encoding="utf-8") as file:
            print("0.png\n1.png\n2.png\n3.png", file=file)
        for i in (0, 2, 3):
            Image.fromarray(numpy.random.default_rng(i).integers(0, 256, (32, 32, 3)).astype("uint8")).save(cls.path(f"{i}.png"))
        cls.ini = cls.path("tiny.ini")
        with open(cls.ini, "w", encoding="utf-8") as file:
            print(f"[data]\npath = list.txt\n[model]\nweights = {TINY}", file=file)

    def test_an_image_that_cannot_be_read_has_no_map_and_no_picture(self):
        printed, store = self.map("unread", "input", config=self.ini)
        self.assertEqual(printed["status"], ["ok", "unread", "ok", "ok"])
        self.assertEqual(store["images/status"].tolist(), [STATUS[name] for name in printed["status"]])
        self.assertEqual(numpy.isnan(store["queries/map/map"]).all((1, 2, 3)).tolist(), [False, True, False, False])
        self.assertFalse(numpy.isnan(store["queries/map/map"][[0, 2, 3]]).any())
        self.assertEqual(sorted(os.listdir(self.path("unread"))), ["00000000.png", "00000002.png", "00000003.png", "maps.h5"])

    def assert_refused(self, words, message, status=1):
        done = nrmflow("map", *words)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual((done.stdout, done.stderr.count("nrmflow: ")), ("", 1))

    def test_mistakes_are_told(self):
        out = self.path("mistakes")
        self.assert_refused([self.ini, "input"], "missing option: --output FOLDER", 2)
        self.assert_refused([self.ini, "input", "-o", ""], "--output is empty")
        self.assert_refused([self.ini, "input", "-o", out, "--at", "cov4_1"], 'vgg11 has no layer of this name; did you mean "conv4_1"?')
        self.assert_refused([self.ini, "bias(conv4_1)", "-o", out], "a map shows neurons")
        self.assert_refused([self.ini, "conv4_1[", "-o", out], "expected a channel")
        self.assert_refused([self.ini, "input", "-o", self.path("none", "such")], "none/such: the folder cannot be made: No such file")
        self.assert_refused([self.ini, "input", "-o", self.ini], "is no folder")
        self.assertFalse(os.path.exists(out))

    def test_files_of_others_are_not_overwritten(self):
        os.mkdir(self.path("others"))
        with open(self.path("others", "maps.h5"), "w", encoding="utf-8") as file:
            file.write("mine")
        self.assert_refused([self.ini, "input", "-o", self.path("others")], "is no store of nrmflow, so it is not overwritten")
        os.mkdir(self.path("place"))
        os.mkdir(self.path("place", "00000000.png"))
        self.assert_refused([self.ini, "input", "-o", self.path("place")], "00000000.png: cannot be created")

    def test_failures_leave_the_maps_that_were_there(self):
        arguments = ["map", self.ini, "conv4_1", "-o", self.path("faults")]
        first = nrmflow(*arguments, environment={"NRMFLOW_FAULT": "count"})
        self.assertEqual(first.returncode, 0, first.stderr)
        met = counts(first.stderr)
        os.link(self.path("faults", "maps.h5"), self.path("first.h5"))
        names = sorted(os.listdir(self.path("faults")))
        for fault in ("create:1", "create:2", "write:1", "write:2", f"write:{met['write']}", "sync:1", "rename:1"):
            done = nrmflow(*arguments, environment={"NRMFLOW_FAULT": fault})
            self.assertEqual(done.returncode, 1, fault)
            self.assertEqual(len(re.findall("^nrmflow: ", done.stderr, re.MULTILINE)), 1, done.stderr)
            self.assertIn(self.path("faults"), done.stderr)
            self.assertEqual(set(os.listdir(self.path("faults"))) - set(names), set(), fault)
            self.assertTrue(os.path.samefile(self.path("faults", "maps.h5"), self.path("first.h5")), fault)
        done = nrmflow(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(os.path.samefile(self.path("faults", "maps.h5"), self.path("first.h5")))
        self.assert_same_stores(self.path("faults", "maps.h5"), self.path("first.h5"))
        self.assertEqual(sorted(os.listdir(self.path("faults"))), names)

    def test_a_rank_that_fails_alone_does_not_leave_the_others_waiting(self):
        arguments = ["map", self.ini, "conv4_1", "-o", self.path("ranks"), "--set", "run.block=1"]
        for rank, fault in ((1, "create:1"), (0, "write:3")):
            done = alone(2, rank, fault, arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(self.path("ranks"), done.stderr)
            self.assertNotIn("maps.h5", os.listdir(self.path("ranks")))


if __name__ == "__main__":
    unittest.main()
