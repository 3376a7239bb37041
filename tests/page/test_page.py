"""The page in a real browser, against the real graph: what its users see."""

import json
import re
import tempfile
import time
import unittest
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import audit
from browser import Browser
from graph import Graph
from proxy import Proxy
from server import RECORDINGS, Server
from sound import buzz, samples, silence, write

FIRST = "has never been surpassed"
SECOND = "then in the same operations with ugly ones"
VERDICT = re.compile(r"^([▲●▼] (positive|neutral|negative) \d+ %|\? unsure.*)$")


def plain(text: str) -> str:
    """The words alone."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


class Page(unittest.TestCase):
    """One graph for all."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.graph = Graph()
        cls.addClassCleanup(cls.graph.stop)
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        # While the models load, the recordings are made.
        server = Server()
        cls.addClassCleanup(server.stop)
        browser = Browser()
        try:
            first = samples(browser, server, "LJ001-0008.flac")
            second = samples(browser, server, "LJ001-0013.flac")
        finally:
            browser.quit()
        pauses = [silence(seconds) for seconds in (1.0, 2.0, 6.0)]
        cls.spoken = write(cls.folder / "spoken.wav", pauses[0], first, pauses[1], second, pauses[2], channels=2)
        cls.apart = write(cls.folder / "apart.wav", pauses[0], first, pauses[2], second, pauses[2])
        cls.graph.wait()

    def open(self, browser: Browser, port: int | None = None) -> Browser:
        self.addCleanup(browser.quit)
        browser.get(f"http://127.0.0.1:{port or self.graph.port}/")
        return browser

    def download(self, browser: Browser, button: str, name: str) -> str:
        setting = {"behavior": "allow", "downloadPath": str(self.folder)}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", setting)
        browser.by(button).click()
        file = browser.wait(f"the download of {name}", lambda: next(iter(self.folder.glob(name)), None))
        browser.wait("its end", lambda: not list(self.folder.glob("*.crdownload")))
        text = file.read_text()
        file.unlink()
        return text

    def check_events(self, lines: str) -> list[dict]:
        """JSON Lines, numbered without a hole, from the beginning to the end."""
        events = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual([event["event"] for event in events], list(range(1, len(events) + 1)))
        self.assertEqual((events[0]["type"], events[-1]["type"]), ("ready", "end"))
        return events

    def test_what_the_microphone_hears_is_shown(self) -> None:
        browser = self.open(Browser(self.spoken))
        self.assertEqual(audit.problems(browser), [])
        # By the keyboard alone.
        for _ in range(10):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            if browser.switch_to.active_element.get_attribute("id") == "microphone":
                break
        self.assertEqual(browser.switch_to.active_element.text, "Start microphone")
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        browser.wait("listening", lambda: browser.text("status").startswith("Listening"))
        loud = lambda: int(browser.by("level").get_attribute("aria-valuenow")) > -30  # noqa: E731
        browser.wait("a level", loud)
        browser.wait("two results", lambda: len(browser.results()) == 2)
        utterances = browser.utterances()
        self.assertEqual([plain(utterance["words"]) for utterance in utterances], [FIRST, SECOND])
        for utterance in utterances:
            self.assertRegex(utterance["verdict"], VERDICT)
            self.assertRegex(utterance["text"], r"Voice\s+[▲●▼] \w+ \d+ %, counts \d+ %")
            self.assertRegex(utterance["text"], r"Words\s+[▲●▼] \w+ \d+ %, counts \d+ %")
            self.assertRegex(utterance["text"], r"Sounds\s+\w+ \d+ %")
        self.assertIn(SECOND, plain(browser.text("spoken")))
        for figure in ("latency-total", "latency-here"):
            self.assertRegex(browser.text(figure), r"^\d+ ms$")
        self.assertIn("2 utterances", browser.by("timeline").get_attribute("aria-label"))
        self.assertIn("words counted", browser.text("weights-used"))
        # Changes need a coordinator, which `dora run` has not.
        self.assertFalse(browser.by("weights").is_displayed())
        self.assertTrue(browser.by("weights-why").is_displayed())
        self.assertIn("coordinator", browser.text("weights-reason"))
        for scheme, width in [("light", None), ("dark", None), ("light", 360), ("dark", 360)]:
            with self.subTest(scheme=scheme, width=width):
                browser.look(scheme, width)
                self.assertEqual(audit.problems(browser), [])
                browser.picture(f"{scheme}{'-narrow' if width else ''}")
        browser.look()
        # The timeline follows, until somebody looks back.
        self.assertEqual(browser.by("live").get_attribute("aria-pressed"), "true")
        browser.by("scroll").send_keys(Keys.HOME)
        browser.wait("a look back", lambda: browser.by("live").get_attribute("aria-pressed") == "false")
        browser.by("live").send_keys(Keys.SPACE)
        browser.wait("following again", lambda: browser.by("live").get_attribute("aria-pressed") == "true")
        browser.by("microphone").send_keys(Keys.SPACE)
        browser.wait("the end", lambda: browser.text("status") == "Finished")
        self.assertEqual(browser.text("microphone"), "Start microphone")
        self.assertEqual(browser.text("notices"), "")
        self.assertEqual(browser.complaints(), [])

    def test_what_breaks_goes_on(self) -> None:
        proxy = Proxy(self.graph.port)
        self.addCleanup(proxy.stop)
        browser = self.open(Browser(self.apart), proxy.port)
        browser.by("microphone").click()
        # Behind the first utterance, before its result.
        browser.wait("3.2 s", lambda: float(browser.by("scroll").get_attribute("max") or 0) > 3.2)
        proxy.cut()
        browser.wait("reconnecting", lambda: browser.text("status") == "Reconnecting")
        self.assertIn("The connection broke", browser.text("notices"))
        browser.picture("reconnecting")
        proxy.mend()
        browser.wait("listening", lambda: browser.text("status").startswith("Listening"))
        browser.wait("both results", lambda: len(browser.results()) == 2)
        self.assertEqual([plain(utterance["words"]) for utterance in browser.utterances()], [FIRST, SECOND])
        notices = browser.text("notices")
        self.assertRegex(notices, r"\d\.\d s of sound are missing, because the connection was down")
        self.assertNotIn("The connection broke", notices)
        browser.picture("gap")
        browser.by("microphone").click()
        browser.wait("the end", lambda: browser.text("status") == "Finished")
        events = self.check_events(self.download(browser, "jsonl", "undertone-*.jsonl"))
        kinds = [event["type"] for event in events]
        self.assertEqual(kinds.count("ready"), 2)
        self.assertEqual(kinds.count("gap"), 1)
        finals = [event["segment"] for event in events if event["type"] == "sentiment" and event["status"] == "final"]
        self.assertEqual(len(finals), len(set(finals)))

    def test_a_file_that_breaks_is_sent_to_its_end(self) -> None:
        proxy = Proxy(self.graph.port)
        self.addCleanup(proxy.stop)
        browser = self.open(Browser(), proxy.port)
        browser.by("fast").send_keys(Keys.SPACE)
        browser.by("file").send_keys(str(RECORDINGS / "jfk.flac"))
        browser.wait("1 s", lambda: float(browser.by("scroll").get_attribute("max") or 0) > 1)
        proxy.cut()
        browser.wait("reconnecting", lambda: browser.text("status") == "Reconnecting")
        proxy.mend()
        browser.wait("the end", lambda: browser.text("status") == "Finished")
        events = self.check_events(self.download(browser, "jsonl", "undertone-*.jsonl"))
        # Ahead of the clock, nothing is missed.
        self.assertEqual(events[-1]["position_sample"], 176_000)
        words = plain(" ".join(utterance["words"] for utterance in browser.utterances()))
        for word in ("fellow americans", "what your country can do for you", "what you can do for your country"):
            self.assertEqual(words.count(word), 1, words)
        captions = self.download(browser, "vtt", "undertone-*.vtt")
        self.assertTrue(captions.startswith("WEBVTT - Undertone, session s-"))
        script = """
            const track = document.createElement("track");
            const video = document.createElement("video");
            track.default = true;
            track.src = URL.createObjectURL(new Blob([arguments[0]]));
            video.append(track);
            await new Promise((resolve) => { track.onload = resolve; });
            return [...track.track.cues].map((cue) => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]);"""
        cues = browser.module(script, captions)
        self.assertEqual(len(cues), len(browser.results()))
        self.assertEqual(plain(" ".join(text.split("\n")[0] for *_, text in cues)), words)
        for start, end, text in cues:
            self.assertLess(start, end)
            self.assertRegex(text, r"\n\[([▲●▼] \w+ \d+.%|\? unsure).*\]$")

    def test_a_file_that_is_dropped_is_played(self) -> None:
        browser = self.open(Browser())
        browser.execute_script("""
            const input = document.createElement("input");
            input.type = "file";
            input.id = "desktop";
            document.body.append(input);""")
        browser.by("desktop").send_keys(str(RECORDINGS / "LJ001-0002.flac"))
        drop = """
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(document.getElementById("desktop").files[0]);
            const event = (name) => new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true });
            dispatchEvent(event("dragover"));
            const seen = !document.getElementById("drop").hidden;
            dispatchEvent(event("drop"));
            return seen && document.getElementById("drop").hidden;"""
        self.assertTrue(browser.execute_script(drop))
        browser.wait("the end", lambda: browser.text("status") == "Finished")
        [utterance] = browser.results()
        self.assertEqual(plain(utterance["words"]), "in being comparatively modern")
        self.assertEqual(browser.complaints(), [])


class Alone(unittest.TestCase):
    """The page without a gateway behind it."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        # A microphone, and nobody who allows it; a name that stands for this machine, but does not say so.
        rules = ["--use-fake-device-for-media-stream", "--host-resolver-rules=MAP page.test 127.0.0.1"]
        cls.browser = Browser(None, *rules)
        cls.addClassCleanup(cls.browser.quit)

    def setUp(self) -> None:
        self.browser.get(self.server.address)

    def start(self) -> str:
        self.browser.by("microphone").click()
        return self.browser.wait("a notice", lambda: self.browser.text("notices"))

    def test_a_microphone_that_is_not_allowed(self) -> None:
        setting = {"permission": {"name": "microphone"}, "setting": "denied", "origin": self.server.address}
        self.browser.execute_cdp_cmd("Browser.setPermission", setting)
        self.assertIn("The microphone is not allowed. Allow it for this page", self.start())
        self.assertEqual(self.browser.text("status"), "Not listening")
        self.assertTrue(self.browser.by("microphone").is_enabled())
        self.assertEqual(audit.problems(self.browser), [])

    def test_why_there_is_no_microphone(self) -> None:
        for name, text in [
            ("NotFoundError", "There is no microphone. Plug one in"),
            ("NotReadableError", "Close other programs that use it"),
            ("StrangeError", "The microphone cannot be used: strange"),
        ]:
            with self.subTest(name):
                self.browser.get(self.server.address)
                script = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('strange', arguments[0]); };"
                self.browser.execute_script(script.replace("arguments[0]", f"'{name}'"))
                self.assertIn(text, self.start())

    def test_a_page_from_elsewhere_without_encryption(self) -> None:
        self.browser.get(f"http://page.test:{self.server.port}/")
        self.assertIn("pages from https:// or from this computer itself", self.start())

    def test_a_gateway_that_cannot_be_reached(self) -> None:
        self.browser.by("file").send_keys(str(RECORDINGS / "LJ001-0002.flac"))
        notice = self.browser.wait("a notice", lambda: self.browser.text("notices"))
        self.assertIn("The gateway cannot be reached", notice)
        self.browser.by("microphone").click()
        self.browser.wait("the end", lambda: self.browser.text("status") == "Not listening")
        self.assertEqual(self.browser.text("notices"), "")

    def test_a_gateway_that_does_not_let_the_page_in(self) -> None:
        self.addCleanup(setattr, self.server, "barred", None)
        self.server.barred = "under this name, start the gateway with a token"
        self.browser.refresh()
        self.browser.wait("why", lambda: self.browser.text("weights-reason") == self.server.barred)
        self.browser.by("file").send_keys(str(RECORDINGS / "LJ001-0002.flac"))
        notice = self.browser.wait("a notice", lambda: self.browser.text("notices"))
        self.assertIn("does not let this page in (under this name, start the gateway with a token)", notice)

    def test_a_microphone_that_is_not_allowed_any_more(self) -> None:
        self.browser.execute_script("""
            const denied = new DOMException("", "NotAllowedError");
            const answer = new Promise((_, reject) => { window.deny = () => reject(denied); });
            navigator.mediaDevices.getUserMedia = () => answer;""")
        self.browser.by("microphone").click()
        # Meanwhile a file is chosen.
        self.browser.by("file").send_keys(str(RECORDINGS / "LJ001-0002.flac"))
        self.browser.wait("a connection", lambda: self.browser.text("status") == "Connecting")
        self.browser.execute_script("deny()")
        self.assertEqual(self.browser.text("status"), "Connecting")
        self.assertNotIn("not allowed", self.browser.text("notices"))

    def test_a_gateway_that_asks_for_a_token(self) -> None:
        self.addCleanup(setattr, self.server, "token", None)
        self.addCleanup(self.browser.execute_script, "sessionStorage.clear()")
        self.server.token = "right"
        self.browser.refresh()
        self.browser.wait("a question", lambda: self.browser.by("access").is_displayed())
        self.assertEqual(audit.problems(self.browser), [])
        self.browser.by("token").send_keys("wrong", Keys.ENTER)
        self.browser.wait("a notice", lambda: "does not know this token" in self.browser.text("notices"))
        self.browser.by("token").send_keys("right", Keys.ENTER)
        self.browser.wait("no question", lambda: not self.browser.by("access").is_displayed())
        self.assertEqual(self.browser.text("notices"), "")

    def test_weights_are_changed_by_hand(self) -> None:
        self.addCleanup(setattr, self.server, "parameters", self.server.parameters)
        self.server.parameters = {"possible": True, "reason": "", "allowed": ["fusion"]}
        self.browser.refresh()
        self.browser.wait("the slider", lambda: self.browser.by("weights").is_displayed())
        self.assertEqual(audit.problems(self.browser), [])
        slider = self.browser.by("weight")
        slider.send_keys(Keys.ARROW_RIGHT)
        self.browser.wait("an answer", lambda: "from the next utterance on" in self.browser.text("weight-said"))
        self.assertIn("words 70 %, voice 30 %", self.browser.text("weight-said"))
        expected = [("weighting", "fixed"), ("text-weight", 0.7)]
        self.assertEqual([(change["name"], change["value"]) for change in self.server.changes], expected)
        self.addCleanup(setattr, self.server, "refusal", None)
        self.server.refusal = "dora refuses: why"
        self.browser.by("restore").click()
        self.browser.wait("an answer", lambda: "Not changed" in self.browser.text("weight-said"))
        self.assertIn("dora refuses: why", self.browser.text("weight-said"))
        self.assertIsNone(self.server.changes[-1]["value"])

    def test_without_motion_the_timeline_turns_pages(self) -> None:
        script = """
            const { Timeline } = await import("/timeline.js");
            const { Wave } = await import("/wave.js");
            const canvas = document.getElementById("timeline");
            const wave = new Wave();
            const timeline = new Timeline(canvas, wave);
            timeline.fit();
            const right = (seconds) => { wave.samples = seconds * 16000; timeline.place(); return timeline.right; };
            return [timeline.span, right(30), right(30.1)];"""
        reduce = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", reduce)
        self.addCleanup(self.browser.execute_cdp_cmd, "Emulation.setEmulatedMedia", {"features": []})
        _, before, after = self.browser.module(script)
        self.assertEqual(before, after)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        _, before, after = self.browser.module(script)
        self.assertAlmostEqual(after - before, 0.1)


# In the place of the browser's WebSocket: it takes note of what is sent, and says what a test makes it say.
PLAYED = """
window.sockets = [];
window.WebSocket = class {
  static OPEN = 1;
  static CLOSED = 3;
  constructor(url, protocols) {
    Object.assign(this, { url, protocols, readyState: 1, bufferedAmount: 0, samples: 0, texts: [], closed: null });
    window.sockets.push(this);
  }
  send(data) {
    if (typeof data === "string") this.texts.push(data);
    else this.samples += data.length;
  }
  close(code) { Object.assign(this, { readyState: 3, closed: code }); }
  say(...events) { events.forEach((event) => this.onmessage({ data: JSON.stringify(event) })); }
  end(code, reason = "") { this.readyState = 3; this.onclose({ code, reason }); }
};
"""


def span(start: float, end: float) -> dict:
    return {
        "start_sample": round(16_000 * start),
        "end_sample": round(16_000 * end),
        "start_seconds": start,
        "end_seconds": end,
    }


class Played(unittest.TestCase):
    """The page and a gateway that says what it is told to: all that the real one says rarely."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.quit)
        cls.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PLAYED})

    def setUp(self) -> None:
        self.number = 0
        self.browser.get(self.server.address)
        self.browser.by("file").send_keys(str(RECORDINGS / "libri-1088-134315-0000.flac"))
        self.connected(1)
        self.ready()

    def socket(self, script: str, *arguments):
        return self.browser.execute_script(f"return sockets.at(-1).{script}", *arguments)

    def connected(self, count: int) -> None:
        self.browser.wait(f"connection {count}", lambda: self.browser.execute_script("return sockets.length") == count)

    def say(self, *events: dict) -> None:
        numbered = [{"event": self.number + n, **event} for n, event in enumerate(events, 1)]
        self.number += len(events)
        self.socket("say(...arguments[0])", numbered)

    def ready(self, position: int = 0) -> None:
        self.say({
            "type": "ready",
            "version": 1,
            "session": "played",
            "resume": "5e55",
            "resumed": position > 0,
            "position_sample": position,
            "position_seconds": position / 16_000,
            "sample_rate": 16_000,
            "limits": {"grace_seconds": 30},
        })

    def transcript(self, status: str, words: list[str], stable: int, **more) -> dict:
        timed = [{"text": word, **span(0.2 + 0.4 * n, 0.5 + 0.4 * n), "probability": 0.9} for n, word in enumerate(words)]
        text = " ".join(words)
        fields = {"status": status, "text": text, "stable": stable, "words": timed, "reason": "", **more}
        return {"type": "transcript", "segment": 0, **span(0, 3), **fields}

    def acoustic(self, end: float, positive: float) -> dict:
        probabilities = {"negative": 0.9 * (1 - positive), "neutral": 0.1 * (1 - positive), "positive": positive}
        return {"type": "acoustic", "segment": 0, **span(0, end), "scope": "window", "probabilities": probabilities}

    def result(self, segment: int, start: float, **more) -> dict:
        probabilities = {"negative": 0.2, "neutral": 0.1, "positive": 0.7}
        fields = {"label": "positive", "confidence": 0.7, "probabilities": probabilities, "abstained": False,
                  "anomaly": False, "text": "As you know.", "text_sentiment": None, "audio_sentiment": None,
                  "other_sentiments": [], "latency_ms": None, "status": "final", **more}
        return {"type": "sentiment", "segment": segment, **span(start, start + 2), **fields}

    def test_words_and_tone_come_while_somebody_speaks(self) -> None:
        self.browser.wait("some sound", lambda: self.socket("samples") > 40_000)
        self.say(
            {"type": "speech", "segment": 0, "phase": "open", **span(0, 2.4), "probability": 0.9},
            self.acoustic(0.8, 0.7),
            self.acoustic(1.4, 0.5),
            self.acoustic(2.0, 0.8),
            self.transcript("partial", ["As", "you", "know,", "and", "ass"], 3),
            self.result(0, 0, status="provisional"),
        )
        unstable = "return document.querySelector('#caption .unstable').textContent"
        self.assertEqual(self.browser.text("caption"), "As you know, and ass")
        self.assertEqual(self.browser.execute_script(unstable), "and ass")
        self.assertEqual(self.browser.text("feeling"), "▲ positive 70 %, by the voice so far")
        # Only what stands is read out.
        self.assertEqual(self.browser.text("spoken"), "")
        for scheme in ("light", "dark"):
            self.browser.look(scheme)
            self.assertEqual(audit.problems(self.browser), [])
            self.browser.picture(f"speaking-{scheme}")
        self.browser.look()
        self.say(self.transcript("final", ["As", "you", "know,", "and", "as"], 5), self.result(0, 0))
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, ".unstable"), self.browser.find_elements(By.CSS_SELECTOR, ".legend .unstable"))
        self.assertIn("positive 70 %", self.browser.text("spoken"))

    def test_doubts_are_shown(self) -> None:
        self.browser.wait("some sound", lambda: self.socket("samples") > 60_000)
        self.say(
            self.transcript("rejected", ["Thanks", "for", "watching!"], 0, reason="it is too improbable"),
            self.result(0, 0, anomaly=True, text=""),
            self.result(1, 2.2, abstained=True, degraded="window"),
            {"type": "gap", **span(4.4, 5.2), "samples": 12_800, "reason": "overflow"},
        )
        first, second = self.browser.utterances()
        self.assertIn("≈ unusual voice", first["text"])
        self.assertIn("These words are not trusted: it is too improbable.", first["text"])
        self.assertEqual(second["verdict"], "? unsure, perhaps positive")
        self.assertIn("Done with less effort, because results were late: window.", second["text"])
        self.assertIn("0.8 s of sound are missing, because the server was too late", self.browser.text("notices"))
        self.browser.look()
        self.browser.picture("doubts")
        self.assertEqual(audit.problems(self.browser), [])

    def test_the_server_says_that_it_is_late(self) -> None:
        self.say({"type": "backpressure", "active": True, "queued_ms": 2_300})
        self.assertIn("The server is late: 2.3 s of sound wait", self.browser.text("notices"))
        self.say({"type": "backpressure", "active": False, "queued_ms": 0})
        self.assertEqual(self.browser.text("notices"), "")
        self.say({"type": "error", "code": "input_lost", "message": "a part of the graph failed"})
        self.assertEqual(self.browser.text("notices"), "The server says: a part of the graph failed.")
        self.assertNotEqual(self.browser.text("status"), "Finished")

    def test_a_session_that_fails_says_why(self) -> None:
        self.say({"type": "error", "code": "graph_failed", "message": "the graph failed: node `text` died"})
        self.socket("end(1011)")
        notices = self.browser.text("notices")
        self.assertTrue(notices.startswith("The session has ended early: the graph failed: node `text` died."), notices)
        self.assertEqual(self.browser.text("microphone"), "Start microphone")

    def test_an_event_that_is_missing_is_no_small_thing(self) -> None:
        self.number += 1
        self.say({"type": "backpressure", "active": True, "queued_ms": 1})
        self.assertIn("event 3 came after event 1", self.browser.text("notices"))

    def test_a_network_that_stalls_is_given_up(self) -> None:
        self.browser.wait("some sound", lambda: self.socket("samples") > 10_000)
        self.browser.module('(await import("/link.js")).Link.patience = 1')
        self.socket("bufferedAmount = 1e6")
        self.connected(2)
        self.assertTrue(self.socket("url").endswith("/ws?resume=5e55&after=1"))
        self.assertEqual(self.browser.execute_script("return sockets[0].closed"), 4000)
        # Its last words do not count.
        self.browser.execute_script("sockets[0].say({ event: 2, type: 'backpressure', active: true, queued_ms: 9 })")
        self.assertNotIn("late", self.browser.text("notices"))
        self.ready(100_000)
        self.browser.wait("sound goes on", lambda: self.socket("samples") > 0)
        # A file goes on where the server says.
        self.browser.wait("its place", lambda: float(self.browser.by("scroll").get_attribute("max")) > 100_000 / 16_000)

    def test_the_token_goes_with_the_connection(self) -> None:
        self.socket("end(4401)")
        self.assertTrue(self.browser.by("access").is_displayed())
        self.addCleanup(self.browser.execute_script, "sessionStorage.clear()")
        self.browser.by("token").send_keys("secret", Keys.ENTER)
        self.browser.wait("no question", lambda: not self.browser.by("access").is_displayed())
        self.browser.by("file").send_keys(str(RECORDINGS / "LJ001-0002.flac"))
        self.connected(2)
        self.assertEqual(self.socket("protocols"), ["undertone.v1", "bearer.secret"])

    def test_the_end_is_said_and_waited_for(self) -> None:
        self.browser.by("microphone").click()
        self.assertEqual(self.socket("texts"), ['{"type":"end"}'])
        self.assertEqual(self.browser.text("microphone"), "Finishing …")
        # Whether the server has heard it cannot be known: it is said again.
        self.socket("end(1006)")
        self.connected(2)
        self.ready(90_000)
        self.browser.wait("waiting", lambda: self.browser.text("status") == "Waiting for the last results")
        self.assertEqual((self.socket("texts"), self.socket("samples")), (['{"type":"end"}'], 0))
        self.say(self.result(0, 0), {"type": "end", "position_sample": 9, "position_seconds": 0})
        self.socket("end(1000)")
        self.assertEqual(self.browser.text("status"), "Finished")
        self.assertEqual(len(self.browser.results()), 1)

    def test_what_is_said_while_the_connection_is_made_is_sent(self) -> None:
        sound = write(Path(self.enterContext(tempfile.TemporaryDirectory())) / "buzz.wav", buzz(30))
        self.browser, others = Browser(sound), self.browser
        self.addCleanup(setattr, self, "browser", others)
        self.addCleanup(self.browser.quit)
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": PLAYED})
        self.browser.get(self.server.address)
        self.browser.by("microphone").click()
        self.connected(1)
        # Something is heard, and nobody is there who takes it.
        self.browser.wait("a level", lambda: self.browser.by("level").get_attribute("aria-valuenow") != "-60")
        time.sleep(1)
        self.assertEqual(self.socket("samples"), 0)
        self.number = 0
        self.ready()
        sent = self.browser.wait("what was said", lambda: self.socket("samples"))
        self.assertGreater(sent, 12_800, "a second of sound, but for what a busy machine takes to begin")
        self.browser.wait("what is said now", lambda: self.socket("samples") > sent + 16_000)


if __name__ == "__main__":
    unittest.main()
