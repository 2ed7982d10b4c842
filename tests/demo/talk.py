"""talk: how the demo speaks: short lines for a person, quotes of what programs said, a progress line on a terminal."""
import sys
import textwrap
import time

_WIDTH = 112


class Talk:
    """Writes to standard output; elapsed() is the time since it was made."""

    def __init__(self):
        self._start = time.monotonic()
        self._live = sys.stdout.isatty()

    def elapsed(self):
        return time.monotonic() - self._start

    def say(self, text="", indent=0):
        """A paragraph."""
        for line in textwrap.wrap(text, _WIDTH - indent) or [""]:
            print(" " * indent + line, flush=True)

    def title(self, number, text):
        self.say()
        self.say(f"{number}. {text}")

    def quote(self, who, text):
        """Words of a program, under the name of who served it."""
        lines = textwrap.wrap(text, _WIDTH - 16, break_long_words=False, break_on_hyphens=False) or ["(nothing)"]
        for number, line in enumerate(lines):
            print(f"   {who if number == 0 else '':10} {'> ' if number == 0 else '  '}{line}", flush=True)

    def progress(self, who, done, total, seconds, final=False):
        """How far a pull is: rewritten in place on a terminal, else only its end."""
        text = f"   {who:10} {min(done, total) / 1e6:5.1f} of {total / 1e6:.1f} MB  {seconds:4.1f} s"
        if self._live:
            print("\r" + text, end="\n" if final else "", flush=True)
        elif final:
            print(text, flush=True)
