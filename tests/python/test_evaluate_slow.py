"""Gains of all layers and links of the demo, against those of an independent implementation on the same images."""

import json
import os
import unittest

import h5py
import numpy

from evaluations import Case

with open(os.path.join(os.environ["TEST_DATA"], "evaluation_curves.json"), encoding="utf-8") as REFERENCE_FILE:
    REFERENCE = json.load(REFERENCE_FILE)


def gain_at(group, fractions):
    """[images] gain of p by the trapezoids of these fractions alone, which are among those of the curves."""
    have = group["fraction"][:]
    at = [int(numpy.argmin(abs(have - f))) for f in fractions]
    assert numpy.allclose(have[at], fractions, rtol=0, atol=1e-12)
    curves = [group[name][:, at, 0].astype("float64") for name in ("curve_lerf", "curve_morf")]
    return numpy.trapz(curves[0] - curves[1], fractions, axis=1)


class Gains(Case):
    """Allowed: 1e-3 for a mean over the images; standard errors are 0.002 to 0.09."""

    def compare(self, test, want, orders, *words, given="input"):
        path, _ = self.evaluate(f"{test}_{given}.h5", "--images", f"0:{want['images']}", "--tests", test, "--layers",
                                ",".join(want["layers"]), *words, settings={"measure.given": given}, ranks=2)
        with h5py.File(path) as file:
            for order, name in orders.items():
                got = numpy.array([gain_at(file[f"evaluation/{test}/{layer}/{order}"], want["fractions"]).mean()
                                   for layer in want["layers"]])
                mean = numpy.array(want["gain"][name])
                print(f"{test}, {name}: {got.mean():.4f}, reference {mean.mean():.4f}; "
                      f"a layer at most {abs(got - mean).max():.5f} away")
                self.assert_close(got, mean, 1e-3, f"{test} {order}")

    def test_channels_of_128_images(self):
        self.compare("channels", REFERENCE["channels"],
                     {"relevance": "epsilon_gamma_box/input", "relevance_none": "epsilon_gamma_box", "gradient": "zero",
                      "activation": "activation"}, "--orders", "gradient,activation")

    def test_edges_of_64_images(self):
        self.compare("flows", REFERENCE["edges"],
                     {"relevance": "epsilon_gamma_box/input", "relevance_none": "epsilon_gamma_box", "gradient": "zero",
                      "product": "product epsilon_gamma_box/input", "weight": "weight x activation"},
                     "--orders", "gradient,product,weight")

    def test_products_of_64_images_without_a_condition(self):
        self.compare("flows", REFERENCE["edges"],
                     {"relevance": "epsilon_gamma_box", "product": "product epsilon_gamma_box"}, "--orders", "product",
                     given="none")


if __name__ == "__main__":
    unittest.main()
