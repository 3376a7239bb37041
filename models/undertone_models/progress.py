"""A line that counts on a terminal; one line a file elsewhere."""

import sys

WIDTH = 24


class Progress:
    """The making of one file; call it with what is done and what there is to do."""

    def __init__(self, label: str):
        self.label, self.live, self.shown = label, sys.stderr.isatty(), ""
        if not self.live:
            print(f"making {label}", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int) -> None:
        filled = WIDTH * done // total
        line = f"{self.label}  {'█' * filled}{'·' * (WIDTH - filled)} {100 * done // total:3} %"
        if self.live and line != self.shown:
            self.shown = line
            # Back to the start of the line, and wipe what is left of the line before.
            print(f"\r{line}\x1b[K", end="\n" if done == total else "", file=sys.stderr, flush=True)
