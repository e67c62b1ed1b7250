"""Cut the shipped check of graphs (tests/data/graph_reference.h5) out of the full float64 results of the demo ResNet.

Usage: /usr/bin/python3 extract_graph_reference.py FULL.h5 OUT.h5

Kept: both images of every case; channel sums instead of neurons; flow matrices of at most 32 x 64 entries; sets and maps.
"""
import sys

import h5py

MOST = 32 * 64


def put(group, name, values, attributes=()):
    large = getattr(values, 'size', 0) > 500
    data = group.create_dataset(name, data=values, **({'compression': 'gzip', 'shuffle': True} if large else {}))
    for key, value in dict(attributes).items():
        data.attrs[key] = value


def copy_case(source, target):
    target.attrs['target'] = source.attrs['target']
    put(target, 'ledger', source['ledger'][()], source['ledger'].attrs)
    for part in ('given/channel', 'set', 'map'):
        for name, values in source[part].items():
            put(target, f'{part}/{name}', values[()])
    for name, values in source['marginal'].items():
        values = values[()]
        put(target, f'channel/{name}', values.sum((1, 2)) if values.ndim == 3 else values)
    for name, values in source['joint'].items():
        if values.size <= MOST:
            put(target, f'joint/{name}', values[()], values.attrs)


def main():
    with h5py.File(sys.argv[1]) as full, h5py.File(sys.argv[2], 'w', libver='latest') as out:
        for name in ('labels', 'index', 'logits', 'variables'):
            put(out, name, full[name][()])
        for case in full:
            for image in full[case] if isinstance(full[case], h5py.Group) else ():
                copy_case(full[case][image], out.create_group(f'{case}/{image}'))


main()
