"""Segments of speech against reference segments: frames of 10 ms, and where utterances begin and end.

A frame is speech if its middle is in a segment. A collar leaves frames without speech out of the score that lie shortly
before or behind speech of the reference, and never a frame with speech, as NIST's OpenSAT evaluation does it: it
forgives the padding that an endpointer puts around speech on purpose, not speech that it misses.
"""

from dataclasses import dataclass

import numpy

FRAME_SECONDS = 0.01
Segments = list[tuple[float, float]]


@dataclass(frozen=True)
class Frames:
    """Frames of a file that are scored, by what they are and what was said of them."""

    hits: int
    misses: int
    false_alarms: int
    rejections: int

    def counts(self) -> list[int]:
        """In this order, for sums."""
        return [self.hits, self.misses, self.false_alarms, self.rejections]


def marks(segments: Segments, seconds: float) -> numpy.ndarray:
    """Which frames of so many seconds are speech."""
    middles = (numpy.arange(round(seconds / FRAME_SECONDS)) + 0.5) * FRAME_SECONDS
    found = numpy.zeros(len(middles), dtype=bool)
    for start, end in segments:
        found |= (start <= middles) & (middles < end)
    return found


def compare(reference: Segments, found: Segments, seconds: float, collar: tuple[float, float] = (0.0, 0.0)) -> Frames:
    """Counts frames; the collar is what is left out before and behind speech of the reference, in seconds."""
    truth, said = marks(reference, seconds), marks(found, seconds)
    before, behind = collar
    near = marks([(start - before, end + behind) for start, end in reference], seconds)
    scored = truth | ~near
    both = (truth & said, truth & ~said, ~truth & said, ~truth & ~said)
    return Frames(*(int((frames & scored).sum()) for frames in both))


def trim(segments: Segments, before: float, behind: float) -> Segments:
    """The segments without so many seconds at their beginnings and ends."""
    return [(start + before, end - behind) for start, end in segments if start + before < end - behind]


def rates(frames: list[Frames]):
    """A function of weights of files, [..., files], that gives accuracy, miss rate and false alarm rate."""
    counts = numpy.array([one.counts() for one in frames], dtype=float)

    def measure(weights: numpy.ndarray) -> dict[str, numpy.ndarray]:
        hits, misses, alarms, rejections = numpy.moveaxis(weights @ counts, -1, 0)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            return {
                "accuracy": (hits + rejections) / (hits + misses + alarms + rejections),
                "miss": misses / (hits + misses),
                "false_alarm": alarms / (alarms + rejections),
            }

    return measure


def pairs(reference: Segments, found: Segments) -> list[tuple[float, float]]:
    """Errors of onset and end in seconds, found less reference, of segments that go together.

    Those that overlap most go together first, each once. Late is above zero.
    """
    overlaps = sorted(
        (
            (min(end, other_end) - max(start, other_start), place, other)
            for place, (start, end) in enumerate(reference)
            for other, (other_start, other_end) in enumerate(found)
        ),
        key=lambda overlap: (-overlap[0], *overlap[1:]),
    )
    taken, others, errors = set(), set(), []
    for overlap, place, other in overlaps:
        if overlap > 0 and place not in taken and other not in others:
            taken.add(place)
            others.add(other)
            errors.append((found[other][0] - reference[place][0], found[other][1] - reference[place][1]))
    return errors


def medians(errors: list[float]):
    """A function of weights of errors, [..., errors], that gives the medians of them and of their absolute values; each
    counts as often as its weight says."""
    signed = numpy.array(errors)
    return lambda weights: {"median": _median(signed, weights), "absolute_median": _median(numpy.abs(signed), weights)}


def _median(values: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
    order = numpy.argsort(values)
    counts = numpy.cumsum(weights[..., order], axis=-1)
    whole = counts[..., -1:]
    # The two in the middle, which are the same of an odd number.
    lower, upper = ((counts <= middle).sum(axis=-1) for middle in ((whole - 1) // 2, whole // 2))
    return (values[order][lower] + values[order][upper]) / 2
