"""proxy: the connectivity proxy's part: client connections, what binds them, the way through the tunnel and back."""
import asyncio
import contextlib
import traceback

import connector
import faults
import link
import pipe
import texts
import tokens
import wire
from connector import Refused


class Proxy:
    """State shared by all connections: settings, locations by id, faults, audit, live connections."""

    def __init__(self, settings, locations, audit):
        self.settings, self.locations, self.audit = settings, locations, audit
        self.faults = faults.Faults()
        self.live = set()
        self.outage = False            # every request gets 503, as while a Cloud Connector fails over
        self.changed = asyncio.Event() # set for a moment when a location's tunnel changes
        self._doors, self._servers = {}, {}  # address -> class of its connections; -> server, while it is open

    async def listen(self, host, port, kind=None):
        """Opens a port; what kind of Connection it takes (default: HTTP).  Returns its address."""
        server = await link.listen(host, port, lambda client: self._connected(client, kind or Connection))
        address = server.sockets[0].getsockname()[:2]
        self._doors[address], self._servers[address] = kind, server
        return address

    async def relisten(self):
        for address, kind in list(self._doors.items()):
            if address not in self._servers:
                await self.listen(*address, kind)

    def refuse(self):
        """Connections are refused until relisten()."""
        while self._servers:
            self._servers.popitem()[1].close()

    def cut_all(self, reset=False):
        """Ends every connection now; how many."""
        count = len(self.live)
        for connection in list(self.live):
            connection.client.drop(reset)
        return count

    def tunnel_changed(self):
        self.changed.set()
        self.changed.clear()

    async def _connected(self, client, kind):
        connection = kind(self, client)
        self.live.add(connection)
        try:
            await connection.run()
        finally:
            self.live.discard(connection)


class Connection:
    """One client connection, for life bound to the first (location id, virtual host) that it asked for."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.settings, self.audit = proxy.settings, proxy.audit
        self.number = self.audit.opened(client.peer)
        self.location = self.backend = None
        self.why = "client"

    async def run(self):
        """Serves until either side has ended; both connections end together."""
        work = asyncio.create_task(self._serve())
        gone = asyncio.create_task(self.client.gone.wait())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        work.cancel()
        result, _ = await asyncio.gather(work, gone, return_exceptions=True)
        if isinstance(result, Exception):  # a bug of ours: say so, and let the client see a broken connection
            traceback.print_exception(result)
            self.why = f"bug: {result!r}"
        if self.backend:
            self.backend.link.drop()
        await self.client.end(reset=result is True)
        self.audit.closed(self.number, self.why)

    async def _serve(self):
        """Returns True when the client's connection shall end by RST."""
        try:
            await self._converse()
        except faults.Cut as e:
            self.why = f"fault: cut by {e.how}"
            return e.how == "rst"
        except link.Stuck:
            self.why = "write timeout"
            self.client.drop(self.settings.write_timeout_how == "rst")
        except wire.Incomplete:
            self.why = "incomplete"
        except OSError as e:
            self.why = f"error: {e}"
        return False

    async def _converse(self):
        """One request after the other; sets why when it ends them itself."""
        while (head := await self._next()) is not None:
            if not await self._exchange(head):
                self.why = "answered"
                return

    async def _next(self):
        """The next request; None when there will be none."""
        ways = {asyncio.create_task(wire.read_head(self.client.reader))}
        if self.backend:
            ways.add(asyncio.create_task(self.backend.link.gone.wait()))
        try:
            done, _ = await asyncio.wait(ways, timeout=self.settings.idle_timeout or None,
                                         return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self.why = "idle timeout"
                return None
            head = next((task.result() for task in done if task.result() is not True), None)
        except wire.Malformed as e:
            await self._say(0, "GET", Refused(400, f"Bad Request: {e}", "proxy"), close=True)
            return None
        finally:
            for task in ways:
                task.cancel()
        if head is None and self.backend and self.backend.link.gone.is_set():
            self.why = "backend"
        return head

    async def _exchange(self, head):
        """One request and its answer; False when the connection ends after it."""
        request = self.audit.request(self.number, head)
        method = head.words()[0]
        body = ("none", 0)
        try:
            body = wire.request_framing(head)
            host, path = self._check(head)
            location = await self._tunnel(head.get("SAP-Connectivity-SCC-Location_ID") or "")
            up, down = location.pipes(self.number)
            await up.carry(len(head.raw))
            mapping = self._bound(connector.admit, location, host, path, head)
            active = self.proxy.faults.on(path)
            if self.backend is None:
                await asyncio.sleep(up.rtt * self.settings.open_rtts)
                self.backend = await connector.Backend.open(mapping, self.audit)
            if fault := faults.struck(active, "answer"):
                raise Refused(fault.status, fault.text, "fault")
            if faults.struck(active, "no-range"):
                head.drop("Range")
            return await self._relay(request, head, connector.towards_backend(head, mapping, path, self.settings),
                                     body, active, down)
        except wire.Malformed as e:
            await self._say(request, method, Refused(400, f"Bad Request: {e}", "proxy"), close=True)
            return False
        except Refused as e:
            close = e.close or body[0] != "none" or head.has_token("Connection", "close")
            await self._say(request, method, e, close)
            return not close

    # --- what the proxy itself refuses ----------------------------------------------------------------------------

    def _check(self, head):
        """(virtual host:port, path) of a request that may enter the tunnel."""
        settings = self.settings
        method, target, version = head.words()
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise Refused(400, "Bad Request: no such version", "proxy", close=True)
        if max(map(len, [head.start, *(f.line for f in head.fields)])) > settings.line_limit:
            raise Refused(settings.line_status, texts.REASONS.get(settings.line_status, "Bad Request"), "proxy")
        if sum(len(f.line) + 2 for f in head.fields) > settings.request_head_limit:
            raise Refused(settings.request_head_status, "the headers are too long")
        if method == "CONNECT" or target.lower().startswith("https://"):
            raise Refused(405, texts.NO_HTTPS, "proxy")
        self._authorize(head)
        return connector.authority(head)

    def _authorize(self, head):
        settings = self.settings
        if settings.mode == "untrusted":
            scheme, _, token = (head.get("Proxy-Authorization") or "").partition(" ")
            if not scheme:
                raise Refused(407, texts.NO_TOKEN, "proxy")
            if scheme.lower() != "bearer" or not token:
                raise Refused(407, "Proxy Authentication Required: the token is not valid", "proxy")
            self._check_token(token, 407)
        elif settings.mode == "service-token":
            token = head.get("SAP-CP-Connectivity-Service-Token")
            if not token:
                raise Refused(settings.service_token_status, "Missing header: SAP-CP-Connectivity-Service-Token", "proxy")
            self._check_token(token, settings.service_token_status)

    def _check_token(self, token, status):
        why = tokens.unwanted(token, self.settings)
        if why:
            raise Refused(status, f"Invalid token: {why}", "proxy")

    async def _tunnel(self, wanted):
        """The location of that id, whose open tunnel is taken."""
        settings = self.settings
        if self.location is not None and self.location != wanted:
            raise Refused(400, texts.other_tunnel(settings.subaccount, self.location), "proxy")
        location = self.proxy.locations.get(wanted)
        down = Refused(503, texts.no_connector(settings.subaccount, wanted), "proxy")
        if location is None or self.proxy.outage:
            raise down
        end = asyncio.get_running_loop().time() + settings.open_timeout
        while location.tunnel == "opening":
            left = end - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(left, 0)):
                    await self.proxy.changed.wait()
            except TimeoutError:
                raise Refused(settings.open_status, texts.OPEN_TIMEOUT, "proxy") from None
        if location.tunnel != "connected":
            raise down
        self.location = wanted
        return location

    def _bound(self, admit, location, host, path, head):
        """The mapping this connection is bound to, if the request may have it."""
        if self.backend is None:
            return admit(location, host, path, head)
        bound = self.backend.mapping
        if host.lower() != bound.host.lower():
            if self.settings.other_host == "refuse":
                raise Refused(403, texts.no_system(host))
            host = bound.host  # the worst case: the first backend answers for the second
        return admit(location, host, path, head)

    async def _say(self, request, method, refused, close):
        """An answer of our own."""
        body = refused.text.encode()
        lines = [f"HTTP/1.1 {refused.status} {texts.REASONS.get(refused.status, 'Unknown')}",
                 "Content-Type: text/plain;charset=UTF-8", f"Content-Length: {len(body)}"]
        if refused.status == 407:
            lines.append("Proxy-Authenticate: Bearer")
        if close:
            lines.append("Connection: close")
        self.audit.answer(request, refused.status, refused.by, text=refused.text)
        data = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else body)
        await self.client.send(data, self.settings.write_timeout)

    # --- the way through ------------------------------------------------------------------------------------------

    async def _relay(self, request, head, sent, body, active, down):
        """Asks the backend and passes the answer on; False when the connections end with it."""
        method, backend = head.words()[0], self.backend
        await backend.ask(sent)
        upload = asyncio.create_task(backend.body(wire.pieces(self.client.reader, body), body[0]))
        try:
            answer = await self._final(backend, down)
            framing = wire.answer_framing(answer, method)
            kind, out = connector.outward(framing, method, connector.towards_client(
                answer, self.proxy.locations[self.location], self.settings), active)
            await self._deliver(request, answer, out, framing, kind, active, down)
        finally:
            early = not upload.done()
            upload.cancel()
            with contextlib.suppress(asyncio.CancelledError, wire.Incomplete, OSError):
                await upload
        return not (early or kind == "close" or out.has_token("Connection", "close") or
                    head.has_token("Connection", "close") or answer.start.startswith(b"HTTP/1.0"))

    async def _final(self, backend, down):
        """The head of the final answer; interim ones are passed on at once."""
        while True:
            answer = await backend.answer(self.settings)
            status = answer.words()[1]
            if not status.startswith("1") or status == "101":
                return answer
            await down.carry(len(answer.raw))
            await self.client.send(answer.raw, self.settings.write_timeout)

    async def _deliver(self, request, answer, out, framing, kind, active, down):
        """Head and body through the tunnel to the client, as the faults leave them."""
        status, count, end = int(answer.words()[1]), 0, "broken"
        moment = await down.cross(len(answer.raw))
        try:
            async with pipe.carrying(down, wire.pieces(self.backend.link.reader, framing)) as carried:
                await pipe.until(moment)
                await faults.before_head(active)
                await self.client.send(out.render(), self.settings.write_timeout)
                async for piece in faults.shaped(carried, active):
                    await self.client.send(wire.framed(piece, kind), self.settings.write_timeout)
                    count += len(piece)
                await self.client.send(wire.end(kind), self.settings.write_timeout)
            end = "complete"
        finally:
            self.audit.answer(request, status, "backend", backend=self.backend.number, bytes=count, end=end)
