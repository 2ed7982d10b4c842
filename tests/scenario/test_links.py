"""Links of the registry stay at the relay, with the prefix and the ns by which the client came."""
import re

import pytest
from tools import rawhttp
from tools.origin import ok

VHOST = "myregistry.kyma:25002"
TAGS = "/v2/team/app/tags/list"


def walk(port, first):
    """Follows Link to the end as a client does: every tag."""
    found, path = [], first
    while path:
        answer = rawhttp.get(port, path)
        found += re.findall(r"t\d+", answer.body.decode())
        link = answer.header("Link")
        path = re.fullmatch(r'<(/[^>]+)>; rel="next"', link)[1] if link else None
    return found


@pytest.mark.parametrize("base", ["", f"http://{VHOST}", f"https://{VHOST}"])
@pytest.mark.parametrize("prefix, ns", [("", ""), ("mirror", ""), ("", "myreg.corp")])
def test_tags_are_walked_to_the_end(start_relay, origin, base, prefix, ns):
    keys = {"host": VHOST, **({"prefix": prefix} if prefix else {}), **({"ns": ns} if ns else {})}
    relay = start_relay(proxy=origin.address, registries={"default": keys})
    for page in range(3):
        target = TAGS + (f"?last=t{page - 1}&n=1" if page else "?n=1")
        link = [("Link", f'<{base}{TAGS}?last=t{page}&n=1>; rel="next"')] if page < 2 else []
        origin.answer(target, ok(b'{"tags":["t%d"]}' % page, headers=link))
    first = TAGS.replace("/v2/", f"/v2/{prefix}/" if prefix else "/v2/") + "?n=1" + (f"&ns={ns}" if ns else "")
    assert walk(relay.port, first) == ["t0", "t1", "t2"]
    assert not [r for r in origin.requests if "ns=" in r.target]
