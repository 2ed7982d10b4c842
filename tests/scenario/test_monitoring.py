"""Alert rules and dashboard: they name what the daemon has, and the rules fire when they should."""
import json
import re

import pytest
from tools import metrics, rawhttp
from tools.origin import ok
from tools.process import find, run
from tools.relay import TOP

RULES, RULES_TEST = TOP / "monitoring/regrelay.rules.yml", TOP / "monitoring/regrelay.rules.test.yml"
DASHBOARD = TOP / "monitoring/dashboard.json"
SERIES = re.compile(r"\b((?:regrelay|process)_\w+)(?:\{([^}]*)\})?")
ALERT = re.compile(r"- alert: (\w+)\n(.*?)(?=\n\n|\Z)", re.S)
# What Prometheus adds to each series, and what the outside of an expression works with.
GIVEN = {"instance", "job"}


def alerts():
    """{name: the text of its rule}"""
    return dict(ALERT.findall(RULES.read_text()))


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    found = [re.search(r"expr: (.*?)\n +(?:for|labels):", text, re.S)[1] for text in alerts().values()]
    found += [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return found


def labels_of(relay):
    """{name of a series, with _bucket and the like: its labels}"""
    found = {}
    for family in metrics.parse(relay.admin("/metrics")[1]).values():
        for name, labels in family.samples:
            found.setdefault(name, set()).update(key for key, _ in labels)
    return found


def test_every_series_exists_with_its_labels(relay, origin):
    origin.answer("/v2/", ok())
    assert rawhttp.get(relay.port, "/v2/").status == 200
    there = labels_of(relay)
    assert len(expressions()) > 50
    for expression in expressions():
        named = SERIES.findall(expression)
        assert named, expression
        for series, matchers in named:
            assert series in there, f"{series}: {expression}"
            wanted = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers))
            assert wanted <= there[series] | GIVEN, f"{series}: {expression}"
        grouped = {key.strip() for keys in re.findall(r"\b(?:by|ignoring) \(([^)]*)\)", expression) for key in keys.split(",")}
        assert grouped <= set().union(*(there[s] for s, _ in named)) | GIVEN, expression


def test_most_of_the_series_are_shown(relay):
    text = " ".join(expressions())
    shown = {name for name in labels_of(relay) if re.search(rf"\b{name}\b", text)}
    unseen = {re.sub("_(sum|count|bucket)$", "", name) for name in labels_of(relay)} - \
        {re.sub("_(sum|count|bucket)$", "", name) for name in shown}
    assert unseen == {"regrelay_start_time_seconds", "regrelay_config_last_reload_success_timestamp_seconds",
                      "process_start_time_seconds", "regrelay_sandboxed_processes",
                      "regrelay_client_connections_refused_total", "regrelay_upstream_breaker_opens_total"}


def test_dashboard_is_sound():
    used, ids = set(), set()
    for panel in panels():
        assert panel["title"] and panel["id"] not in ids
        ids.add(panel["id"])
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & used and at["x"] + at["w"] <= 24, panel["title"]
        used |= cells
        if panel["type"] != "row":
            assert panel["description"] and panel["targets"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.skipif(not find("promtool"), reason="promtool is not installed")
def test_rules_fire_when_they_should():
    done = run(["promtool", "check", "rules", RULES])
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(["promtool", "test", "rules", RULES_TEST])
    assert done.returncode == 0, done.stdout + done.stderr
    tried = RULES_TEST.read_text()
    for name in alerts():
        assert tried.count(name + "\"") + tried.count(name + " }") + tried.count(name + "\n") >= 2, f"{name}: fires and is quiet"


def test_readme_lists_the_alerts():
    table = re.search(r"<!-- alerts: begin -->\n(.*)<!-- alerts: end -->", (TOP / "README.md").read_text(), re.S)[1]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", table, re.M)
    assert [(name, severity) for name, severity, _ in rows] == \
        [(name, re.search(r"severity: (\w+)", text)[1]) for name, text in alerts().items()]
    for text in alerts().values():
        assert "summary:" in text and "description:" in text
