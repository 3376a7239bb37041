"""A real browser without a screen, whose microphone plays a recording."""

import base64
import shutil
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PICTURES = REPOSITORY / "out" / "page"

# The machine may be busy with builds.
PATIENCE = 60.0

# What a browser does on its own is not to reach for the network, and not to disturb the tests.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
]
# A page that nobody sees is to run at full pace all the same.
AWAKE = [
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]


class Browser(webdriver.Chrome):
    """Chromium. With `microphone`, a WAV file, that is what its microphone hears, once, and pages may listen."""

    def __init__(self, microphone: Path | None = None, *arguments: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = found("chromium")
        # Containers have no sandbox, and little shared memory.
        for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1360,1000"]:
            options.add_argument(argument)
        for argument in [*QUIET, *AWAKE, *arguments]:
            options.add_argument(argument)
        if microphone:
            options.add_argument("--use-fake-device-for-media-stream")
            options.add_argument("--use-fake-ui-for-media-stream")
            options.add_argument(f"--use-file-for-fake-audio-capture={microphone}%noloop")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        super().__init__(options=options, service=webdriver.ChromeService(found("chromedriver")))
        self.set_script_timeout(PATIENCE)

    def by(self, name: str):
        """The element with this id."""
        return self.find_element(By.ID, name)

    def text(self, name: str) -> str:
        """What the element with this id says, with ordinary spaces."""
        return self.execute_script("return document.getElementById(arguments[0]).textContent", name).replace("\u00a0", " ")

    def wait(self, what: str, condition):
        """Waits until the condition holds, and gives what it gives."""
        end = time.monotonic() + PATIENCE
        while not (result := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {PATIENCE} s. The page says:\n{self.page()}")
            time.sleep(0.05)
        return result

    def page(self) -> str:
        """All that the page says."""
        return self.execute_script("return document.body.innerText")

    def module(self, script: str, *arguments):
        """Runs `script` as the body of an async function that can import the page's modules."""
        wrapped = (
            "const [...given] = arguments; const done = given.pop();"
            f"(async (...arguments) => {{ {script} }})(...given)"
            ".then((value) => done({ value }), (error) => done({ error: String(error.stack ?? error) }))"
        )
        outcome = self.execute_async_script(wrapped, *arguments)
        if "error" in outcome:
            raise AssertionError(outcome["error"])
        return outcome.get("value")

    def utterances(self) -> list[dict]:
        """The list of utterances, in order of time."""
        script = """
            return [...document.querySelectorAll("#utterances > li")].reverse().map((item) => ({
                words: item.querySelector(".words").textContent,
                verdict: item.querySelector(".verdict")?.textContent.replaceAll("\\u00a0", " ") ?? "",
                text: item.innerText.replaceAll("\\u00a0", " "),
                final: item.querySelector(".parts") !== null,
            }))"""
        return self.execute_script(script)

    def results(self) -> list[dict]:
        """Those whose result is there."""
        return [utterance for utterance in self.utterances() if utterance["final"]]

    def look(self, scheme: str = "light", width: int | None = None) -> None:
        """Chooses how the page is seen: light or dark, and on how narrow a screen."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        if width:
            screen = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
            self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        else:
            self.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        # The canvas is drawn anew with the next frame.
        self.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def picture(self, name: str) -> None:
        """Keeps a picture of the whole page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        data = self.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(data))

    def complaints(self) -> list[str]:
        """What the browser complained of since it was last asked: errors, and what the page's policy forbids."""
        return [entry["message"] for entry in self.get_log("browser") if entry["level"] == "SEVERE"]


def found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise AssertionError(f"{program} is not installed: run tests/page/setup")
    return path
