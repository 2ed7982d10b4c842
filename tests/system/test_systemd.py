"""Under a real systemd: start, reload, restart with the socket unit, crash, watchdog, journal, rights, hardening."""
import http.client
import json
import os
import re
import threading
import time

import pytest
from tools import machine, ports, rawhttp
from tools.kernel import has_landlock
from tools.load import QUIET, get_after_silence
from tools.origin import Origin, ok
from tools.process import find, run, wait_until
from tools.relay import BUILD, TOP

DRAINED_S = 30 if os.environ.get("REGRELAY_SOAK") else 3
BLOB = "/v2/team/app/blobs/sha256:" + "a" * 64


# --- the units as files -------------------------------------------------------------------------------------------------

@pytest.mark.skipif(not find("systemd-analyze"), reason="systemd-analyze is not installed")
def test_exposure_stays_low():
    done = run(["systemd-analyze", "security", "--offline=true", "--threshold=12", BUILD / "systemd/regrelay.service"])
    assert done.returncode == 0, done.stdout[-200:]


def test_stop_timeout_is_above_the_drain_timeout():
    unit = (BUILD / "systemd/regrelay.service").read_text()
    assert re.search(r"^TimeoutStopSec=6min$", unit, re.M)
    assert 'K(master, drain_timeout,   drain_timeout,   DURATION,  "5min"' in (TOP / "conf/conf_keys.def").read_text()


# --- on a machine -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def box(tmp_path_factory):
    if machine.missing():
        pytest.skip(machine.missing())
    with machine.Machine(tmp_path_factory.mktemp("machine")) as m:
        m.run("systemd-sysusers", check=True)
        m.run("systemctl", "daemon-reload", check=True)
        yield m


def http_get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def http_status(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


class Unit:
    """regrelay.service on the machine, in front of an origin of the host."""

    def __init__(self, box, origin):
        self.box, self.origin = box, origin
        self.port, self.admin = ports.free_ports(2)
        self.config = next(box.root.glob("**/etc/regrelay/regrelay.ini"))
        self.write()

    def write(self, extra=""):
        self.config.write_text(f"[listen]\naddress = *:{self.port}\n[admin]\naddress = 127.0.0.1:{self.admin}\n"
                               f"[proxy]\naddress = {self.origin.address}\n[registry]\nhost = myregistry.kyma:25002\n{extra}")

    def ctl(self, verb, check=True):
        return self.box.run("systemctl", verb, "regrelay", check=check)

    def pid(self):
        return int(self.box.show("regrelay", "MainPID"))

    def serves(self):
        try:
            answer = rawhttp.get(self.port, "/v2/")
        except OSError:
            return False
        return answer is not None and answer.status == 200


@pytest.fixture
def unit(box):
    with Origin() as origin:
        origin.answer("/v2/", ok())
        u = Unit(box, origin)
        yield u
        box.run("systemctl", "stop", "regrelay.socket", "regrelay.service")
        box.run("systemctl", "reset-failed", "regrelay.socket", "regrelay.service")
        (box.root / "etc/systemd/system/regrelay.socket.d/port.conf").unlink(missing_ok=True)
        box.run("systemctl", "daemon-reload")


def test_start_is_ready_when_it_returns_and_pulls_work_under_the_full_hardening(unit, box):
    data = os.urandom(3 << 20)
    unit.origin.serve_blob(BLOB, data)
    unit.ctl("start")
    assert unit.serves()
    assert rawhttp.get(unit.port, BLOB).body == data
    assert "Relaying: " in box.show("regrelay", "StatusText")
    status = box.run("cat", f"/proc/{unit.pid()}/status").stdout
    uid = box.run("id", "-u", "regrelay").stdout.strip()
    assert re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", status, re.M)
    assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    confined = [int(n) for n in re.findall(r"^regrelay_sandboxed_processes\{.*\} (\d+)$", http_get(unit.admin, "/metrics"), re.M)]
    assert len(confined) == 2 and (min if has_landlock() else max)(confined) > 1, "the unit's own filter leaves room for the daemon's"


def test_good_reload_and_bad_reload(unit, box):
    unit.ctl("start")
    pid = unit.pid()
    unit.write("location_id = L2\n")
    unit.ctl("reload")
    assert unit.serves() and unit.origin.requests[-1].header("SAP-Connectivity-SCC-Location_ID") == "L2"
    unit.write("locaton_id = L3\n")
    done = unit.ctl("reload", check=False)
    assert done.returncode != 0
    box.wait_journal("regrelay", "did you mean 'location_id'")
    assert "last reload refused" in box.show("regrelay", "StatusText")
    assert unit.pid() == pid and unit.serves() and box.show("regrelay", "ActiveState") == "active"
    unit.write("location_id = L3\n")
    unit.ctl("reload")
    assert "refused" not in box.show("regrelay", "StatusText")


def test_bad_configuration_is_not_restarted(unit, box):
    unit.write("nonsense = 1\n")
    assert unit.ctl("start", check=False).returncode != 0
    assert box.show("regrelay", "ExecMainStatus") == "78"
    assert box.show("regrelay", "NRestarts") == "0"


def test_killed_master_is_restarted(unit, box):
    unit.ctl("start")
    pid = unit.pid()
    box.run("kill", "-9", str(pid), check=True)
    wait_until(lambda: unit.pid() not in (0, pid) and unit.serves(), 20, "a new master")


def test_stopped_master_trips_the_watchdog(unit, box):
    dropin = box.root / "etc/systemd/system/regrelay.service.d"
    dropin.mkdir(parents=True, exist_ok=True)
    (dropin / "watchdog.conf").write_text("[Service]\nWatchdogSec=4s\n")
    try:
        box.run("systemctl", "daemon-reload", check=True)
        unit.ctl("start")
        pid = unit.pid()
        box.run("kill", "-STOP", str(pid), check=True)
        wait_until(lambda: unit.pid() not in (0, pid) and unit.serves(), 30, "the watchdog", interval=0.2)
        box.wait_journal("regrelay", "Watchdog timeout")
    finally:
        (dropin / "watchdog.conf").unlink()
        box.run("systemctl", "daemon-reload")


def start_with_socket(unit, box):
    dropin = box.root / "etc/systemd/system/regrelay.socket.d"
    dropin.mkdir(parents=True, exist_ok=True)
    (dropin / "port.conf").write_text(f"[Socket]\nListenStream=\nListenStream=[::]:{unit.port}\n")
    box.run("systemctl", "daemon-reload", check=True)
    box.run("systemctl", "start", "regrelay.socket", check=True)
    unit.ctl("start")


def test_restart_under_load_with_the_socket_unit_refuses_nobody(unit, box):
    start_with_socket(unit, box)
    stop, wrong, count = threading.Event(), [], []

    def client():
        while not stop.is_set():
            began = time.monotonic()
            try:
                with rawhttp.Connection(unit.port, timeout=30) as c:
                    answer, silent = get_after_silence(c, "/v2/", began)
                    count.append(1)
                    if answer.status != 200 if answer else silent < QUIET:
                        wrong.append(answer)
            except OSError as e:
                wrong.append(e)
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(5):
            unit.ctl("restart")
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not wrong, wrong[:5]
    assert len(count) > 50


def test_drained_stays_drained_until_it_is_undrained(unit, box):
    """The socket unit keeps who comes meanwhile, and starts nothing because of them."""
    start_with_socket(unit, box)
    pid = unit.pid()
    assert box.run("regctl", "drain", "--wait").returncode == 0
    with rawhttp.Connection(unit.port, timeout=60) as waiting:
        waiting.request("/v2/")

        def uptime():
            page = json.loads(box.run("regctl", "--json", "status", check=True).stdout)
            assert page["state"] == "drained" and page["pid"] == unit.pid() == pid
            assert http_status(unit.admin, "/livez") == 200 and http_status(unit.admin, "/readyz") == 503
            return page["uptime_s"]
        since = uptime()
        wait_until(lambda: uptime() >= since + DRAINED_S, DRAINED_S + 30, f"{DRAINED_S} s of drained", interval=0.2)
        assert "drained" in box.show("regrelay", "StatusText").lower()
        assert box.run("regctl", "undrain").returncode == 0
        assert waiting.answer().status == 200
    assert unit.serves() and http_status(unit.admin, "/readyz") == 200
    assert box.run("regctl", "drain", "--wait").returncode == 0
    unit.ctl("stop")
    assert box.show("regrelay", "Result") == "success" and box.show("regrelay", "NRestarts") == "0"


def test_journal_has_the_fields(unit, box):
    unit.ctl("start")
    assert unit.serves()

    def access_lines():  # written after the answer, and the journal may be a little behind that
        lines = [json.loads(line) for line in box.journal("regrelay", "-o", "json").splitlines()]
        return [line for line in lines if line.get("REGRELAY_HTTP_RESPONSE_STATUS_CODE") == "200"]
    access = wait_until(access_lines, 20, "an access line", interval=0.1)
    assert access[-1]["PRIORITY"] == "6" and access[-1]["SYSLOG_IDENTIFIER"] == "regrelay"
    assert access[-1]["REGRELAY_TERMINATION"] == "complete" and access[-1]["REGRELAY_REQUEST_ID"]
    started = box.journal("regrelay", "-o", "cat", "MESSAGE_ID=870a3d75238742b6b4528e979f7120ec")
    assert "serving on" in started.splitlines()[-1]


def test_regctl_is_for_members_of_the_group(unit, box):
    unit.ctl("start")
    box.run("useradd", "--no-create-home", "member")
    box.run("useradd", "--no-create-home", "stranger")
    box.run("usermod", "-aG", "regrelay", "member", check=True)
    assert box.run("runuser", "-u", "member", "--", "regctl", "status").returncode == 0
    assert box.run("runuser", "-u", "stranger", "--", "regctl", "status").returncode == 4


def test_stop_finishes_pulls_within_a_long_drain(unit, box):
    go = threading.Event()

    def handler(request, send):
        send(ok(b"").replace(b"Content-Length: 0", b"Content-Length: 10"))
        send(b"12345")
        go.wait(60)
        send(b"67890")
    unit.origin.route(re.escape(BLOB), handler)
    unit.ctl("start")
    with rawhttp.Connection(unit.port, timeout=60) as c:
        c.request(BLOB)
        unit.origin.wait(lambda: BLOB in unit.origin.targets())
        stopping = threading.Thread(target=lambda: unit.ctl("stop"))
        stopping.start()
        wait_until(lambda: not ports.accepts(unit.port), 20, "the port to close")
        wait_until(lambda: "Finishing" in box.show("regrelay", "StatusText"), 20, "the status")
        go.set()
        answer = c.answer()
    stopping.join(30)
    assert answer.complete and answer.body == b"1234567890"
    assert box.show("regrelay", "Result") == "success"
