"""Clients of the control socket that never come to the point: dropped at their deadline, while others are answered."""
import concurrent.futures
import contextlib
import itertools
import select
import socket
import struct

from tools import census
from tools.process import wait_until
from tools.relay import is_sanitized

CLIENTS, CALLERS = 1000, 8             # CALLERS connect at the same time
LIMIT = 64                             # clients the daemon holds at once
MIB = b"x" * (1 << 20)
SAY = {
    "nothing": b"",
    "half a line": b"GET /v1/sta",
    "half a head": b"GET /v1/status HTTP/1.1\r\nHost: x\r\n",
    "a megabyte of head": b"GET /v1/status HTTP/1.1\r\nX: " + MIB,
    "a megabyte of body": b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + MIB,
    "half a body": b"POST /v1/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    "a whole request, and does not read": b"GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n",
}


def call(path, say):
    """A client that said as much as anybody took, and then does nothing."""
    client = socket.socket(socket.AF_UNIX)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 20, 0))   # bounds a full queue, too
    client.connect(str(path))
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        while say:
            say = say[client.send(say):]
    return client


def hung_up(clients):
    """Those whose other end is closed."""
    poll = select.poll()
    by_fd = {c.fileno(): c for c in clients}
    for fd in by_fd:
        poll.register(fd, 0)
    return [by_fd[fd] for fd, events in poll.poll(0) if events & (select.POLLHUP | select.POLLERR)]


def at_rest(relay):
    wait_until(lambda: census.unix_clients(relay.control) == 0, 30, "the control clients to be gone")
    return census.descriptors(relay.process.pid), census.rss_kib(relay.process.pid)


def test_who_does_nothing_more_is_dropped(relay):
    clients = {kind: [call(relay.control, say) for _ in range(LIMIT // len(SAY))] for kind, say in SAY.items()}

    def left():
        return {kind for kind, those in clients.items() if len(hung_up(those)) < len(those)}
    assert {"nothing", "half a line", "half a head", "half a body"} <= left(), "dropped before their deadline"
    wait_until(lambda: not left(), 15, "all to be dropped")
    for c in itertools.chain(*clients.values()):
        c.close()
    assert relay.status()["state"] == "serving"


def test_a_thousand_of_them_keep_nobody_from_an_answer(relay):
    kinds = list(SAY.values())
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:      # arenas and buffers have their size then
        for c in pool.map(lambda n: call(relay.control, kinds[n % len(kinds)]), range(2 * LIMIT)):
            c.close()
    fds, rss = at_rest(relay)
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call, relay.control, kinds[n % len(kinds)]) for n in range(CLIENTS)]
        answered = most = 0
        while answered < 5 or not all(c.done() for c in calls):
            done = relay.regctl("status")
            assert done.returncode == 0, done.stderr
            assert "serving" in done.stdout
            answered += 1
            most = max(most, census.descriptors(relay.process.pid))
        clients = [c.result() for c in calls]
    assert fds < most <= fds + LIMIT
    wait_until(lambda: len(hung_up(clients)) == CLIENTS, 15, "all to be dropped")
    for c in clients:
        c.close()
    now_fds, now_rss = at_rest(relay)
    print(f"{answered} answers meanwhile, fds {fds} -> {most} at most -> {now_fds}, RSS {rss} -> {now_rss} KiB")
    assert now_fds == fds
    if not is_sanitized():
        assert now_rss <= rss + 512
    assert relay.regctl("reload").returncode == 0
