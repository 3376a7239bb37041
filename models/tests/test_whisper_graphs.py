"""The graphs of a small random Whisper against the same Whisper in NumPy."""

import unittest

import context
import numpy as np
import onnx
import whisper_reference as reference
from undertone_models import ctranslate2, whisper_graphs
from undertone_models.errors import ModelError
from undertone_models.whisper_tensors import Tensors

ALIGNMENT_HEADS = [(0, 1), (1, 0), (1, 1)]
FRAMES, TOKENS, OTHER_TOKENS = 17, [80, 3, 14, 15, 9, 2], [80, 81, 82, 83, 84, 3]
# float32 against float64.
CLOSE = 2e-5

Arrays = dict[str, np.ndarray]


class Session:
    """A file as ONNX Runtime reads it."""

    def __init__(self, file: bytes):
        self.session = context.session(file)
        self.shapes = {value.name: value.shape for value in [*self.session.get_inputs(), *self.session.get_outputs()]}

    def run(self, inputs: Arrays) -> Arrays:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, inputs), strict=True))


class Decoder(Session):
    """Steps of a decoder for one audio."""

    def __init__(self, file: bytes, cross: Arrays):
        super().__init__(file)
        self.cross = {f"cross_{name}": values for name, values in cross.items()}
        self.cross["log_counts"] = np.zeros(cross["key_0"].shape[-1], np.float32)

    def empty(self, batch: int) -> Arrays:
        """What a first step is given for caches."""
        nothing = np.zeros((batch, reference.HEADS, 0, 64), np.float32)
        return {name: nothing for name in self.shapes if name.startswith("past_")}

    def step(self, tokens: list[list[int]], caches: Arrays) -> tuple[Arrays, Arrays]:
        """What the step gives, and the caches for the next one."""
        given = self.run({"tokens": np.array(tokens), **self.cross, **caches})
        return given, {name.replace("present", "past"): given[name] for name in given if name.startswith("present_")}


class Small(unittest.TestCase):
    quantised = False

    @classmethod
    def setUpClass(cls):
        cls.variables = reference.random_variables()
        tensors = Tensors.of(ctranslate2.Model("WhisperSpec", 3, cls.variables))
        cls.files = {
            "encoder": whisper_graphs.encoder(tensors, cls.quantised),
            "cross": whisper_graphs.cross(tensors, cls.quantised),
            "decoder": whisper_graphs.decoder(tensors, cls.quantised, ALIGNMENT_HEADS),
        }
        cls.mel = np.random.default_rng(3).normal(0, 0.5, (80, 2 * FRAMES)).astype(np.float32)
        *cls.sums, cls.states = reference.encode(cls.variables, cls.mel)
        cls.encoder, cls.cross = Session(cls.files["encoder"]), Session(cls.files["cross"])
        cls.decoder = Decoder(cls.files["decoder"], cls.cross.run({"states": cls.states.astype(np.float32)}))


class Float(Small):
    def close(self, actual: np.ndarray, expected: np.ndarray) -> None:
        self.assertEqual(actual.dtype, np.float32)
        np.testing.assert_allclose(actual, expected, atol=CLOSE, rtol=CLOSE)

    def test_every_file_is_valid(self):
        for file in self.files.values():
            onnx.checker.check_model(onnx.load_from_string(file))

    def test_the_encoder(self):
        given = self.encoder.run({"mel": self.mel[None]})
        self.assertEqual(list(given), ["states", "layer_1", "layer_2"])
        self.close(given["states"][0], self.states)
        for layer, expected in enumerate(self.sums):
            self.close(given[f"layer_{layer + 1}"][0], expected)

    def test_the_encoder_takes_as_many_frames_as_it_has_positions_and_no_more(self):
        mel = np.zeros((1, 80, 2 * reference.AUDIO_CONTEXT), np.float32)
        self.close(self.encoder.run({"mel": mel})["states"][0], reference.encode(self.variables, mel[0])[-1])
        with self.assertRaisesRegex(Exception, "broadcast"):
            self.encoder.run({"mel": np.zeros((1, 80, mel.shape[2] + 2), np.float32)})

    def test_keys_and_values_of_cross_attention(self):
        given = self.cross.run({"states": self.states.astype(np.float32)})
        self.assertEqual(list(given), ["key_0", "value_0", "key_1", "value_1"])
        for layer in range(reference.LAYERS):
            path = f"decoder/layer_{layer}/attention"
            key, value = reference.keys_and_values(self.variables, path, self.states)
            self.close(given[f"key_{layer}"], key.transpose(0, 2, 1))
            self.close(given[f"value_{layer}"], value)

    def check(self, given: Arrays, texts: list[list[int]], new: slice) -> None:
        """Logits and alignment of the tokens `new` of each text, of which the caches had those before."""
        for row, tokens in enumerate(texts):
            logits, scores = reference.decode(self.variables, self.states, tokens)
            self.close(given["logits"][row], logits[new])
            length = len(logits[new])
            for place, (layer, head) in enumerate(ALIGNMENT_HEADS):
                actual = given["alignment"][place, row * length : (row + 1) * length]
                self.close(actual, scores[layer][head][new])

    def test_a_whole_text_at_once(self):
        given, caches = self.decoder.step([TOKENS], self.decoder.empty(1))
        self.check(given, [TOKENS], slice(None))
        self.assertEqual(caches["past_value_1"].shape, (1, reference.HEADS, len(TOKENS), 64))

    def test_a_token_a_step(self):
        caches = self.decoder.empty(1)
        for place, token in enumerate(TOKENS):
            given, caches = self.decoder.step([[token]], caches)
            self.check(given, [TOKENS[: place + 1]], slice(place, None))

    def test_several_tokens_after_others_do_not_see_those_that_follow(self):
        _, caches = self.decoder.step([TOKENS[:2]], self.decoder.empty(1))
        given, caches = self.decoder.step([TOKENS[2:5]], caches)
        self.check(given, [TOKENS[:5]], slice(2, None))
        given, _ = self.decoder.step([TOKENS[5:]], caches)
        self.check(given, [TOKENS], slice(5, None))

    def test_two_texts_of_one_audio(self):
        texts = [TOKENS, OTHER_TOKENS]
        given, caches = self.decoder.step([text[:3] for text in texts], self.decoder.empty(2))
        self.check(given, [text[:3] for text in texts], slice(None))
        given, caches = self.decoder.step([text[3:5] for text in texts], caches)
        self.check(given, [text[:5] for text in texts], slice(3, None))
        given, _ = self.decoder.step([text[5:] for text in texts], caches)
        self.check(given, texts, slice(5, None))

    def test_a_cache_can_go_on_in_two_texts(self):
        _, caches = self.decoder.step([TOKENS[:3]], self.decoder.empty(1))
        given, _ = self.decoder.step([[5], [6]], {name: np.repeat(past, 2, axis=0) for name, past in caches.items()})
        self.check(given, [[*TOKENS[:3], 5], [*TOKENS[:3], 6]], slice(3, None))

    def test_a_frame_can_stand_for_several(self):
        states = self.states.astype(np.float32)
        thrice = Decoder(self.files["decoder"], self.cross.run({"states": np.vstack([states, states[-1:], states[-1:]])}))
        counted = Decoder(self.files["decoder"], self.cross.run({"states": states}))
        counted.cross["log_counts"][-1] = np.log(3)
        expected, given = (decoder.step([TOKENS], decoder.empty(1))[0] for decoder in (thrice, counted))
        self.close(given["logits"], expected["logits"])
        # Before the counts are added.
        self.close(given["alignment"], expected["alignment"][..., :FRAMES])

    def test_the_text_takes_as_many_tokens_as_there_are_positions_and_no_more(self):
        last = reference.TEXT_CONTEXT - 1
        _, caches = self.decoder.step([[1] * last], self.decoder.empty(1))
        given, full = self.decoder.step([[2]], caches)
        self.check(given, [[1] * last + [2]], slice(last, None))
        # Without a check the graph would place both at the last position, and with a full cache end the process.
        for tokens, before in (([2, 3], caches), ([3], full)):
            with self.assertRaisesRegex(Exception, "out of data bounds"):
                self.decoder.step([tokens], before)

    def test_the_table_of_embeddings_is_there_once(self):
        table = self.variables["decoder/embeddings/weight"]
        constants = onnx.load_from_string(self.files["decoder"]).graph.initializer
        found = {constant.name: constant.raw_data for constant in constants if reference.VOCABULARY in constant.dims}
        self.assertEqual(found, {"decoder/embeddings/weight": table.tobytes()})


class Quantised(Small):
    quantised = True

    def near(self, actual: np.ndarray, expected: np.ndarray) -> None:
        """A few hundredths of what the values are spread over."""
        self.assertEqual(actual.dtype, np.float32)
        error = np.sqrt(np.mean((actual - expected) ** 2)) / np.std(expected)
        self.assertLess(error, 0.03)
        # It is quantised indeed.
        self.assertGreater(error, 1e-4)

    def test_it_has_the_inputs_and_outputs_of_the_float_one(self):
        tensors = Tensors.of(ctranslate2.Model("WhisperSpec", 3, self.variables))
        for session, make in ((self.encoder, whisper_graphs.encoder), (self.cross, whisper_graphs.cross)):
            self.assertEqual(session.shapes, Session(make(tensors, False)).shapes)
        other = Session(whisper_graphs.decoder(tensors, False, ALIGNMENT_HEADS))
        self.assertEqual(self.decoder.shapes, other.shapes)

    def test_the_encoder_is_near(self):
        given = self.encoder.run({"mel": self.mel[None]})
        self.near(given["states"][0], self.states)
        self.near(given["layer_2"][0], self.sums[1])

    def test_the_decoder_is_near_with_and_without_caches(self):
        logits, scores = reference.decode(self.variables, self.states, TOKENS)
        given, _ = self.decoder.step([TOKENS], self.decoder.empty(1))
        self.near(given["logits"][0], logits)
        self.near(given["alignment"][0], scores[0][1])
        caches, rows = self.decoder.empty(1), []
        for token in TOKENS:
            given, caches = self.decoder.step([[token]], caches)
            rows.append(given["logits"][0, 0])
        self.near(np.array(rows), logits)

    def test_two_texts_of_one_audio(self):
        given, _ = self.decoder.step([TOKENS, OTHER_TOKENS], self.decoder.empty(2))
        for row, tokens in enumerate((TOKENS, OTHER_TOKENS)):
            self.near(given["logits"][row], reference.decode(self.variables, self.states, tokens)[0])

    def test_the_table_of_embeddings_is_there_once(self):
        constants = onnx.load_from_string(self.files["decoder"]).graph.initializer
        shapes = {constant.name: list(constant.dims) for constant in constants if reference.VOCABULARY in constant.dims}
        table, scale = [reference.WIDTH, reference.VOCABULARY], [reference.VOCABULARY]
        self.assertEqual(shapes, {"decoder/embeddings/weight": table, "decoder/embeddings/weight/scale": scale})


class Refused(unittest.TestCase):
    def make(self, make, missing: str = "", **changed: np.ndarray) -> None:
        variables = reference.random_variables() | changed
        variables.pop(missing, None)
        make(Tensors.of(ctranslate2.Model("WhisperSpec", 3, variables)))

    def test_a_missing_weight_is_named(self):
        makers = {
            "encoder/layer_1/ffn/linear_0/bias": lambda tensors: whisper_graphs.encoder(tensors, False),
            "decoder/layer_0/attention/linear_1/weight": lambda tensors: whisper_graphs.cross(tensors, True),
            "decoder/layer_norm/beta": lambda tensors: whisper_graphs.decoder(tensors, True, ALIGNMENT_HEADS),
            "decoder/embeddings/weight": lambda tensors: whisper_graphs.decoder(tensors, False, ALIGNMENT_HEADS),
        }
        for name, make in makers.items():
            with self.subTest(name), self.assertRaisesRegex(ModelError, f"has no {name}: it is not laid"):
                self.make(make, name)

    def test_a_model_that_is_int8_already(self):
        name = "encoder/layer_0/ffn/linear_0/weight"
        with self.assertRaisesRegex(ModelError, f"{name} is int8; only a CTranslate2 model of float16 or float32"):
            self.make(lambda tensors: whisper_graphs.encoder(tensors, False), **{name: np.zeros((512, 128), np.int8)})
