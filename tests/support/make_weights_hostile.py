"""Weights files that must be refused; make_weights.py calls it."""
import collections
import fractions
import gzip
import io
import json
import os
import pickle
import struct
import zipfile

import h5py
import numpy
import torch

from make_weights import (legacy_bytes, make_batchnorm, make_network, make_old_objects, safetensors_bytes,
                          safetensors_parts, torchvision_names)
from make_weights_keras import batchnorm_arrays, describe, keras_tensors, write_keras, write_keras3


class Shell:
    """Unpickled by Python it would run a command."""
    def __reduce__(self):
        return os.system, ('touch executed',)


class Call:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def make_hostile_safetensors(folder):
    network = make_network(1)
    tensors = torchvision_names(network)

    def add(name, change=None, tensors=tensors):
        header, data = safetensors_parts(tensors)
        result = change(header, data) if change else None
        header, data = result if result else (header, data)
        (folder / f'{name}.safetensors').write_bytes(safetensors_bytes(header, data))

    def replaced(name, tensor):
        changed = collections.OrderedDict(tensors)
        changed[name] = tensor
        return changed

    def without(name):
        return collections.OrderedDict((k, v) for k, v in tensors.items() if k != name)

    def set_offsets(name, offsets):
        return lambda header, data: header[name].update(data_offsets=offsets(*header[name]['data_offsets']))

    bias = tensors['features.3.bias'].clone()
    bias[5] = float('nan')
    kernel = tensors['features.6.weight'].clone()
    kernel[1, 2, 1, 0] = float('inf')
    add('nan', tensors=replaced('features.3.bias', bias))
    add('infinite', tensors=replaced('features.6.weight', kernel))
    huge = tensors['features.6.weight'].double()
    huge[0, 0, 0, 1] = 1e300
    add('beyond_float', tensors=replaced('features.6.weight', huge))
    add('integers', tensors=replaced('features.3.bias', torch.arange(8)))
    add('no_bias', tensors=without('features.8.bias'))
    add('no_weight', tensors=without('features.8.weight'))
    add('two_dense', tensors=collections.OrderedDict((k, v) for k, v in tensors.items() if 'classifier.3' not in k))
    add('no_convolutions', tensors=collections.OrderedDict((k, v) for k, v in tensors.items() if 'features' not in k))
    add('kernel_5x5', tensors=replaced('features.3.weight', torch.zeros(8, 4, 5, 5)))
    add('kernel_3d', tensors=replaced('features.3.weight', torch.zeros(8, 4, 9)))
    add('bias_length', tensors=replaced('features.3.bias', torch.zeros(9)))
    add('bias_2d', tensors=replaced('features.3.bias', torch.zeros(8, 1)))
    add('empty_tensor', tensors=replaced('features.3.weight', torch.zeros(0, 4, 3, 3)))
    add('unknown_name', tensors=replaced('extra.weight', torch.zeros(3)))
    add('prefix_twice', tensors=replaced('module.features.0.bias', torch.zeros(4)))
    add('dense_3d', tensors=replaced('classifier.0.weight', torch.zeros(24, 32, 4)))
    add('statistics', tensors=replaced('features.3.running_mean', torch.zeros(8)))
    batchnorm, _ = make_batchnorm(2, network)
    add('bn_no_variance', tensors={k: v for k, v in batchnorm.items() if k != 'features.5.running_var'})
    add('bn_alone', tensors={k: v for k, v in batchnorm.items() if not k.startswith('features.4.')})
    batchnorm['features.5.running_var'][2] = -1.0
    add('bn_negative', tensors=batchnorm)
    add('many_layers', tensors={f'features.{i}.{k}': v for i in range(200)
                                for k, v in (('weight', torch.zeros(1, 1, 3, 3)), ('bias', torch.zeros(1)))})

    add('overlap', set_offsets('features.3.bias', lambda a, b: [a - 4, b - 4]))
    add('beyond_file', set_offsets('classifier.6.bias', lambda a, b: [a + 4, b + 4]))
    add('offsets_reversed', set_offsets('classifier.6.bias', lambda a, b: [b, a]))
    add('offsets_negative', set_offsets('features.0.weight', lambda a, b: [-1, b]))
    add('offsets_huge', set_offsets('classifier.6.bias', lambda a, b: [2**62, 2**62 + 28]))
    add('offsets_three', set_offsets('classifier.6.bias', lambda a, b: [a, b, b]))
    add('size_mismatch', lambda h, d: h['features.3.bias'].update(shape=[7]))
    add('shape_overflow', lambda h, d: h['features.3.bias'].update(shape=[2**32, 2**32]))
    add('shape_wraps', lambda h, d: h['features.3.bias'].update(shape=[2**62 + 2, 4]))
    add('shape_9d', lambda h, d: h['features.3.bias'].update(shape=[1] * 8 + [8]))
    add('shape_text', lambda h, d: h['features.3.bias'].update(shape='8'))
    add('shape_float', lambda h, d: h['features.3.bias'].update(shape=[8.0]))
    add('dtype_unknown', lambda h, d: h['features.3.bias'].update(dtype='F31'))
    add('dtype_number', lambda h, d: h['features.3.bias'].update(dtype=32))
    add('entry_list', lambda h, d: h.update({'features.3.bias': [1, 2]}))
    add('metadata_number', lambda h, d: h.update({'__metadata__': {'a': 1}}))
    add('metadata_list', lambda h, d: h.update({'__metadata__': [1]}))
    add('name_escape', lambda h, d: h.update({'\x1b[31mred': h.pop('features.3.bias')}))
    add('name_long', lambda h, d: h.update({'x' * 300: h.pop('features.3.bias')}))
    add('trailing', lambda h, d: (h, d + b'1234'))
    add('duplicate', lambda h, d: (json.dumps(h).encode()[:-1] + b', ' + json.dumps(h).encode()[1:], d))
    add('header_list', lambda h, d: (b'{}[' + json.dumps(h).encode(), d))
    add('header_deep', lambda h, d: (b'{"a":' + b'[' * 100000 + b']' * 100000 + b'}', d))
    add('header_not_utf8', lambda h, d: (json.dumps(h).encode().replace(b'features.3.bias', b'f\xff\xfe.bias'), d))
    add('nothing', lambda h, d: (b'{        }', b''))
    header, data = safetensors_parts(tensors)
    good = safetensors_bytes(header, data)
    (folder / 'header_huge.safetensors').write_bytes(struct.pack('<Q', 2**63 + 5) + good[8:])
    (folder / 'header_to_end.safetensors').write_bytes(struct.pack('<Q', len(good) - 8) + good[8:])
    with open(folder / 'header_limit.safetensors', 'wb') as file:
        file.write(struct.pack('<Q', 2**25) + b'{')
        file.truncate(2**25 + 8)
    (folder / 'text.safetensors').write_bytes(b'These are no weights at all, but an English sentence.')


def make_hostile_pickles(folder):
    plain = torchvision_names(make_network(1))
    v2 = torch._utils._rebuild_tensor_v2

    def add(name, objects):
        """Both forms around an object that torch.save pickles."""
        torch.save(objects, folder / f'{name}.pth')
        torch.save(objects, folder / f'{name}_stream.pth', _use_new_zipfile_serialization=False)

    def add_raw(name, objects, keys=(), storages=()):
        """Both forms around the bytes of a pickle."""
        (folder / f'{name}_stream.pth').write_bytes(legacy_bytes(objects, list(keys), storages))
        with zipfile.ZipFile(folder / f'{name}.pth', 'w') as archive:
            archive.writestr('a/data.pkl', objects)
            for key, (_, raw) in zip(keys, storages):
                archive.writestr(f'a/data/{key}', raw)

    add('shell', {'state_dict': plain, 'x': Shell()})
    add('hidden_shell', {'state_dict': plain, 'args': {'more': [1, (Shell(),)]}})
    add('eval', {'x': Call(eval, '1 + 1')})
    add('two_networks', {'model': plain, 'model_ema': {k: v + 1 for k, v in plain.items()}, 'epoch': 2})
    add('numpy_arrays', {k: v.numpy() for k, v in plain.items()})
    add('object', fractions.Fraction(1, 3))
    circle = torch.nn.Module()
    circle._modules['features'] = circle
    circle.scale = torch.nn.Parameter(torch.ones(2))
    add('module_cycle', circle)
    add('whole_model', torch.nn.Sequential(torch.nn.Linear(2, 2)))
    add('int_storage', {'features.0.weight': torch.zeros(3, dtype=torch.int32)})
    storage = plain['features.0.bias'].storage()
    add('beyond_storage', {'features.0.bias': Call(v2, storage, 1, (4,), (1,), False, {})})
    add('offset_huge', {'features.0.bias': Call(v2, storage, 2**62, (4,), (1,), False, {})})
    add('offset_negative', {'features.0.bias': Call(v2, storage, -1, (4,), (1,), False, {})})
    add('stride_huge', {'features.0.bias': Call(v2, storage, 0, (4, 1), (2**62, 1), False, {})})
    add('stride_zero', {'features.0.bias': Call(v2, storage, 0, (2**40, 4), (0, 1), False, {})})
    add('shape_overflow', {'features.0.bias': Call(v2, storage, 0, (2**40, 2**40), (0, 0), False, {})})
    add('shape_9d', {'features.0.bias': Call(v2, storage, 0, (1,) * 9, (1,) * 9, False, {})})
    add('shape_list', {'features.0.bias': Call(v2, storage, 0, [4], (1,), False, {})})
    add('strides_few', {'features.0.bias': Call(v2, storage, 0, (2, 2), (1,), False, {})})
    add('no_storage', {'features.0.bias': Call(v2, 'storage', 0, (2, 2), (1,), False, {})})
    add('few_arguments', {'features.0.bias': Call(v2, storage)})
    add('no_tensors', {'epoch': 3, 'state_dict': {'features.0.weight': 1}})
    add('list', [1, 2, 3])
    nan = collections.OrderedDict(plain)
    nan['classifier.3.weight'] = nan['classifier.3.weight'].clone()
    nan['classifier.3.weight'][3, 4] = float('nan')
    add('nan', nan)

    add_raw('protocol_4', pickle.dumps({'a': 1}, 4))
    add_raw('instance', b'\x80\x02(ios\nsystem\n(X\x01\x00\x00\x00aoR.')
    add_raw('protocol_6', b'\x80\x06N.')
    add_raw('next_buffer', b'\x80\x05\x97.')
    add_raw('stack_global_number', b'\x80\x04K\x01X\x06\x00\x00\x00system\x93.')
    add_raw('unknown_storage', b'\x80\x02(X\x07\x00\x00\x00storagectorch\nOtherStorage\nX\x01\x00\x00\x000'
            b'X\x03\x00\x00\x00cpuK\x01tQ.')
    add_raw('pop_nothing', b'\x80\x020.')
    add_raw('frozen_set_without_mark', b'\x80\x04NN\x91.')
    add_raw('build_number', b'\x80\x02K\x01}b.')
    add_raw('bytes_long', b'\x80\x05\x8e' + b'\xff' * 8 + b'abc.')
    add_raw('new_object', b'\x80\x02ccollections\nOrderedDict\n)\x81.')
    add_raw('stack_global', b'\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.')
    add_raw('call_type', b'\x80\x02ctorch\nFloatStorage\n)R.')
    add_raw('call_dict', b'\x80\x02})R.')
    add_raw('build_tuple', b'\x80\x02ccollections\nOrderedDict\n)R)b.')
    add_raw('name_endless', b'\x80\x02c' + b'a' * 5000)
    add_raw('name_escape', b'\x80\x02c\x1b[31mos\nsystem\n.')
    add_raw('stack_empty', b'\x80\x02R.')
    add_raw('stop_empty', b'\x80\x02.')
    add_raw('stop_mark', b'\x80\x02(.')
    add_raw('stop_two', b'\x80\x02NN.')
    add_raw('tuple_without_mark', b'\x80\x02NNt.')
    add_raw('tuple_over_mark', b'\x80\x02N(N\x86.')
    add_raw('items_without_mark', b'\x80\x02}NNu.')
    add_raw('items_odd', b'\x80\x02}(NNNu.')
    add_raw('items_in_tuple', b'\x80\x02)(NNe.')
    add_raw('persistent_dict', b'\x80\x02}Q.')
    add_raw('persistent_module', b'\x80\x02(X\x06\x00\x00\x00moduleNNNNtQ.')
    add_raw('memo_missing', b'\x80\x02h\x05.')
    add_raw('memo_far', b'\x80\x02Nr\xff\xff\xff\xff.')
    add_raw('memo_empty_stack', b'\x80\x02q\x00.')
    add_raw('string_long', b'\x80\x02X\xff\xff\xff\xffabc.')
    add_raw('integer_long', b'\x80\x02\x8b\xff\xff\xff\x7f' + b'\x01' * 255 + b'.')
    add_raw('parameter_none', b'\x80\x02ctorch._utils\n_rebuild_parameter\n(N\x88}tR.')
    add_raw('ordered_dict_none', b'\x80\x02ccollections\nOrderedDict\n(NtR.')
    add_raw('ordered_dict_triple', b'\x80\x02ccollections\nOrderedDict\n(](](NNNeetR.')
    add_raw('many_objects', b'\x80\x02(' + b'N' * (2**20 + 5) + b't.')
    add_raw('many_marks', b'\x80\x02' + b'(' * (2**20 + 5) + b'.')
    # Tuples of tuples, each twice the last one's size if it were written out.
    add_raw('memo_bomb', b'\x80\x02N' + b''.join(b'q' + bytes([i]) + b'h' + bytes([i]) + b'\x86' for i in range(200)) +
            b'.')
    # A list that contains itself.
    add_raw('cycle', b'\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.')


def make_hostile_streams(folder):
    tensors = torchvision_names(make_network(1))
    good = make_old_objects(tensors)
    objects, keys, storages = good

    def add(name, content):
        (folder / f'{name}_stream.pth').write_bytes(content)

    add('storage_count', legacy_bytes(objects, keys, [(storages[0][0] + 1, storages[0][1])] + storages[1:]))
    add('storage_unlisted', legacy_bytes(objects, keys[:-1], storages[:-1]))
    add('storage_twice', legacy_bytes(objects, keys[:-1] + keys[:1], storages))
    add('storage_number', legacy_bytes(objects, keys[:-1] + [7], storages))
    add('storage_list', legacy_bytes(objects, dict.fromkeys(keys), storages))
    add('big_endian', legacy_bytes(objects, keys, storages, little=False))
    add('version', legacy_bytes(*good).replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2), 1))
    add('storage_differs', legacy_bytes(objects.replace(b'U\x011', b'U\x010', 1), keys, storages))
    view = objects.replace(b'NtQ', b'(U\x010K\x00K\x04ttQ', 1)
    add('storage_view', legacy_bytes(view, keys, storages))


def make_hostile_zips(folder):
    content = io.BytesIO()
    torch.save(torchvision_names(make_network(1)), content)
    archive = zipfile.ZipFile(content)
    entries = collections.OrderedDict((info.filename, archive.read(info)) for info in archive.infolist())

    def add(name, entries, compression=zipfile.ZIP_STORED):
        with zipfile.ZipFile(folder / f'{name}.pth', 'w', compression) as out:
            for key, value in entries:
                out.writestr(key, value)

    names = list(entries)
    add('zip_rewritten', entries.items())
    add('zip_missing', [(k, v) for k, v in entries.items() if k != names[2]])
    add('zip_short', [(k, v[:-4] if k == names[2] else v) for k, v in entries.items()])
    add('zip_compressed', entries.items(), zipfile.ZIP_DEFLATED)
    add('zip_no_pickle', [(k, v) for k, v in entries.items() if not k.endswith('data.pkl')])
    add('zip_big_endian', [*entries.items(), ('archive/byteorder', b'big')])
    add('zip_pickle_huge', [('archive/data.pkl', b'N' * (2**24 + 1))])
    add('zip_pickle_empty', [('archive/data.pkl', b'')])
    pickled = entries[names[0]].replace(b'X\x01\x00\x00\x000', b'X\x01\x00\x00\x00/')
    add('zip_key_slash', [('archive/data.pkl', pickled)])
    raw = bytearray((folder / 'zip_rewritten.pth').read_bytes())
    at = raw.find(entries[names[2]])
    raw[at] ^= 1
    (folder / 'zip_checksum.pth').write_bytes(raw)


def make_hostile_keras(folder):
    network = make_network(1)
    layers = keras_tensors(network)

    def add(name, change, layers=layers):
        path = folder / f'{name}.h5'
        write_keras(path, layers)
        with h5py.File(path, 'r+') as file:
            change(file)

    def replace(name, **options):
        def change(file):
            del file[name]
            file.create_dataset(name, **options)
        return change

    kernel, bias = 'block2_conv1/block2_conv1/kernel:0', 'block2_conv1/block2_conv1/bias:0'
    with h5py.File(folder / 'other.hdf5', 'w') as file:
        file['values'] = layers[1][1]

    def link(target):
        def change(file):
            del file[kernel]
            file[kernel] = target
        return change

    def link_group(file):
        del file['block2_conv1']
        file['block2_conv1'] = h5py.ExternalLink('other.hdf5', '/')

    add('external_link', link(h5py.ExternalLink('other.hdf5', '/values')))
    add('external_group', link_group)
    add('soft_link', link(h5py.SoftLink('/block1_conv1/block1_conv1/kernel:0')))
    add('missing', lambda file: file.__delitem__(kernel))
    add('missing_group', lambda file: file.__delitem__('fc2'))
    virtual = h5py.VirtualLayout(shape=layers[1][1].shape, dtype='f4')
    virtual[:] = h5py.VirtualSource('other.hdf5', 'values', shape=layers[1][1].shape)

    def make_virtual(file):
        del file[kernel]
        file.create_virtual_dataset(kernel, virtual)

    add('virtual', make_virtual)
    add('external_file', replace(kernel, shape=layers[1][1].shape, dtype='f4',
                                 external=[('other.hdf5', 0, h5py.h5f.UNLIMITED)]))
    add('filter_lzf', replace(kernel, data=layers[1][1], compression='lzf'))
    add('filter_scaleoffset', replace(kernel, data=layers[1][1], scaleoffset=3))
    add('no_numbers', replace(kernel, shape=layers[1][1].shape, dtype='f4'))

    def huge(file):
        del file[bias]
        file.create_dataset(bias, shape=(2**40,), dtype='f4', chunks=(1024,))[:8] = 1

    add('shape_huge', huge)
    add('chunk_huge', replace(bias, shape=(2**29,), dtype='f4', chunks=(2**29,)))
    add('integers', replace(bias, data=numpy.arange(8)))
    add('long_double', replace(bias, data=numpy.zeros(8, 'g')))
    add('strings', replace(bias, data=[b'a', b'b']))
    add('scalar', replace(bias, data=numpy.float32(1)))
    add('bias_length', replace(bias, data=numpy.zeros(9, 'f4')))
    add('kernel_order', replace(kernel, data=layers[1][1].transpose(3, 2, 0, 1)))
    add('flatten', replace('fc1/fc1/kernel:0', data=numpy.zeros((32 * 3, 24), 'f4')))

    matrix = 'fc1/fc1/kernel:0'
    values = layers[len(layers) - 3][1]

    def some_chunks(file):
        del file[matrix]
        file.create_dataset(matrix, shape=values.shape, dtype='f4', chunks=(16, 24))[:64] = values[:64]

    def damaged_chunk(**options):
        def change(file):
            del file[matrix]
            dataset = file.create_dataset(matrix, data=values, chunks=(64, 24), **options)
            mask, raw = dataset.id.read_direct_chunk((64, 0))
            dataset.id.write_direct_chunk((64, 0), raw[:100] + bytes([raw[100] ^ 1]) + raw[101:], mask)
        return change

    add('some_chunks', some_chunks)
    add('chunk_checksum', damaged_chunk(fletcher32=True))
    add('chunk_deflate', damaged_chunk(compression='gzip'))
    add('complex', replace(bias, data=numpy.zeros(8, 'c8')))
    with h5py.File(folder / 'newest_kind.h5', 'w', libver='latest') as file:
        file.attrs['layer_names'] = numpy.array([b'fc1'])

    def group_instead(file):
        del file[bias]
        file.create_group(bias)

    add('group', group_instead)
    add('nan', lambda file: file[kernel].write_direct(numpy.array([numpy.nan], 'f4'), dest_sel=numpy.s_[1:2, 2, 3, 4]))
    add('nan_matrix', lambda file: file['fc1/fc1/kernel:0'].write_direct(numpy.array([numpy.inf], 'f4'),
                                                                        dest_sel=numpy.s_[100:101, 17]))
    add('no_layer_names', lambda file: file.attrs.__delitem__('layer_names'))
    add('no_weight_names', lambda file: file['fc1'].attrs.__delitem__('weight_names'))
    add('layer_numbers', lambda file: file.attrs.__setitem__('layer_names', numpy.arange(4)))
    add('layer_twice', lambda file: file.attrs.__setitem__('layer_names', numpy.array([b'fc1', b'fc1'])))
    add('name_long', lambda file: file.attrs.__setitem__('layer_names', numpy.array([b'x' * 300])))
    add('name_root', lambda file: file.attrs.__setitem__('layer_names', numpy.array([b'/'])))
    add('name_dots', lambda file: file.attrs.__setitem__('layer_names', numpy.array([b'../fc1'])))
    add('other_layer', lambda file: (file['fc1'].attrs.__setitem__('weight_names', numpy.array([b'embeddings:0'])),
                                     file.__setitem__('fc1/embeddings:0', numpy.zeros(3, 'f4'))))
    make_hostile_keras_models(folder, layers)


def make_hostile_keras_models(folder, layers):
    """Models that are not what their weights alone would say, or of which the file does not say enough."""
    model = describe(layers)

    def add(name, change):
        changed = json.loads(json.dumps(model))
        changed = change(changed['config']['layers']) or changed
        write_keras(folder / f'config_{name}.h5', layers, config=changed)

    def at(layers, name):
        return next(i for i, layer in enumerate(layers) if layer['config']['name'] == name)

    def set_key(**keys):
        return lambda layers: layers[at(layers, 'block2_conv1')]['config'].update(keys)

    def insert(kind, **keys):
        return lambda layers: layers.insert(at(layers, 'block2_conv1') + 1, {'class_name': kind, 'config': keys})

    add('add', insert('Add', name='add_1'))
    add('elu', set_key(activation='elu'))
    add('linear', set_key(activation='linear'))
    add('valid', set_key(padding='valid'))
    add('strides', set_key(strides=[2, 2]))
    add('first', set_key(data_format='channels_first'))
    add('bn_late', insert('BatchNormalization', name='bn'))
    add('rescaling', lambda layers: layers.insert(1, {'class_name': 'Rescaling', 'config': {'name': 'scale'}}))
    add('list', lambda layers: {'config': 3})
    write_keras(folder / 'config_text.h5', layers)
    write_keras(folder / 'config_number.h5', layers)
    with h5py.File(folder / 'config_text.h5', 'r+') as file:
        file.attrs['model_config'] = b'{"class_name": '
    with h5py.File(folder / 'config_number.h5', 'r+') as file:
        file.attrs['model_config'] = 3
    write_keras(folder / 'rescaling.h5', [('rescaling', {})] + layers)
    write_keras(folder / 'bn_unclear.h5', layers[:1] + [('bn', batchnorm_arrays(6, 4))] + layers[1:])
    write_keras3(folder / 'bn_numbered.h5', layers)
    with h5py.File(folder / 'bn_numbered.h5', 'r+') as file:
        file['layers/batch_normalization/vars/0'] = numpy.ones(4, 'f4')


def make_lookalikes(folder):
    """Files that people take for weights."""
    arrays = {name: tensor.numpy() for name, tensor in torchvision_names(make_network(1)).items()}
    contents = {'lfs': b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n',
                'page': b'<!DOCTYPE html><html><body>Sign in</body></html>', 'gzip': gzip.compress(bytes(40)),
                'index': b'{"metadata": {}, "weight_map": {}}', 'pickle': pickle.dumps(arrays, 4)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    numpy.savez(folder / 'arrays.npz', **arrays)
    with zipfile.ZipFile(folder / 'model.keras', 'w') as archive:
        archive.writestr('config.json', '{}')
        archive.writestr('model.weights.h5', 'weights')


def make_hostile(folder):
    make_lookalikes(folder)
    make_hostile_safetensors(folder)
    make_hostile_pickles(folder)
    make_hostile_streams(folder)
    make_hostile_zips(folder)
    make_hostile_keras(folder)
