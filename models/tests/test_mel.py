"""The filterbank is the one that Whisper was trained with."""

import hashlib
import unittest

import context  # noqa: F401
import numpy as np
from undertone_models import mel

# Entries of mel_80 in openai-whisper 20250625's mel_filters.npz: {(band, bin): value}.
REFERENCE = {
    (0, 1): 0.024862595,
    (1, 1): 0.001990822,
    (1, 2): 0.022871772,
    (24, 23): 0.018935489,
    (40, 42): 0.0054111048,
    (40, 43): 0.014735566,
    (40, 44): 0.00651819,
    (79, 186): 0.00036674167,
    (79, 192): 0.0031647119,
    (79, 199): 0.000448759,
}
# Of the whole array's float32 bytes.
REFERENCE_SHA256 = "4f2701b1d287d74a0dc9871026e9519d98cb76426615f2539b0d151a0ae4ec2e"


class Filterbank(unittest.TestCase):
    def test_known_values(self):
        filters = mel.filterbank(80)
        self.assertEqual((filters.shape, filters.dtype), ((80, 201), np.float32))
        for place, value in REFERENCE.items():
            self.assertEqual(filters[place], np.float32(value), place)
        self.assertEqual(np.flatnonzero(filters[40]).tolist(), [42, 43, 44])

    def test_every_bit(self):
        self.assertEqual(hashlib.sha256(mel.filterbank(80).astype("<f4").tobytes()).hexdigest(), REFERENCE_SHA256)

    def test_the_scale_is_linear_then_logarithmic(self):
        self.assertAlmostEqual(mel.hertz_to_mel(200.0), 3.0)
        self.assertAlmostEqual(mel.hertz_to_mel(6400.0), 42.0)
        for hertz in (0.0, 440.0, 999.0, 1000.0, 7999.0):
            self.assertAlmostEqual(mel.mel_to_hertz(mel.hertz_to_mel(hertz)), hertz, places=9)
