"""Files to start fuzzing from: make_corpus.py REPLAY FOLDER

Leaves FOLDER/TARGET/* for every target, out of what the unit tests generate, valid and hostile, and of what REPLAY
--samples writes. Files above 64 KiB are left out.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
UNIT, SUPPORT = TESTS / 'unit', TESTS / 'support'
MOST_BYTES = 1 << 16

# Target: generator and patterns of its files.
SOURCES = {
    'safetensors': [('weights', '*.safetensors')],
    'pth_zip': [('weights', '*.pth')],
    'pth_stream': [('weights', '*.pth')],
    'keras': [('weights', '*.h5')],
    'jpeg': [('images', '*.jpg')],
    'png': [('images', '*.png')],
    'webp': [('images', '*.webp')],
    'idx': [('datasets', 'idx/**/*')],
    'list': [('datasets', '**/*.txt')],
    'tar': [('datasets', '**/*.tar')],
    'hdf5': [('datasets', 'hdf5/*.h5')],
    'store': [('samples', 'store.h5'), ('samples', 'unfinished.h5')],
    'part': [('samples', 'part.h5')],
}
ZIP = b'PK\3\4'


def generate(folder, replay):
    def python(*arguments):
        subprocess.run([sys.executable, '-B', *map(str, arguments)], cwd=SUPPORT, check=True)

    for name in 'weights/valid', 'weights/hostile', 'images', 'datasets/good', 'datasets/bad', 'samples':
        (folder / name).mkdir(parents=True)
    for kind in 'valid', 'hostile':
        python('make_weights.py', folder / 'weights' / kind, kind)
    python('make_images.py', 'images', folder / 'images')
    for kind in 'good', 'bad':
        python('make_datasets.py', kind, folder / 'datasets' / kind)
    subprocess.run([replay, '--samples', folder / 'samples'], check=True)


def belongs(target, data):
    return (data[:4] == ZIP) == (target == 'pth_zip') if target.startswith('pth') else True


def collect(target, folder, corpus):
    n = 0
    for kind, pattern in SOURCES[target]:
        for path in sorted((folder / kind).rglob(pattern)):
            data = path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_BYTES else b''
            if data and belongs(target, data):
                (corpus / f'{n:03}-{path.name}').write_bytes(data)
                n += 1


def pickles(corpus):
    """The pickles inside of archives, which are stored as they are, and those that streams begin with."""
    import zipfile
    for n, path in enumerate(sorted((corpus / 'pth_zip').iterdir())):
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith('data.pkl'):
                        (corpus / 'pickle' / f'zip-{n:03}').write_bytes(archive.read(name))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
            pass  # a hostile one
    for n, path in enumerate(sorted((corpus / 'pth_stream').iterdir())):
        (corpus / 'pickle' / f'stream-{n:03}').write_bytes(path.read_bytes()[:4096])


def keras(corpus):
    """Small files of every form that the reader knows; those of the unit tests are large."""
    sys.path.insert(0, str(SUPPORT))
    from make_weights import make_network
    from make_weights_keras import describe, keras_tensors, old_naming, write_keras, write_keras3
    layers = keras_tensors(make_network(6, 1, [1, 1, 1, 1, 2, 1, 1, 2], [3, 2, 2]))
    for n, options in enumerate([dict(naming=old_naming), dict(variable=True, below='/model_weights'),
                                 dict(compression='gzip', shuffle=True, fletcher32=True)]):
        write_keras(corpus / 'keras' / f'small-{n}.h5', layers, **options)
    write_keras(corpus / 'keras' / 'described.h5', layers, config=describe(layers))
    write_keras3(corpus / 'keras' / 'numbered.h5', layers)


def onnx(corpus):
    """The samples of the tests, each also with its operations in another version, and random graphs."""
    sys.path.insert(0, str(TESTS / 'python'))
    from onnx_samples import SAMPLES
    from onnx_file import MODEL_OPSET, encode
    from test_onnx_random import Graph
    for name, data in SAMPLES.items():
        (corpus / 'onnx' / name).write_bytes(data)
        (corpus / 'onnx' / f'{name}-7').write_bytes(data + encode([[MODEL_OPSET, 2, encode([[2, 0, 7]])]]))
    for seed in range(30):
        (corpus / 'onnx' / f'random-{seed}').write_bytes(Graph(seed).file()[0])


def texts(corpus):
    """Configurations of jobs/ and of the unit test, and the latter's set expressions."""
    for path in (TESTS.parent / 'jobs').rglob('*.ini'):
        shutil.copy(path, corpus / 'config' / path.name)
    literal = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
    for target, source in ('config', 'test_config.c'), ('sets', 'test_sets.c'):
        found = dict.fromkeys(literal.findall((UNIT / source).read_text()))
        for n, text in enumerate(text for text in found if re.search(r'[\[=(]', text)):
            (corpus / target / f'{n:03}').write_text(text.replace('\\n', '\n').replace('\\"', '"'))


def main(replay, corpus):
    corpus = pathlib.Path(corpus)
    shutil.rmtree(corpus, ignore_errors=True)
    for target in subprocess.run([replay, '--list'], check=True, capture_output=True, text=True).stdout.split():
        (corpus / target).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        generate(pathlib.Path(folder), os.path.abspath(replay))
        for target in SOURCES:
            collect(target, pathlib.Path(folder), corpus / target)
    pickles(corpus)
    keras(corpus)
    onnx(corpus)
    texts(corpus)
    for target in sorted(corpus.iterdir()):
        if not any(target.iterdir()):
            sys.exit(f'make_corpus.py: nothing to start from for {target.name}')


if __name__ == '__main__':
    main(*sys.argv[1:])
