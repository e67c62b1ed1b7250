"""Make small data sets of every kind: make_datasets.py {good,bad} FOLDER

good  cases.txt: path, format, labels, expectation a line, tab-separated, "-" for what is not given. An expectation is
      uint32 count, number of classes; class names ended by NUL; for every image int32 label, name ended by NUL, uint32
      width, height, and the RGB pixels as PIL decodes them; 0 x 0 for an image that cannot be read.
bad   cases.txt: path, format, labels, status

The order of a folder is that of torchvision's ImageFolder, which is used where it is installed.
"""
import gzip
import io
import os
import struct
import sys
import tarfile

import h5py
import numpy as np
from PIL import Image

from make_images import encoded, picture

try:
    from torchvision.datasets.folder import IMG_EXTENSIONS, find_classes, make_dataset
except ImportError:
    IMG_EXTENSIONS = None

ENDINGS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')
random = np.random.RandomState(7)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


def small_png(**options):
    height, width = random.randint(1, 9, 2)
    return encoded(picture(height, width, 3), 'PNG', **options)


def rgb(pixels):
    """(H,W), (H,W,1) or (H,W,3) as RGB."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def decoded(data):
    if data[:4] in (b'II*\0', b'GIF8') or data[:2] == b'BM':
        return None
    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


class Cases:
    def __init__(self, folder):
        self.folder, self.lines = folder, []

    def add(self, path, images, classes=(), format='-', labels='-'):
        """images: (label, name, pixels (H,W,3) or None)."""
        out = struct.pack('<2I', len(images), len(classes)) + b''.join(os.fsencode(c) + b'\0' for c in classes)
        for label, name, pixels in images:
            height, width = (0, 0) if pixels is None else pixels.shape[:2]
            out += struct.pack('<i', label) + os.fsencode(name) + b'\0' + struct.pack('<2I', width, height)
            out += b'' if pixels is None else pixels.tobytes()
        expectation = f'{self.folder}/expectation_{len(self.lines)}'
        write(expectation, out)
        self.lines.append('\t'.join([path, format, labels, expectation]))

    def refuse(self, path, status, format='-', labels='-'):
        self.lines.append('\t'.join([path, format, labels, status]))

    def save(self):
        write(f'{self.folder}/cases.txt', ('\n'.join(self.lines) + '\n').encode())


def numbers(n):
    return [str(k) for k in range(n)]


# ---- folders and lists ----------------------------------------------------------------------------------------------

def hidden(root, path):
    return any(part.startswith('.') for part in os.path.relpath(path, root).split('/'))


def image_folder(root):
    """(label, path) in ImageFolder's order without what is hidden, and the classes."""
    if IMG_EXTENSIONS:
        classes = [name for name in find_classes(root)[0] if not name.startswith('.')]
        index = {name: label for label, name in enumerate(classes)}
        found = [(label, path) for path, label in make_dataset(root, index, IMG_EXTENSIONS)]
        return [(label, path) for label, path in found if not hidden(root, path)], classes
    classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith('.'))
    found = []
    for label, name in enumerate(classes):
        for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):
            found += [(label, os.path.join(folder, file)) for file in sorted(files) if file.lower().endswith(ENDINGS)]
    return [(label, path) for label, path in found if not hidden(root, path)], classes


def read(path):
    with open(path, 'rb') as file:
        return decoded(file.read())


def good_folders(cases):
    root = f'{cases.folder}/folder'
    for name in ('b/2.png', 'b/10.png', 'b/1.PNG', 'B/x.jpeg', 'a/z/1.png', 'a/z/deep/1.png', 'a/z-/1.png', 'a/x y/1.png',
                 'a/z.png', 'a/zz.png', 'a-b/1.Jpg', 'é/ü.png', 'z/.png', 'z/1.png', 'z/._1.png', 'z/.cache/1.png', '.ipynb_checkpoints/1.png',
                 'n01440764/im.jpg.png'):
        write(f'{root}/{name}', small_png())
    write(f'{root}/b/picture.tif', encoded(picture(4, 5, 3), 'TIFF'))
    write(f'{root}/b/bitmap.bmp', encoded(picture(4, 5, 3), 'BMP'))
    write(f'{root}/b/notes.txt', b'no image')
    write(f'{root}/readme.png', small_png())
    os.symlink('../b/2.png', f'{root}/a/linked.png')
    os.symlink('../a/z', f'{root}/é/linked folder')
    os.symlink('b', f'{root}/linked class')
    os.makedirs(f'{root}/a/folder.jpg')
    images, classes = image_folder(root)
    cases.add(root, [(label, os.path.relpath(path, root), read(path)) for label, path in images], classes)

    flat = f'{cases.folder}/flat'
    names = sorted(['b.png', 'a.png', 'C.PNG', '10.png', '9.png', 'with space 7.png'])
    for name in names:
        write(f'{flat}/{name}', small_png())
    write(f'{flat}/notes.txt', b'')
    cases.add(flat, [(-1, name, read(f'{flat}/{name}')) for name in names])


def good_lists(cases):
    flat = f'{cases.folder}/flat'
    picked = ['a.png', '9.png', 'b.png', 'a.png']
    write(f'{flat}/labels.txt', b'# file and label\n\na.png 3\r\n9.png\t0\nb.png 1  \nwith space 7.png 2\n'
          b'with space 7.png\na.png -1\n' + os.fsencode(flat) + b'/9.png 5')
    names = ['a.png', '9.png', 'b.png', 'with space 7.png', 'with space 7.png', 'a.png', f'{flat}/9.png']
    images = [(label, name, read(os.path.join(flat, name))) for label, name in zip([3, 0, 1, 2, -1, -1, 5], names)]
    cases.add(f'{flat}/labels.txt', images, numbers(6))
    write(f'{flat}/plain.txt', b'\xef\xbb\xbf' + '\r\n'.join(picked).encode())
    cases.add(f'{flat}/plain.txt', [(-1, name, read(f'{flat}/{name}')) for name in picked])
    write(f'{flat}/missing.txt', b'a.png 0\nno such file.png 1\n')
    cases.add(f'{flat}/missing.txt', [(0, 'a.png', read(f'{flat}/a.png')), (1, 'no such file.png', None)], numbers(2))


def bad_folders_and_lists(cases):
    root = cases.folder
    write(f'{root}/empty_class/a/1.png', small_png())
    os.makedirs(f'{root}/empty_class/b')
    cases.refuse(f'{root}/empty_class', 'format')
    write(f'{root}/no_images/notes.txt', b'')
    cases.refuse(f'{root}/no_images', 'format')
    write(f'{root}/loop/a/1.png', small_png())
    os.symlink('../..', f'{root}/loop/a/up')
    cases.refuse(f'{root}/loop', 'format')
    cases.refuse(f'{root}/no such folder', 'system')
    cases.refuse(f'{root}/no such folder', 'system', 'folder')
    cases.refuse(f'{root}/no_images/notes.txt', 'system', 'folder')
    cases.refuse(f'{root}/loop', 'config', 'directory')
    cases.refuse(f'{root}/loop', 'config', 'folder', 'labels.txt')
    os.mkfifo(f'{root}/fifo')
    for kind in '-', 'list', 'idx', 'hdf5', 'tar':
        cases.refuse(f'{root}/fifo', 'format', kind)
    for name, text in {'word': b'a.png\tcat\n', 'negative': b'a.png -2\n', 'large': b'a.png 100000\n',
                       'huge': b'a.png\t99999999999999999999\n', 'no_path': b'\t3\n', 'nothing': b'# nothing\n\n',
                       'nul': b'a.png 1\nb\0.png 2\n', 'empty': b''}.items():
        write(f'{root}/list_{name}.txt', text)
        cases.refuse(f'{root}/list_{name}.txt', 'format', 'list')
    write(f'{root}/binary', bytes(1000))
    cases.refuse(f'{root}/binary', 'unsupported')


# ---- arrays ---------------------------------------------------------------------------------------------------------

def idx(array, code=8):
    return struct.pack(f'>BBBB{array.ndim}I', 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def array_images(pixels, labels, name):
    """pixels (N,H,W,C) or (N,H,W)."""
    return [(int(label), f'{name}[{i}]', rgb(image)) for i, (image, label) in enumerate(zip(pixels, labels))]


def good_idx(cases):
    root = f'{cases.folder}/idx'
    grey, colour = (random.randint(0, 256, (5, 4, 6)).astype(np.uint8), random.randint(0, 256, (3, 4, 7, 3)).astype(np.uint8))
    labels, other = np.uint8([1, 0, 4, 2, 2]), np.uint8([2, 0, 0])
    write(f'{root}/t10k-images-idx3-ubyte.gz', gzip.compress(idx(grey)))
    write(f'{root}/t10k-labels-idx1-ubyte.gz', gzip.compress(idx(labels)))
    cases.add(f'{root}/t10k-images-idx3-ubyte.gz', array_images(grey, labels, 't10k-images-idx3-ubyte.gz'), numbers(5))
    write(f'{root}/plain-images-idx3', idx(grey))
    write(f'{root}/plain-labels-idx1.gz', gzip.compress(idx(labels)))
    cases.add(f'{root}/plain-images-idx3', array_images(grey, labels, 'plain-images-idx3'), numbers(5))
    write(f'{root}/pixels', idx(colour))
    write(f'{root}/numbers', idx(other))
    cases.add(f'{root}/pixels', array_images(colour, other, 'pixels'), numbers(3), labels=f'{root}/numbers')
    cases.add(f'{root}/pixels', array_images(colour, [-1] * 3, 'pixels'), format='idx')
    write(f'{root}/planes', idx(np.ascontiguousarray(colour.transpose(0, 3, 1, 2))))
    cases.add(f'{root}/planes', array_images(colour, [-1] * 3, 'planes'))


def bad_idx(cases):
    root = f'{cases.folder}'
    images = random.randint(0, 256, (5, 4, 6)).astype(np.uint8)
    good = idx(images)
    packed = gzip.compress(good)
    files = {'short': (good[:-1], 'format'), 'header': (good[:9], 'format'), 'long': (good + b'x', 'format'),
             'integers': (idx(images, 12), 'unsupported'), 'two_dims': (idx(images[0]), 'unsupported'),
             'no_pixels': (idx(images[:, :0]), 'format'), 'four_channels': (idx(images[:, None].repeat(4, 1)), 'unsupported'),
             'absurd': (struct.pack('>4B3I', 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), 'limit'),
             'claims': (struct.pack('>4B3I', 0, 0, 8, 3, 10**6, 28, 28), 'format'),
             'packed_short': (packed[:-9], 'format'), 'packed_damaged': (packed[:20] + b'xx' + packed[22:], 'format'),
             'packed_checksum': (packed[:-5] + b'xxxxx', 'format'), 'packed_long': (gzip.compress(good + b'x'), 'format')}
    for name, (data, status) in files.items():
        write(f'{root}/idx_{name}', data)
        cases.refuse(f'{root}/idx_{name}', status, 'idx')
    write(f'{root}/idx_good', good)
    for name, labels, status in (('few', np.uint8([1, 2]), 'format'), ('square', np.uint8([[1, 2, 3, 4, 5]]), 'format')):
        write(f'{root}/idx_labels_{name}', idx(labels))
        cases.refuse(f'{root}/idx_good', status, labels=f'{root}/idx_labels_{name}')
    cases.refuse(f'{root}/idx_good', 'system', labels=f'{root}/no such file')


def h5(path, **datasets):
    """name = array, or (array, creation options)."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with h5py.File(path, 'w') as file:
        for name, value in datasets.items():
            array, options = value if isinstance(value, tuple) else (value, {})
            file.create_dataset(name.replace('__', '/'), data=array, **options)


def good_hdf5(cases):
    root = f'{cases.folder}/hdf5'
    colour = random.randint(0, 256, (7, 5, 6, 3)).astype(np.uint8)
    planes, grey = colour.transpose(0, 3, 1, 2), colour[..., 0].copy()
    labels = np.array([3, 0, 1, 2, 2, 3, 0])
    h5(f'{root}/virelay.h5', data=planes, label=labels.astype(np.uint16), extra=grey)
    cases.add(f'{root}/virelay.h5', array_images(colour, labels, 'virelay.h5:/data'), numbers(4))
    h5(f'{root}/packed.h5', images=(colour, dict(chunks=(2, 3, 6, 1), compression='gzip', shuffle=True, fletcher32=True)),
       labels=(labels - 1).astype(np.int8))
    cases.add(f'{root}/packed.h5', array_images(colour, labels - 1, 'packed.h5:/images'), numbers(3))
    h5(f'{root}/groups.h5', train__x=planes, test__x=grey, test__y=labels)
    cases.add(f'{root}/groups.h5:/test/x', array_images(grey, labels, 'groups.h5:/test/x'), numbers(4), labels='/test/y')
    cases.add(f'{root}/groups.h5:/train/x', array_images(colour, [-1] * 7, 'groups.h5:/train/x'))
    h5(f'{root}/multi.h5', data=grey, label=np.ones((7, 4), bool))
    cases.add(f'{root}/multi.h5', array_images(grey, [-1] * 7, 'multi.h5:/data'), format='hdf5')


    h5(f'{root}/odd.h5', data=(grey, dict(chunks=(1, 5, 3), fletcher32=True, maxshape=(None, None, None))),
       labels=(labels.astype('>i8'), dict(chunks=(4,), compression='gzip', shuffle=True, fletcher32=True)))
    cases.add(f'{root}/odd.h5', array_images(grey, labels, 'odd.h5:/data'), numbers(4))
    with h5py.File(f'{root}/sparse.h5', 'w') as file:
        data = file.create_dataset('data', grey.shape, np.uint8, chunks=(2, 4, 50), maxshape=(None, 5, None), fillvalue=9)
        data[2:4, :3] = grey[2:4, :3]
        sparse = data[:]
    cases.add(f'{root}/sparse.h5', array_images(sparse, [-1] * 7, 'sparse.h5:/data'))
    with h5py.File(f'{root}/compact.h5', 'w') as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple(grey.shape)
        h5py.h5d.create(file.id, b'data', h5py.h5t.STD_U8LE, space, properties).write(space, space, grey)
    cases.add(f'{root}/compact.h5', array_images(grey, [-1] * 7, 'compact.h5:/data'))


def labels_of_arrays(cases):
    """Labels of other names and shapes, and in a file of their own."""
    root = f'{cases.folder}/hdf5'
    pixels, labels = random.randint(0, 256, (5, 4, 6)).astype(np.uint8), np.array([2, 0, 1, 1, 0])
    column, spread = labels[:, None], labels.reshape(5, 1, 1, 1)

    def expect(name, path, given='-', found=labels):
        cases.add(f'{root}/{path}', array_images(pixels, found, name), numbers(3) if found is labels else (), labels=given)

    h5(f'{root}/column.h5', data=pixels, labels=column.astype(np.uint8))
    expect('column.h5:/data', 'column.h5')
    h5(f'{root}/hot.h5', data=pixels, labels=np.eye(3, dtype=np.uint8)[labels], targets=labels)
    expect('hot.h5:/data', 'hot.h5', found=[-1] * 5)
    expect('hot.h5:/data', 'hot.h5', 'targets')
    h5(f'{root}/only_y.h5', y=spread, names=np.arange(3), weights=labels / 2)
    h5(f'{root}/split.h5', train=labels[::-1].copy(), test=labels, label=np.eye(3)[labels])
    h5(f'{root}/usual.h5', labels=labels.astype(np.int16), other=labels[::-1].copy())
    h5(f'{root}/only_x.h5', x=pixels)
    expect('only_x.h5:/x', 'only_x.h5', f'{root}/only_y.h5')
    expect('only_x.h5:/x', 'only_x.h5', f'{root}/only_y.h5:/y')
    expect('only_x.h5:/x', 'only_x.h5', f'{root}/split.h5:/test')
    expect('only_x.h5:/x', 'only_x.h5', f'{root}/usual.h5')


def damaged_hdf5(cases):
    """Damage that shows when images are read: HDF5 itself would read past its memory in the first two."""
    root = f'{cases.folder}/hdf5'
    with open(f'{root}/packed.h5', 'rb') as file:
        data = file.read()
    with h5py.File(f'{root}/packed.h5') as file:
        pixels, labels, place = file['images'][:], file['labels'][:], file['images'].id.get_chunk_info(0).byte_offset
    chunk = struct.pack('<4I', 2, 3, 6, 1)
    assert data.count(chunk) == 1
    for name, depth in ('larger', 2), ('absurd', 2818049):
        write(f'{root}/{name}.h5', data.replace(chunk, struct.pack('<4I', 2, 3, 6, depth)))
        cases.add(f'{root}/{name}.h5', [(label, f'{name}.h5:/images[{i}]', None) for i, label in enumerate(labels)], numbers(3))
    write(f'{root}/flipped.h5', data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
    images = array_images(pixels, labels, 'flipped.h5:/images')
    cases.add(f'{root}/flipped.h5', [(*image[:2], None) for image in images[:2]] + images[2:], numbers(3))


def bad_hdf5(cases):
    root = f'{cases.folder}/hdf5'
    pixels, labels = random.randint(0, 256, (3, 4, 5)).astype(np.uint8), np.arange(3)
    files = {'float': (dict(data=pixels / np.float32(255)), 'unsupported'), 'signed': (dict(data=pixels.astype(np.int8)), 'unsupported'),
             'int32': (dict(data=pixels.astype(np.int32)), 'unsupported'), 'vector': (dict(data=pixels[:, 0, 0]), 'unsupported'),
             'five': (dict(data=pixels[None, None]), 'unsupported'), 'nothing': (dict(values=labels), 'format'),
             'no_images': (dict(data=pixels[:0]), 'format'), 'few_labels': (dict(data=pixels, label=labels[:2]), 'format'),
             'float_labels': (dict(data=pixels, label=labels / 2), 'format'), 'negative': (dict(data=pixels, label=labels - 2), 'format'),
             'large': (dict(data=pixels, label=labels + 10**6), 'format'),
             'lzf': (dict(data=(pixels, dict(compression='lzf'))), 'unsupported')}
    for name, (datasets, status) in files.items():
        h5(f'{root}/{name}.h5', **datasets)
        cases.refuse(f'{root}/{name}.h5', status)
    h5(f'{root}/other.h5', data=pixels)
    h5(f'{root}/two.h5', train=labels, test=labels, long=np.arange(4))
    for given in f'{root}/two.h5', f'{root}/two.h5:/long', f'{root}/two.h5:/none', f'{root}/other.h5', 'train':
        cases.refuse(f'{root}/other.h5', 'format', labels=given)
    with h5py.File(f'{root}/links.h5', 'w') as file:
        file['data'] = h5py.ExternalLink('other.h5', 'data')
    cases.refuse(f'{root}/links.h5:/data', 'unsupported')
    with h5py.File(f'{root}/virtual.h5', 'w') as file:
        layout = h5py.VirtualLayout((3, 4, 5), np.uint8)
        layout[:] = h5py.VirtualSource('other.h5', 'data', (3, 4, 5))
        file.create_virtual_dataset('data', layout)
    cases.refuse(f'{root}/virtual.h5', 'unsupported')
    with h5py.File(f'{root}/claims.h5', 'w') as file:
        file.create_dataset('data', (10**8, 224, 224), np.uint8, chunks=(1, 224, 224))
    cases.refuse(f'{root}/claims.h5', 'limit')
    with h5py.File(f'{root}/compact.h5', 'w') as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        h5py.h5d.create(file.id, b'data', h5py.h5t.STD_U8LE, h5py.h5s.create_simple(pixels.shape), properties)
    with open(f'{root}/compact.h5', 'rb') as file:
        data = file.read()
    shape = struct.pack('<3Q', 3, 4, 5)
    assert shape in data
    write(f'{root}/compact.h5', data.replace(shape, struct.pack('<3Q', 3, 4, 500)))
    cases.refuse(f'{root}/compact.h5', 'format')
    with open(f'{root}/other.h5', 'rb') as file:
        data = file.read()
    write(f'{root}/truncated.h5', data[:len(data) // 2])
    cases.refuse(f'{root}/truncated.h5', 'format')
    write(f'{root}/text.h5', b'text')
    cases.refuse(f'{root}/text.h5', 'format', 'hdf5')
    cases.refuse(f'{root}/other.h5:/nothing', 'format')
    cases.refuse(f'{root}/no such file.h5:/data', 'system')


# ---- tar shards -----------------------------------------------------------------------------------------------------

def tar(path, members, format=tarfile.GNU_FORMAT, mode='w'):
    """members: (name, bytes), bytes None for a folder."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tarfile.open(path, mode, format=format) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
            elif isinstance(data, tuple):
                info.type, info.linkname = tarfile.LNKTYPE, data[0]
            else:
                info.size = len(data)
            file.addfile(info, io.BytesIO(data) if isinstance(data, bytes) else None)


def shard(first, count, image_last=False):
    members, images = [], []
    for i in range(first, first + count):
        data = small_png()
        parts = [(f'{i:06d}.png', data), (f'{i:06d}.cls', str(i % 3).encode()), (f'{i:06d}.json', b'{}' * 300)]
        members += parts[::-1] if image_last else parts
        images.append((i % 3, f'{i:06d}.png', decoded(data)))
    return members, images


def named(shard_name, images):
    return [(label, f'{shard_name}:{name}', pixels) for label, name, pixels in images]


def good_tars(cases):
    root = f'{cases.folder}/tar'
    expected = []
    for number, first in (10, 0), (2, 5), (1, 9):
        members, images = shard(first, 4, number == 2)
        name = f'train-{number:02d}.tar'
        tar(f'{root}/shards/{name}', members, [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT][number % 3])
        cases.add(f'{root}/shards/{name}', named(name, images), numbers(3))
        expected.append((name, images))
    expected.sort(key=lambda pair: pair[0])
    everything = [image for name, images in expected for image in named(name, images)]
    write(f'{root}/shards/readme.txt', b'not a shard')
    cases.add(f'{root}/shards', everything, numbers(3))
    cases.add(f'{root}/shards/train-0*.tar', [image for image in everything if image[1].startswith('train-0')], numbers(3))
    cases.add(f'{root}/sh?rds/train-*.tar', [(label, f'shards/{name}', pixels) for label, name, pixels in everything],
              numbers(3))

    data = [small_png() for _ in range(6)]
    long = 'folder/' * 40 + 'ä' * 60
    cut = encoded(picture(5, 5, 3), 'PNG')[:60]
    members = [('train', None), ('train/a.b.png', data[0]), ('train/x.cls', b'7\n'), ('train/x.PNG', data[1]),
               ('train/x.png', data[2]), (long + '.png', data[3]), (long + '.cls', b'2'), ('lonely.cls', b'1'),
               ('lonely.txt', b'text'), ('.hidden.png', data[4]), ('link.png', 'train/x.PNG'), ('noext', data[4]),
               ('cut.jpg', cut), ('cut.cls', b'0'), ('tiff.tif', encoded(picture(4, 4, 3), 'TIFF')), ('last.png', data[5])]
    for name, format in ('pax.tar', tarfile.PAX_FORMAT), ('gnu.tar', tarfile.GNU_FORMAT):
        tar(f'{root}/{name}', members, format)
        images = [(7, 'train/x.PNG', decoded(data[1])), (2, long + '.png', decoded(data[3])),
                  (-1, 'link.png', decoded(data[1])), (0, 'cut.jpg', None),
                  (-1, 'tiff.tif', None), (-1, 'last.png', decoded(data[5]))]
        cases.add(f'{root}/{name}', named(name, images), numbers(8))


def tars_with_links(cases):
    """Links to members, of images and of labels; labels that are far from their images."""
    root = f'{cases.folder}/tar'
    data = [small_png() for _ in range(4)]
    tar(f'{root}/links.tar', [
        ('./0.png', data[0]), ('./0.cls', b'4'), ('1.png', ('./0.png',)), ('1.cls', b'2'), ('2.png', data[2]),
        ('2.cls', ('1.cls',)), ('a/b/3.png', '../../2.png'), ('a/b/3.cls', b'1'), ('4.png', '1.png'), ('4.cls', '0.cls'),
        ('5.png', 'nowhere.png'), ('5.cls', b'1'), ('6.png', '/etc/6.png'), ('7.png', '7.png'), ('8.png', ('a/b/3.png',))])
    cases.add(f'{root}/links.tar', named('links.tar', [
        (4, './0.png', decoded(data[0])), (2, '1.png', decoded(data[0])), (2, '2.png', decoded(data[2])),
        (1, 'a/b/3.png', decoded(data[2])), (4, '4.png', decoded(data[0])), (-1, '8.png', decoded(data[2]))]), numbers(5))
    tar(f'{root}/apart.tar', [('b.cls', b'3'), ('c.cls', b'1'), ('a.png', data[0]), ('b.png', data[1]), ('c.png', data[2]),
                              ('c.cls', b'0'), ('d.png', data[3]), ('a.cls', b'2'), ('x.cls', b'5')])
    cases.add(f'{root}/apart.tar', named('apart.tar', [
        (2, 'a.png', decoded(data[0])), (3, 'b.png', decoded(data[1])), (0, 'c.png', decoded(data[2])),
        (-1, 'd.png', decoded(data[3]))]), numbers(4))


def both_kinds(root):
    """Images in folders and a tar file beside them, and what it holds."""
    members, images = shard(0, 3)
    tar(f'{root}/all.tar', members)
    write(f'{root}/cat/1.png', small_png())
    return members, images


def good_if_said(cases):
    root = f'{cases.folder}/tar/both'
    members, images = both_kinds(root)
    cases.add(root, named('all.tar', images), numbers(3), format='tar')
    cases.add(root, [(0, 'cat/1.png', read(f'{root}/cat/1.png'))], ['cat'], format='folder')
    write(f'{cases.folder}/tar/logs/.git/1.png', small_png())
    write(f'{cases.folder}/tar/logs/out/a.txt', b'')
    tar(f'{cases.folder}/tar/logs/all.tar', members)
    cases.add(f'{cases.folder}/tar/logs', named('all.tar', images), numbers(3))


def bad_tars(cases):
    root = f'{cases.folder}/tar'
    both_kinds(f'{root}/both')
    cases.refuse(f'{root}/both', 'format')
    members, _ = shard(0, 3)
    for mode in 'gz', 'bz2', 'xz':
        tar(f'{root}/packed.tar.{mode}', members, mode=f'w:{mode}')
        cases.refuse(f'{root}/packed.tar.{mode}', 'unsupported')
        cases.refuse(f'{root}/packed.tar.{mode}', 'unsupported', 'tar')
    for name, text in ('word', b'cat'), ('empty', b''), ('long', b'1' * 40), ('negative', b'-3'), ('large', b'100000'):
        tar(f'{root}/label_{name}.tar', [('a.png', small_png()), ('a.cls', text)])
        cases.refuse(f'{root}/label_{name}.tar', 'format')
    tar(f'{root}/no_images.tar', [('a.txt', b'text')])
    cases.refuse(f'{root}/no_images.tar', 'format')
    big = encoded(picture(90, 90, 3), 'PNG')
    tar(f'{root}/good.tar', [('a.cls', b'1'), ('a.png', big)])
    with open(f'{root}/good.tar', 'rb') as file:
        data = file.read()
    for length in 300, 700, 1600, 1536 + len(big) - 1:
        write(f'{root}/cut_{length}.tar', data[:length])
        cases.refuse(f'{root}/cut_{length}.tar', 'format', 'tar')
    write(f'{root}/text.tar', b'text' * 1000)
    cases.refuse(f'{root}/text.tar', 'format', 'tar')
    write(f'{root}/zeros.tar', bytes(10240))
    cases.refuse(f'{root}/zeros.tar', 'format')
    cases.refuse(f'{root}/nothing-*.tar', 'system')


if __name__ == '__main__':
    made = Cases(sys.argv[2])
    if sys.argv[1] == 'good':
        good_folders(made)
        good_lists(made)
        good_idx(made)
        good_hdf5(made)
        labels_of_arrays(made)
        damaged_hdf5(made)
        good_tars(made)
        tars_with_links(made)
        good_if_said(made)
    else:
        bad_folders_and_lists(made)
        bad_idx(made)
        bad_hdf5(made)
        bad_tars(made)
    made.save()
