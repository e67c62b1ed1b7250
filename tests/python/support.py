"""What the end-to-end tests share: running the program, making images and weights, reading and comparing stores."""

import collections
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy

NRMFLOW, MPIRUN, JOBS = os.environ["NRMFLOW"], os.environ["MPIRUN"], os.environ["JOBS"]
TINY = os.path.join(os.environ["TEST_DATA"], "tiny_vgg11.safetensors")  # 3 x 32 x 32, 7 classes
DEMO = os.path.join(JOBS, "demo", "demo.ini")
RESNET = os.path.join(JOBS, "demo", "resnet.ini")
DEMO_WEIGHTS = os.path.join(JOBS, "demo", "fashion_vgg16.safetensors")  # 1 x 32 x 32, 10 classes
DEMO_IMAGES = 10000

FLOAT32 = float(numpy.finfo("float32").eps)  # a number rounded to float32 is within half of it, relatively

STATUS = {"ok": 0, "unread": 1, "unsupported": 2, "exploded": 3, "undefined": 4}

with open(NRMFLOW, "rb") as program:
    SANITIZED = b"libasan" in program.read()  # about four times slower


def sized(count, sanitized):
    """A number of images that takes about as long with the sanitizers as without."""
    return sanitized if SANITIZED else count


# ---- running the program -----------------------------------------------------------------------------------------


WRITERS = {"run": "", "merge": "", "map": "maps.h5"}  # commands that write stores, and where below their --output


def nrmflow(*arguments, ranks=None, environment=None, seconds=3000):
    """Run the program, by mpirun if a number of ranks is given, and return what subprocess.run does."""
    command = [MPIRUN, "-n", str(ranks)] if ranks else []
    done = subprocess.run([*command, NRMFLOW, *arguments], capture_output=True, text=True, timeout=seconds,
                          env={**os.environ, **(environment or {})})
    if done.returncode in (0, 75) and arguments and arguments[0] in WRITERS:
        for option in {"--output", "-o"}.intersection(arguments):
            check(os.path.join(arguments[arguments.index(option) + 1], WRITERS[arguments[0]]).rstrip("/"))
    return done


def check(store):
    """Every store that a test writes must be sound, finished or not."""
    if os.path.isfile(store):
        done = nrmflow("check", store)
        if done.returncode != 0:
            raise AssertionError(f"nrmflow check {store}:\n{done.stdout}{done.stderr}")


def sets(settings):
    """{"section.key": value} as words of a command line."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def run(output, settings, *arguments, config=DEMO, ranks=None, environment=None, options=()):
    """`nrmflow run`; settings: {"section.key": value}, above those of the configuration."""
    return nrmflow("run", config, "--output", output, *sets(settings), *arguments, *options, ranks=ranks,
                   environment=environment)


def start(output, settings, ranks, launch=(), config=DEMO):
    """A run in the background; mpirun's process. `launch`: words for mpirun."""
    return subprocess.Popen([MPIRUN, *launch, "-n", str(ranks), NRMFLOW, "run", config, "--output", output,
                             *sets(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process, seconds=120):
    """Until the condition holds, or the process has ended."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


class RunCase(unittest.TestCase):
    """Tests with a folder of their own, which is removed in the end."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    @classmethod
    def run_store(cls, name, settings, **options):
        """The path of the store that a run leaves, which must succeed."""
        output = cls.path(name)
        done = run(output, settings, **options)
        if done.returncode != 0:
            raise AssertionError(f"exit status {done.returncode} of {done.args}:\n{done.stderr}")
        return output

    def assert_close(self, got, want, tolerance, message=""):
        """|got - want| <= tolerance everywhere; NaN is close to NaN only."""
        got, want = numpy.asarray(got, "float64"), numpy.asarray(want, "float64")
        self.assertEqual(got.shape, want.shape, message)
        self.assertTrue(numpy.array_equal(numpy.isnan(got), numpy.isnan(want)), f"NaN in one of them {message}")
        excess = numpy.nan_to_num(numpy.abs(got - want) - tolerance)
        worst = numpy.unravel_index(numpy.argmax(excess), excess.shape) if excess.size else None
        if excess.size and excess[worst] > 0:
            self.fail(f"{got[worst]!r} is not {want[worst]!r}, index {worst}, tolerance "
                      f"{numpy.broadcast_to(tolerance, got.shape)[worst]:.3g} {message}")

    def assert_same_stores(self, path, expected, but=()):
        """Every dataset decoded to the same bits, type and shape. `but`: names of attributes that may differ."""
        got, want = Store(path), Store(expected)
        self.assertEqual(sorted(got.names()), sorted(want.names()))
        for name in want.names():
            self.assertEqual((got[name].dtype, got[name].shape), (want[name].dtype, want[name].shape), name)
            self.assertTrue(same_bits(got[name], want[name]), f"{name} differs: {differences(got[name], want[name])}")
        for (place, name), value in want.attributes.items():
            if not name.startswith("seconds_") and name not in but:
                self.assertEqual(got.attributes[place, name], value, f"attribute {name} of /{place}")


# ---- stores ------------------------------------------------------------------------------------------------------


def finished(store):
    """Images in a store, which may be unfinished; 0 without one."""
    if not os.path.exists(store):
        return 0
    with h5py.File(store) as file:
        return len(file["images/status"]) if file.attrs["complete"] else int(file.attrs["finished"])


class Store:
    """A whole store in memory: store["images/status"] is an array."""

    def __init__(self, path):
        self.arrays, self.attributes = {}, {}
        with h5py.File(path) as file:
            self.keep("", file)
            file.visititems(self.keep)

    def keep(self, name, item):
        if isinstance(item, h5py.Dataset):
            self.arrays[name] = numpy.asarray(item[()])
        for key in item.attrs:
            if key not in ("DIMENSION_LIST", "REFERENCE_LIST"):  # places in the file
                value = item.attrs[key]
                self.attributes[name, key] = value.tolist() if isinstance(value, numpy.ndarray) else value

    def __getitem__(self, name):
        return self.arrays[name]

    def names(self):
        return list(self.arrays)

    def group(self, name):
        """The datasets right below a group, by name."""
        return {path[len(name) + 1:]: array for path, array in self.arrays.items()
                if path.startswith(name + "/") and "/" not in path[len(name) + 1:]}

    def children(self, name):
        """Names of the groups below a group."""
        parts = [path.split("/") for path in self.arrays]
        return list(dict.fromkeys(part[1] for part in parts if part[0] == name and len(part) == 3))

    def variables(self):
        return [name.decode() for name in self["images/variable"]]

    def layer(self, name):
        return self.group(f"layers/{name}")

    def flow(self, name):
        return self.group(f"flows/{name}")


def same_bits(a, b):
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def differences(a, b):
    """What a failed comparison says."""
    if a.dtype.kind != "f":
        return f"{numpy.count_nonzero(a != b)} of {a.size} elements"
    return f"{numpy.count_nonzero(a != b)} of {a.size} elements, by up to {numpy.nanmax(numpy.abs(a - b)):.3g}"


# ---- images and labels -------------------------------------------------------------------------------------------


def demo_labels():
    with gzip.open(os.path.join(JOBS, "demo", "t10k-labels-idx1-ubyte.gz")) as file:
        return numpy.frombuffer(file.read(), "uint8", offset=8)


def demo_pixels():
    """(N, 28, 28) bytes."""
    with gzip.open(os.path.join(JOBS, "demo", "t10k-images-idx3-ubyte.gz")) as file:
        return numpy.frombuffer(file.read(), "uint8", offset=16).reshape(-1, 28, 28)


def smooth_image(generator, height, width):
    """Random colours that change slowly, (H, W, 3) bytes."""
    y, x = numpy.mgrid[0:height, 0:width] / max(height, width)
    image = numpy.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(4):
            fy, fx, phase = generator.uniform(-12, 12), generator.uniform(-12, 12), generator.uniform(0, 6)
            image[:, :, channel] += numpy.sin(fy * y + fx * x + phase)
    image -= image.min()
    return (255 * image / image.max()).round().astype("uint8")


# ---- weights files -----------------------------------------------------------------------------------------------


def read_safetensors(path):
    """{name: array} of a file that holds only float32, in its order."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return collections.OrderedDict(
        (name, numpy.frombuffer(data[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]))
        for name, entry in header.items())


def write_safetensors(path, tensors):
    header, end = {}, 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.size * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(numpy.ascontiguousarray(tensor, "<f4").tobytes())
