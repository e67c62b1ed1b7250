"""HDF5 files whose checksums are right and whose metadata make the library itself crash: an error that names the file."""

import os
import struct
import subprocess
import sys
import unittest

import h5py
import numpy
import support
from support import nrmflow

ATTRIBUTES, LINKS = b"\x15\x12\x00", b"\x02\x12\x00"  # messages with the addresses of heaps and indices: type, size
UNDEFINED = b"\xff" * 8
MASK = 0xFFFFFFFF


def turn(x, bits):
    return (x << bits | x >> (32 - bits)) & MASK


def lookup3(data):
    """The checksum of metadata: Bob Jenkins' function of this name."""
    s = [(0xDEADBEEF + len(data)) & MASK] * 3
    while len(data) > 12:
        s = [(x + y) & MASK for x, y in zip(s, struct.unpack("<3I", data[:12]))]
        for i, bits in enumerate((4, 6, 8, 16, 19, 4)):
            a, b, c = i % 3, (i + 1) % 3, (i + 2) % 3
            s[a] = (s[a] - s[c] & MASK) ^ turn(s[c], bits)
            s[c] = (s[c] + s[b]) & MASK
        data = data[12:]
    s = [(x + y) & MASK for x, y in zip(s, struct.unpack("<3I", data.ljust(12, b"\0")))]
    for i, bits in enumerate((14, 11, 25, 16, 4, 14, 24)):
        a, b = (i + 2) % 3, (i + 1) % 3
        s[a] = (s[a] ^ s[b]) - turn(s[b], bits) & MASK
    return s[2]


def write_hostile(path, message, **attributes):
    """An array of images in HDF5's newer format, with the heap of the root's links or attributes at address 1."""
    with h5py.File(path, "w", libver="latest") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        file["data"] = numpy.zeros((4, 32, 32, 3), "uint8")
    with open(path, "rb") as file:
        data = bytearray(file.read())
    start = data.index(b"OHDR")
    times, width = 16 if data[start + 5] & 0x20 else 0, 1 << (data[start + 5] & 3)
    end = start + 6 + times + width + int.from_bytes(data[start + 6 + times:start + 6 + times + width], "little")
    assert lookup3(bytes(data[start:end])) == int.from_bytes(data[end:end + 4], "little")
    at = data.index(UNDEFINED, data.index(message, start))
    assert at < end
    data[at:at + 8] = struct.pack("<Q", 1)
    data[end:end + 4] = struct.pack("<I", lookup3(bytes(data[start:end])))
    with open(path, "wb") as file:
        file.write(data)


def kills_hdf5(path):
    """Whether HDF5's library dies when it reads this file."""
    script = "import h5py, sys; f = h5py.File(sys.argv[1]); dict(f.attrs); f['data'][:]"
    return subprocess.run([sys.executable, "-c", script, path], capture_output=True).returncode < 0


class HostileHdf5(support.RunCase):
    def expect_refusal(self, path, result):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(os.path.basename(path), result.stderr)
        if kills_hdf5(path):
            self.assertIn("the HDF5 library crashes on it", result.stderr)

    def test_store(self):
        path = os.path.join(self.folder, "store.h5")
        write_hostile(path, ATTRIBUTES, format=numpy.bytes_("nrmflow"), format_version=1)
        self.expect_refusal(path, nrmflow("info", path))

    def test_images(self):
        path = os.path.join(self.folder, "images.h5")
        write_hostile(path, LINKS)
        self.expect_refusal(path, nrmflow("run", support.DEMO, "--set", f"data.path={path}",
                                          "--set", "data.format=hdf5", "--set", "data.labels=", "--output",
                                          os.path.join(self.folder, "out.h5")))


if __name__ == "__main__":
    unittest.main()
