"""What is read of a run: results among other lines of the sink."""

import dataclasses
import json
import tempfile
import unittest
from pathlib import Path

from context import REPOSITORY
from undertone_evaluate import graph as graphs
from undertone_evaluate import outcome


class Results(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def read(self, *lines: dict) -> list[dict]:
        """The results of the session `a` in these lines, of a graph that has no other wires."""
        graph = dataclasses.replace(
            graphs.read(REPOSITORY / "dataflow.yml"), speech=[], transcripts=[], emotions=[]
        )
        topics = {graph.audio: {"sessions": {"a": {"end": 16_000}}}}
        manifest = {"state": "finished", "exceptions": [], "topics": topics, "nodes": {}, "host": {}}
        (self.folder / "manifest.json").write_text(json.dumps(manifest))
        results = self.folder / "results.jsonl"
        # As the sink writes them: characters beyond ASCII as they are.
        results.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        return outcome.read(graph, ["a"], results, self.folder)["sessions"]["a"]["results"]

    def test_statistics_and_provisional_results_are_no_results(self):
        final = {"session": "a", "status": "final", "text": "Well."}
        statistics = {"type": "statistics", "session": "a", "segment": 0, "scope": "window", "values": {}}
        self.assertEqual(self.read(statistics, {**final, "status": "provisional"}, final, statistics), [final])

    def test_a_text_may_have_separators_of_lines_in_it(self):
        final = {"session": "a", "status": "final", "text": "Well\u2028then\x85no."}
        self.assertEqual(self.read(final), [final])


if __name__ == "__main__":
    unittest.main()
