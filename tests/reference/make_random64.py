"""A random network with a 64 x 64 input, whose last pool keeps 2 x 2 positions, and the oracle's results for it.

Usage: /usr/bin/python3 make_random64.py OUT_DIR   (python3-torch, python3-h5py)

Writes random64.safetensors (torchvision's names), random64_keras.h5 (the same network as Keras would store it: kernels HWIO, first
convolution reading blue, green, red, dense inputs in the order H, W, C) and random64.h5 (float64 results; layout of reference.h5).
"""
import json
import struct
import sys

import h5py
import numpy as np
import torch
import torch.nn as nn

from nrm_ref import NRM, VGG11, composite

WIDTHS = [4, 'M', 6, 'M', 8, 8, 'M', 10, 10, 'M', 12, 12, 'M']
DENSE = [12 * 4, 14, 11, 7]


def build():
    generator = torch.Generator().manual_seed(64)
    layers, c = [], 3
    for v in WIDTHS:
        layers += [nn.MaxPool2d(2)] if v == 'M' else [nn.Conv2d(c, v, 3, padding=1), nn.ReLU()]
        c = c if v == 'M' else v
    classifier = []
    for i, o in zip(DENSE, DENSE[1:]):
        classifier += [nn.Linear(i, o), nn.ReLU(), nn.Dropout()]
    features, classifier = nn.Sequential(*layers), nn.Sequential(*classifier[:-2])
    with torch.no_grad():
        for m in list(features) + list(classifier):
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                m.weight.copy_(torch.randn(m.weight.shape, generator=generator) * (2 / m.weight[0].numel()) ** 0.5)
                m.bias.copy_(torch.randn(m.bias.shape, generator=generator) * 0.1)
    return features, classifier


def write_safetensors(path, tensors):
    head, offset, blobs = {}, 0, []
    for name, t in tensors.items():
        blob = t.detach().contiguous().numpy().astype('<f4').tobytes()
        head[name] = {'dtype': 'F32', 'shape': list(t.shape), 'data_offsets': [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


def write_keras(path, features, classifier):
    names, block, number = [], 1, 1
    with h5py.File(path, 'w') as f:
        def put(name, kernel, bias):
            names.append(name)
            group = f.create_group(name)
            group.create_dataset(f'{name}_W_1:0', data=np.ascontiguousarray(kernel, np.float32))
            group.create_dataset(f'{name}_b_1:0', data=bias.detach().numpy())
            group.attrs['weight_names'] = [f'{name}_W_1:0'.encode(), f'{name}_b_1:0'.encode()]
        for m in features:
            if isinstance(m, nn.MaxPool2d):
                block, number = block + 1, 1
            elif isinstance(m, nn.Conv2d):
                w = m.weight.detach().numpy()
                put(f'block{block}_conv{number}', (w[:, ::-1] if (block, number) == (1, 1) else w).transpose(2, 3, 1, 0), m.bias)
                number += 1
        for name, m in zip(('fc1', 'fc2', 'predictions'), [m for m in classifier if isinstance(m, nn.Linear)]):
            w = m.weight.detach().numpy()
            if name == 'fc1':
                w = w.reshape(len(w), 12, 2, 2).transpose(0, 2, 3, 1).reshape(len(w), -1)
            put(name, w.T, m.bias)
        f.attrs['layer_names'] = [n.encode() for n in names]


def put(group, name, values):
    group.create_dataset(name, data=values, **({'compression': 'gzip', 'shuffle': True} if np.size(values) > 500 else {}))


def write_case(g, n, target):
    g.attrs['target'] = target
    m, h, given = n.marginals(target), n.reach(), n.given_input(target)
    for k in m:
        put(g, 'marginal/' + k if k in ('input', 'pool5', 'fc6') else 'channel/' + k,
            m[k].numpy() if k in ('input', 'pool5', 'fc6') else n.channels(m[k]).numpy())
        put(g, 'given/channel/' + k, n.channels(given[k]).numpy())
    g['given/mass'] = float(given['input'].sum())
    lower = shown = 'input'
    for name in VGG11:
        if name.startswith('pool'):
            lower = name
            continue
        pair, link = f'{shown}-{name}', n.links[n.at(name) - 1]
        put(g, f'joint/{pair}', n.joint_adjacent(lower, name, target).numpy())
        g[f'joint/{pair}'].attrs['to_bias'] = link.bias_share(m[name]).numpy()
        g[f'joint/{pair}'].attrs['absorbed'] = n.channels(link.absorbed(m[name])).numpy()
        put(g, f'given/joint/{pair}', n.joint_adjacent(lower, name, target, h[lower]).numpy())
        lower = shown = name
    ledger, bias, lost, rows = n.ledger(target), 0.0, 0.0, []
    for k in reversed(VGG11):
        above, low, b, a = ledger[k]
        bias, lost = bias + b, lost + a
        rows.append((above, low, b, a, bias, lost))
    g['ledger'] = np.array(rows[::-1])


def main():
    torch.set_grad_enabled(False)
    features, classifier = build()
    tensors = {f'features.{k}': v for k, v in features.state_dict().items()}
    tensors.update({f'classifier.{k}': v for k, v in classifier.state_dict().items()})
    write_safetensors(sys.argv[1] + '/random64.safetensors', tensors)
    write_keras(sys.argv[1] + '/random64_keras.h5', features, classifier)
    features.double(), classifier.double()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = torch.randint(0, 256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(65), dtype=torch.uint8)
    image = (pixels.float() / 255 - mean[:, None, None]) / std[:, None, None]
    low, high = ((0 - mean.double()) / std.double()).tolist(), ((1 - mean.double()) / std.double()).tolist()
    plain = [m for m in classifier if not isinstance(m, nn.Dropout)]
    with h5py.File(sys.argv[1] + '/random64.h5', 'w', libver='latest') as f:
        put(f, 'random64/images', image.numpy())
        for name in ('epsilon_gamma_box', 'epsilon_plus_flat', 'epsilon_alpha2_beta1'):
            n = NRM(features, plain, image[0].double(), composite(name, low, high), names=VGG11)
            write_case(f.create_group(f'random64/{name}/0'), n, int(n.acts[-1].argmax()))


main()
