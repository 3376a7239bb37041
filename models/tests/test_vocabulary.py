"""Tokens as bytes, from the tokenizer of the installed package."""

import json
import tempfile
import unittest
from pathlib import Path

import context  # noqa: F401
from undertone_models import catalogue, packages, vocabulary
from undertone_models.errors import ModelError


class TinyEnglish(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        entry = catalogue.read()["whisper-tiny.en"]
        cls.tokens = vocabulary.read(packages.locate(entry, entry.inputs[-1]))

    def test_it_has_the_tokens_of_gpt2(self):
        self.assertEqual(len(self.tokens), 50_257)
        self.assertEqual(len(set(self.tokens)), 50_257)
        # Ids as in GPT-2's encoder.json.
        known = {0: b"!", 220: b" ", 198: b"\n", 262: b" the", 15496: b"Hello", 995: b" world", 50256: b"<|endoftext|>"}
        self.assertEqual({number: self.tokens[number] for number in known}, known)

    def test_every_byte_is_a_token(self):
        self.assertEqual({token[0] for token in self.tokens[:256]}, set(range(256)))

    def test_bytes_that_are_no_text_of_their_own(self):
        # 447 and 247 are what the right single quotation mark U+2019 is cut into.
        self.assertEqual((self.tokens[447] + self.tokens[247]).decode(), "\u2019")


class Refused(unittest.TestCase):
    def read(self, content: str, count: int) -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_text(content, encoding="utf-8")
            return vocabulary.read(path, count)

    def test_byte_level_characters(self):
        content = json.dumps({"model": {"vocab": {"Ġa": 1, "!": 0, "Ã©": 2}}})
        self.assertEqual(self.read(content, 3), [b"!", b" a", "é".encode()])

    def test_a_hole_in_the_numbers(self):
        with self.assertRaisesRegex(ModelError, "1 of 3 tokens are missing, the first is 1"):
            self.read(json.dumps({"model": {"vocab": {"a": 0, "b": 2}}}), 3)

    def test_a_file_of_another_kind(self):
        for content in ("{", "[]", '{"model": {}}'):
            with self.subTest(content), self.assertRaisesRegex(ModelError, "not a tokenizer.json"):
                self.read(content, 1)

    def test_a_tokenizer_of_another_kind(self):
        with self.assertRaisesRegex(ModelError, "no byte-level tokenizer"):
            self.read(json.dumps({"model": {"vocab": {"▁the": 0}}}), 1)
