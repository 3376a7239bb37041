"""Frames, edges, levels and mixtures, on signals whose truth is known."""

import csv
import tempfile
import unittest
from pathlib import Path

import numpy
import soundfile
from context import REPOSITORY
from undertone_evaluate import labels, mixtures, voice_activity
from undertone_evaluate.active_level import active_level
from undertone_evaluate.voice_activity import Frames


class Score(unittest.TestCase):
    def test_frames(self):
        reference, found = [(0.1, 0.3)], [(0.05, 0.25)]
        self.assertEqual(voice_activity.compare(reference, found, 0.5), Frames(15, 5, 5, 25))
        # Frames without speech up to 30 ms before and 100 ms behind it do not count; missed speech does.
        self.assertEqual(voice_activity.compare(reference, found, 0.5, (0.03, 0.1)), Frames(15, 5, 2, 15))
        rates = voice_activity.rates([Frames(15, 5, 5, 25)])(numpy.ones(1))
        self.assertEqual([float(rates[name]) for name in ("accuracy", "miss", "false_alarm")], [0.8, 0.25, 5 / 30])

    def test_a_file_without_speech(self):
        self.assertEqual(voice_activity.compare([], [(0.0, 0.1)], 0.3), Frames(0, 0, 10, 20))

    def test_edges_of_the_segments_that_overlap_most(self):
        found = voice_activity.pairs([(1.0, 2.0), (2.2, 3.0)], [(0.9, 3.1), (5.0, 6.0)])
        numpy.testing.assert_allclose(found, [(-0.1, 1.1)])

    def test_medians_are_those_of_errors_that_count_several_times(self):
        errors = [-0.3, 0.1, 0.2, 0.5]
        measure = voice_activity.medians(errors)
        for counts in ([1, 1, 1, 1], [3, 0, 1, 1], [0, 0, 0, 2], [1, 2, 0, 1]):
            repeated = numpy.repeat(errors, counts)
            found = measure(numpy.array([counts], dtype=float))
            numpy.testing.assert_allclose(found["median"], [numpy.median(repeated)])
            numpy.testing.assert_allclose(found["absolute_median"], [numpy.median(numpy.abs(repeated))])

    def test_padding_is_cut_off(self):
        self.assertEqual(voice_activity.trim([(1.0, 2.0), (3.0, 3.3)], 0.25, 0.125), [(1.25, 1.875)])


class Levels(unittest.TestCase):
    def test_the_level_of_speech_is_that_without_its_pauses(self):
        times = numpy.arange(48_000) / 16_000
        tone = 0.1 * numpy.sin(2 * numpy.pi * 440 * times)
        quiet = numpy.zeros(48_000)
        level = active_level(numpy.concatenate([tone, quiet, tone, quiet]), 16_000)
        # A sine of 0.1 has -23.0 dB; the envelope's decay and 0.2 s of hangover count as active, behind 3 s of tone.
        self.assertAlmostEqual(level, 20 * numpy.log10(0.1 / numpy.sqrt(2)), delta=0.5)
        self.assertEqual(active_level(numpy.zeros(1000), 16_000), -numpy.inf)

    def test_louder_by_6_db(self):
        samples, rate = soundfile.read(REPOSITORY / "recordings/session/LJ001-0008.flac")
        self.assertAlmostEqual(active_level(samples / 2, rate), active_level(samples, rate) - 6.02, delta=0.15)


class Mixtures(unittest.TestCase):
    def test_reference_of_bursts(self):
        samples = numpy.random.default_rng(0).normal(0, 1e-4, 48_000)
        for start, end in ((8_000, 16_000), (18_400, 24_000), (40_000, 40_400)):
            samples[start:end] += 0.3 * numpy.sin(numpy.arange(end - start))
        # 150 ms of pause are joined; 25 ms alone are no speech.
        ((start, end),) = mixtures.speech(samples)
        self.assertAlmostEqual(start, 0.5, delta=0.011)
        self.assertAlmostEqual(end, 1.5, delta=0.011)
        self.assertEqual(len(mixtures.speech(samples, 0.1)), 2)

    def test_rumble_is_no_speech(self):
        samples = numpy.zeros(48_000)
        samples[16_000:24_000] = 0.1 * numpy.sin(numpy.arange(8_000))
        rumble = 0.5 * numpy.sin(2 * numpy.pi * 10 * numpy.arange(48_000) / 16_000)
        ((start, end),) = mixtures.clip(samples + rumble).speech
        self.assertAlmostEqual(start, 1.0, delta=0.011)
        self.assertAlmostEqual(end, 1.5, delta=0.011)

    def test_the_ratio_is_what_was_asked_for(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            noise = numpy.random.default_rng(1).normal(0, 0.05, 80_000)
            soundfile.write(folder / "noise.wav", noise, 16_000)
            arguments = ["--speech", str(REPOSITORY / "recordings/session"), "--noise", str(folder / "noise.wav")]
            mixtures.main([*arguments, "--output", str(folder), "--files", "2", "--clips", "2", "--snr", "inf,10"])
            clean, noisy = (
                {row.where: row for row in labels.read_csv(folder / f"snr-{ratio}/labels.csv").rows}
                for ratio in ("inf", "10")
            )
            self.assertEqual(list(clean), list(noisy))
            for where, row in clean.items():
                self.assertEqual(row.speech, noisy[where].speech)
                before, rate = soundfile.read(row.file)
                after, _ = soundfile.read(noisy[where].file)
                under = after - before
                ratio = mixtures.LEVEL_DB - 10 * numpy.log10((under**2).mean())
                self.assertAlmostEqual(ratio, 10.0, delta=0.1)
                # What is outside of the reference is 25 dB below what is inside.
                inside = numpy.zeros(len(before), dtype=bool)
                for start, end in row.speech:
                    inside[int(start * rate) : int(end * rate)] = True
                self.assertLess((before[~inside] ** 2).mean(), (before[inside] ** 2).mean() / 300)

    def test_the_same_seed_gives_the_same_set(self):
        sets = []
        with tempfile.TemporaryDirectory() as name:
            for folder in (Path(name) / "a", Path(name) / "b"):
                speech = REPOSITORY / "recordings/session"
                mixtures.main(
                    [
                        "--speech",
                        str(speech),
                        "--noise",
                        str(speech / "jfk.flac"),
                        "--output",
                        str(folder),
                        "--files",
                        "1",
                        "--clips",
                        "2",
                        "--snr",
                        "5",
                    ]
                )
                with (folder / "snr-5/labels.csv").open() as file:
                    sets.append((list(csv.reader(file)), (folder / "snr-5/mixture-000.flac").read_bytes()))
        self.assertEqual(*sets)


if __name__ == "__main__":
    unittest.main()
