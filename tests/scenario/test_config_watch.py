"""A mounted ConfigMap that is swapped reloads by itself, and so do changed credentials of a registry; nothing else does."""
import base64
import contextlib
import itertools
import os
import pathlib
import shutil

import pytest
from tools import rawhttp
from tools.origin import ok
from tools.process import find, run, wait_until
from tools.relay import REGCTL, Relay, is_sanitized


class Mount:
    """A directory as the kubelet makes one: NAME -> ..data/NAME, ..data -> a directory that is replaced whole."""

    def __init__(self, directory, text, whole=True):
        self.dir = directory
        self.dir.mkdir()
        self._count = 0
        self._current = None
        self.swap(text)
        if whole:
            self.link()

    def link(self):
        os.symlink("..data/regrelay.ini", self.dir / "regrelay.ini")

    def swap(self, text):
        self._count += 1
        new = self.dir / f"..2026_11_{self._count}"
        new.mkdir()
        (new / "regrelay.ini").write_text(text)
        os.symlink(new.name, self.dir / "..data_tmp")
        os.rename(self.dir / "..data_tmp", self.dir / "..data")
        if self._current:
            shutil.rmtree(self._current)
        self._current = new


@pytest.fixture
def mounted(start_relay, origin, tmp_path):
    origin.route(".*", lambda r, send: send(ok()))
    relay = start_relay(proxy=origin.address, start=False)
    relay.text = relay.config.read_text()
    relay.mount = Mount(tmp_path / "mount", relay.text)
    relay.config = relay.mount.dir / "regrelay.ini"
    return relay.start()


def reloads(relay, result="ok"):
    return relay.stat("regrelay_config_reloads_total", result=result)


def test_swap_reloads(mounted, origin):
    def shown():
        assert rawhttp.get(mounted.port, "/v2/").status == 200
        return origin.requests[-1].header("SAP-Connectivity-SCC-Location_ID")
    for n in (1, 2, 3):
        mounted.mount.swap(mounted.text + f"location_id = L{n}\n")
        wait_until(lambda: reloads(mounted) == n, 30, f"reload {n}")
        # An old worker may still take a connection when its reload is counted.
        wait_until(lambda: shown() == f"L{n}", 10, "the old workers to leave")


def test_swap_to_the_same_bytes_and_an_edit_in_place_do_not(mounted):
    mounted.mount.swap(mounted.text + "location_id = L1\n")
    wait_until(lambda: reloads(mounted) == 1, 20, "the reload")
    mounted.config.resolve().write_text(mounted.text + "location_id = L2\n")  # there was one swap, and it was looked at
    mounted.mount.swap(mounted.text + "location_id = L1\n")
    (mounted.mount.dir / "other").write_text("x")
    mounted.mount.swap(mounted.text + "location_id = L3\n")     # the next one that counts
    wait_until(lambda: reloads(mounted) == 2, 30, "the next one")
    assert mounted.status()["generation"] == 3


def test_bad_swap_is_refused_once_and_the_old_one_again_is_good(mounted):
    bad = mounted.text + "locaton_id = L1\n"
    mounted.mount.swap(bad)
    wait_until(lambda: reloads(mounted, "failed") == 1, 20, "the refusal")
    assert "did you mean 'location_id'" in mounted.status()["last_reload"]["error"]
    mounted.mount.swap(bad)                  # nothing new: one error line for one mistake
    mounted.mount.swap(mounted.text)
    wait_until(lambda: reloads(mounted) == 1, 20, "the mended file")
    assert reloads(mounted, "failed") == 1
    assert mounted.status()["last_reload"]["result"] == "ok"
    assert mounted.stat("regrelay_config_last_reload_successful") == 1


def test_what_was_reloaded_before_counts_again_after_another_one(mounted):
    """Somebody else brought back the old one, which is in effect, and not noticed as a change."""
    new = mounted.text + "location_id = L1\n"
    mounted.mount.swap(new)
    wait_until(lambda: reloads(mounted) == 1, 20, "the reload")
    mounted.config.resolve().write_text(mounted.text)
    assert mounted.regctl("reload").returncode == 0
    mounted.mount.swap(new)
    wait_until(lambda: "location_id = L1" in mounted.regctl("config").stdout, 20, "what was there before")


def test_what_was_refused_before_is_refused_again_after_a_good_one(mounted):
    bad = mounted.text + "locaton_id = L1\n"
    mounted.mount.swap(bad)
    wait_until(lambda: reloads(mounted, "failed") == 1, 20, "the refusal")
    mounted.config.resolve().write_text(mounted.text)
    assert mounted.regctl("reload").returncode == 0 and mounted.status()["last_reload"]["error"] is None
    mounted.mount.swap(bad)
    wait_until(lambda: mounted.status()["last_reload"]["error"], 20, "the second refusal")


def test_swap_while_drained_counts_after_undrain(mounted, origin):
    assert mounted.regctl("drain", "--wait").returncode == 0
    mounted.mount.swap(mounted.text + "location_id = L1\n")
    assert mounted.regctl("undrain").returncode == 0
    assert rawhttp.get(mounted.port, "/v2/").status == 200
    assert origin.requests[-1].header("SAP-Connectivity-SCC-Location_ID") == "L1"


def test_directory_that_is_replaced_is_found_again(mounted):
    mounted.mount.dir.rename(mounted.mount.dir.with_name("gone"))
    mounted.mount = Mount(mounted.mount.dir, mounted.text + "location_id = L1\n")
    wait_until(lambda: reloads(mounted) == 1, 30, "the new directory")
    mounted.mount.swap(mounted.text + "location_id = L2\n")
    wait_until(lambda: reloads(mounted) == 2, 30, "a swap in it")


def test_directory_that_is_replaced_is_looked_at_until_the_file_is_there(mounted):
    """The kubelet makes ..data first, then the links into it."""
    def is_watched():
        for info in pathlib.Path(f"/proc/{mounted.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):    # closed meanwhile
                if f" ino:{mounted.mount.dir.stat().st_ino:x} " in info.read_text():
                    return True
        return False
    mounted.mount.dir.rename(mounted.mount.dir.with_name("gone"))
    mounted.mount = Mount(mounted.mount.dir, mounted.text + "location_id = L1\n", whole=False)
    wait_until(is_watched, 30, "the new directory to be watched")   # and looked at, in the same turn
    mounted.mount.link()
    wait_until(lambda: reloads(mounted) == 1, 30, "the reload")


def test_a_file_that_comes_after_the_configuration_that_names_it(mounted, tmp_path):
    """ConfigMap and Secret were applied together, but the kubelet brings each in its own time."""
    file = tmp_path / "login"
    mounted.mount.swap(mounted.text + f"authorization = file:{file}\nallow = team/**\n")
    mounted.wait_stat("regrelay_config_reloads_total", 1, result="failed")
    assert str(file) in mounted.status()["last_reload"]["error"]
    file.write_text(basic("new"))
    mounted.wait_stat("regrelay_config_reloads_total", 1, timeout=30, result="ok")
    assert reloads(mounted, "failed") == 1 and mounted.status()["last_reload"]["error"] is None


# --- credentials ------------------------------------------------------------------------------------------------------

def basic(password):
    return "Basic " + base64.b64encode(f"relay:{password}".encode()).decode()


@pytest.fixture
def guarded(start_relay, origin, tmp_path):
    """A registry that takes what `good` says, and a relay that has credentials in a file."""
    def handler(request, send):
        if request.header("Authorization") == guarded.good:
            send(ok())
        else:
            send(ok(status="401 Unauthorized", headers=[("WWW-Authenticate", 'Basic realm="r"')]))
    origin.route(".*", handler)
    file = tmp_path / "login"
    file.write_text(basic("old"))
    guarded = start_relay(proxy=origin.address, registries={"default": {
        "host": "myregistry.kyma:25002", "authorization": f"file:{file}", "allow": "team/**"}})
    guarded.file, guarded.good = file, basic("old")
    return guarded


def test_new_credentials_are_taken_over(guarded):
    assert rawhttp.get(guarded.port, "/v2/").status == 200
    guarded.good = basic("new")
    assert rawhttp.get(guarded.port, "/v2/").status == 503
    guarded.file.write_text(basic("new"))
    guarded.wait_stat("regrelay_config_reloads_total", 1, timeout=30, result="ok")
    # A new generation knows nothing of the refusal; an old worker may still take a connection when its reload is counted.
    wait_until(lambda: rawhttp.get(guarded.port, "/v2/").status == 200, 10, "a good answer")


def test_broken_credentials_are_refused_until_mended(guarded):
    guarded.file.write_text("nonsense")
    guarded.wait_stat("regrelay_config_reloads_total", 1, timeout=30, result="failed")
    assert str(guarded.file) in guarded.status()["last_reload"]["error"]
    assert rawhttp.get(guarded.port, "/v2/").status == 200
    guarded.file.write_text(basic("old"))
    guarded.wait_stat("regrelay_config_reloads_total", 1, timeout=30, result="ok")
    assert not guarded.status()["last_reload"]["error"]


@pytest.mark.skipif(not find("strace"), reason="strace is not installed")
@pytest.mark.skipif(is_sanitized(), reason="sanitizers do not share a process with a tracer")
def test_those_that_change_while_it_starts_are_not_missed(origin, tmp_path):
    """After they were read, before they are watched."""
    file = tmp_path / "login"
    file.write_text(basic("old"))
    relay = Relay(tmp_path / "relay", proxy=origin.address, start=False, registries={"default": {
                      "host": "myregistry.kyma:25002", "authorization": f"file:{file}", "allow": "team/**"}},
                  wrapper=[find("strace"), "-D", "-o", tmp_path / "trace", "-e", "trace=epoll_create1",
                           "-e", "inject=epoll_create1:delay_exit=1s:when=1"])
    relay.start(wait=False)
    try:
        relay.process._wait(lambda: "DELAYED" in trace(tmp_path), 10, "the time between")
        file.write_text(basic("new"))
        relay.wait_serving()
        relay.wait_stat("regrelay_config_reloads_total", 1, timeout=20, result="ok")
        assert relay.stop() == 0
    finally:
        relay.process.stop()


def trace(directory):
    with contextlib.suppress(FileNotFoundError):
        return (directory / "trace").read_text()
    return ""


def test_a_dry_run_says_that_they_changed(guarded):
    def told():
        guarded.file.write_text(basic(f"new{next(count)}"))   # another one each time: it may be taken over meanwhile
        return "[registry] authorization" in run([REGCTL, "-s", guarded.control, "reload", "--dry-run"]).stdout
    count = itertools.count()
    wait_until(told, 20, "the key in the differences")
