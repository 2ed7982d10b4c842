"""table: the result of a benchmark, a row per relay, in Markdown that a terminal shows well too."""
import dataclasses


@dataclasses.dataclass
class Row:
    """What was seen of one relay."""
    name: str
    wanted: int         # reloads asked for
    done: int           # reloads that succeeded
    seconds: float      # median of one, or None
    processes: int      # the most
    pulls: int          # large pulls
    good: int           # of them whole and right
    during: dict        # {"close": load.Tally, "keep": load.Tally} while it reloaded
    before: dict        # the same without reloads
    details: list       # lines on what went wrong

    def lost_nothing(self):
        failed = sum(tally.failed for tallies in (self.before, self.during) for tally in tallies.values())
        return self.done == self.wanted and self.good == self.pulls and failed == 0

    def ratio(self, kind):
        """Throughput with reloads in proportion to that without."""
        return self.during[kind].rate / self.before[kind].rate


_COLUMNS = {
    "relay": lambda r, _: r.name,
    "reloads": lambda r, _: f"{r.done}/{r.wanted}",
    "requests, close": lambda r, _: r.during["close"].answered,
    "failed, close": lambda r, _: r.during["close"].failed,
    "requests, kept": lambda r, _: r.during["keep"].answered,
    "failed, kept": lambda r, _: r.during["keep"].failed,
    "refused": lambda r, _: sum(tally.refused for tally in r.during.values()),
    "pulls whole": lambda r, _: f"{r.good}/{r.pulls}",
    "throughput, close / kept": lambda r, _: f"{r.ratio('close'):.2f} / {r.ratio('keep'):.2f}",
    "a reload takes": lambda r, base: f"{r.seconds / base:.1f}" if r.seconds and base else "-",
    "processes": lambda r, _: r.processes,
}


def lines_of(rows):
    """Rows of texts, the first of them the header, as lines of a table."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]


def print_table(rows):
    """Prints the table, what its columns mean, and below what the counts consist of."""
    if not rows:
        return
    base = next((row.seconds for row in rows if row.seconds), None)
    lines = [list(_COLUMNS)] + [[str(cell(row, base)) for cell in _COLUMNS.values()] for row in rows]
    print("\n" + "\n".join(lines_of(lines)))
    print(f"\nthroughput: with reloads, in proportion to the same load without.  a reload takes: in proportion to "
          f"{rows[0].name}.\nprocesses: the most at one time.")
    for row in rows:
        for text in row.details:
            print(f"{row.name}: {text}")
