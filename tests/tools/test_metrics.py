"""The strict reader of metrics refuses what it should."""
import pytest

from .metrics import MetricsError, parse

GOOD = """# HELP a_total A.
# TYPE a_total counter
a_total{x="1"} 1
a_total{x="a\\"b"} 2
# HELP h H.
# TYPE h histogram
h_bucket{r="b",le="1"} 1
h_bucket{r="b",le="+Inf"} 2
h_sum{r="b"} 3.5
h_count{r="b"} 2
"""


def test_good():
    families = parse(GOOD)
    assert families["a_total"].samples[("a_total", (("x", "1"),))] == 1
    assert families["h"].kind == "histogram"


@pytest.mark.parametrize("old,new", [
    ('a_total{x="1"} 1', 'a_total{x="1"} -1'), ('a_total{x="1"} 1', 'a_total{x="1"} one'), ("# HELP a_total A.\n", ""),
    ("# TYPE a_total counter\n", ""), ("a_total counter", "a_total gauge"), ('x="a\\"b"', 'x="1"'), ('x="1"', 'x="1",x="2"'),
    ('x="1"', 'x=1'), ('x="1"', 'x="a"b"'), ('{x="1"}', "{}"), ('x="1"', 'x="1",'), ('le="+Inf"} 2', 'le="+Inf"} 3'),
    ('le="1"} 1', 'le="1"} 5'), ('h_sum{r="b"} 3.5\n', ""), ('h_bucket{r="b",le="+Inf"} 2\n', ""),
    ("h_count{r", "i_count{r"), ("# TYPE h h", "# TYPE h gauge\n# TYPE h h"), ("# HELP h H.", "\n# HELP h H."),
    ("# HELP h H.", '# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP h H.')])
def test_bad(old, new):
    assert old in GOOD
    with pytest.raises(MetricsError):
        parse(GOOD.replace(old, new))


def test_cut():
    with pytest.raises(MetricsError):
        parse(GOOD[:-1])
