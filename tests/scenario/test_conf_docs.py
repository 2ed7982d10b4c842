"""The table of keys, the sample and the manual page tell the same."""
import re

from tools.process import run
from tools.relay import REGRELAYD, TOP

ROW = re.compile(r'^K\((\w+),\s*(\w+),\s*\w+,\s*\w+,\s*((?:"[^"]*"|RUNSTATEDIR|\s)+),\s*\w+,\s*\w+,\s*(?:BUILT|START)\)', re.M)
SAMPLE = TOP / "conf/regrelay.ini"


def table():
    """{(section, key): default text} of conf_keys.def."""
    found = {}
    for section, key, default in ROW.findall((TOP / "conf/conf_keys.def").read_text()):
        text = "".join(re.findall(r'"([^"]*)"', default))
        found[section, key] = "/run" + text if "RUNSTATEDIR" in default else text
    return found


def sample():
    """{(section, key): value} of the sample, commented keys included."""
    found, section = {}, None
    for line in SAMPLE.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif pair := re.fullmatch(r"#?(\w+) =(.*)", line):
            assert (section, pair[1]) not in found
            found[section, pair[1]] = pair[2].strip()
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
    for at, default in table().items():
        if at not in {("proxy", "address"), ("registry", "host")}:
            assert shown[at] == default, at


def test_manual_page_has_every_key():
    sections = page()
    for section, key in table():
        assert re.search(rf"^\.It Cm (?:[\w ,]+ , )?{key}(?: ,[^\n]*)?$", sections[section], re.M), (section, key)


def test_sample_loads_as_it_is_and_with_all_comments_removed(tmp_path):
    assert run([REGRELAYD, "-t", "-c", SAMPLE]).returncode == 0
    whole = tmp_path / "whole.ini"
    whole.write_text(re.sub(r"^#(\w+ =)", r"\1", SAMPLE.read_text(), flags=re.M))
    done = run([REGRELAYD, "-t", "-c", whole])
    assert done.returncode == 0, done.stderr
