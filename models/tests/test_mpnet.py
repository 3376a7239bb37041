"""The graph of a small random MPNet against the same MPNet in NumPy, and how an archive and an adapter become it."""

import hashlib
import io
import math
import tempfile
import unittest
import zipfile
from pathlib import Path

import context
import numpy as np
import onnx
from safetensors.numpy import save, save_file
from undertone_models import mpnet
from undertone_models.errors import ModelError

LAYERS, HEADS, WIDTH, WORDS, POSITIONS, BUCKETS, LABELS, RANK = 2, 2, 128, 40, 22, 32, 3, 4
# float32 against float64.
CLOSE = 2e-5
TEXTS = np.array([[0, 7, 8, 9, 30, 2], [0, 5, 2, 1, 1, 1]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])

Arrays = dict[str, np.ndarray]


def random_checkpoint(seed: int = 1) -> Arrays:
    """Tensors as a checkpoint has them, and a last layer."""
    chance = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (WORDS, WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "encoder.relative_attention_bias.weight": (BUCKETS, HEADS),
        "classifier.weight": (LABELS, WIDTH),
        "classifier.bias": (LABELS,),
    }
    norms = ["embeddings"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention", f"{name}.output"]
        wide = {"intermediate.dense": (4 * WIDTH, WIDTH), "output.dense": (WIDTH, 4 * WIDTH)}
        for part, shape in ({f"attention.attn.{part}": (WIDTH, WIDTH) for part in "qkvo"} | wide).items():
            shapes[f"{name}.{part}.weight"], shapes[f"{name}.{part}.bias"] = shape, shape[:1]
    for name in norms:
        shapes[f"{name}.LayerNorm.weight"] = shapes[f"{name}.LayerNorm.bias"] = (WIDTH,)
    return {name: chance.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}


def reference(tensors: Arrays, ids: np.ndarray) -> np.ndarray:
    """Logits of one text in float64, [labels]."""
    weights = {name: values.astype(np.float64) for name, values in tensors.items()}

    def linear(value, name):
        return value @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(value, name):
        centred = value - value.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    def by_head(value):
        return value.reshape(len(ids), HEADS, WIDTH // HEADS).transpose(1, 0, 2)

    places = np.arange(len(ids))
    # Distances below 8 have a bucket each, those to tokens behind the second half of the buckets.
    away = places[None, :] - places[:, None]
    bucket = np.where(away > 0, away + BUCKETS // 2, -away)
    bias = weights["encoder.relative_attention_bias.weight"][bucket].transpose(2, 0, 1)
    states = weights["embeddings.word_embeddings.weight"][ids]
    states = norm(states + weights["embeddings.position_embeddings.weight"][places + 2], "embeddings")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, value = (by_head(linear(states, f"{name}.attention.attn.{part}")) for part in "qkv")
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS) + bias
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ value
        mixed = linear(mixed.transpose(1, 0, 2).reshape(len(ids), WIDTH), f"{name}.attention.attn.o")
        states = norm(states + mixed, f"{name}.attention")
        wide = linear(states, f"{name}.intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / np.sqrt(2)))
        states = norm(states + linear(wide, f"{name}.output.dense"), f"{name}.output")
    return linear(states.mean(0), "classifier")


def run(file: bytes, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return context.session(file).run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]


class Graph(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tensors = random_checkpoint()
        cls.model = mpnet.Model(cls.tensors, b"", b"")
        cls.file = mpnet.classifier(cls.model, False)

    def test_it_is_valid_and_gives_what_the_reference_gives(self):
        onnx.checker.check_model(onnx.load_from_string(self.file))
        given = run(self.file, TEXTS, MASK)
        for row, (ids, mask) in enumerate(zip(TEXTS, MASK, strict=True)):
            np.testing.assert_allclose(given[row], reference(self.tensors, ids[mask == 1]), atol=CLOSE, rtol=CLOSE)

    def test_it_takes_as_many_tokens_as_it_has_positions(self):
        longest = np.full((1, POSITIONS - 2), 3)
        self.assertEqual(run(self.file, longest, np.ones_like(longest)).shape, (1, LABELS))
        longer = np.full((1, POSITIONS - 1), 3)
        with self.assertRaisesRegex(Exception, "indices|out of"):
            run(self.file, longer, np.ones_like(longer))

    def test_int8_is_smaller_and_nearly_the_same(self):
        small = mpnet.classifier(self.model, True)
        self.assertLess(len(small), len(self.file) / 3)
        one = np.ones_like(TEXTS[:1])
        np.testing.assert_allclose(run(small, TEXTS[:1], one), run(self.file, TEXTS[:1], one), atol=0.3)

    def test_a_tensor_that_is_missing_is_named(self):
        others = {name: values for name, values in self.tensors.items() if name != "classifier.bias"}
        with self.assertRaisesRegex(ModelError, "no classifier.bias"):
            mpnet.classifier(mpnet.Model(others, b"", b""), True)

    def test_far_tokens_share_a_bias(self):
        of_distances = {-200: 15, -128: 15, -8: 8, -1: 1, 0: 0, 1: 17, 7: 23, 8: 24, 200: 31}
        self.assertEqual(mpnet.buckets(np.array(list(of_distances)), 32).tolist(), list(of_distances.values()))


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.tensors = random_checkpoint()
        chance = np.random.default_rng(2)
        self.layer = "layer.1.output.dense"
        self.adapter = {
            f"{self.layer}.up": chance.integers(-32767, 32767, (WIDTH, RANK)).astype(np.int16),
            f"{self.layer}.down": chance.integers(-32767, 32767, (RANK, 4 * WIDTH)).astype(np.int16),
            f"{self.layer}.exponent": np.array(-36, np.int16),
            "classifier.weight": chance.normal(size=(2, WIDTH)).astype(np.float32),
            "classifier.bias": chance.normal(size=2).astype(np.float32),
        }

    def load(self) -> mpnet.Model:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
            members.writestr("checkpoint/tokenizer.json", "{}")
            members.writestr("checkpoint/model.safetensors", save(self.tensors))
        half = len(archive.getvalue()) // 2
        parts = [self.folder / "zip.001", self.folder / "zip.002"]
        for path, data in zip(parts, [archive.getvalue()[:half], archive.getvalue()[half:]], strict=True):
            path.write_bytes(data)
        save_file(self.adapter, self.folder / "adapter.safetensors")
        (self.folder / "config.json").write_text('{"temperature": 1.5}')
        return mpnet.load(parts, self.folder / "adapter.safetensors", self.folder / "config.json")

    def test_the_addition_is_added_and_the_rest_is_the_checkpoint(self):
        model = self.load()
        name = f"encoder.{self.layer}.weight"
        up, down = (self.adapter[f"{self.layer}.{part}"].astype(np.float64) for part in ("up", "down"))
        np.testing.assert_allclose(model.get(name), self.tensors[name] + up @ down * 2.0**-36, rtol=1e-6, atol=1e-7)
        for other in self.tensors.keys() - {name, "classifier.weight", "classifier.bias"}:
            np.testing.assert_array_equal(model.get(other), self.tensors[other])
        self.assertEqual(model.get("classifier.bias").tolist(), self.adapter["classifier.bias"].tolist())

    def test_every_file_is_written(self):
        model = self.load()
        for name in mpnet.FILES:
            mpnet.write(self.folder / name, model)
        self.assertEqual((self.folder / "config.json").read_text(), '{"temperature": 1.5}')
        given = run((self.folder / "model.onnx").read_bytes(), TEXTS, MASK)
        self.assertEqual(given.shape, (2, 2))
        with self.assertRaisesRegex(ModelError, "no file other.onnx"):
            mpnet.write(self.folder / "other.onnx", model)

    def test_the_bytes_do_not_depend_on_the_run(self):
        digests = {hashlib.sha256(mpnet.classifier(self.load(), True)).hexdigest() for _ in range(2)}
        self.assertEqual(len(digests), 1)

    def test_an_adapter_of_another_checkpoint_is_refused(self):
        self.adapter = {name.replace("layer.1", "layer.7"): values for name, values in self.adapter.items()}
        with self.assertRaisesRegex(ModelError, "encoder.layer.7.output.dense.weight.*do not belong together"):
            self.load()

    def test_what_is_no_archive_is_refused(self):
        (self.folder / "zip.001").write_bytes(b"no archive")
        with self.assertRaisesRegex(ModelError, "zip.001: no archive of a checkpoint"):
            mpnet.load([self.folder / "zip.001"], self.folder / "a", self.folder / "b")


if __name__ == "__main__":
    unittest.main()
