"""Labels from tables, names and folders; what is wrong is told with its place, and left out."""

import tempfile
import unittest
from pathlib import Path

import soundfile
from context import tone
from undertone_evaluate import labels, sound
from undertone_evaluate.errors import EvaluationError


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def read(self, text: str) -> labels.Labels:
        path = self.folder / "labels.csv"
        path.write_text(text)
        return labels.read_csv(path)


class Tables(Case):
    def test_all_columns_are_read(self):
        found = self.read(
            "file,transcript,sentiment,emotion,speaker,gender,intensity,speech,colour\n"
            'a.wav,"Well, no.",negative,angry,7,female,strong,0.5-1;2-2.25,red\n'
        )
        (row,) = found.rows
        self.assertEqual((row.where, row.file, row.transcript), ("labels.csv:2", self.folder / "a.wav", "Well, no."))
        self.assertEqual(
            (row.sentiment, row.emotion, row.speaker, row.gender, row.intensity),
            ("negative", "angry", "7", "female", "strong"),
        )
        self.assertEqual(row.speech, ((0.5, 1.0), (2.0, 2.25)))
        self.assertEqual(found.unused, ["colour"])

    def test_what_is_empty_is_not_known(self):
        (row,) = self.read("file,sentiment,speech\na.wav,,\n").rows
        self.assertEqual((row.sentiment, row.speech, row.transcript), (None, None, None))
        (row,) = self.read("file,speech\na.wav,none\n").rows
        self.assertEqual(row.speech, ())

    def test_wrong_rows_have_their_line_and_a_reason(self):
        found = self.read(
            "file,sentiment,speech\na.wav,sad,\n,neutral,\nb.wav,neutral,1-0.5\nc.wav,neutral,1:2\n"
            "d.wav,neutral,0-2;1-3\n"
            "e.wav,neutral,,what is this\nf.wav,neutral,\n"
        )
        self.assertEqual([row.where for row in found.rows], ["labels.csv:8"])
        for wrong, (line, words) in zip(
            found.wrong,
            [
                (2, "unknown sentiment `sad`"),
                (3, "`file` is empty"),
                (4, "does not end after"),
                (5, "not START-END"),
                (6, "overlaps"),
                (7, "more fields than the header"),
            ],
            strict=True,
        ):
            self.assertEqual(wrong.where, f"labels.csv:{line}")
            self.assertIn(words, wrong.reason)

    def test_a_table_without_files_is_refused(self):
        with self.assertRaisesRegex(EvaluationError, "no column file; its header is: path, sentiment"):
            self.read("path,sentiment\na.wav,neutral\n")

    def test_recordings_are_looked_at(self):
        tone(self.folder / "good.wav")
        (self.folder / "noise.flac").write_bytes(b"no flac at all")
        whole = tone(self.folder / "cut.flac", 3.0).read_bytes()
        (self.folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
        tone(self.folder / "empty.wav", 0.0)
        (self.folder / "words.txt").write_text("words")
        names = ["good.wav", "gone.wav", "./good.wav", "noise.flac", "cut.flac", "empty.wav", "words.txt"]
        found = self.read("file\n" + "\n".join(names) + "\n")
        labels.check(found, sound.look)
        self.assertEqual([row.where for row in found.rows], ["labels.csv:2"])
        reasons = {Path(wrong.file).name + wrong.where[-2:]: wrong.reason for wrong in found.wrong}
        self.assertIn("no such file", reasons["gone.wav:3"])
        self.assertIn("the same file as in labels.csv:2", reasons["good.wav:4"])
        self.assertIn("cannot be read", reasons["noise.flac:5"])
        self.assertTrue(reasons["cut.flac:6"], reasons)
        self.assertIn("no audio", reasons["empty.wav:7"])
        self.assertIn("no recording that the source takes", reasons["words.txt:8"])

    def test_an_mp3_whose_length_is_guessed_is_not_cut_short(self):
        # Silence takes fewer bytes than what comes behind it, by which the length of a whole file is guessed.
        path = self.folder / "a.mp3"
        soundfile.write(path, [0.0] * 32_000 + [0.5, -0.5] * 16_000 + [0.0] * 32_000, 16_000, format="MP3")
        whole = path.read_bytes()
        # Without the first frame, which is the header with the length, and behind a tag, as of a picture.
        tag = b"ID3\3\0\0\0\0\x20\0" + bytes(0x1000)
        path.write_bytes(tag + whole[whole.index(whole[:2], 4) :])
        with soundfile.SoundFile(path) as sound_file:
            self.assertGreater(sound_file.frames, len(sound_file.read()))
        problem, seconds = sound.look(path)
        self.assertEqual(problem, "")
        self.assertAlmostEqual(seconds, 6.0, delta=0.2)

    def test_reference_segments_lie_in_the_recording(self):
        for name in ("rounded.wav", "ms.wav", "none.wav"):
            tone(self.folder / name, 2.0)
        found = self.read("file,speech\nrounded.wav,0.5-1;1.5-2.05\nms.wav,500-1000;1500-2000\nnone.wav,none\n")
        labels.check(found, sound.look)
        self.assertEqual([row.file.name for row in found.rows], ["rounded.wav", "none.wav"])
        (wrong,) = found.wrong
        self.assertEqual(
            (wrong.where, wrong.reason),
            ("labels.csv:3", "`speech` goes on to 2000 s, and the recording ends at 2.00 s; segments are in seconds"),
        )


    def test_folds_are_by_speaker(self):
        named = [labels.Row(f"{place}", Path(f"{place}.wav"), speaker=f"{place % 5:02}") for place in range(20)]
        found = labels.Labels("set", list(named))
        labels.fold(found, 2)
        of_speakers = {row.speaker: row.fold for row in found.rows}
        self.assertEqual(of_speakers, {"00": 1, "01": 2, "02": 1, "03": 2, "04": 1})
        with self.assertRaisesRegex(EvaluationError, "has 5 speakers"):
            labels.fold(labels.Labels("set", list(named)), 6)
        with self.assertRaisesRegex(EvaluationError, "folds are by speaker, and x.csv:2 has none"):
            labels.fold(labels.Labels("set", [*named, labels.Row("x.csv:2", Path("x.wav"))]), 2)


class Adapters(Case):
    def test_ravdess_names(self):
        for name in (
            "03-01-05-02-01-02-11",
            "03-01-02-01-02-01-12",
            "03-02-01-01-01-01-01",
            "03-01-09-01-01-01-01",
            "jfk",
        ):
            tone(self.folder / "Actor" / f"{name}.wav")
        found = labels.ravdess(self.folder)
        calm, angry = found.rows
        self.assertEqual(
            (angry.sentiment, angry.emotion, angry.intensity, angry.speaker, angry.gender),
            ("negative", "angry", "strong", "11", "male"),
        )
        self.assertEqual(
            (calm.sentiment, calm.gender, calm.transcript), ("neutral", "female", "Dogs are sitting by the door")
        )
        reasons = " ".join(wrong.reason for wrong in found.wrong)
        for words in ("no emotion 09", "songs", "seven numbers"):
            self.assertIn(words, reasons)

    def test_meld_tables(self):
        tone(self.folder / "audio/dia0_utt1.wav")
        table = self.folder / "dev.csv"
        table.write_text(
            "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            '1,"Oh my, he’s lost it.",Phoebe,sadness,negative,0,0\n2,What?,Monica,surprise,negative,0,1\n'
        )
        found = labels.meld(table, self.folder / "audio")
        (row,) = found.rows
        self.assertEqual(
            (row.transcript, row.speaker, row.emotion, row.sentiment), ("What?", "Monica", "surprise", "negative")
        )
        self.assertEqual([(wrong.where, wrong.file) for wrong in found.wrong], [("dev.csv:2", "dia0_utt0")])

    def test_a_name_of_meld_in_several_parts_is_no_recording(self):
        for name in ("train/dia0_utt0.wav", "dev/dia0_utt0.wav", "dev/dia0_utt1.wav"):
            tone(self.folder / name)
        table = self.folder / "dev.csv"
        table.write_text(
            "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "Oh my.,Phoebe,sadness,negative,0,0\nWhat?,Monica,surprise,negative,0,1\n"
        )
        found = labels.meld(table, self.folder)
        self.assertEqual([row.file for row in found.rows], [self.folder / "dev/dia0_utt1.wav"])
        (wrong,) = found.wrong
        self.assertEqual((wrong.where, wrong.file), ("dev.csv:2", "dia0_utt0"))
        self.assertIn("of this name: dev/dia0_utt0.wav, train/dia0_utt0.wav; give `--audio` the folder", wrong.reason)
        self.assertEqual(len(labels.meld(table, self.folder / "dev").rows), 2)

    def test_plain_folders(self):
        for name in ("positive/a.wav", "positive/deep/b.wav", "angry/c.wav", "d.wav"):
            tone(self.folder / name)
        found = labels.plain_folder(self.folder)
        self.assertEqual(
            [(row.where, row.sentiment) for row in found.rows],
            [("positive/a.wav", "positive"), ("positive/deep/b.wav", "positive")],
        )
        self.assertEqual([wrong.file for wrong in found.wrong], ["angry/c.wav", "d.wav"])


if __name__ == "__main__":
    unittest.main()
