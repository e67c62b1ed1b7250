"""`nrmflow export virelay`: exactly the names, types and shapes that ViRelAy's reader wants, row for row those of the store."""

import json
import os
import re
import unittest

import h5py
import numpy

from support import DEMO, JOBS, STATUS, RunCase, demo_labels, demo_pixels, nrmflow

COUNT, CLASSES = 240, 10
LABELS = os.path.join(JOBS, "demo", "t10k-labels-idx1-ubyte.gz")
SETTINGS = {"data.images": f"0:{COUNT}", "data.labels": LABELS, "store.per_image": "input, conv5_3, conv4_1",
            "measure.flows": "none"}
CLUSTERINGS = [f"kmeans-{k:02}" for k in range(2, 9)]


def export(store, folder, *options, ranks=None):
    return nrmflow("export", "virelay", store, "--config", DEMO, "--set", f"data.labels={LABELS}", "-o", folder, *options,
                   ranks=ranks)


class ViRelAy(RunCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = cls.run_store("store.h5", SETTINGS)
        done = export(cls.store, cls.path("out"), "--json", ranks=2)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.said = json.loads(done.stdout)

    def open(self, name, folder="out"):
        file = h5py.File(self.path(folder, name))
        self.addCleanup(file.close)
        return file

    def layout(self, group):
        """{path: (type, shape)} of all datasets."""
        found = {}
        group.visititems(lambda name, item: found.__setitem__(name, (item.dtype.str, item.shape))
                         if isinstance(item, h5py.Dataset) else None)
        return found

    def test_files(self):
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["analysis-conv5_3.h5", "attribution.h5", "input.h5",
                                                                "label-map.json", "project.yaml"])
        self.assertEqual((self.said["images"], self.said["images_with_relevance"]), (COUNT, COUNT))
        self.assertEqual([analysis["layer"] for analysis in self.said["analyses"]], ["conv5_3"])

    def test_dataset(self):
        file = self.open("input.h5")
        self.assertEqual(self.layout(file), {"data": ("|u1", (COUNT, 3, 32, 32)), "label": ("<u2", (COUNT,))})
        self.assertTrue(numpy.array_equal(file["label"], demo_labels()[:COUNT]))
        pixels = numpy.pad(demo_pixels()[:COUNT], ((0, 0), (2, 2), (2, 2)))
        for colour in range(3):
            self.assertTrue(numpy.array_equal(file["data"][:, colour], pixels))

    def test_attributions(self):
        file = self.open("attribution.h5")
        self.assertEqual(self.layout(file), {"attribution": ("<f4", (COUNT, 3, 32, 32)), "label": ("<u2", (COUNT,)),
                                             "prediction": ("<f4", (COUNT, CLASSES))})
        with h5py.File(self.store) as store:
            sums = file["attribution"][()].sum((1, 2, 3), dtype="float64")
            self.assert_close(sums, store["images/mass"][:, 0], 1e-5)
            self.assert_close(sums, store["layers/input/relevance"][:, 0], 1e-5)
            prediction = file["prediction"][()]
            self.assertTrue(numpy.array_equal(prediction.argmax(1), store["images/predicted"]))
            logit = prediction[numpy.arange(COUNT), store["images/target"]]
            self.assert_close(logit, store["images/logit"], 1e-5 * numpy.abs(logit).max())
            self.assertTrue(numpy.array_equal(file["label"], store["images/label"]))
        self.assertTrue(numpy.isfinite(file["attribution"][()]).all() and numpy.isfinite(prediction).all())

    def test_attributions_are_the_maps_of_the_input(self):
        done = nrmflow("map", DEMO, "input", "--images", "3:7", "-o", self.path("maps"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.path("maps", "maps.h5")) as maps:
            want = maps["queries/map/map"][:, 0]
        got = self.open("attribution.h5")["attribution"][3:7]
        self.assert_close(3 * got[:, 1], want, 1e-6 * numpy.abs(want).max())

    def test_ranks_change_nothing_and_images_are_the_store_s(self):
        done = export(self.store, self.path("alone"), "--set", "data.images=0:3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        for name in ("input.h5", "attribution.h5", "analysis-conv5_3.h5"):
            mine, other = self.open(name), self.open(name, "alone")
            self.assertEqual(self.layout(mine), self.layout(other))
            for path in self.layout(mine):
                self.assertEqual(mine[path][()].tobytes(), other[path][()].tobytes(), path)

    def test_analysis(self):
        file = self.open("analysis-conv5_3.h5")
        target = h5py.File(self.store)["images/target"][()]
        large = [k for k in range(CLASSES) if numpy.count_nonzero(target == k) >= 16]
        self.assertEqual(list(file), [f"class{k:05}" for k in large])
        self.assertEqual(self.said["analyses"][0]["classes"], len(large))
        self.assertEqual(self.said["analyses"][0]["classes_left_out"], CLASSES - len(large))
        for k in large:
            category, n = file[f"class{k:05}"], numpy.count_nonzero(target == k)
            self.assertEqual(self.layout(category), {
                "index": ("<u4", (n,)), "embedding/pca": ("<f4", (n, 8)), "embedding/spectral": ("<f4", (n, 8)),
                **{f"cluster/{name}": ("<i4", (n,)) for name in CLUSTERINGS}})
            self.assertEqual(category["index"][()].tolist(), numpy.flatnonzero(target == k).tolist())
            for embedding in category["embedding"].values():
                self.assertTrue(numpy.isfinite(embedding[()]).all())
                eigenvalue = embedding.attrs["eigenvalue"]
                self.assertEqual((eigenvalue.dtype.str, eigenvalue.shape), ("<f4", (8,)))
                self.assertTrue(numpy.isfinite(eigenvalue).all())

    def shares(self, layer, index):
        with h5py.File(self.store) as store:
            x = store[f"layers/{layer}/relevance"][()][index].astype("float64")
        return x / numpy.abs(x).sum(1, keepdims=True)

    def test_principal_components_are_those_of_numpy(self):
        for category in self.open("analysis-conv5_3.h5").values():
            x = self.shares("conv5_3", category["index"][()])
            x = x - x.mean(0)
            u, s, _ = numpy.linalg.svd(x, full_matrices=False)
            got = category["embedding/pca"]
            self.assert_close(got.attrs["eigenvalue"], s[:8] ** 2 / (len(x) - 1), 1e-5 * s[0] ** 2 / (len(x) - 1))
            for c in range(3):  # later ones may be close to each other
                want = u[:, c] * s[c]
                want *= numpy.sign(want[numpy.abs(want).argmax()])
                self.assert_close(got[:, c], want, 1e-4 * s[0])

    def test_spectral_embedding_is_that_of_the_graph_of_neighbours(self):
        for category in self.open("analysis-conv5_3.h5").values():
            x = self.shares("conv5_3", category["index"][()])
            square = ((x[:, None] - x[None]) ** 2).sum(2)
            numpy.fill_diagonal(square, numpy.inf)
            joined = numpy.zeros(square.shape)
            for i, row in enumerate(numpy.argsort(square, 1, kind="stable")[:, :10]):
                joined[i, row] = 1
            joined = (joined + joined.T) / 2
            degree = joined.sum(0)
            laplacian = numpy.eye(len(x)) - joined / numpy.sqrt(degree[:, None] * degree)
            values, vectors = numpy.linalg.eigh(laplacian)
            got = category["embedding/spectral"]
            self.assert_close(got.attrs["eigenvalue"], numpy.maximum(values[:8], 0), 1e-5)
            self.assert_close(numpy.linalg.norm(got, axis=1), numpy.ones(len(x)), 1e-5)
            want = vectors[:, :8] / numpy.linalg.norm(vectors[:, :8], axis=1, keepdims=True)
            if values[8] - values[7] > 1e-3:  # the same space, whatever its basis
                self.assert_close(got[()] @ got[()].T, want @ want.T, 1e-3)

    def test_clusters(self):
        for category in self.open("analysis-conv5_3.h5").values():
            x = category["embedding/spectral"][()].astype("float64")
            spread = [((x - x.mean(0)) ** 2).sum()]
            for k, name in enumerate(CLUSTERINGS, 2):
                cluster = category["cluster"][name]
                self.assertEqual((cluster.attrs["embedding"].decode(), cluster.attrs["k"]), ("spectral", k))
                numbers = cluster[()]
                sizes = numpy.bincount(numbers, minlength=k)
                self.assertEqual(len(sizes), k)
                self.assertTrue((numpy.diff(sizes) <= 0).all(), sizes)
                centres = numpy.array([x[numbers == c].mean(0) for c in range(k) if sizes[c]])
                square = ((x[:, None] - centres[None]) ** 2).sum(2)
                self.assertTrue((square[numpy.arange(len(x)), numbers] <= square.min(1) + 1e-9).all())
                spread.append(square.min(1).sum())
            self.assertTrue((numpy.diff(spread) <= 1e-9).all(), spread)

    def test_label_map(self):
        with open(self.path("out", "label-map.json"), encoding="utf-8") as file:
            entries = json.load(file)
        self.assertEqual(entries[9], {"index": 9, "word_net_id": "class00009", "name": "Ankle boot"})
        self.assertEqual([entry["index"] for entry in entries], list(range(CLASSES + 1)))
        self.assertEqual(len({entry["word_net_id"] for entry in entries}), CLASSES + 1)

    def test_project(self):
        with open(self.path("out", "project.yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(re.sub('name: ".*t10k-images', 'name: "t10k-images', text), """project:
  name: "store"
  model: "vgg16"
  label_map: label-map.json
  dataset:
    name: "t10k-images-idx3-ubyte.gz"
    type: hdf5
    path: input.h5
  attributions:
    attribution_method: "NRM epsilon_gamma_box"
    attribution_strategy: "predicted_label"
    sources:
    - attribution.h5
  analyses:
  - analysis_method: "channel relevance of conv5_3"
    sources:
    - analysis-conv5_3.h5
""")

    def refused(self, reason, *arguments, status=1):
        done = nrmflow("export", *arguments)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(reason, done.stderr)

    def test_several_layers(self):
        done = export(self.store, self.path("layers"), "--layer", "conv4_1", "--layer", "conv5_3")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = sorted(name for name in os.listdir(self.path("layers")) if name.startswith("analysis"))
        self.assertEqual(names, ["analysis-conv4_1.h5", "analysis-conv5_3.h5"])

    def write_images(self):
        """An IDX file of the same images in another order, without labels beside it."""
        pixels = demo_pixels()[:COUNT]
        with open(self.path("images-idx3-ubyte"), "wb") as file:
            file.write(numpy.array([0x803, *pixels.shape], ">i4").tobytes() + pixels[::-1].tobytes())
        return file.name

    def test_images_without_labels_have_a_class_of_their_own(self):
        path = self.write_images()
        store = self.run_store("unlabelled.h5", {"data.path": path, "data.labels": "", "measure.flows": "none"})
        done = nrmflow("export", "virelay", store, "--config", DEMO, "--set", f"data.path={path}", "--set", "data.labels=",
                       "-o", self.path("unlabelled"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(self.open("input.h5", "unlabelled")["label"][()]), {CLASSES})
        with open(self.path("unlabelled", "label-map.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)[-1], {"index": CLASSES, "word_net_id": "unlabelled", "name": "no label"})

    def test_what_is_refused(self):
        new, rest = self.path("new"), ("--config", DEMO, "--set", f"data.labels={LABELS}")
        self.refused('there is no export to "virely"', "virely", self.store, "-o", new, status=2)
        self.refused("--output", "virelay", self.store, status=2)
        self.refused("--config CONFIG", "virelay", self.store, "-o", new, status=2)
        self.refused("run again with store.per_image = conv3_1", "virelay", self.store, *rest, "-o", new, "--layer", "conv3_1")
        self.refused("is not empty", "virelay", self.store, *rest, "-o", self.path("out"))
        self.refused('measure.composite is "zplus" here, but "epsilon_gamma_box" in the store', "virelay",
                     self.store, *rest, "--set", "measure.composite=zplus", "-o", new)
        self.refused("was made with another dataset", "virelay", self.store, "--config", DEMO, "--set",
                     f"data.path={self.write_images()}", "--set", "data.labels=", "-o", new)
        self.refused("has one channel", "virelay", self.store, *rest, "-o", new, "--layer", "input")
        self.assertFalse(os.path.exists(new))

    def test_classes_with_few_images(self):
        store = self.run_store("small.h5", {"data.images": "0:20", "store.per_image": "conv5_3", "measure.flows": "none"})
        done = nrmflow("export", "virelay", store, "--config", DEMO, "-o", self.path("small"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no class has 16 images or more", done.stderr)

    def test_a_store_without_rows(self):
        store = self.run_store("few.h5", {"data.images": "0:20", "measure.flows": "none", "store.per_image": "none"})
        done = nrmflow("export", "virelay", store, "--config", DEMO, "-o", self.path("few"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("run again with store.per_image = conv5_3", done.stderr)
        self.assertFalse(os.path.exists(self.path("few")))


class Excluded(RunCase):
    """Images that exploded stay rows, black and without relevance, and are in no analysis."""

    def test_rows_stay_in_their_places(self):
        settings = {"data.images": "0:200", "store.per_image": "conv5_3", "measure.flows": "none"}
        with h5py.File(self.run_store("all.h5", settings)) as store:
            limit = float(numpy.quantile(store["images/variation"][()].max(1), 0.9))
        store = self.run_store("some.h5", {**settings, "run.variation_limit": repr(limit)})
        done = nrmflow("export", "virelay", store, "--config", DEMO, "--set", f"run.variation_limit={limit!r}", "-o",
                       self.path("out"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("20 have no relevance", done.stdout)
        with h5py.File(store) as file:
            ok = file["images/status"][()] == STATUS["ok"]
        with h5py.File(self.path("out", "attribution.h5")) as file:
            attribution = file["attribution"][()]
            self.assertTrue(numpy.array_equal(file["label"], demo_labels()[:200]))
        self.assertEqual(attribution.any((1, 2, 3)).tolist(), ok.tolist())
        with h5py.File(self.path("out", "input.h5")) as file:
            self.assertEqual(file["data"][()].any((1, 2, 3)).tolist(), ok.tolist())
        with h5py.File(self.path("out", "analysis-conv5_3.h5")) as file:
            index = numpy.concatenate([category["index"][()] for category in file.values()])
        self.assertTrue(ok[index].all())


if __name__ == "__main__":
    unittest.main()
