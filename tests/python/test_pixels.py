"""What is done to pixels: keys that say what no weights file does, recorded in the store, said in the log; and the errors
where numbers cannot mean what they would be taken for."""

import os
import re
import unittest

import h5py
import numpy
import torch
from oracle import vgg_modules
from PIL import Image
from support import TINY, RunCase, Store, nrmflow, read_safetensors, run, same_bits, smooth_image, write_safetensors
from test_weights_formats import write_keras
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

COUNT, SIDE = 3, 32
TORCH = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
KERAS = ([123.68, 116.779, 103.939], [1, 1, 1])
LOGIT = 1e-5  # of the largest


def words(values):
    return ", ".join(f"{value:.9g}" for value in values)


class PixelsCase(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        torch.set_grad_enabled(False)
        generator = numpy.random.default_rng(3)
        cls.pixels = [smooth_image(generator, SIDE, SIDE) for _ in range(COUNT)]
        os.makedirs(cls.path("images"))
        for i, pixels in enumerate(cls.pixels):
            Image.fromarray(pixels).save(cls.path("images", f"{i}.png"))
        cls.tensors = read_safetensors(TINY)
        write_keras(cls.path("keras.h5"), cls.tensors)
        cls.turned = cls.path("turned.safetensors")  # the same network, trained on blue, green, red
        first = {"features.0.weight": numpy.ascontiguousarray(cls.tensors["features.0.weight"][:, ::-1])}
        write_safetensors(cls.turned, {**cls.tensors, **first})
        features, classifier = vgg_modules(TINY, [1, 1, 2, 2, 2])
        cls.network = torch.nn.Sequential(*features, torch.nn.Flatten(), *classifier)
        with open(cls.path("run.ini"), "w") as file:
            file.write("[measure]\nflows = none\ntarget = class:2\n[store]\nper_image = input\n")

    def want(self, scale, mean, std):
        """Logits of class 2 by PyTorch in double precision."""
        images = torch.tensor(numpy.array(self.pixels)).double().permute(0, 3, 1, 2) * scale / 255
        inputs = (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        return self.network(inputs)[:, 2].numpy()

    def settings(self, weights, **data):
        return {"data.path": self.path("images"), "model.weights": weights,
                **{f"data.{key}": value for key, value in data.items()}}

    def store(self, weights, **data):
        return Store(self.run_store(f"{self._testMethodName}{len(os.listdir(self.folder))}.h5",
                                    self.settings(weights, **data), config=self.path("run.ini")))

    def assert_logits(self, store, want):
        self.assert_close(store["images/logit"], want, LOGIT * numpy.abs(want).max())

    def assert_same_numbers(self, got, want):
        for name in want.names():
            self.assertTrue(same_bits(got[name], want[name]), name)


class Scale(PixelsCase):
    def test_defaults_written_out_give_the_bits_of_the_defaults(self):
        for weights, (mean, std) in ((TINY, TORCH), (self.path("keras.h5"), KERAS)):
            plain = self.store(weights)
            self.assert_same_numbers(self.store(weights, mean=words(mean), std=words(std)), plain)
            self.assert_same_numbers(self.store(weights, mean=words(mean)), plain)
            self.assert_same_numbers(self.store(weights, std=words(std)), plain)

    def test_mean_and_std_of_either_scale_are_taken_as_they_are_meant(self):
        large = [[255 * value for value in values] for values in TORCH]
        small = [[value / 255 for value in values] for values in KERAS]
        for weights in TINY, self.path("keras.h5"):
            for scale, (mean, std), want in ((1, TORCH, (1, *TORCH)), (255, large, (1, *TORCH)),
                                             (255, KERAS, (255, *KERAS)), (1, small, (255, *KERAS))):
                with self.subTest(weights=weights, scale=scale, mean=mean):
                    store = self.store(weights, scale=scale, mean=words(mean), std=words(std))
                    self.assert_logits(store, self.want(*want))

    def test_a_default_follows_the_scale(self):
        self.assert_logits(self.store(TINY, scale=255), self.want(1, *TORCH))
        self.assert_logits(self.store(self.path("keras.h5"), scale=1), self.want(255, *KERAS))

    def test_pixels_that_are_only_scaled(self):
        self.assert_logits(self.store(TINY, mean="0, 0, 0", std="1, 1, 1"), self.want(1, [0, 0, 0], [1, 1, 1]))
        self.assert_logits(self.store(TINY, scale=255, mean="127.5, 127.5, 127.5", std="127.5, 127.5, 127.5"),
                           self.want(2, [1, 1, 1], [1, 1, 1]))


class Order(PixelsCase):
    def test_a_network_that_was_trained_on_bgr(self):
        self.assert_same_numbers(self.store(self.turned, order="bgr"), self.store(TINY))
        self.assert_same_numbers(self.store(TINY, order="rgb"), self.store(TINY))

    def test_a_keras_file_that_was_trained_on_rgb(self):
        write_keras(self.path("rgb.h5"), read_safetensors(self.turned))
        self.assert_same_numbers(self.store(self.path("rgb.h5"), order="rgb"), self.store(self.path("keras.h5")))
        self.assert_same_numbers(self.store(self.path("keras.h5"), order="bgr"), self.store(self.path("keras.h5")))

    def test_the_order_changes_the_numbers(self):
        self.assertFalse(numpy.allclose(self.store(self.turned)["images/logit"], self.want(1, *TORCH)))


class Presets(PixelsCase):
    """Against torchvision's own transform, and against what timm and Keras do, written down here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        generator = numpy.random.default_rng(4)
        cls.images = [Image.fromarray(smooth_image(generator, *size)) for size in ((60, 45), (40, 75), (38, 38))]
        os.makedirs(cls.path("sizes"))
        for i, image in enumerate(cls.images):
            image.save(cls.path("sizes", f"{i}.png"))

    def logits(self, inputs):
        """Of class 2, for arrays [3][SIDE][SIDE] of red, green, blue."""
        return self.network(torch.tensor(numpy.array(inputs)).double())[:, 2].numpy()

    def preset(self, name, weights=TINY, **data):
        return self.store(weights, path=self.path("sizes"), preprocessing=name, **data)

    def cropped(self, resize, interpolation):
        """What is left of the images after resizing and cropping, [SIDE][SIDE][3]."""
        steps = transforms.Compose([transforms.Resize(resize, interpolation), transforms.CenterCrop(SIDE)])
        return [numpy.asarray(steps(image)).astype("f8") for image in self.images]

    def test_torchvision_is_its_own_transform(self):
        for name, resize in (("torchvision", 37), ("torchvision-v2", 33)):  # 256 and 232 of 224
            own = ImageClassification(crop_size=SIDE, resize_size=resize)
            self.assert_logits(self.preset(name), self.logits([own(image).numpy() for image in self.images]))

    def test_timm_resizes_bicubically(self):
        """timm.data.create_transform: Resize(floor(size / 0.875), bicubic), CenterCrop, ToTensor, Normalize."""
        for name, (mean, std) in (("timm", TORCH), ("timm-inception", ([0.5] * 3, [0.5] * 3))):
            inputs = [((x / 255 - mean) / std).transpose(2, 0, 1) for x in self.cropped(36, InterpolationMode.BICUBIC)]
            self.assert_logits(self.preset(name), self.logits(inputs))

    def test_keras_is_its_preprocess_input(self):
        """keras.applications.imagenet_utils, modes tf, torch and caffe, which turns to blue, green, red."""
        pixels = self.cropped(37, InterpolationMode.BILINEAR)
        for name, weights, of in (("keras-tf", TINY, lambda x: x / 127.5 - 1), ("keras-torch", TINY, lambda x: (x / 255 - TORCH[0]) / TORCH[1]),
                                  ("keras-caffe", self.turned, lambda x: (x[..., ::-1] - [103.939, 116.779, 123.68])[..., ::-1])):
            self.assert_logits(self.preset(name, weights), self.logits([of(x).transpose(2, 0, 1) for x in pixels]))

    def test_a_key_beside_it_wins(self):
        mean, std = TORCH
        inputs = [((x / 255 - [0.5] * 3) / std).transpose(2, 0, 1) for x in self.cropped(40, InterpolationMode.BILINEAR)]
        store = self.preset("timm-inception", resize=40, interpolation="bilinear", std=words(std))
        self.assert_logits(store, self.logits(inputs))
        self.assertEqual(store.attributes["", "pixel_preprocessing"], b"timm-inception")
        self.assertEqual(store.attributes["", "pixel_resampling"], b"bilinear, antialiased, as PIL")
        self.assert_logits(self.preset("keras-caffe", order="rgb", scale=1, mean=words(mean), std=words(std)),
                           self.logits([((x / 255 - mean) / std).transpose(2, 0, 1) for x in self.cropped(37, InterpolationMode.BILINEAR)]))


class Errors(PixelsCase):
    def check_fails(self, *patterns, weights=TINY, **data):
        done = run(self.path("never.h5"), self.settings(weights, **data), config=self.path("run.ini"))
        self.assertEqual(done.returncode, 1, done.stderr)
        messages = re.findall("^nrmflow: .*", done.stderr, re.MULTILINE)
        self.assertEqual(len(messages), 1, done.stderr)
        for pattern in patterns:
            self.assertRegex(messages[0], pattern)
        self.assertFalse(os.path.exists(self.path("never.h5")))

    def test_a_mean_of_0_to_255_where_pixels_go_to_1(self):
        self.check_fails(r"data\.mean: 123\.675 ", r"data\.scale = 255", mean="123.675, 116.28, 103.53")

    def test_a_std_of_0_to_255_where_pixels_go_to_1(self):
        self.check_fails(r"data\.std: 58\.395 ", r"data\.scale = 255", std="58.395, 57.12, 57.375")

    def test_a_mean_of_0_to_1_where_pixels_go_to_255(self):
        for weights, data in ((self.path("keras.h5"), {}), (TINY, {"scale": 255})):
            self.check_fails(r"data\.mean: 0\.485 ", r"data\.scale = 1", weights=weights, mean="0.485, 0.456, 0.406", **data)

    def test_a_std_of_0_to_1_where_pixels_go_to_255(self):
        self.check_fails(r"data\.std: 0\.229 ", r"data\.scale = 1", weights=self.path("keras.h5"), std="0.229, 0.224, 0.225")

    def test_a_mean_below_black(self):
        self.check_fails(r"data\.mean: -0\.5 ", mean="-0.5, 0.5, 0.5")

    def test_a_mean_from_blue_to_red(self):
        for weights, mean, data in ((TINY, "0.406, 0.456, 0.485", {}), (TINY, "104, 117, 123", {"scale": 255}),
                                    (self.path("keras.h5"), "103.939, 116.779, 123.68", {}),
                                    (self.turned, "103.53, 116.28, 123.675", {"scale": 255, "order": "bgr"})):
            self.check_fails(r"data\.mean", "in the order blue, green, red", "other way round", weights=weights, mean=mean,
                             **data)

    def test_a_mean_of_zero_where_the_scale_is_unknown(self):
        self.check_fails(r"data\.mean", r"data\.scale = 1 or data\.scale = 255", weights=self.path("keras.h5"),
                         mean="0, 0, 0", std="1, 1, 1")
        for scale in 1, 255:
            store = self.store(self.path("keras.h5"), scale=scale, mean="0, 0, 0", std="1, 1, 1")
            self.assert_logits(store, self.want(scale, [0, 0, 0], [1, 1, 1]))


class Record(PixelsCase):
    def test_the_store_says_what_was_done(self):
        store = self.store(self.path("keras.h5"), resize=40)
        want = {"preprocessing": b"keras-caffe", "scale": 255, "order": b"bgr", "mean": b"123.68, 116.779, 103.939", "std": b"1, 1, 1", "resize": 40,
                "resampling": b"bilinear, antialiased, as PIL", "crop": 32, "pad": 0}
        self.assertEqual({name: store.attributes["", f"pixel_{name}"] for name in want}, want)

    def test_the_merged_store_says_it_too(self):
        parts = []
        for i in 1, 2:
            parts.append(self.run_store(f"part{i}.h5", {**self.settings(TINY), "data.shard": f"{i}/2", "run.block": 1},
                                        config=self.path("run.ini")))
        done = nrmflow("merge", "--output", self.path("merged.h5"), *parts)
        self.assertEqual(done.returncode, 0, done.stderr)
        merged, whole = Store(self.path("merged.h5")), self.store(TINY)
        names = [name for (place, name) in whole.attributes if not place and name.startswith("pixel_")]
        self.assertEqual(len(names), 9)
        for name in names:
            self.assertEqual(merged.attributes["", name], whole.attributes["", name])

    def test_info_shows_it(self):
        path = self.run_store("shown.h5", self.settings(TINY), config=self.path("run.ini"))
        self.assertRegex(nrmflow("info", path).stdout, r"pixel_mean +0\.485, 0\.456, 0\.406\n")

    def test_the_run_says_it_in_one_line_at_its_start(self):
        for weights, want in ((TINY, r"pixels=0\.\.1 order=rgb mean_rgb=0\.485,0\.456,0\.406 std=0\.229,0\.224,0\.225"),
                              (self.path("keras.h5"), r"pixels=0\.\.255 order=bgr mean_rgb=123\.68,116\.779,103\.939 "
                                                      r"std=1,1,1")):
            done = run(self.path("said.h5"), self.settings(weights), config=self.path("run.ini"), options=["--restart"])
            self.assertEqual(len(re.findall(want + r" resize=32\(bilinear\) crop=32 pad=0\n", done.stderr)), 1, done.stderr)

    def test_a_key_that_an_older_store_does_not_know_has_its_default(self):
        path = self.run_store("older.h5", self.settings(TINY), config=self.path("run.ini"))
        with h5py.File(path, "r+") as file:
            text = file.attrs["config"]
            text = text.decode() if isinstance(text, bytes) else text
            older = text.replace("scale = auto\n", "").replace("order = auto\n", "")
            self.assertEqual(len(text) - len(older), 26)
            file.attrs["config"] = numpy.bytes_(older)
        same = run(path, self.settings(TINY), config=self.path("run.ini"))
        self.assertEqual(same.returncode, 0, same.stderr)
        other = run(path, self.settings(TINY, order="bgr"), config=self.path("run.ini"))
        self.assertIn('data.order is "bgr" here, but "auto" in the store', other.stderr)


del PixelsCase

if __name__ == "__main__":
    unittest.main()
