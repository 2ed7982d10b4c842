"""The tables of the relay's own errors as Markdown, from lib/errors.def: README.md has all columns, docs/kyma.md what a
Kyma user does.

    errortable.py            prints the table of README.md
    errortable.py --update   writes them between the marks in both
    errortable.py --check    exits 1 when one of them has another

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


def path_rows():
    """Rows about the way to the registry: what an operator meets."""
    found = rows()
    names = [row["enum"] for row in found]
    return found[names.index("NONE") + 1:names.index("REQUEST_MALFORMED")]


def table():
    """That of README.md."""
    lines = ["| id | status | what the client shows | cause | fix |", "|---|---|---|---|---|"]
    lines += ["| `{id}` | {status} | `{text}` | {cause} | {fix} |".format(**row) for row in path_rows()]
    return "\n".join(lines)


def guide_table():
    """That of docs/kyma.md."""
    return "\n".join(["| id | what to do |", "|---|---|", *("| `{id}` | {fix} |".format(**row) for row in path_rows())])


def main():
    if "--update" not in sys.argv and "--check" not in sys.argv:
        print(table())
        return 0
    status = 0
    for name, new in (("README.md", table()), ("docs/kyma.md", guide_table())):
        path = TOP / name
        before, rest = path.read_text().split(BEGIN)
        old, after = rest.split(END)
        if "--update" in sys.argv:
            path.write_text(f"{before}{BEGIN}\n{new}\n{END}{after}")
        elif old != f"\n{new}\n":
            print(f"{name}: the error table differs from lib/errors.def; run tests/tools/errortable.py --update")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
