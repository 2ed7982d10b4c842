"""control: the control port: HTTP and JSON, to look into the stand-in and to switch faults while it runs.

    GET    /v1/state                  counters, settings, locations, faults
    POST   /v1/settings   {NAME: VALUE, ...}
    POST   /v1/faults     {"kind": ..., ...}           -> {"id": 1}          (kinds: see faults.py)
    DELETE /v1/faults     or /v1/faults/ID
    POST   /v1/tunnel     {"location": "", "state": "connected" | "disconnected" | "opening"}
    POST   /v1/mapping    {"location": "", "host": "h:p", "exposed": false}
    POST   /v1/outage     {"how": "refuse" | "503", "seconds": 5}      null: until {"how": "none"}
    POST   /v1/cut        {"how": "fin" | "rst"}       every connection, now -> {"cut": 3}
    POST   /v1/stall      {"location": "", "seconds": 2}               the whole pipe
    POST   /v1/hold       {"location": "", "at": 1000000}              the same, once so many bytes of answers have gone through
                                                                       it, until it is told otherwise; null: not at all
"""
import asyncio
import dataclasses
import json

import faults
import link
import wire
from mapping import Wrong

_MAX_BODY = 65536


class Control:
    """The server; proxy is the Proxy it steers."""

    def __init__(self, proxy):
        self._proxy = proxy
        self._outage_end = None     # a task that ends the outage later; only who has the turn may look or cancel
        self._turn = asyncio.Lock() # outages begin and end one after another

    async def listen(self, host, port):
        server = await link.listen(host, port, self._connected)
        return server.sockets[0].getsockname()[:2]

    async def _connected(self, client):
        try:
            while (head := await wire.read_head(client.reader)) is not None:
                status, answer = await self._answer(client, head)
                body = json.dumps(answer).encode() + b"\n"
                reason = b"OK" if status == 200 else b"Error"
                await client.send(b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                                  b"%b" % (status, reason, len(body), body), 5)
        except (wire.Malformed, wire.Incomplete, link.Stuck, OSError):
            pass
        finally:
            await client.end()

    async def _answer(self, client, head):
        framing = wire.request_framing(head)
        if framing[1] > _MAX_BODY:
            return 413, {"error": "too long"}
        body = b"".join([piece async for piece in wire.pieces(client.reader, framing)])
        method, path, _ = head.words()
        try:
            values = json.loads(body or b"{}")
            found = self._actions().get((method, path))
            if found:
                return 200, await found(values)
            if method == "DELETE" and path.startswith("/v1/faults/") and path[11:].isdigit():
                if self._proxy.faults.remove(int(path[11:])):
                    return 200, {}
            return 404, {"error": f"no {method} {path}"}
        except (Wrong, ValueError, TypeError, KeyError, AttributeError) as e:
            return 400, {"error": f"{type(e).__name__}: {e}"}
        except OSError as e:
            return 500, {"error": f"{type(e).__name__}: {e}"}

    def _actions(self):
        return {("GET", "/v1/state"): self._state, ("POST", "/v1/settings"): self._settings,
                ("POST", "/v1/faults"): self._fault, ("DELETE", "/v1/faults"): self._no_faults,
                ("POST", "/v1/tunnel"): self._tunnel, ("POST", "/v1/mapping"): self._mapping,
                ("POST", "/v1/outage"): self._outage, ("POST", "/v1/cut"): self._cut,
                ("POST", "/v1/stall"): self._stall, ("POST", "/v1/hold"): self._hold}

    async def _state(self, _values):
        proxy, audit = self._proxy, self._proxy.audit
        return {
            "connections": audit.connections, "open": audit.open, "most_open": audit.most_open,
            "requests": audit.requests, "backend_connections": audit.backends,
            "settings": dataclasses.asdict(proxy.settings), "outage": proxy.outage, "faults": proxy.faults.list(),
            "locations": [{"id": one.id, "tunnel": one.tunnel, "bytes_up": sum(p.bytes for p in one.up),
                           "bytes_down": sum(p.bytes for p in one.down),
                           "mappings": [{"host": m.host, "exposed": m.exposed} for m in one.mappings]}
                          for one in proxy.locations.values()]}

    async def _settings(self, values):
        self._proxy.settings.change(values)
        return {}

    async def _fault(self, values):
        return {"id": self._proxy.faults.add(faults.fault_of(values))}

    async def _no_faults(self, _values):
        self._proxy.faults.remove()
        return {}

    async def _tunnel(self, values):
        if values["state"] not in ("connected", "disconnected", "opening"):
            raise Wrong("state is connected, disconnected or opening")
        self._location(values).tunnel = values["state"]
        self._proxy.tunnel_changed()
        return {}

    async def _mapping(self, values):
        for one in self._location(values).mappings:
            if one.host == values["host"]:
                one.exposed = bool(values["exposed"])
                return {}
        raise Wrong(f"no mapping of {values['host']}")

    async def _outage(self, values):
        if values["how"] not in ("refuse", "503", "none"):
            raise Wrong("how is refuse, 503 or none")
        await self.outage(values["how"], values.get("seconds"))
        return {}

    async def outage(self, how, seconds=None):
        """Ends the outage there is and begins another one, for so long; OSError when the port cannot be had again."""
        proxy = self._proxy
        async with self._turn:
            if self._outage_end:
                self._outage_end.cancel()
                self._outage_end = None
            await self._over()
            if how == "refuse":
                proxy.refuse()
            proxy.outage = how == "503"
            if how != "none":
                proxy.cut_all(reset=how == "refuse")
            if seconds is not None:
                self._outage_end = asyncio.create_task(self._end_after(seconds))

    async def _end_after(self, seconds):
        await asyncio.sleep(seconds)
        async with self._turn:
            self._outage_end = None  # nobody cancels it now: half a relisten() leaves a listener that nobody knows
            await self._over()

    async def _over(self):
        self._proxy.outage = False
        await self._proxy.relisten()

    async def _cut(self, values):
        return {"cut": self._proxy.cut_all(values.get("how", "fin") == "rst")}

    async def _stall(self, values):
        for one in self._location(values).down:
            one.stall(float(values["seconds"]))
        return {}

    async def _hold(self, values):
        for one in self._location(values).down:
            one.hold(None if values["at"] is None else int(values["at"]))
        return {}

    def _location(self, values):
        wanted = values.get("location", "")
        if wanted not in self._proxy.locations:
            raise Wrong(f"no location {wanted!r}")
        return self._proxy.locations[wanted]
