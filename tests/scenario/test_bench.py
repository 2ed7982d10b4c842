"""./dev bench in short, so that it stays alive: what it claims of regrelay holds for a few reloads too."""
import json
import sys

import pytest
from tools import nginx
from tools.process import find, run
from tools.relay import BUILD, REGRELAYD, TOP


def bench(*args, what="reload"):
    return run([sys.executable, TOP / f"tests/bench/{what}.py", "--build", BUILD, *args], timeout=60)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_reloads_under_load_lose_nothing():
    if not REGRELAYD.exists():
        pytest.fail(f"{REGRELAYD} is not built")
    if not find("wrk") or not nginx.available():
        pytest.skip("needs wrk and nginx")
    done = bench("--relays", "regrelay", "--reloads", "10", "--interval", "0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    header, _, row = (cells(line) for line in done.stdout.splitlines() if line.startswith("|"))
    found = dict(zip(header, row))
    assert found["relay"] == "regrelay" and found["reloads"] == "10/10" and found["pulls whole"] == "8/8"
    assert found["refused"] == "0" and found["failed, close"] == "0" and found["failed, kept"] == "0"
    assert int(found["requests, close"]) > 100 and int(found["requests, kept"]) > 100


def test_relaying_is_measured(tmp_path):
    if not find("wrk") or not nginx.available():
        pytest.skip("needs wrk and nginx")
    done = bench("--quick", "--relays", "splicer,regrelay", "--rounds", "1", "--blob-mib", "1", "--json",
                 tmp_path / "found.json", what="relay")
    assert done.returncode == 0, done.stdout + done.stderr
    header, _, *rows = (cells(line) for line in done.stdout.splitlines() if line.startswith("|"))
    assert header == ["", "splicer", "regrelay"] and len(rows) == 25
    found = json.loads((tmp_path / "found.json").read_text())["passes"]["with logs"]
    assert [row[0] for row in rows] == list(found)
    for measure, values in found.items():
        assert set(values) == {"splicer", "regrelay"}, measure
        if measure.startswith("late each time"):
            assert values["regrelay"] == [0]
            continue
        assert "cpu s/GB" in measure or min(min(v) for v in values.values()) > 0, (measure, values)


@pytest.mark.parametrize("side", ["clients", "upstream"])
def test_tls_is_measured(tmp_path, side):
    if not find("wrk") or not nginx.available():
        pytest.skip("needs wrk and nginx")
    done = bench("--side", side, "--relays", "regrelay", "--rounds", "1", "--blob-mib", "1", "--seconds", "1", "--crowd", "0", "--json",
                 tmp_path / "found.json", what="tls")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["found"]
    assert len(found) == (14 if side == "clients" else 10)
    for measure, values in found.items():
        assert "cpu s/GB" in measure or values["regrelay"][0] > 0, measure


def test_a_narrow_tunnel_is_measured():
    if not nginx.available():
        pytest.skip("needs nginx")
    done = bench("--relays", "regrelay", "--layer-mb", "4", "--clients", "4", "--stuck", "1", "--mbit", "32", "--most", "3",
                 what="tunnel")
    assert done.returncode == 0, done.stdout + done.stderr
    tables = [cells(line) for line in done.stdout.splitlines() if line.startswith("| regrelay")]
    assert len(tables) == 2 and tables[0][2] == "1.00", done.stdout
    assert 1.0 < float(tables[1][2]) < 1.3, done.stdout  # of the one that reads nothing no more than its layer


def test_unknown_names_are_usage_errors():
    assert bench("--relays", "squid").returncode == 2
    assert bench("--relays", "squid", what="relay").returncode == 2
    assert bench("--relays", "splicer", what="tunnel").returncode == 2
    done = run([TOP / "dev", "bench"])
    assert done.returncode == 2 and "reload" in done.stderr
    assert run([TOP / "dev", "bench", "unknown"]).returncode == 2
