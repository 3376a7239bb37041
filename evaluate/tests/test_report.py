"""What the report says of how a graph answered."""

import unittest
from pathlib import Path

from context import CLASSES, REPOSITORY, contribution, result, session
from undertone_evaluate import graph as graphs
from undertone_evaluate import markdown, report
from undertone_evaluate.labels import Labels, Row

VOICE = [0.5, 0.25, 0.25]


def write(graph: graphs.Graph, rows: list[Row], sessions: list[dict], exceptions=()) -> tuple[dict, str]:
    """All figures, and the report for people."""
    cost = {"processor_seconds": 1.0, "wall_seconds": 1.0}
    batch = {"nodes": {}, "host": {}, "sessions": {}, "cost": cost, "exceptions": list(exceptions)}
    run = report.Run(graph, Labels("set", rows), rows, sessions, [batch], tuple(CLASSES), (0.3, 0.1), {})
    whole, _ = report.build(run)
    return whole, markdown.write({**whole, "cost": {"runs": 0}}, {})


class Answers(unittest.TestCase):
    def of(self, *results: dict) -> tuple[dict, str]:
        """The figures of the answers, and the report for people."""
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        rows = [Row("1", Path("a.wav"), sentiment="neutral")]
        sessions = [session(*results, segments={wire: [] for wire in graph.speech})]
        whole, text = write(graph, rows, sessions)
        return whole["results"], text

    def test_anomalies_are_not_zero_where_no_model_looks_for_them(self):
        figures, text = self.of(result(0, 9, VOICE, VOICE))
        self.assertIsNone(figures["anomalies"])
        self.assertIn("anomalies (voice unlike clean speech): not looked for;", text)

    def test_anomalies_are_a_share_where_a_model_looks_for_them(self):
        # It counts where the second voice alone looks, and one segment of two has no score.
        looked = contribution(VOICE, "cnn@2", anomaly=1.5)
        results = [result(0, 9, VOICE, VOICE, looked, anomaly=True), result(9, 18, VOICE, VOICE)]
        figures, text = self.of(*results)
        self.assertEqual(figures["anomalies"], 0.5)
        self.assertIn("anomalies (voice unlike clean speech): 50.0 %;", text)
        figures, text = self.of(result(0, 9, VOICE, contribution(VOICE, anomaly=0.0)))
        self.assertEqual(figures["anomalies"], 0.0)
        self.assertIn("anomalies (voice unlike clean speech): 0.0 %;", text)

    def test_results_with_less_effort_are_counted(self):
        late = result(0, 9, VOICE, VOICE, degraded="without acoustic, silent for too long")
        # The sink leaves out the field where there is nothing to say.
        figures, text = self.of(late, *(result(at, at + 9, VOICE, VOICE) for at in (9, 18, 27)))
        self.assertEqual(figures["degraded"], {"segments": 1, "share": 0.25})
        self.assertIn("made with less effort because the graph was late: 1 (25.0 %)", text)


class Runs(unittest.TestCase):
    def of(self, *exceptions: dict) -> str:
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        rows = [Row("1", Path("a.wav"), sentiment="neutral")]
        return write(graph, rows, [session(segments={wire: [] for wire in graph.speech})], exceptions)[1]

    def test_what_happened_to_a_run_is_told(self):
        gap = {"kind": "gap", "place": "source", "session": "000001-a", "text": "9 samples of audio were lost"}
        text = self.of(gap, {"kind": "late", "place": "fusion", "text": "without text"}, gap)
        self.assertIn("(audio was lost: 2, something was done with less effort: 1)", text)
        self.assertIn("- source, 000001-a: 9 samples of audio were lost\n- fusion, all sessions: without text", text)
        self.assertNotIn("What happened", self.of())


class VoiceActivity(unittest.TestCase):
    def test_edges_have_intervals_over_speakers(self):
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        # Of one speaker both segments begin 0.2 s early, of the other one does by 0.1 s.
        early = {"a": [[12_800, 32_000], [44_800, 64_000]], "b": [[14_400, 32_000]]}
        rows = [Row(name, Path(name), speaker=name, speech=((1.0, 2.0), (3.0, 4.0))) for name in early]
        sessions = [session(samples=80_000, segments={"vad/speech": early[row.speaker]}) for row in rows]
        whole, text = write(graph, rows, sessions)
        found = whole["voice_activity"]["vad/speech"]
        for name, sign in (("median", -1), ("absolute_median", 1)):
            bounds = sorted((sign * 0.2, sign * 0.1))
            expected = {"value": sign * 0.2, "low": bounds[0], "high": bounds[1]}
            for key, value in expected.items():
                self.assertAlmostEqual(found["onset_seconds"][name][key], value, msg=f"{name} {key}")
        self.assertIn("| onset | -200 ms [-200, -100] | 200 ms [100, 200] | 200 ms |", text)


class Folds(unittest.TestCase):
    def test_each_fold_has_a_model_and_the_report_one_row_for_them(self):
        graph = graphs.read(REPOSITORY / "dataflows/audio-only.yml")
        right, wrong = [0.2, 0.6, 0.2], [0.6, 0.2, 0.2]
        # Of the first fold half are right, of the second all.
        said = [(1, right), (1, wrong), (2, right), (2, right)]
        rows = [Row(f"{n}", Path(f"{n}.wav"), sentiment="neutral", fold=fold) for n, (fold, _) in enumerate(said)]
        segments = {wire: [] for wire in graph.speech}
        sessions = [
            session(result(0, 9, values, contribution(values, f"{fold}@0")), segments=segments) for fold, values in said
        ]
        whole, text = write(graph, rows, sessions)
        self.assertEqual([one["name"] for one in whole["classification"]], ["fusion", "voice"])
        self.assertEqual(whole["inputs"], {"voice": ["1@0", "2@0"]})
        accuracy = whole["folds"][1]["metrics"]["accuracy"]
        self.assertEqual(accuracy, {"mean": 0.75, "deviation": 0.25, "values": [0.5, 1.0]})
        self.assertIn("| accuracy | 75.0 ± 25.0 % | 75.0 ± 25.0 % |", text)


if __name__ == "__main__":
    unittest.main()
