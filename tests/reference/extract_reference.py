"""Cut the shipped check (tests/data/reference.h5) out of the full float64 results of the oracle.

Usage: /usr/bin/python3 extract_reference.py FULL.h5 OUT.h5

Kept: image 0 of every case; channel sums instead of neuron maps but for one case of each
network; flow matrices of at most 32 x 64 entries, and one larger far pair. Triples and regions are kept where they are small.
"""
import sys

import h5py

MOST = 32 * 64
MAPS = ('epsilon_gamma_box,neuron,winner', 'tiny/gamma,lowest')


FAR = ('epsilon_gamma_box,neuron,winner', 'conv3_3-conv5_3')


def put(group, name, values, attributes=()):
    data = group.create_dataset(name, data=values, **({'compression': 'gzip', 'shuffle': True} if getattr(values, 'size', 0) > 500 else {}))
    for key, value in dict(attributes).items():
        data.attrs[key] = value


def copy_case(source, target, case, maps):
    for key, value in source.attrs.items():
        target.attrs[key] = value
    for name in ('ledger', 'given/mass', 'triple/value', 'triple/channels', 'region/value'):
        if name in source:
            put(target, name, source[name][()], source[name].attrs)
    if 'region' in source:
        target['region'].attrs['set'] = source['region'].attrs['set']
    for part in ('given/channel', 'channel'):
        for name, values in source.get(part, {}).items():
            put(target, f'{part}/{name}', values[()])
    for name, values in source.get('marginal', {}).items():
        values = values[()]
        if maps:
            put(target, f'marginal/{name}', values)
        else:
            put(target, f'channel/{name}', values.sum((1, 2)) if values.ndim == 3 else values)
    for part in ('joint', 'given/joint'):
        for name, values in source.get(part, {}).items():
            if values.size <= MOST or (case, name) == FAR:
                put(target, f'{part}/{name}', values[()], values.attrs)


def main():
    with h5py.File(sys.argv[1]) as full, h5py.File(sys.argv[2], 'w', libver='latest') as out:
        for name in ('images', 'labels', 'index', 'logits', 'tiny/images', 'tiny/pixels'):
            put(out, name, full[name][:1])
        for case in list(full) + ['tiny/' + k for k in full['tiny']]:
            if isinstance(full[case], h5py.Group) and '0' in full[case]:
                copy_case(full[case]['0'], out.create_group(case + '/0'), case, any(case.startswith(m) for m in MAPS))


main()
