"""Read the sample store with h5py and compare it with the table of fields: STORE FIELDS.

Each line of FIELDS is: place, path, type, axes, lengths (comma separated), description, units; separated by tabs.
"""
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd

STATUS = "ok unread unsupported exploded undefined"
SHARED = ("image", "variable", "class", "flow_class", "bin", "edge", "rank", "outcome", "likeness", "half")  # in the root
LINKED = ("variable", "class", "flow_class", "outcome", "likeness", "half")  # the groups that use these have links to them


def expected(place, kind, count):
    numbers = 100000 * place + np.arange(count)
    if kind == "text":
        return np.array([f"{place}.{i}" + ("" if i % 3 else " naïve €") for i in range(count)])
    if kind == "uint8":
        return np.arange(count) % 5
    if kind in ("float32", "float64"):
        return (numbers / 8).astype(kind)
    return (numbers << (0 if kind == "int32" else 20)).astype(kind)


def check_values(dataset, place, kind, shape):
    values = dataset.asstr()[()] if kind == "text" else dataset[()]
    want = expected(place, kind, int(np.prod(shape))).reshape(shape)
    assert dataset.shape == shape, dataset
    assert np.array_equal(values, want), dataset
    if kind == "uint8":
        assert dataset.attrs["flag_values"].tolist() == list(range(5)) and dataset.attrs["flag_meanings"].decode() == STATUS
    if kind == "text":
        info = h5py.check_string_dtype(dataset.dtype)
        assert info.encoding == "utf-8" and info.length is None
    else:
        assert dataset.dtype == np.dtype(kind).newbyteorder("<"), dataset.dtype


def check_storage(dataset):
    if dataset.dtype.kind != "O" and dataset.size * dataset.dtype.itemsize > 4096:
        assert dataset.chunks and dataset.shuffle and dataset.compression == "gzip", dataset
        assert np.prod(dataset.chunks) * dataset.dtype.itemsize <= 1 << 18
    else:
        assert dataset.chunks is None
    if dataset.dtype.kind == "f":
        assert np.isnan(dataset.fillvalue)
    assert h5py.h5g.get_objinfo(dataset.id).mtime == 0


def check_axes(dataset, axes):
    for d, axis in enumerate(axes):
        assert dataset.dims[d].label == axis, (dataset, d, dataset.dims[d].label)
        scale = dataset.file[axis] if axis in SHARED else dataset.parent[axis]
        assert h5py.h5ds.is_scale(scale.id) and scale.shape == dataset.shape[d:d + 1], (dataset, axis)
        assert axis not in LINKED or dataset.parent[axis] == scale, (dataset, axis)
        assert dataset == scale or list(dataset.dims[d].values()) == [scale], (dataset, axis)


def check_nexus(store):
    assert store.attrs["NX_class"] == b"NXroot"
    group = store
    while "default" in group.attrs:
        group = group[group.attrs["default"].decode()]
    assert group.attrs["NX_class"] == b"NXdata"
    for name, axes in (("layers/sample", ["channel"]), ("flows/sample", ["upper_channel", "lower_channel"]),
                       ("images", ["."]), ("queries/sample", ["."]), ("classes", ["."])):
        group = store[name]
        assert group.attrs["NX_class"] == b"NXdata", name
        signal = group[group.attrs["signal"].decode()]
        assert list(np.atleast_1d(group.attrs["axes"]).astype(str)) == axes and signal.ndim == len(axes)
        for d, axis in enumerate(axes):
            assert axis == "." or (group[axis].shape == signal.shape[d:d + 1] and group[axis].dtype.kind in "iuf")


def check_frame(store):
    images = store["images"]
    frame = pd.DataFrame({"path": images["path"].asstr()[:], "label": images["label"][:], "mass": images["mass"][:, 0]})
    assert len(frame) == 700 and frame.path[3].endswith(".3 naïve €")
    flow = store["flows/sample"]
    frame = pd.DataFrame(flow["mean"][:], index=flow["upper_channel"][:], columns=flow["lower_channel"][:])
    assert frame.shape == (40, 30)


def paths(group):
    """Of all datasets, without the links to scales in the root."""
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from paths(item)
        elif group.name == "/" or name not in LINKED:
            yield item.name[1:]


def check_dump(path):
    for options in (["-H", "-A"], []):
        dump = subprocess.run(["h5dump", *options, path], capture_output=True, text=True)
        assert dump.returncode == 0 and not dump.stderr, dump.stderr[:500]


def main(path, fields):
    seen = set()
    with h5py.File(path) as store:
        assert store.attrs["format"] == b"nrmflow" and store.attrs["format_version"] == 2
        assert store.attrs["seed"] == 1 << 60 and store.attrs["seconds_back"] == 1.25
        assert store["flows/sample"].attrs["method"] == b"exact"
        for line in open(fields, encoding="utf-8"):
            place, name, kind, axes, lengths, description, units = line.rstrip("\n").split("\t")
            shape = tuple(int(n) for n in lengths.split(",") if n)
            dataset = store[name]
            check_values(dataset, int(place), kind, shape)
            check_storage(dataset)
            check_axes(dataset, [a for a in axes.split(",") if a])
            assert dataset.attrs["description"].decode() == description and description
            assert dataset.attrs["units"].decode() == units and units
            seen.add(name)
        assert set(paths(store)) == seen, set(paths(store)) ^ seen
        check_nexus(store)
        check_frame(store)
    check_dump(path)


main(*sys.argv[1:])
