"""Word errors: the least number of substitutions, deletions and insertions (jiwer), between normalised texts.

The normaliser is OpenAI's for English (Radford et al. 2022, appendix C), as the package whisper-normalizer has it. It
knows contractions by the typewriter's apostrophe alone, and texts have others, so these are made that one first.
"""

import functools
import importlib.metadata
from dataclasses import dataclass

import jiwer
import numpy

# U+0092 is the apostrophe of Windows-1252 that was read as Latin-1.
APOSTROPHES = str.maketrans(dict.fromkeys("’‘´`\x92", "'"))


@dataclass(frozen=True)
class WordErrors:
    """What was wrong with the words of a file."""

    words: int  # of the reference
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions


@functools.cache
def _normaliser():
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normaliser() -> str:
    """The normaliser with its version, and what is done before it."""
    version = importlib.metadata.version("whisper-normalizer")
    return f"whisper-normalizer {version}, EnglishTextNormalizer, all apostrophes made ' before"


def compare(reference: str, hypothesis: str) -> WordErrors:
    """The errors of one text against another, both normalised here."""
    reference, hypothesis = (_normaliser()(text.translate(APOSTROPHES)).strip() for text in (reference, hypothesis))
    if not reference:
        return WordErrors(0, 0, 0, len(hypothesis.split()))
    found = jiwer.process_words(reference, hypothesis)
    return WordErrors(len(reference.split()), found.substitutions, found.deletions, found.insertions)


def rates(errors: list[WordErrors]):
    """A function of weights of files, [..., files], that gives the rates: errors of all files for each word of them."""
    counts = numpy.array([[e.words, e.substitutions, e.deletions, e.insertions] for e in errors], dtype=float)

    def measure(weights: numpy.ndarray) -> dict[str, numpy.ndarray]:
        words, substitutions, deletions, insertions = numpy.moveaxis(weights @ counts, -1, 0)
        words = numpy.where(words > 0, words, numpy.nan)
        return {
            "wer": (substitutions + deletions + insertions) / words,
            "substitutions": substitutions / words,
            "deletions": deletions / words,
            "insertions": insertions / words,
        }

    return measure
