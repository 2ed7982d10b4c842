#!/usr/bin/python3
"""record: runs the demo on a terminal of its own and makes a moving picture of what it said there.

    tests/demo/record.py --build build docs/demo.svg

The picture is an SVG that any browser plays once and then leaves at its end; one that does not play shows all of it.
"""
import argparse
import html
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time

ROWS, COLUMNS, LINE, CHARACTER = 26, 116, 17, 7.9
LONGEST_PAUSE = 1.2  # seconds of silence that are kept
FRAME = 0.3          # a line that is rewritten more often is shown at this pace


def watch(argv):
    """Runs argv on a terminal: [(seconds, text)], and its exit status."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, close_fds=True)
    os.close(follower)
    said, begin = [], time.monotonic()
    while True:
        if not select.select([leader], [], [], 120)[0]:
            child.kill()
            raise SystemExit("record: the demo says nothing for two minutes")
        try:
            piece = os.read(leader, 65536)
        except OSError:
            piece = b""
        if not piece:
            break
        said.append((time.monotonic() - begin, piece.decode(errors="replace")))
    os.close(leader)
    return said, child.wait()


def without_pauses(said):
    at = last = 0.0
    for seconds, text in said:
        at += min(seconds - last, LONGEST_PAUSE)
        last = seconds
        yield at, text


def lines_of(said):
    """[[(seconds, text), ...] for each line]: what it said from when on."""
    lines = [[]]
    for at, text in without_pauses(said):
        for part in re.split(r"(\r?\n|\r)", text):
            if part.endswith("\n"):
                lines.append([])
            elif part and part != "\r":
                versions = lines[-1]
                if versions and at - versions[-1][0] < FRAME:
                    versions[-1] = (versions[-1][0], part)
                else:
                    versions.append((at, part))
    return [line for line in lines[:-1]] if not lines[-1] else lines


def style_of(text):
    if re.match(r"\d+\. ", text):
        return " t"
    return " q" if re.match(r"   \S+ +> ", text) else ""


def picture(lines):
    """The SVG."""
    out, rules, at = [], [], 0.0
    for row, versions in enumerate(lines):
        for n, (begin, text) in enumerate(versions):
            at = max(at, begin)
            end = f",b 0s {versions[n + 1][0]:.2f}s forwards" if n + 1 < len(versions) else ""
            hidden = ' visibility="hidden"' if end else ""
            out.append(f'<text class="l{style_of(text)}" y="{(row + 1) * LINE}"{hidden} style="animation:a 0s {begin:.2f}s both{end}">'
                       f"{html.escape(text[:COLUMNS])}</text>")
        if row >= ROWS:
            begin = versions[0][0] if versions else at
            rules.append((begin, row - ROWS + 1))
    for n, (_, by) in enumerate(rules):
        out.append(f"<style>@keyframes s{n}{{to{{transform:translateY({-by * LINE}px)}}}}</style>")
    scroll = ",".join(f"s{n} 0s {begin:.2f}s forwards" for n, (begin, _) in enumerate(rules)) or "none"
    width, height = int(COLUMNS * CHARACTER) + 24, ROWS * LINE + 24
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<title>./dev demo</title>
<style>
.l{{font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d6deeb;white-space:pre}}
.t{{fill:#82aaff;font-weight:bold}}.q{{fill:#ecc48d}}
@keyframes a{{from{{visibility:hidden}}to{{visibility:visible}}}}
@keyframes b{{from{{visibility:visible}}to{{visibility:hidden}}}}
.s{{animation:{scroll}}}
</style>
<rect width="100%" height="100%" rx="6" fill="#011627"/>
<svg x="12" y="8" width="{width - 24}" height="{height - 16}"><g class="s" xml:space="preserve">
{chr(10).join(out)}
</g></svg>
</svg>
"""


def main():
    parser = argparse.ArgumentParser(prog="record.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, metavar="DIR", help="where regrelayd is built")
    parser.add_argument("picture", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    said, status = watch([sys.executable, pathlib.Path(__file__).with_name("demo.py"), "--build", args.build])
    if status:
        raise SystemExit(f"record: the demo ended with {status}")
    lines = lines_of(said)
    args.picture.write_text(picture(lines))
    print(f"{args.picture}: {len(lines)} lines, {args.picture.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
