"""The page's pure modules, in a real browser."""

import unittest

from browser import Browser
from server import Server

RESULT = {
    "event": 9,
    "type": "sentiment",
    "session": "s",
    "segment": 0,
    "status": "final",
    "profile": "both",
    "start_sample": 16_000,
    "end_sample": 48_000,
    "start_seconds": 1.0,
    "end_seconds": 3.0,
    "text": "So it goes.",
    "label": "negative",
    "confidence": 0.714,
    "fused_score": -0.6,
    "probabilities": {"negative": 0.714, "neutral": 0.2, "positive": 0.086},
    "abstained": False,
    "anomaly": False,
    "text_sentiment": None,
    "audio_sentiment": None,
    "other_sentiments": [],
    "latency_ms": None,
}


class Modules(unittest.TestCase):
    """What each promises."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.quit)
        cls.browser.get(cls.server.address)

    def run_script(self, script: str, *arguments):
        return self.browser.module(script, *arguments)

    def tone(self, rate: int, frequency: float, to: int = 16_000) -> float:
        """The level in dB, against the input's, of what becomes of a tone."""
        script = """
            const { Resampler } = await import("/resampler.js");
            const [from, frequency, to] = arguments;
            const input = Float32Array.from({ length: from }, (_, n) => Math.sin((2 * Math.PI * frequency * n) / from));
            const resampler = new Resampler(from, to);
            const output = [...resampler.push(input), ...resampler.finish()].slice(to / 4, (3 * to) / 4);
            const power = output.reduce((sum, sample) => sum + sample * sample, 0) / output.length;
            return 10 * Math.log10(2 * power + 1e-20);"""
        return self.run_script(script, rate, frequency, to)

    def test_resampling_keeps_speech_and_lets_nothing_fold_back(self) -> None:
        for rate in (48_000, 44_100, 96_000, 32_000):
            for frequency in (50, 1_000, 7_000):
                self.assertAlmostEqual(self.tone(rate, frequency), 0.0, delta=0.02, msg=f"{frequency} Hz of {rate}")
            for frequency in (8_100, 9_000, 15_000, 0.49 * rate):
                if frequency > 8_050:
                    self.assertLess(self.tone(rate, frequency), -75, f"{frequency} Hz of {rate}")
        self.assertAlmostEqual(self.tone(8_000, 3_000), 0.0, delta=0.02)

    def test_resampling_keeps_time_whatever_the_pieces(self) -> None:
        script = """
            const { Resampler } = await import("/resampler.js");
            const [from] = arguments;
            const at = (rate) => (_, n) => Math.sin((2 * Math.PI * 440 * n) / rate);
            const input = Float32Array.from({ length: from }, at(from));
            const whole = new Resampler(from, 16000);
            const expected = [...whole.push(input), ...whole.finish()];
            const pieces = new Resampler(from, 16000);
            const output = [];
            for (let begin = 0; begin < input.length; begin += 128) {
                output.push(...pieces.push(input.subarray(begin, begin + 128)));
            }
            output.push(...pieces.finish());
            const ideal = Float32Array.from({ length: 16000 }, at(16000));
            const worst = Math.max(...[...ideal].slice(400, -400).map((value, n) => Math.abs(value - output[n + 400])));
            return [JSON.stringify(output) === JSON.stringify(expected), output.length, worst];"""
        for rate in (48_000, 44_100, 22_050, 16_000):
            same, length, worst = self.run_script(script, rate)
            self.assertTrue(same, rate)
            self.assertLessEqual(abs(length - 16_000), 1, rate)
            self.assertLess(worst, 1e-3, rate)

    def test_samples_are_clipped_not_wrapped(self) -> None:
        script = """
            const { toPcm16 } = await import("/resampler.js");
            return [...toPcm16(Float32Array.of(0, 0.5, -1, 1, 3, -3))];"""
        self.assertEqual(self.run_script(script), [0, 16384, -32768, 32767, 32767, -32768])

    def test_files_are_read_as_they_sound(self) -> None:
        # A WAV file of 48 kHz with one tone, as `decode` hands it on: those below 8 kHz stay, those above go.
        script = """
            const { decode } = await import("/soundfile.js");
            const [frequency, rate] = arguments;
            const view = new DataView(new ArrayBuffer(44 + 2 * rate));
            const text = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
            text(0, "RIFF"); view.setUint32(4, 36 + 2 * rate, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
            view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, rate, true);
            view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
            text(36, "data"); view.setUint32(40, 2 * rate, true);
            for (let n = 0; n < rate; n += 1) {
                view.setInt16(44 + 2 * n, 16384 * Math.sin((2 * Math.PI * frequency * n) / rate), true);
            }
            const samples = [...(await decode(new File([view], "tone.wav")))];
            const middle = samples.slice(4000, 12000);
            const power = middle.reduce((sum, sample) => sum + (sample / 16384) ** 2, 0) / middle.length;
            return [samples.length, 10 * Math.log10(2 * power + 1e-12)];"""
        for rate in (16_000, 44_100, 48_000):
            for frequency in (440, 3_000, 7_000):
                length, level = self.run_script(script, frequency, rate)
                self.assertLessEqual(abs(length - 16_000), 1)
                self.assertAlmostEqual(level, 0.0, delta=0.02, msg=f"{frequency} Hz of {rate}")
        for frequency in (10_000, 20_000):
            self.assertLess(self.run_script(script, frequency, 48_000)[1], -75, f"{frequency} Hz")

    def test_a_file_of_our_rate_is_not_filtered(self) -> None:
        script = """
            const { decode, rateOf } = await import("/soundfile.js");
            const [address] = arguments;
            const bytes = await (await fetch(address)).arrayBuffer();
            const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes.slice());
            const expected = sound.getChannelData(0).map((sample) => sample * 32768);
            const given = await decode(new File([bytes], "a.flac"));
            const none = [new ArrayBuffer(3), new TextEncoder().encode("RIFF1234WAVEdata").buffer];
            return [rateOf(new DataView(bytes)), given.length, given.every((sample, n) => Math.abs(sample - expected[n]) < 1),
                ...none.map((bytes) => rateOf(new DataView(bytes)))];"""
        given = self.run_script(script, "/recordings/LJ001-0008.flac")
        self.assertEqual(given, [16_000, 28_535, True, None, None])

    def test_what_is_no_sound_is_refused_in_words(self) -> None:
        script = """
            const { decode } = await import("/soundfile.js");
            return decode(new File(["no sound"], "notes.txt")).then(() => "", (error) => error.message);"""
        self.assertIn("“notes.txt” is not sound that this browser can read", self.run_script(script))

    def test_captions_are_what_a_browser_reads_as_such(self) -> None:
        hard = 'AT&T said: 1 < 2 --> <b>yes</b>\n\n00:00:09.000 --> 00:00:10.000 & "more"'
        results = [
            {**RESULT, "segment": 1, "start_seconds": 4, "end_seconds": 4, "start_sample": 64_000, "anomaly": True},
            RESULT | {"text": hard},
            {**RESULT, "segment": 2, "start_sample": 10**9, "start_seconds": 3_725.5, "end_seconds": 3_726.0625,
             "abstained": True, "text": ""},
        ]
        script = """
            const { Session } = await import("/session.js");
            const { webVtt } = await import("/downloads.js");
            const session = new Session();
            session.name = "a --> b\\nc";
            for (const event of arguments[0]) session.apply(event, "");
            session.gaps.push({ start_seconds: 3.5, end_seconds: 3.75, reason: "disconnected" });
            const text = webVtt(session);
            const video = document.createElement("video");
            const track = document.createElement("track");
            track.default = true;
            track.src = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
            video.append(track);
            await new Promise((resolve, reject) => { track.onload = resolve; track.onerror = reject; });
            const cues = [...track.track.cues].map((cue) => [cue.id, cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]);
            return [text, cues.map(([id, start, end, text]) => [id, start, end, text.replaceAll("\u00a0", " ")])];"""
        text, cues = self.run_script(script, results)
        one_line = 'AT&T said: 1 < 2 --> <b>yes</b> 00:00:09.000 --> 00:00:10.000 & "more"'
        expected = [
            ["1", 1, 3, f"{one_line}\n[▼ negative 71 %]"],
            ["2", 4, 4.001, "So it goes.\n[▼ negative 71 %, unusual voice]"],
            ["3", 3725.5, 3726.063, "[? unsure, perhaps negative]"],
        ]
        self.assertEqual(cues, expected)
        self.assertTrue(text.startswith("WEBVTT - Undertone, session a → b c\n\nNOTE\nNo audio from 00:00:03.500 to 00:00:03.750"))

    def ledger(self, steps: list) -> list:
        script = """
            const { Ledger } = await import("/ledger.js");
            const ledger = new Ledger();
            return arguments[0].map(([method, ...given]) => {
                try { return ledger[method](...given) ?? null; } catch (error) { return `error: ${error.message}`; }
            });"""
        return self.run_script(script, steps)

    def test_every_event_counts_once_and_none_is_missed(self) -> None:
        ready = {"event": 1, "type": "ready", "resume": "to ken", "position_sample": 0, "limits": {"grace_seconds": 30}}
        given = self.ledger([
            ["query"],
            ["accept", ready],
            ["send", 640],
            ["accept", {"event": 2, "type": "speech"}],
            ["closed", 1006, 0],
            ["query"],
            ["connect"],
            ["accept", {"event": 2, "type": "speech"}],
            ["accept", {"event": 3, "type": "speech"}],
            ["accept", {**ready, "event": 4, "position_sample": 9_000}],
            ["send", 640],
            ["accept", {"event": 6, "type": "speech"}],
            ["accept", {"event": 0, "type": "error"}],
        ])
        expected = ["", True, 0, True, "again", "?resume=to%20ken&after=2", None, False, True, True, 9_000]
        self.assertEqual(given, [*expected, "error: event 6 came after event 4", True])

    def test_what_a_closing_means(self) -> None:
        for code, away, meaning in [
            (1000, 0, "done"),
            (1006, 1, "again"),
            (1006, 36, "over"),
            (4429, 1, "again"),
            (1013, 0, "later"),
            (1001, 0, "over"),
            (1011, 0, "over"),
            (4404, 0, "over"),
            (4408, 0, "over"),
            (4409, 0, "over"),
        ]:
            self.assertEqual(self.ledger([["closed", code, away]]), [meaning], code)
        end = {"event": 1, "type": "end"}
        self.assertEqual(self.ledger([["accept", end], ["closed", 1006, 0]])[1], "done")

    def test_tries_get_rarer(self) -> None:
        script = """
            const { backOff } = await import("/ledger.js");
            return [0, 1, 2, 5, 50].flatMap((attempt) => [backOff(attempt, 0), backOff(attempt, 1)]);"""
        self.assertEqual(self.run_script(script), [125, 250, 250, 500, 500, 1000, 4000, 8000, 4000, 8000])

    def session(self, events: list[dict]) -> dict:
        script = """
            const { Session } = await import("/session.js");
            const session = new Session();
            for (const event of arguments[0]) session.apply(event, JSON.stringify(event));
            return { segments: [...session.segments.values()], late: session.late, lines: session.lines.length };"""
        return self.run_script(script, events)

    def test_late_previews_change_nothing(self) -> None:
        span = {"segment": 0, "start_sample": 0, "end_sample": 16_000}
        word = {"text": "so", "start_seconds": 0, "end_seconds": 1}
        transcript = {"type": "transcript", **span, "text": "so", "words": [word], "stable": 0, "reason": ""}
        events = [
            {"type": "speech", "phase": "open", **span},
            {**transcript, "status": "partial"},
            {**transcript, "status": "final", "text": "So it"},
            RESULT,
            {**transcript, "status": "partial", "text": "sow"},
            {**RESULT, "status": "provisional", "label": "positive"},
            {"type": "speech", "phase": "open", **span, "segment": 1},
            {"type": "speech", "phase": "cancelled", **span, "segment": 1},
            {"type": "speech", "phase": "silence", **span, "segment": 7},
        ]
        given = self.session(events)
        self.assertEqual(len(given["segments"]), 1)
        self.assertEqual(given["lines"], len(events))
        segment = given["segments"][0]
        self.assertEqual((segment["text"], segment["stable"]), ("So it", 1))
        self.assertEqual(segment["result"]["label"], "negative")
        self.assertIsNone(segment["provisional"])

    def test_text_of_the_server_stays_text(self) -> None:
        evil = '<img src="x" onerror="window.broken = true"><script>window.broken = true</script>'
        segment = {"number": 0, "start": 0, "end": 9, "open": False, "text": evil, "words": [], "stable": 0}
        result = {**RESULT, "label": evil, "probabilities": {evil: 1.0}}
        result["text_sentiment"] = {"modality": evil, "label": evil, "probabilities": {evil: 1}, "weight": 1, "reason": evil}
        script = """
            const { Utterances } = await import("/utterances.js");
            const [segment, result] = arguments;
            const list = document.createElement("ol");
            document.body.append(list);
            const utterances = new Utterances(list, document.createElement("p"), document.createElement("p"));
            utterances.show({ ...segment, rejected: "", degraded: "", result, provisional: null });
            utterances.show({ ...segment, number: 1, rejected: segment.text, degraded: segment.text, result: null });
            await new Promise((resolve) => setTimeout(resolve, 50));
            const given = [list.querySelectorAll("img, script").length, window.broken ?? false, list.textContent];
            list.remove();
            return given;"""
        images, broken, text = self.run_script(script, segment, result)
        self.assertEqual((images, broken), (0, False))
        self.assertIn(evil, text)

    def test_waves_are_where_they_belong(self) -> None:
        script = """
            const { Wave } = await import("/wave.js");
            const wave = new Wave();
            wave.add(0, Int16Array.of(...new Array(320).fill(-16384)));
            wave.add(16000 * 100, Int16Array.of(...new Array(160).fill(8192)));
            return [wave.peak(0, 1), wave.peak(0, 3), wave.peak(5, 9), wave.peak(10000, 10001), wave.end];"""
        self.assertEqual(self.run_script(script), [0.5, 0.5, None, 0.25, 100.01])


if __name__ == "__main__":
    unittest.main()
