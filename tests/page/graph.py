"""The real graph: gateway, models and all, started by dora as a user would."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from browser import PATIENCE, REPOSITORY

FOLDER = REPOSITORY / "out" / "page" / "graph"


class Graph:
    """`dataflows/gateway.yml` on a port of its own."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Dora looks for types beside the graph.
        types = FOLDER / "types"
        if not types.is_symlink():
            types.symlink_to(REPOSITORY / "types")
        text = (REPOSITORY / "dataflows" / "gateway.yml").read_text()
        text = text.replace("../target/", f"{REPOSITORY}/target/")
        text, count = re.subn(r"--listen \S+", f"--listen 127.0.0.1:{self.port}", text)
        if count != 1:
            raise AssertionError("dataflows/gateway.yml has no one `--listen`")
        file = FOLDER / "gateway.yml"
        file.write_text(text)
        environment = REPOSITORY / ".venv"
        self.log = FOLDER / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [environment / "bin" / "dora", "run", file],
                cwd=REPOSITORY,
                env={**os.environ, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Waits until it is ready."""
        end = time.monotonic() + 2 * PATIENCE
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"the graph does not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)

    def ready(self) -> bool:
        """Whether the gateway takes sessions."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ends it, with all its nodes."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
