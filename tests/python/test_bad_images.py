"""1,000 images with 50 bad ones of 10 kinds: these rows say what is wrong, and all others are those of good images."""

import io
import os
import random
import struct
import unittest
import zlib

import numpy
from PIL import Image

from support import STATUS, TINY, RunCase, Store, same_bits

COUNT, OF_EACH = 1000, 5
SEED = int(os.environ.get("NRMFLOW_SEED", "20261124"))


def encoded(pixels, form):
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, form)
    return memory.getvalue()


def png_with_size(side):
    """The head of a PNG of side x side pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1:]


# What a file of pixels becomes, and the status of its row. Names stay those of the good image.
KINDS = {
    "empty": ("unread", lambda pixels: b""),
    "zeros": ("unread", lambda pixels: bytes(512)),
    "text": ("unread", lambda pixels: b"<html><body>404 Not Found</body></html>"),
    "JPEG cut in its data": ("unread", lambda pixels: encoded(pixels, "JPEG")[:-400]),
    "JPEG cut in its head": ("unread", lambda pixels: encoded(pixels, "JPEG")[:100]),
    "PNG cut in its data": ("unread", lambda pixels: encoded(pixels, "PNG")[:-900]),
    "PNG with a wrong byte": ("unread", lambda pixels: flipped(encoded(pixels, "PNG"), 200)),
    "PNG of absurd size": ("unread", lambda pixels: png_with_size(60000)),
    "GIF": ("unsupported", lambda pixels: encoded(pixels, "GIF")),
    "BMP": ("unsupported", lambda pixels: encoded(pixels, "BMP")),
}


class BadImages(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(SEED)
        chosen = random.Random(SEED).sample(range(COUNT), OF_EACH * len(KINDS))
        cls.bad = {index: list(KINDS)[i // OF_EACH] for i, index in enumerate(chosen)}
        for i in range(COUNT):
            pixels = generator.integers(0, 256, (32, 32, 3), "uint8")
            name = f"{i % 7}/{i:04}.{'png' if i % 2 else 'jpg'}"
            cls.write("good", name, encoded(pixels, "PNG" if i % 2 else "JPEG"))
            with open(cls.path("good", name), "rb") as file:
                good = file.read()
            cls.write("mixed", name, KINDS[cls.bad[i]][1](pixels) if i in cls.bad else good)
        settings = {"model.weights": TINY, "store.per_image": "conv2_1, fc8", "measure.flows": "none",
                    "measure.query.one": "conv5_1[3] and conv2_1[0:2]", "data.max_failed": "6 %"}
        with open(cls.path("run.ini"), "w", encoding="ascii"):
            pass
        cls.good, cls.mixed = (Store(cls.run_store(f"{folder}.h5", {**settings, "data.path": cls.path(folder)},
                                                   config=cls.path("run.ini"), ranks=2)) for folder in ("good", "mixed"))
        print(f"seed {SEED}")

    @classmethod
    def write(cls, folder, name, data):
        path = cls.path(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def rows(self):
        """Row of the store: kind of a bad image or None. A folder's images come class by class."""
        numbers = [int(os.path.basename(path).split(b".")[0]) for path in self.mixed["images/path"]]
        self.assertEqual(sorted(numbers), list(range(COUNT)))
        return [self.bad.get(number) for number in numbers]

    def test_exactly_the_bad_ones_have_a_status_and_the_right_one(self):
        want = [STATUS[KINDS[kind][0]] if kind else STATUS["ok"] for kind in self.rows()]
        wrong = [(kind, got) for kind, got, status in zip(self.rows(), self.mixed["images/status"], want) if got != status]
        self.assertEqual(wrong, [])
        self.assertEqual(numpy.count_nonzero(want), 50)
        self.assertTrue((self.good["images/status"] == STATUS["ok"]).all())
        self.assertTrue((self.mixed["layers/conv2_1/count"] == COUNT - 50).all())

    def test_all_other_rows_are_those_of_the_clean_run(self):
        good = numpy.array([kind is None for kind in self.rows()])
        names = [name for name in self.good.names() if name == "layers/conv2_1/relevance" or
                 name == "layers/fc8/relevance" or name.startswith("images/") or
                 name in ("queries/one/value", "queries/one/given")]
        self.assertGreater(len(names), 12)
        for name in names:
            self.assertTrue(same_bits(self.mixed[name][good], self.good[name][good]), name)

    def test_bad_rows_hold_no_numbers(self):
        bad = numpy.array([kind is not None for kind in self.rows()])
        for name in ("mass", "logit", "given_mass"):
            self.assertTrue(numpy.isnan(self.mixed[f"images/{name}"][bad]).all(), name)
        self.assertTrue((self.mixed["images/predicted"][bad] == -1).all())
        self.assertTrue(same_bits(self.mixed["images/label"], self.good["images/label"]))


if __name__ == "__main__":
    unittest.main()
