"""A strict reader of the Prometheus text format (version 0.0.4).

    parse(text) -> {family: Family}

What the format, or the conventions of its users, forbid raises MetricsError: a sample without TYPE and HELP before it, a
family in two places, a series twice, a label twice or badly escaped, a counter below zero or without _total, a histogram
whose buckets fall, whose +Inf is missing or other than its count.
"""
import dataclasses
import math
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? ([-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|Inf|NaN))")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_SUFFIXES = ("_bucket", "_sum", "_count")


class MetricsError(Exception):
    pass


@dataclasses.dataclass
class Family:
    name: str
    kind: str = None
    help: str = None
    samples: dict = dataclasses.field(default_factory=dict)   # (name, ((label, value), ...)) -> float


def _labels(text, line):
    labels, at = {}, 0
    while text and at < len(text):
        match = _LABEL.match(text, at)
        if not match or match[1] in labels:
            raise MetricsError(f"labels: {line}")
        labels[match[1]] = match[2]
        at = match.end()
    if text is not None and (not text or text.endswith(",")):
        raise MetricsError(f"empty label: {line}")
    return tuple(sorted(labels.items()))


def _family_of(name, current):
    """A histogram's samples carry suffixes."""
    if current and current.kind == "histogram":
        for suffix in _SUFFIXES:
            if name == current.name + suffix:
                return current.name
    return name


def _check_histogram(family):
    rows = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        row = rows.setdefault(rest, {"le": [], "sum": None, "count": None})
        if name.endswith("_bucket"):
            row["le"].append((float(dict(labels)["le"].replace("+Inf", "inf")), value))
        else:
            row[name.rsplit("_", 1)[1]] = value
    for labels, row in rows.items():
        bounds, counts = [b for b, _ in row["le"]], [c for _, c in row["le"]]
        if bounds != sorted(set(bounds)) or counts != sorted(counts):
            raise MetricsError(f"buckets of {family.name}{labels} are out of order")
        if row["sum"] is None or not bounds or bounds[-1] != math.inf or counts[-1] != row["count"]:
            raise MetricsError(f"{family.name}{labels} is not whole")


def _check(family):
    if family.kind not in ("counter", "gauge", "histogram") or not family.help:
        raise MetricsError(f"{family.name}: no TYPE or no HELP")
    if (family.kind == "counter") != family.name.endswith("_total"):
        raise MetricsError(f"{family.name} is a {family.kind}")
    if not family.samples:
        raise MetricsError(f"{family.name} has no sample")
    if family.kind != "gauge" and any(v < 0 for v in family.samples.values()):
        raise MetricsError(f"{family.name} is negative")
    if family.kind == "histogram":
        _check_histogram(family)


def parse(text):
    families, current = {}, None
    if not text.endswith("\n"):
        raise MetricsError("the last line does not end")
    for line in text[:-1].split("\n"):
        comment = re.fullmatch(rf"# (HELP|TYPE) ({_NAME}) (.+)", line)
        if comment:
            kind, name, rest = comment.groups()
            if not current or current.name != name:
                if name in families:
                    raise MetricsError(f"{name} stands in two places")
                current = families[name] = Family(name)
            if current.samples or getattr(current, kind.lower() if kind == "HELP" else "kind") is not None:
                raise MetricsError(f"late or second {line}")
            setattr(current, "help" if kind == "HELP" else "kind", rest)
            continue
        match = _SAMPLE.fullmatch(line)
        if not match:
            raise MetricsError(f"no sample: {line!r}")
        name, labels, value = match.groups()
        if not current or _family_of(name, current) != current.name:
            raise MetricsError(f"a sample outside its family: {line}")
        key = (name, _labels(labels, line))
        if key in current.samples:
            raise MetricsError(f"twice: {line}")
        current.samples[key] = float(value)
    for family in families.values():
        _check(family)
    return families


def counters(families):
    """Everything that may only grow: {(name, labels): value}."""
    return {key: value for f in families.values() if f.kind != "gauge" for key, value in f.samples.items()}
