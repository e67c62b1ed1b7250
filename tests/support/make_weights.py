"""Make the weights files of the unit tests: make_weights.py FOLDER {valid|hostile}

The hostile ones are in make_weights_hostile.py.

Each valid file comes with FILE.expected: for every layer in the order of the network its weights [out][in][3][3] or
[out][in] and its bias, as float64, computed here without the program; and FILE.shapes: a line `kind out in` a layer.
"""
import collections
import json
import pathlib
import pickle
import struct
import sys

import numpy
import torch

from make_weights_keras import (SIDE, keras_tensors, old_naming, write_keras, write_keras_chunks)

WIDTHS = [4, 8, 16, 16, 32, 32, 32, 32]  # VGG11, a sixteenth of the published one
FEATURES = [0, 3, 6, 8, 11, 13, 16, 18]  # torchvision's numbers of its convolutions
FEATURES_BN = [0, 4, 8, 11, 15, 18, 22, 25]
DENSE = [24, 20, 7]
EPSILON = 1e-5


def make_network(seed, channels=3, widths=WIDTHS, dense=DENSE):
    """Lists of (weight, bias) of the convolutions and the dense layers."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).float()

    ins = [channels] + widths[:-1]
    convolutions = [(draw(k, c, 3, 3), draw(k)) for k, c in zip(widths, ins)]
    ins = [widths[-1] * SIDE * SIDE] + dense[:-1]
    return convolutions, [(draw(k, n), draw(k)) for k, n in zip(dense, ins)]


def torchvision_names(network, numbers=FEATURES):
    tensors = collections.OrderedDict()
    for stem, numbers, layers in ('features', numbers, network[0]), ('classifier', [0, 3, 6], network[1]):
        for number, (weight, bias) in zip(numbers, layers):
            tensors[f'{stem}.{number}.weight'] = weight
            tensors[f'{stem}.{number}.bias'] = bias
    return tensors


def timm_names(network):
    tensors = torchvision_names((network[0], []))
    for name, (weight, bias) in zip(['pre_logits.fc1', 'pre_logits.fc2', 'head.fc'], network[1]):
        if name == 'pre_logits.fc1':
            weight = weight.reshape(weight.shape[0], -1, SIDE, SIDE)
        elif name == 'pre_logits.fc2':
            weight = weight.reshape(*weight.shape, 1, 1)
        tensors[name + '.weight'] = weight
        tensors[name + '.bias'] = bias
    return tensors


def as_expected(network, dtype=torch.float32):
    return [(w.to(dtype).double().numpy(), b.to(dtype).double().numpy()) for layers in network for w, b in layers]


def make_batchnorm(seed, network, with_bias=True, epsilon=EPSILON):
    """A state dict with a BatchNorm behind every convolution, and what folding makes of it."""
    generator = torch.Generator().manual_seed(seed)
    tensors, expected = collections.OrderedDict(), []
    for number, (weight, bias) in zip(FEATURES_BN, network[0]):
        norm = torch.nn.BatchNorm2d(len(bias), eps=epsilon).eval()
        with torch.no_grad():
            norm.weight.copy_(torch.randn(len(bias), generator=generator))
            norm.bias.copy_(torch.randn(len(bias), generator=generator))
            norm.running_mean.copy_(torch.randn(len(bias), generator=generator))
            norm.running_var.copy_(torch.rand(len(bias), generator=generator) + 1e-4)
        tensors[f'features.{number}.weight'] = weight
        if with_bias:
            tensors[f'features.{number}.bias'] = bias
        for name, value in norm.state_dict().items():
            tensors[f'features.{number + 1}.{name}'] = value
        norm = norm.double()
        scale = (norm.weight / torch.sqrt(norm.running_var + epsilon)).detach()
        shift = (bias.double() if with_bias else 0.0) - norm.running_mean
        folded = weight.double() * scale[:, None, None, None], shift * scale + norm.bias.detach()
        images = torch.randn(2, weight.shape[1], 5, 5, generator=generator, dtype=torch.float64)
        plain = torch.nn.functional.conv2d(images, weight.double(), bias.double() if with_bias else None, padding=1)
        difference = torch.nn.functional.conv2d(images, *folded, padding=1) - norm(plain)
        assert difference.abs().max() < 1e-9, 'folding is not what PyTorch computes'
        expected.append(tuple(t.numpy() for t in folded))
    for number, (weight, bias) in zip([0, 3, 6], network[1]):
        tensors[f'classifier.{number}.weight'], tensors[f'classifier.{number}.bias'] = weight, bias
        expected.append((weight.double().numpy(), bias.double().numpy()))
    return tensors, expected


# ---- writers ---------------------------------------------------------------------------------------------------

DTYPES = {torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16', torch.float64: 'F64', torch.int64: 'I64'}


def raw_bytes(tensor):
    tensor = tensor.contiguous()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy().tobytes()


def safetensors_parts(tensors, metadata=None):
    header, data = {}, b''
    if metadata:
        header['__metadata__'] = metadata
    for name, tensor in tensors.items():
        raw = raw_bytes(tensor)
        header[name] = {'dtype': DTYPES[tensor.dtype], 'shape': list(tensor.shape),
                        'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    return header, data


def safetensors_bytes(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def legacy_bytes(objects, keys, storages, little=True):
    """torch.save's stream form around a pickle of the objects; storages: (elements, bytes) in the order of keys."""
    system = {'protocol_version': 1001, 'little_endian': little, 'type_sizes': {'short': 2, 'int': 4, 'long': 4}}
    return (pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2) + pickle.dumps(system, 2) + objects +
            pickle.dumps(keys, 2) + b''.join(struct.pack('<q', n) + raw for n, raw in storages))


def write_expected(path, expected):
    with open(f'{path}.shapes', 'w') as shapes, open(f'{path}.expected', 'wb') as numbers:
        for weight, bias in expected:
            shapes.write(f"{'convolution' if weight.ndim == 4 else 'dense'} {weight.shape[0]} {weight.shape[1]}\n")
            numbers.write(numpy.ascontiguousarray(weight, 'float64').tobytes())
            numbers.write(numpy.ascontiguousarray(bias, 'float64').tobytes())


# ---- valid files -----------------------------------------------------------------------------------------------

def make_old_objects(tensors):
    """A state dict as PyTorch 0.1 wrote it from Python 2: _rebuild_tensor, byte strings, an OrderedDict of pairs."""
    def text(value):
        return b'U' + struct.pack('B', len(value)) + value.encode()

    def sizes(values):
        return b'(' + b''.join(b'J' + struct.pack('<i', v) for v in values) + b't'

    out = b'\x80\x02ccollections\nOrderedDict\n(]('
    for i, (name, tensor) in enumerate(tensors.items()):
        storage = (b'(' + text('storage') + b'ctorch\nFloatStorage\n' + text(str(i)) + text('cpu') +
                   b'\x8a\x08' + struct.pack('<q', tensor.numel()) + b'NtQ')
        out += (b'](' + text(name) + b'ctorch._utils\n_rebuild_tensor\n(' + storage + b'K\x00' + sizes(tensor.shape) +
                sizes(tensor.stride()) + b'tRe')
    keys = [str(i) for i in range(len(tensors))]
    return out + b'etR.', keys, [(t.numel(), raw_bytes(t)) for t in tensors.values()]


def make_valid(folder):
    network = make_network(1)
    plain, expected = torchvision_names(network), as_expected(network)

    def add(name, expected, write):
        write(folder / name)
        write_expected(folder / name, expected)

    def add_safetensors(name, tensors, expected, metadata=None):
        content = safetensors_bytes(*safetensors_parts(tensors, metadata))
        add(name, expected, lambda path: path.write_bytes(content))

    def add_pth(name, objects, expected, legacy=False):
        add(name, expected, lambda path: torch.save(objects, path, _use_new_zipfile_serialization=not legacy))

    add_safetensors('plain.safetensors', plain, expected, {'network': 'vgg11'})
    add_safetensors('timm.safetensors', timm_names(network), expected)
    for dtype in torch.float16, torch.bfloat16:
        name = DTYPES[dtype].lower()
        converted = collections.OrderedDict((k, v.to(dtype)) for k, v in plain.items())
        add_safetensors(f'{name}.safetensors', converted, as_expected(network, dtype))
        add_pth(f'{name}.pth', converted, as_expected(network, dtype))
    double = [[(w.double() / 3, b.double() / 3) for w, b in layers] for layers in network]
    add_pth('f64.pth', torchvision_names(double), as_expected(double, torch.float64), legacy=True)
    add_safetensors('f64.safetensors', torchvision_names(double), as_expected(double, torch.float64))

    add_safetensors('bn.safetensors', *make_batchnorm(2, network))
    add_safetensors('bn_no_bias.safetensors', *make_batchnorm(3, network, with_bias=False))
    batchnorm, folded = make_batchnorm(4, network)
    add_pth('bn.pth', batchnorm, folded)
    add_pth('bn_stream.pth', batchnorm, folded, legacy=True)

    add_pth('plain.pth', plain, expected)
    add_pth('plain_stream.pth', plain, expected, legacy=True)
    checkpoint = {'epoch': 3, 'best': 0.5, 'none': None, 'history': [1.0, (2, 70000, -5, 2**40, True)],
                  'optimizer': {'state': {0: {'momentum': torch.zeros(3)}}, 'param_groups': [{'lr': 1e-3}]},
                  'state_dict': collections.OrderedDict(('module.' + k, v) for k, v in plain.items())}
    add_pth('checkpoint.pth', checkpoint, expected)
    add_pth('checkpoint_stream.pth', {'model': dict(plain)}, expected, legacy=True)
    parameters = collections.OrderedDict((k, torch.nn.Parameter(v)) for k, v in plain.items())
    add_pth('parameters.pth', parameters, expected, legacy=True)
    strided = collections.OrderedDict(
        (k, v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v.t().contiguous().t() if v.ndim == 2
         else torch.stack([v, v], 1)[:, 1]) for k, v in plain.items())
    assert not strided['features.3.weight'].is_contiguous() and strided['features.0.bias'].stride() == (2,)
    add_pth('strided.pth', strided, expected)
    add_pth('strided_stream.pth', strided, expected, legacy=True)
    flat = torch.cat([t.ravel() for t in plain.values()])
    parts = torch.split(flat, [t.numel() for t in plain.values()])
    shared = collections.OrderedDict((k, p.view(v.shape)) for (k, v), p in zip(plain.items(), parts))
    add_pth('shared.pth', shared, expected)
    add('old_stream.pth', expected, lambda path: path.write_bytes(legacy_bytes(*make_old_objects(plain))))
    model = torch.nn.Module()
    model.features = torch.nn.Sequential(*[torch.nn.Identity() for _ in range(19)])
    model.classifier = torch.nn.Sequential(*[torch.nn.Identity() for _ in range(7)])
    for stem, numbers, layers in (model.features, FEATURES, network[0]), (model.classifier, [0, 3, 6], network[1]):
        for number, (weight, bias) in zip(numbers, layers):
            stem[number] = torch.nn.Conv2d(*weight.shape[1::-1], 3) if weight.ndim == 4 else torch.nn.Linear(
                *weight.shape[::-1])
            stem[number].weight.data, stem[number].bias.data = weight, bias
    add_pth('module.pth', model.state_dict(), expected)

    layers = keras_tensors(network)
    add('keras.h5', expected, lambda path: write_keras(path, layers))
    add('keras_old.h5', expected, lambda path: write_keras(path, layers, naming=old_naming))
    add('keras_chunked.h5', expected, lambda path: write_keras(
        path, layers, variable=True, below='/model_weights', compression='gzip', shuffle=True, fletcher32=True))
    add('keras_edges.h5', expected, lambda path: write_keras_chunks(path, layers))
    half = [(name, w.astype('f2'), b.astype('f2')) for name, w, b in layers]
    add('keras_f16.h5', as_expected(network, torch.float16), lambda path: write_keras(path, half))
    wide = [(name, w.astype('>f8') / 3, b.astype('>f8') / 3) for name, w, b in layers]
    add('keras_f64.h5', as_expected(double, torch.float64), lambda path: write_keras(path, wide))
    grey = make_network(5, channels=1)
    add('keras_grey.h5', as_expected(grey), lambda path: write_keras(path, keras_tensors(grey)))

    import make_weights_theirs
    make_weights_theirs.make(network, add, add_safetensors, add_pth)

    # Small ones, for damaging them many times.
    small = make_network(6, 1, [1, 1, 1, 1, 2, 1, 1, 2], [3, 2, 2])
    tensors = torchvision_names(small)
    add_safetensors('small.safetensors', tensors, as_expected(small), {'about': 'a small file'})
    add_pth('small.pth', {'epoch': 1, 'state_dict': tensors}, as_expected(small))
    add_pth('small_stream.pth', {'epoch': 1, 'state_dict': tensors}, as_expected(small), legacy=True)
    add('small.h5', as_expected(small), lambda path: write_keras(path, keras_tensors(small)))


if __name__ == '__main__':
    if sys.argv[2] == 'valid':
        make_valid(pathlib.Path(sys.argv[1]))
    else:
        import make_weights_hostile
        make_weights_hostile.make_hostile(pathlib.Path(sys.argv[1]))
