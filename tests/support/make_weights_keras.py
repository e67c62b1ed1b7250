"""Keras' weights files, written with h5py as Keras writes them."""
import itertools
import json

import h5py
import numpy
import torch

SIDE = 2  # of the last pool, so that the order of the flattening is seen
BLOCKS = ['block1_conv1', 'block2_conv1', 'block3_conv1', 'block3_conv2', 'block4_conv1', 'block4_conv2',
          'block5_conv1', 'block5_conv2']
DENSE_NAMES = ['fc1', 'fc2', 'predictions']
POOLED = [0, 1, 3, 5, 7]  # convolutions before a pool


def keras_tensors(network):
    """(layer, weight, bias) in Keras' order: HWIO, inputs of conv1_1 B, G, R, and matrices from [H][W][C] to out."""
    layers = []
    for i, (name, (weight, bias)) in enumerate(zip(BLOCKS, network[0])):
        weight = weight.numpy()
        if i == 0 and weight.shape[1] == 3:
            weight = weight[:, ::-1]
        layers.append((name, numpy.ascontiguousarray(weight.transpose(2, 3, 1, 0)), bias.numpy()))
    for name, (weight, bias) in zip(DENSE_NAMES, network[1]):
        weight = weight.numpy()
        if name == 'fc1':
            weight = weight.reshape(len(bias), -1, SIDE, SIDE).transpose(0, 2, 3, 1).reshape(len(bias), -1)
        layers.append((name, numpy.ascontiguousarray(weight.T), bias.numpy()))
    check_keras_order(network, layers)
    return layers


def check_keras_order(network, layers):
    """What Keras computes with these arrays on channels-last B, G, R is what PyTorch computes on R, G, B."""
    generator = numpy.random.default_rng(0)
    image = generator.normal(size=(6, 6, network[0][0][0].shape[1]))
    weight, bias = network[0][0]
    there = torch.nn.functional.conv2d(torch.tensor(image.transpose(2, 0, 1))[None], weight.double(), bias.double())
    kernel = layers[0][1]
    seen = image[:, :, ::-1] if image.shape[2] == 3 else image
    here = sum(seen[y:y + 4, x:x + 4] @ kernel[y, x] for y in range(3) for x in range(3)) + layers[0][2]
    assert numpy.abs(here.transpose(2, 0, 1) - there[0].numpy()).max() < 1e-4
    maps = generator.normal(size=(network[0][-1][0].shape[0], SIDE, SIDE))
    weight, bias = network[1][0]
    there = weight.double().numpy() @ maps.ravel()
    here = maps.transpose(1, 2, 0).ravel() @ layers[len(BLOCKS)][1]
    assert numpy.abs(here - there).max() < 1e-4


def batchnorm_arrays(seed, n):
    generator = numpy.random.default_rng(seed)
    gamma, beta, mean = generator.normal(size=(3, n)).astype('f4')
    return {'gamma': gamma, 'beta': beta, 'moving_mean': mean,
            'moving_variance': generator.uniform(1e-4, 1, n).astype('f4')}


def arrays_of(layer):
    """The arrays of a layer (name, kernel, bias) or (name, {part: array}) by their parts."""
    return layer[1] if len(layer) == 2 else {'kernel': layer[1], 'bias': layer[2]}


def old_naming(layer, part):
    return f"{layer}_{'W' if part == 'kernel' else 'b'}_1:0"


def keras2_naming(layer, part):
    return f'{layer}/{part}:0'


def keras3_naming(layer, part):
    return f'{layer}/{part}'


def bare_naming(layer, part):
    return part


def write_keras(path, layers, naming=keras2_naming, variable=False, below='/', config=None, **options):
    def text(names):
        return numpy.array(names, dtype=h5py.string_dtype() if variable else 'S') if names else numpy.array([])

    with h5py.File(path, 'w') as file:
        root = file.require_group(below)
        layers = [('input_1', {}), *layers, ('flatten', {})]
        root.attrs['layer_names'] = text([layer[0] for layer in layers])
        root.attrs['backend'] = b'tensorflow'
        if config:
            file.attrs['model_config'] = json.dumps(config).encode()
        for layer in layers:
            group, arrays = root.create_group(layer[0]), arrays_of(layer)
            names = [naming(layer[0], part) for part in arrays]
            group.attrs['weight_names'] = text(names)
            for dataset, values in zip(names, arrays.values()):
                group.create_dataset(dataset, data=values, **options)


def write_keras_nested(path, layers):
    """A model whose convolutions are a model of their own, as after transfer learning."""
    inner = {f'{layer[0]}/{part}:0': values for layer in layers[:-3] for part, values in arrays_of(layer).items()}
    write_keras(path, [('vgg_base', inner)], naming=lambda layer, part: part)
    with h5py.File(path, 'r+') as file:
        outer = [('dense_9', *layers[-3][1:]), ('dense_10', *layers[-2][1:]), ('top', *layers[-1][1:])]
        names = ['vgg_base', 'flatten'] + [name for name, _, _ in outer]
        file.attrs['layer_names'] = numpy.array(names, 'S')
        for name, weight, bias in outer:
            file[f'{name}/{name}/kernel:0'], file[f'{name}/{name}/bias:0'] = weight, bias
            file[name].attrs['weight_names'] = numpy.array([f'{name}/kernel:0', f'{name}/bias:0'], 'S')


def write_keras3(path, layers, convolutions='layers', dense='layers'):
    """Keras 3's save_weights('x.weights.h5'): layers by class and number."""
    with h5py.File(path, 'w') as file:
        for group, kind, own in (convolutions, 'conv2d', layers[:-3]), (dense, 'dense', layers[-3:]):
            for number, (_, weight, bias) in enumerate(own):
                place = f'{group}/{kind}_{number}' if number else f'{group}/{kind}'
                file[f'{place}/vars/0'], file[f'{place}/vars/1'] = weight, bias
        file.create_group('layers/flatten/vars')


def describe(layers, epsilon=None):
    """The attribute model_config of a model with these layers; with BatchNorm the ReLU is a layer of its own."""
    described, separate = [{'class_name': 'InputLayer', 'config': {'name': 'input_1'}}], epsilon is not None

    def add(kind, name, **keys):
        described.append({'class_name': kind, 'config': {'name': name, **keys}})

    convolutions = itertools.count()
    for layer in layers:
        if len(layer) == 2:
            add('BatchNormalization', layer[0], epsilon=epsilon, axis=[3])
            add('Activation', f'{layer[0]}_relu', activation='relu')
        elif layer[1].ndim == 4:
            add('Conv2D', layer[0], activation='linear' if separate else 'relu', padding='same', strides=[1, 1],
                data_format='channels_last')
        else:
            add('Dense', layer[0], activation='softmax' if layer is layers[-1] else 'relu')
        kernel = len(layer) == 3 and layer[1].ndim == 4
        if kernel and next(convolutions) in POOLED and not separate:
            add('MaxPooling2D', f'{layer[0]}_pool', pool_size=[2, 2])
    return {'class_name': 'Functional', 'config': {'name': 'vgg', 'layers': described}}


def write_keras_chunks(path, layers):
    """Chunks that do not divide the shapes, enough of them for a tree of several levels, and numbers in a header."""
    write_keras(path, layers)
    with h5py.File(path, 'r+') as file:
        for name, weight, bias in layers:
            kernel = f'{name}/{name}/kernel:0'
            del file[kernel], file[f'{name}/{name}/bias:0']
            file.create_dataset(kernel, data=weight, chunks=tuple((n + 2) // 3 if n > 3 else 1 for n in weight.shape),
                                compression='gzip', shuffle=name < 'block4', fletcher32=name > 'block3')
            compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            compact.set_layout(h5py.h5d.COMPACT)
            dataset = h5py.h5d.create(file[name][name].id, b'bias:0', h5py.h5t.IEEE_F32BE,
                                      h5py.h5s.create_simple(bias.shape), dcpl=compact)
            h5py.Dataset(dataset)[...] = bias
        matrix = 'fc1/fc1/kernel:0'
        del file[matrix]
        file.create_dataset(matrix, data=layers[-3][1], chunks=(1, 5))
