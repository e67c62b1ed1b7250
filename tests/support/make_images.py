"""Make image files and what PIL and torchvision make of them: make_images.py {images,truncated,resize,preprocess} FOLDER

images      cases.txt: file, status, width, height a line; beside each file FILE.rgb and FILE.l, PIL's pixels as raw bytes
truncated   cases.txt: file, then the lengths at which PIL still decodes the beginning of the file
resize      cases.bin: records of uint32 (channels, width, height, new width, new height, bicubic or not), pixels in, pixels
            out
preprocess  cases.bin: records of uint32 (channels, width, height, resize, crop, pad, new width, new height), float32
            mean and std (channels each), pixels in, float32 out

torchvision is used where it is installed; else its transforms are written out below, with PIL and torch.
"""
import io
import struct
import sys
import warnings
import zlib

import numpy as np
import torch
from PIL import Image

try:
    from torchvision import transforms
except ImportError:
    transforms = None

random = np.random.RandomState(20240607)


def picture(height, width, channels):
    """Smooth shapes with noise: like a photograph for a compressor, and every value matters."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 100 * np.sin(x / (5 + 2 * c) + c) * np.cos(y / (7 - c)) + random.normal(0, 12, (height, width))
              for c in range(channels)]
    pixels = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def encoded(pixels, kind, mode=None, **options):
    file = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels, mode)
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def png(width, height, depth, colour, rows, extra=b'', interlace=0):
    """A PNG file of packed rows without filters, for kinds that PIL does not write."""
    data = b''.join(b'\0' + row for row in rows)
    header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, interlace)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + extra + chunk(b'IDAT', zlib.compress(data)) +
            chunk(b'IEND', b''))


def png_of(samples, depth, colour, extra=b''):
    """samples (height, width, n), below 2^depth."""
    height, width, n = samples.shape
    if depth == 16:
        rows = [row.astype('>u2').tobytes() for row in samples]
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth:].reshape(height, -1)
        rows = [np.packbits(row).tobytes() for row in bits]
    return png(width, height, depth, colour, rows, extra)


def interlaced(pixels, colour):
    """Adam7: seven small images one after the other."""
    height, width = pixels.shape[:2]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = []
    for y, x, dy, dx in passes:
        part = pixels[y::dy, x::dx]
        if part.size:
            rows += [row.tobytes() for row in part]
    return png(width, height, 8, colour, rows, interlace=1)


def exif_rotated(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels, 'JPEG', exif=exif.tobytes())


def without_adobe_marker(data):
    """The same JPEG file with the segment APP14 cut out."""
    at = data.index(b'\xff\xee')
    return data[:at] + data[at + 2 + struct.unpack('>H', data[at + 2:at + 4])[0]:]


def many_scans(data):
    """A progressive file whose first scan comes 600 times."""
    at = data.index(b'\xff\xda')
    end = at + 2
    while data[end] != 0xff or data[end + 1] == 0:
        end += 1
    return data[:at] + data[at:end] * 600 + data[end:]


def png_files():
    colour, grey = picture(61, 47, 3), picture(40, 33, 1)
    levels = random.randint(0, 65536, (23, 31, 1))
    levels[::2] %= 300
    palette = random.randint(0, 256, (256, 3)).astype(np.uint8)
    indexed = Image.fromarray(picture(30, 41, 1), 'P')
    indexed.putpalette(palette.tobytes())
    half = chunk(b'PLTE', palette[:5].tobytes())
    yield 'colour.png', encoded(colour, 'PNG')
    yield 'grey.png', encoded(grey, 'PNG')
    yield 'palette.png', encoded(indexed, 'PNG')
    yield 'palette_one_transparent.png', encoded(indexed, 'PNG', transparency=7)
    yield 'palette_alpha.png', encoded(indexed, 'PNG', transparency=bytes(range(255, -1, -1)))
    for depth in 1, 2, 4:
        samples = random.randint(0, 1 << depth, (9, 13, 1))
        yield f'grey_{depth}_bit.png', png_of(samples, depth, 0)
        yield f'palette_{depth}_bit.png', png_of(samples, depth, 3, chunk(b'PLTE', palette[:1 << depth].tobytes()))
    yield 'palette_short.png', png_of(random.randint(0, 256, (9, 13, 1)), 8, 3, half)
    yield 'grey_transparent.png', png_of(random.randint(0, 256, (9, 13, 1)), 8, 0, chunk(b'tRNS', b'\0\7'))
    yield 'grey_16_bit.png', png_of(levels, 16, 0)
    yield 'colour_16_bit.png', png_of(random.randint(0, 65536, (17, 19, 3)), 16, 2)
    yield 'grey_alpha.png', encoded(picture(20, 21, 2), 'PNG', 'LA')
    yield 'grey_alpha_16_bit.png', png_of(random.randint(0, 65536, (17, 19, 2)), 16, 4)
    yield 'alpha.png', encoded(picture(20, 21, 4), 'PNG', 'RGBA')
    yield 'alpha_16_bit.png', png_of(random.randint(0, 65536, (17, 19, 4)), 16, 6)
    yield 'gamma.png', png_of(colour.astype(int), 8, 2, chunk(b'gAMA', struct.pack('>I', 100000)))
    yield 'interlaced.png', interlaced(colour, 2)
    yield 'interlaced_grey.png', interlaced(grey, 0)
    yield 'interlaced_tiny.png', interlaced(colour[:2, :1], 2)
    frames = [Image.fromarray(picture(20, 30, 3)) for _ in range(3)]
    yield 'animated.png', encoded(frames[0], 'PNG', save_all=True, append_images=frames[1:])
    yield 'tall.png', encoded(picture(997, 3, 3), 'PNG')
    yield 'wide.png', encoded(picture(2, 1511, 3), 'PNG')
    yield '1x1.png', encoded(picture(1, 1, 3), 'PNG')
    yield '3x2.png', encoded(picture(2, 3, 1), 'PNG')
    yield 'png_named.jpg', encoded(colour, 'PNG')


def jpeg_files():
    colour = picture(83, 101, 3)
    cmyk = encoded(picture(37, 45, 4), 'JPEG', 'CMYK', quality=90)
    yield 'colour.jpg', encoded(colour, 'JPEG')
    yield 'colour_444.jpg', encoded(colour, 'JPEG', subsampling=0, quality=95)
    yield 'colour_422.jpg', encoded(colour, 'JPEG', subsampling=1, quality=30)
    yield 'grey.jpg', encoded(picture(50, 39, 1), 'JPEG')
    yield 'progressive.jpg', encoded(colour, 'JPEG', progressive=True)
    yield 'progressive_grey.jpg', encoded(picture(50, 39, 1), 'JPEG', progressive=True)
    yield 'exif_rotated.jpg', exif_rotated(colour)
    yield 'cmyk.jpg', cmyk
    yield 'cmyk_no_adobe.jpg', without_adobe_marker(cmyk)
    at = cmyk.index(b'Adobe') + 11
    yield 'ycck.jpg', cmyk[:at] + b'\2' + cmyk[at + 1:]
    rgb = encoded(colour, 'JPEG', subsampling=0)
    at = rgb.index(b'\xff\xe0')
    jfif = struct.unpack('>H', rgb[at + 2:at + 4])[0]
    adobe = b'\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0'
    yield 'rgb_not_ycbcr.jpg', rgb[:at] + adobe + rgb[at + 2 + jfif:]
    yield 'tall.jpg', encoded(picture(801, 5, 3), 'JPEG')
    yield 'wide.jpg', encoded(picture(3, 1203, 3), 'JPEG')
    yield '1x1.jpg', encoded(picture(1, 1, 3), 'JPEG')
    yield '3x2.jpg', encoded(picture(2, 3, 3), 'JPEG')
    yield 'jpeg_named.png', encoded(colour, 'JPEG')
    yield 'junk_behind.jpg', encoded(colour, 'JPEG') + b'junk' * 100
    noise = bytearray(encoded(random.randint(0, 256, (64, 64, 3)).astype(np.uint8), 'JPEG'))
    noise[len(noise) // 2] ^= 0x5a
    yield 'damage_inside.jpg', bytes(noise)


def webp_files():
    colour = picture(83, 101, 3)
    yield 'lossy.webp', encoded(colour, 'WEBP', quality=80)
    yield 'rough.webp', encoded(colour, 'WEBP', quality=5)
    yield 'lossless.webp', encoded(colour, 'WEBP', lossless=True)
    yield 'lossy_alpha.webp', encoded(picture(40, 33, 4), 'WEBP', 'RGBA', quality=60)
    yield 'lossless_alpha.webp', encoded(picture(40, 33, 4), 'WEBP', 'RGBA', lossless=True)
    yield 'exact_alpha.webp', encoded(picture(21, 20, 4), 'WEBP', 'RGBA', lossless=True, exact=True)
    yield 'tall.webp', encoded(picture(801, 5, 3), 'WEBP')
    yield 'wide.webp', encoded(picture(3, 1203, 3), 'WEBP')
    yield '1x1.webp', encoded(picture(1, 1, 3), 'WEBP')
    yield '3x2.webp', encoded(picture(2, 3, 3), 'WEBP', lossless=True)
    yield 'webp_named.jpg', encoded(colour, 'WEBP')


def refused_files():
    small = picture(5, 6, 3)
    for kind in 'PPM', 'BMP', 'TIFF', 'GIF':
        yield f'small.{kind.lower()}', 'unsupported', encoded(small, kind)
    yield 'pgm_named.jpg', 'unsupported', encoded(small[..., 0], 'PPM')
    yield 'empty.jpg', 'format', b''
    yield 'garbage.png', 'format', random.bytes(1000)
    yield 'text.jpg', 'format', b'this is not an image\n'
    yield 'magic_only.png', 'format', b'\x89PNG\r\n\x1a\n'
    yield 'magic_only.jpg', 'format', b'\xff\xd8\xff'
    yield 'zeros.jpg', 'format', b'\xff\xd8\xff' + bytes(500)
    frames = [Image.fromarray(picture(20, 30, 3)) for _ in range(2)]
    yield 'animated.webp', 'unsupported', encoded(frames[0], 'WEBP', save_all=True, append_images=frames[1:])
    webp = encoded(small, 'WEBP', lossless=True)
    yield 'damaged.webp', 'format', webp[:21] + b'\xff' * 8 + webp[29:]
    yield 'empty.webp', 'format', b'RIFF\x04\0\0\0WEBP'
    good = encoded(small, 'PNG')
    for width, height, status in (60000, 60000, 'limit'), (2000000, 1, 'limit'), (2**31 - 1, 2**31 - 1, 'limit'), \
            (2**32 - 1, 1, 'format'), (0, 5, 'format'), (13000, 13000, 'format'):
        header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
        yield f'claims_{width}x{height}.png', status, good[:8] + header + good[33:]
    yield 'wrong_checksum.png', 'format', good[:20] + b'\1' + good[21:]
    jpeg = bytearray(encoded(small, 'JPEG'))
    at = jpeg.index(b'\xff\xc0')
    jpeg[at + 5:at + 9] = struct.pack('>HH', 60000, 2900)
    yield 'claims_2900x60000.jpg', 'format', bytes(jpeg)
    jpeg[at + 5:at + 9] = struct.pack('>HH', 60000, 60000)
    yield 'claims_60000x60000.jpg', 'limit', bytes(jpeg)
    jpeg = bytearray(encoded(small, 'JPEG'))
    jpeg[at + 4] = 12
    yield 'many_scans.jpg', 'limit', many_scans(encoded(small, 'JPEG', progressive=True))
    yield '12_bit.jpg', 'unsupported', bytes(jpeg)


def make_images(folder):
    with open(f'{folder}/cases.txt', 'w') as cases:
        for name, data in [*png_files(), *jpeg_files(), *webp_files()]:
            with open(f'{folder}/{name}', 'wb') as file:
                file.write(data)
            for suffix, mode in ('rgb', 'RGB'), ('l', 'L'):
                with Image.open(f'{folder}/{name}') as image, open(f'{folder}/{name}.{suffix}', 'wb') as file:
                    file.write(image.convert(mode).tobytes())
                    cases.write('' if mode == 'L' else f'{name} ok {image.width} {image.height}\n')
        for name, status, data in refused_files():
            with open(f'{folder}/{name}', 'wb') as file:
                file.write(data)
            cases.write(f'{name} {status} 0 0\n')


def make_truncated(folder):
    colour = picture(23, 29, 3)
    files = {'a.png': encoded(colour, 'PNG'), 'a.jpg': encoded(colour, 'JPEG'),
             'b.jpg': encoded(colour, 'JPEG', progressive=True), 'b.png': interlaced(colour, 2),
             'a.webp': encoded(colour, 'WEBP'), 'b.webp': encoded(colour, 'WEBP', lossless=True)}
    with open(f'{folder}/cases.txt', 'w') as cases:
        for name, data in files.items():
            good = []
            for n in range(len(data) + 1):
                try:
                    Image.open(io.BytesIO(data[:n])).load()
                    good.append(n)
                except (OSError, SyntaxError, ValueError, struct.error):
                    pass
            with open(f'{folder}/{name}', 'wb') as file:
                file.write(data)
            cases.write(' '.join([name, str(len(good)), *map(str, good)]) + '\n')


def make_resize(folder):
    sizes = [(1, 1, 1, 1), (1, 1, 5, 7), (3, 2, 3, 9), (3, 2, 8, 2), (640, 480, 341, 256), (500, 375, 341, 256),
             (28, 28, 32, 32), (1000, 3, 17, 1), (3, 1000, 1, 17), (2, 2, 300, 200), (257, 129, 256, 128)]
    sizes += [tuple(random.randint(1, 200, 4)) for _ in range(120)]
    sizes = [(*size, cubic) for cubic in (0, 1) for size in sizes]
    with open(f'{folder}/cases.bin', 'wb') as cases:
        for i, (width, height, new_width, new_height, cubic) in enumerate(sizes):
            channels = 3 if i % 3 else 1
            shape = (height, width, 3) if channels == 3 else (height, width)
            pixels = random.randint(0, 256, shape) if i % 2 else random.choice([0, 255], shape)
            pixels = pixels.astype(np.uint8)
            resized = Image.fromarray(pixels).resize((new_width, new_height), Image.BICUBIC if cubic else Image.BILINEAR)
            cases.write(struct.pack('<6I', channels, width, height, new_width, new_height, cubic))
            cases.write(pixels.tobytes() + resized.tobytes())


def resize(image, size):
    short, long = sorted(image.size)
    scaled = int(size * long / short)
    shape = (size, scaled) if image.width <= image.height else (scaled, size)
    return image.resize(shape, Image.BILINEAR)


def pad(image, left, top, right, bottom):
    padded = Image.new(image.mode, (image.width + left + right, image.height + top + bottom))
    padded.paste(image, (left, top))
    return padded


def centre_crop(image, size):
    missing = [max(size - n, 0) for n in image.size]
    image = pad(image, missing[0] // 2, missing[1] // 2, (missing[0] + 1) // 2, (missing[1] + 1) // 2)
    left, top = (int(round((n - size) / 2.0)) for n in image.size)
    return image.crop((left, top, left + size, top + size))


def to_tensor(image, mean, std):
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).to(torch.float32).div(255)
    mean, std = (torch.as_tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (mean, std))
    return tensor.sub(mean).div(std)


def prepared(image, size, crop, border, mean, std):
    if transforms:
        steps = [transforms.Resize(size)] * (size > 0) + [transforms.CenterCrop(crop)] * (crop > 0) + \
            [transforms.Pad(border)] * (border > 0) + [transforms.ToTensor(), transforms.Normalize(mean, std)]
        return transforms.Compose(steps)(image)
    if size:
        image = resize(image, size)
    if crop:
        image = centre_crop(image, crop)
    return to_tensor(pad(image, border, border, border, border), mean, std)


def make_preprocess(folder):
    imagenet = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    fashion = (0.2860,), (0.3530,)
    # channels, width, height, resize, crop, pad
    cases = [(3, 500, 375, 256, 224, 0), (3, 375, 501, 256, 224, 0), (3, 256, 256, 256, 224, 0), (3, 3, 2, 256, 224, 0),
             (1, 28, 28, 0, 0, 2), (1, 28, 28, 32, 0, 0), (1, 257, 1, 0, 0, 0), (3, 100, 60, 0, 81, 0),
             (3, 60, 100, 0, 80, 0), (3, 31, 40, 0, 80, 0), (3, 33, 35, 0, 32, 1), (3, 1, 1, 7, 9, 3)]
    cases += [(3, *random.randint(20, 120, 2).tolist(), *random.randint(20, 90, 2).tolist(), 0) for _ in range(20)]
    with open(f'{folder}/cases.bin', 'wb') as file:
        for channels, width, height, size, crop, border in cases:
            shape = (height, width, 3) if channels == 3 else (height, width)
            pixels = np.resize(random.permutation(256), shape) if width == 257 else random.randint(0, 256, shape)
            image = Image.fromarray(pixels.astype(np.uint8))
            mean, std = imagenet if channels == 3 else fashion
            out = prepared(image, size, crop, border, mean, std).numpy()
            file.write(struct.pack('<8I', channels, width, height, size, crop, border, out.shape[2], out.shape[1]))
            file.write(np.float32([mean, std]).tobytes() + image.tobytes() + out.tobytes())


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    {'images': make_images, 'truncated': make_truncated, 'resize': make_resize,
     'preprocess': make_preprocess}[sys.argv[1]](sys.argv[2])
