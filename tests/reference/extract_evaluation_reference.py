"""Cut the shipped check of evaluations (tests/data/evaluation_reference.h5) out of the full float64 results.

Usage: /usr/bin/python3 extract_evaluation_reference.py FULL.h5 OUT.h5

Kept: means over all 32 images, and of single images the first 8; no standard errors.
"""
import sys

import h5py

KEEP = 8
# where the axis of the images is: of gains, similarities, damages
AXIS = {"gain": 1, "damage_similarity": 2, "targets": 2, "randomised": 2, "damage": 0}


def main():
    with h5py.File(sys.argv[1]) as full, h5py.File(sys.argv[2], "w", libver="latest") as out:

        def keep(name, data):
            if not isinstance(data, h5py.Dataset) or name.endswith("gain_error"):
                return
            values = data[()]
            axis = AXIS.get(name.split("/")[-1], AXIS.get(name.split("/")[0]))
            if axis is not None:
                if not name.startswith(("damage/", "channels", "layers", "flows", "pixels")):
                    out.create_dataset(f"{name}_mean", data=abs(values).mean(axis) if name.startswith("targets")
                                       else values.mean(axis)).attrs.update(data.attrs)
                values = values.take(range(KEEP), axis)
            new = out.create_dataset(name, data=values, **({"compression": "gzip", "shuffle": True}
                                                           if values.nbytes > 2000 else {}))
            new.attrs.update({k: v for k, v in data.attrs.items() if k == "layers"})

        full.visititems(keep)


main()
