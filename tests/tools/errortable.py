"""The table of the relay's own errors as Markdown, from lib/errors.def.

    errortable.py            prints the table of README.md
    errortable.py --update   writes it between the marks in README.md
    errortable.py --check    exits 1 when README.md has another one

rows() gives the parsed rows to other tests.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- errors: begin -->", "<!-- errors: end -->"
ROW = re.compile(r"^E\((?P<body>.*?)\)\s*$", re.S | re.M)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_0-9]+')


def rows():
    """Every row of errors.def as a dict, in order."""
    text = re.sub(r"/\*.*?\*/", "", (TOP / "lib/errors.def").read_text(), flags=re.S)
    found = []
    for match in ROW.finditer(text):
        parts = [t[1:-1] if t.startswith('"') else t for t in TOKEN.findall(match["body"])]
        keys = ("enum", "id", "status", "code", "reason", "text", "cause", "fix")
        found.append(dict(zip(keys, parts, strict=True)))
    return found


def table():
    """Rows about the way to the registry: what an operator meets."""
    lines = ["| id | status | what the client shows | cause | fix |", "|---|---|---|---|---|"]
    for row in rows():
        if row["enum"] == "NONE":
            continue
        if row["enum"] == "REQUEST_MALFORMED":
            break
        lines.append("| `{id}` | {status} | `{text}` | {cause} | {fix} |".format(**row))
    return "\n".join(lines)


def main():
    readme = TOP / "README.md"
    if "--update" not in sys.argv and "--check" not in sys.argv:
        print(table())
        return 0
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    new = "\n" + table() + "\n"
    if "--update" in sys.argv:
        readme.write_text(before + BEGIN + new + END + after)
        return 0
    if old != new:
        print("README.md: the error table differs from lib/errors.def; run tests/tools/errortable.py --update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
