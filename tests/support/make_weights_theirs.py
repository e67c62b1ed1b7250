"""Checkpoints as people have them: under any key, behind any prefix, beside anything else; make_weights.py calls it."""
import argparse
import collections
import datetime
import enum
import pathlib
import random

import numpy
import torch

from make_weights import as_expected, make_batchnorm, torchvision_names
from make_weights_keras import (BLOCKS, bare_naming, batchnorm_arrays, describe, keras3_naming, keras_tensors,
                                write_keras, write_keras3, write_keras_nested)

CAFFE = ['conv1_1', 'conv2_1', 'conv3_1', 'conv3_2', 'conv4_1', 'conv4_2', 'conv5_1', 'conv5_2', 'fc6', 'fc7', 'fc8']


class Meter:
    """A class that only its own project can import."""
    def __init__(self):
        self.values = [1.5, {'deep': (2, None)}]


class Split(enum.Enum):
    TRAIN = 'train'


class Box(dict):
    """A dict with attributes, of which there are many kinds."""


class Net(torch.nn.Module):
    def __init__(self, network, numbers, batchnorm=None, epsilon=1e-5):
        super().__init__()
        features = [torch.nn.Identity() for _ in range(numbers[-1] + 2)]
        for number, (weight, bias) in zip(numbers, network[0]):
            features[number] = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            if batchnorm:
                features[number + 1] = torch.nn.BatchNorm2d(weight.shape[0], eps=epsilon)
        self.features = torch.nn.Sequential(*features)
        self.classifier = torch.nn.Sequential(*[
            torch.nn.Linear(*network[1][number // 3][0].shape[::-1]) if number % 3 == 0 else torch.nn.ReLU()
            for number in range(7)])
        self.load_state_dict(batchnorm or torchvision_names(network))
        self.eval()

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def renamed(tensors, change):
    return collections.OrderedDict((change(name), tensor) for name, tensor in tensors.items())


def extras():
    """What stands beside the weights in people's files, and is nothing to the network."""
    generator = random.Random(3)
    return {'epoch': 3, 'best': numpy.float64(71.3), 'seed': 1 << 70, 'negative': -(1 << 40), 'huge': 1 << 3000,
            'rng_state': torch.get_rng_state(), 'numpy_state': numpy.random.get_state(), 'state': generator.getstate(),
            'args': argparse.Namespace(lr=0.1, data=pathlib.Path('images'), device=torch.device('cpu'),
                                       dtype=torch.float16, split=Split.TRAIN),
            'history': collections.defaultdict(list, loss=[1.0, 2.0]), 'count': collections.Counter('abca'),
            'meter': Meter(), 'seen': {1, 2}, 'frozen': frozenset('ab'), 'raw': b'bytes', 'array': numpy.arange(4),
            'time': datetime.datetime(2020, 1, 2), 'mask': torch.zeros(3, dtype=torch.bool), 'shape': torch.Size([2]),
            'optimizer': {'state': {0: {'exp_avg': torch.zeros(2, 2, 3, 3), 'step': torch.tensor(1.0)}},
                          'param_groups': [{'lr': 1e-3, 'betas': (0.9, 0.999)}]}}


def make_checkpoints(network, add, add_safetensors, add_pth):
    plain, expected = torchvision_names(network), as_expected(network)

    def prefixed(prefix):
        return renamed(plain, lambda name: prefix + name)

    def save(name, objects, **options):
        add(name, expected, lambda path: torch.save(objects, path, **options))

    add_pth('their_extras.pth', {**extras(), 'model_state_dict': plain}, expected)
    add_pth('their_extras_stream.pth', {'net': plain, **extras()}, expected, legacy=True)
    save('their_protocol_4.pth', {**extras(), 'weights': {'best': plain}}, pickle_protocol=4)
    save('their_protocol_5.pth', [extras(), (Box(ema=Box(plain)), 3)], pickle_protocol=5)
    add_pth('their_half_wrapped.pth', {'state_dict': renamed(
        plain, lambda name: name.replace('features.', 'features.module.'))}, expected)
    add_pth('their_compiled.pth', {'model': prefixed('module._orig_mod.')}, expected)
    lightning = {**prefixed('model.net.'), 'criterion.weight': torch.ones(7), 'val_metric.total': torch.ones(1)}
    add_pth('their_lightning.pth', {'state_dict': lightning, 'hyper_parameters': Box(lr=0.1)}, expected)
    add_pth('their_averaged.pth', {'n_averaged': torch.tensor(7), **prefixed('module.')}, expected)
    counted = {**plain, 'features.0.total_ops': torch.zeros(1).double(), 'total_params': torch.zeros(1).double()}
    add_safetensors('their_counters.safetensors', counted, expected)
    add_safetensors('their_prefix.safetensors', prefixed('vgg.backbone.'), expected)
    add_pth('their_twice.pth', {'state_dict': plain, 'best': dict(plain)}, expected)
    dense = {'classifier.0': 'linear0', 'classifier.3': 'linear1', 'classifier.6': 'last_linear'}
    add_pth('their_cadene.pth', renamed(plain, lambda name: '.'.join(
        [dense.get(name.rsplit('.', 1)[0], '_' + name.rsplit('.', 1)[0]), name.rsplit('.', 1)[1]])), expected)
    stems = list(dict.fromkeys(name.rsplit('.', 1)[0] for name in plain))
    add_safetensors('their_caffe.safetensors', renamed(plain, lambda name: '.'.join(
        [CAFFE[stems.index(name.rsplit('.', 1)[0])], name.rsplit('.', 1)[1]])), expected)


def make_models(network, add, add_pth, numbers, numbers_bn):
    """Whole models: their tensors are those of the state dict, and a BatchNorm's epsilon is in the file."""
    tensors, expected = make_batchnorm(7, network, epsilon=1e-3)
    model = Net(network, numbers_bn, tensors, 1e-3)
    add_pth('their_model.pth', model, expected)
    add_pth('their_model_stream.pth', {'model': model, 'criterion': torch.nn.CrossEntropyLoss()}, expected, legacy=True)
    add_pth('their_parallel_model.pth', torch.nn.DataParallel(model), expected)
    plain = Net(network, numbers)
    add('their_script.pth', as_expected(network), lambda path: torch.jit.script(plain).save(str(path)))


def with_batchnorm(layers):
    """Keras' layers with a BatchNorm behind every convolution."""
    out = []
    for i, layer in enumerate(layers):
        out.append(layer)
        if layer[1].ndim == 4:
            out.append((f'{layer[0]}_bn', batchnorm_arrays(20 + i, layer[1].shape[3])))
    return out


def fold(network, layers, epsilon):
    """What the BatchNorms of Keras' layers make of the network's convolutions, in double."""
    folded, norms = [], [layer[1] for layer in layers if len(layer) == 2 and layer[1]]
    for (weight, bias), norm in zip(network[0], norms):
        gamma, beta, mean, variance = (norm[part].astype('f8') for part in
                                       ('gamma', 'beta', 'moving_mean', 'moving_variance'))
        scale = gamma / numpy.sqrt(variance + epsilon)
        folded.append((weight.double().numpy() * scale[:, None, None, None],
                       (bias.double().numpy() - mean) * scale + beta))
    return folded + [(weight.double().numpy(), bias.double().numpy()) for weight, bias in network[1]]


def make_keras(network, add):
    layers, expected = keras_tensors(network), as_expected(network)
    numbered = [(f'conv2d_{i + 4}' if layer[1].ndim == 4 else f'dense_{i}', *layer[1:]) for i, layer in
                enumerate(layers)]
    normed = with_batchnorm(layers)
    named = [entry for layer in normed for entry in
             ([layer, (f'{layer[0]}_activation', {})] if len(layer) == 2 else [layer])]

    def add_keras(name, layers, expected=expected, **options):
        add(name, expected, lambda path: write_keras(path, layers, **options))

    assert [layer[0] for layer in layers[:len(BLOCKS)]] == BLOCKS
    add_keras('their_keras3.h5', layers, naming=keras3_naming, below='/model_weights')
    add_keras('their_keras3_bare.h5', numbered, naming=bare_naming, config=describe(numbered))
    add_keras('their_keras_order.h5', numbered)
    add('their_keras_nested.h5', expected, lambda path: write_keras_nested(path, layers))
    add('their_keras.weights.h5', expected, lambda path: write_keras3(path, layers))
    add('their_keras_nested.weights.h5', expected,
        lambda path: write_keras3(path, layers, convolutions='layers/functional/layers'))
    add_keras('their_keras_bn.h5', normed, fold(network, normed, 2e-3), config=describe(normed, epsilon=2e-3),
              below='/model_weights')
    add_keras('their_keras_bn_names.h5', named, fold(network, named, 1e-3))


def make(network, add, add_safetensors, add_pth):
    from make_weights import FEATURES, FEATURES_BN
    make_checkpoints(network, add, add_safetensors, add_pth)
    make_models(network, add, add_pth, FEATURES, FEATURES_BN)
    make_keras(network, add)
