"""Faults: each does what its name says, as often and for which requests it was told, and is gone when switched off."""
import asyncio
import random
import socket
import time

import pytest
from audit import Audit
from control import Control
from proxy import Proxy
from settings import Settings
from tools import ports
from tools.origin import ok
from tools.standin import VHOST

DATA = random.Random(7).randbytes(300_000)


@pytest.fixture
def blob(stage):
    s = stage()
    s.backend.serve_blob("/v2/blob", DATA)
    return s


@pytest.mark.parametrize("at", [0, 1, 65536, 299_999])
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_cut_at_byte(blob, at, how):
    blob.standin.fault("cut", at=at, how=how, count=1)
    answer = blob.get("/v2/blob")
    assert not answer.complete
    if how == "fin":  # RST may overtake what was sent before
        assert answer.error == "eof" and answer.body == DATA[:at]
    else:
        assert answer.error == "reset"
    assert blob.get("/v2/blob").body == DATA, "it was for one request"


def test_cut_before_the_head(blob):
    blob.standin.fault("cut", at=-1, how="fin", count=2)
    assert blob.get("/v2/blob") is None and blob.get("/v2/blob") is None
    assert blob.get("/v2/blob").complete


def test_faults_choose_by_path_and_last_until_removed(blob):
    blob.backend.answer("/v2/", ok(b"{}"))
    number = blob.standin.fault("cut", at=10, path="/blob")
    assert blob.get("/v2/").complete
    assert not blob.get("/v2/blob").complete and not blob.get("/v2/blob").complete
    assert blob.standin.state()["faults"][0]["struck"] == 2
    blob.standin.heal(number)
    assert blob.get("/v2/blob").complete


def test_corrupt(blob):
    blob.standin.fault("corrupt", at=70_000)
    body = blob.get("/v2/blob").body
    assert [i for i, (a, b) in enumerate(zip(body, DATA)) if a != b] == [70_000] and len(body) == len(DATA)


def test_chunked_and_close_delimited(blob):
    blob.standin.fault("chunked", count=1)
    answer = blob.get("/v2/blob")
    assert answer.header("Content-Length") is None and answer.header("Transfer-Encoding") == "chunked"
    assert answer.complete and answer.body == DATA
    blob.standin.fault("close", count=1)
    answer = blob.get("/v2/blob")
    assert answer.header("Content-Length") is None and answer.header("Transfer-Encoding") is None
    assert answer.complete and answer.body == DATA


def test_truncated_chunks(blob):
    blob.standin.fault("chunked")
    blob.standin.fault("cut", at=100_000)
    answer = blob.get("/v2/blob")
    assert not answer.complete and answer.body == DATA[:100_000]


def test_range_ignored(blob):
    headers = [("Range", "bytes=299990-")]
    assert blob.get("/v2/blob", headers=headers).body == DATA[-10:]
    blob.standin.fault("no-range")
    answer = blob.get("/v2/blob", headers=headers)
    assert answer.status == 200 and answer.body == DATA


def test_stall_and_slow(blob):
    blob.standin.fault("stall", at=1000, seconds=0.3, count=1)
    begin = time.monotonic()
    assert blob.get("/v2/blob").body == DATA
    assert time.monotonic() - begin >= 0.3
    blob.standin.fault("slow", rate=1_000_000)
    begin = time.monotonic()
    assert blob.get("/v2/blob").body == DATA
    assert time.monotonic() - begin >= 0.3


def test_answer_instead_of_the_backend(blob):
    blob.standin.fault("answer", status=503, text="No tunnels subscribed for tunnelId x", count=1)
    answer = blob.get("/v2/blob")
    assert (answer.status, answer.body) == (503, b"No tunnels subscribed for tunnelId x")
    assert blob.get("/v2/blob").status == 200


def test_outage_with_503(blob):
    with blob.connect() as c:
        assert c.get("/v2/blob", host=VHOST).status == 200
        blob.standin.outage("503")
        assert c.rest() == b""
    answer = blob.get("/v2/blob")
    assert answer.status == 503 and answer.body.startswith(b"There is no SAP Cloud Connector (SCC) connected")
    blob.standin.outage("none")
    assert blob.get("/v2/blob").status == 200


def test_outage_refused_for_a_while(blob):
    with blob.connect() as c:
        assert c.get("/v2/blob", host=VHOST).status == 200
        blob.standin.outage("refuse", seconds=4)  # longer than the machine stands still before the next look
        assert c.rest() == b"" and c.eof == "reset"
    assert not ports.accepts(blob.standin.port)
    blob.standin.process.wait_port(blob.standin.port)
    assert blob.get("/v2/blob").status == 200


def test_next_outage_comes_while_one_ends():
    """The next order comes so many turns of the loop after the end began, and finds the port as it should be."""
    async def orders():
        proxy = Proxy(Settings(), {}, Audit())
        _, port = await proxy.listen("127.0.0.1", ports.free_port())
        control = Control(proxy)
        for turns in range(12):
            for how in ("refuse", "none"):
                await control.outage("refuse", 0)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await control.outage(how)
                assert ports.accepts(port) == (how == "none"), f"{how} {turns} turns after"
        await asyncio.gather(*[control.outage(how) for how in ("refuse", "none", "503", "none")])
        assert ports.accepts(port), "several orders at once"
    asyncio.run(orders())


def test_port_taken_during_an_outage_is_told(blob):
    blob.standin.outage("refuse")
    with socket.create_server(("127.0.0.1", blob.standin.port)):
        with pytest.raises(ValueError, match="OSError.*address already in use"):
            blob.standin.outage("none")
    blob.standin.outage("none")
    assert blob.get("/v2/blob").status == 200


def test_cut_all(blob):
    with blob.connect() as a, blob.connect() as b:
        for c in (a, b):
            assert c.get("/v2/blob", host=VHOST).status == 200
        assert blob.standin.cut("rst") == 2
        assert a.rest() == b.rest() == b"" and a.eof == b.eof == "reset"


def test_wrong_faults_are_refused(blob):
    for kind, values in (("melt", {}), ("cut", {"rate": 1}), ("cut", {"how": "gently"}), ("slow", {}),
                         ("corrupt", {"path": "("})):
        with pytest.raises(ValueError):
            blob.standin.fault(kind, **values)
    with pytest.raises(ValueError):
        blob.standin.set(line_limits=1)
    with pytest.raises(ValueError):
        blob.standin.tunnel(location="Paris")
    with pytest.raises(ValueError):
        blob.standin.heal(99)
    assert blob.standin.state()["faults"] == []
