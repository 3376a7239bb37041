"""The page's files and the recordings from a small server, for tests that need no graph."""

import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from browser import REPOSITORY

PAGE = REPOSITORY / "nodes" / "gateway" / "page"
RECORDINGS = REPOSITORY / "recordings" / "session"


class Server(ThreadingHTTPServer):
    """Serves the page at /, recordings at /recordings/, and answers as the gateway does on /stats and /parameters."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self.parameters = {"possible": False, "reason": "the gateway has no `--parameters`", "allowed": []}
        # What to refuse changes with.
        self.refusal = None
        self.changes: list[dict] = []
        # What to ask for.
        self.token = None
        # What to keep the page out with.
        self.barred = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self.shutdown()
        self.server_close()


class Handler(SimpleHTTPRequestHandler):
    """One request."""

    extensions_map = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

    def translate_path(self, path: str) -> str:
        """Where a file is."""
        path = urlsplit(path).path
        if path.startswith("/recordings/"):
            return str(RECORDINGS / path.removeprefix("/recordings/"))
        return str(PAGE / (path.lstrip("/") or "index.html"))

    def do_GET(self) -> None:  # noqa: N802
        """Answers a question."""
        if self.path == "/stats":
            token = self.server.token
            allowed = token is None or self.headers["Authorization"] == f"Bearer {token}"
            if self.server.barred:
                self.answer(403, {"error": self.server.barred})
            else:
                self.answer(200 if allowed else 401, {"parameters": self.server.parameters})
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        """Takes a change."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.changes.append(json.loads(body))
        if self.server.refusal:
            self.answer(502, {"error": self.server.refusal})
        else:
            self.answer(202, {"status": "sent"})

    def answer(self, status: int, body: dict) -> None:
        """Answers with JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
