"""The table of keys, the sample and the manual page tell the same."""
import re

import pytest
from tools.process import run
from tools.relay import REGRELAYD, TOP

ROW = re.compile(r'^K\((\w+),\s*(\w+),\s*\w+,\s*(\w+),\s*((?:"[^"]*"|RUNSTATEDIR|\s)+),\s*\w+,\s*\w+,\s*(BUILT|START|LATER)\)', re.M)
SAMPLE = TOP / "conf/regrelay.ini"


def table():
    """{(section, key): (kind, default text, built)} of conf_keys.def."""
    found = {}
    for section, key, kind, default, built in ROW.findall((TOP / "conf/conf_keys.def").read_text()):
        text = "".join(re.findall(r'"([^"]*)"', default))
        found[section, key] = (kind, "/run" + text if "RUNSTATEDIR" in default else text, built != "LATER")
    return found


def sample():
    """{(section, key): (value, later)} of the sample, commented keys included."""
    found, section, later = {}, None, False
    for line in SAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section, later = header[1], False
        elif line == "# later:":
            later = True
        elif pair := re.fullmatch(r"#?(\w+) =(.*)", line):
            assert (section, pair[1]) not in found
            found[section, pair[1]] = (pair[2].strip(), later)
    return found


def page():
    """{section: text} of the manual page's sections of keys."""
    parts = re.split(r"^\.Ss \[(\w+)\].*$", (TOP / "conf/regrelay.ini.5").read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_table_is_read_whole():
    rows = len(re.findall(r"^K\(", (TOP / "conf/conf_keys.def").read_text(), re.M))
    assert len(table()) == rows > 60


def test_sample_has_every_key_with_its_default():
    shown = sample()
    assert set(shown) == set(table())
    for at, (_, default, built) in table().items():
        value, later = shown[at]
        assert later == (not built), at
        if at not in {("proxy", "address"), ("registry", "host")}:
            assert value == default, at


def test_manual_page_has_every_key_and_says_what_is_not_built():
    sections = page()
    for (section, key), (_, _, built) in table().items():
        item = re.search(rf"^\.It Cm (?:[\w ,]+ , )?{key}(?: ,[^\n]*)?$(.*?)(?=^\.It|^\.El)", sections[section], re.M | re.S)
        assert item, (section, key)
        if not built:
            assert "Later" in item[1], (section, key)


def test_sample_loads_as_it_is_and_with_all_comments_removed(tmp_path):
    assert run([REGRELAYD, "-t", "-c", SAMPLE]).returncode == 0
    whole = tmp_path / "whole.ini"
    whole.write_text(re.sub(r"^#(\w+ =)", r"\1", SAMPLE.read_text(), flags=re.M))
    done = run([REGRELAYD, "-t", "-c", whole])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("at", sorted(k for k, (kind, _, built) in table().items() if not built))
def test_what_is_not_built_is_refused_with_its_line(tmp_path, at):
    section, key = at
    kind = table()[at][0]
    other = {"TEXT": "x", "PATH": "/x", "LIST": "x", "DURATION": "3s", "COUNT": "7", "SIZE": "1K", "PROTOCOL": "socks5",
             "AUTH": "basic"}[kind]
    lines = {"proxy": ["address = cp:1"], "registry": ["host = r:1"], "listen": [], "master": []}
    lines[section].append(f"{key} = {other}")
    path = tmp_path / "r.ini"
    path.write_text("".join(f"[{name}]\n" + "".join(line + "\n" for line in body) for name, body in lines.items()))
    done = run([REGRELAYD, "-t", "-c", path])
    assert done.returncode == 78
    number = path.read_text().splitlines().index(f"{key} = {other}") + 1
    assert f"{path}:{number}: {key}" in done.stderr, done.stderr
