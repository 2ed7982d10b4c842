"""socks: the connectivity proxy's SOCKS5 port (20004): who may, whereto, and then bytes that nobody looks at.

    C: 05 n methods                               00 (nothing wanted), 80 (a JWT)
    S: 05 method                                  ff: none of them
    C: 01 len32 JWT len8 base64(location id)      after 80 only
    S: 01 status                                  00: it may
    C: 05 01 00 type address port16               type 01: four bytes; 03: len8 and a name
    S: 05 reply 00 type address port16

Behind it is a mapping of the protocol TCP.  All that happens to an answer on the HTTP port (faults, pipe, write timeout)
happens to the bytes towards the client.
"""
import asyncio
import base64
import binascii
import contextlib
import ipaddress

import connector
import faults
import pipe
import texts
import tokens
import wire
from connector import Refused
from proxy import Connection

OK, FAILURE, FORBIDDEN, NETWORK, HOST, AUTH, COMMAND, ADDRESS = 0, 1, 2, 3, 4, 5, 7, 8
_NONE, _JWT, _NO_METHOD = 0x00, 0x80, 0xFF
_TOKEN_LIMIT = 1 << 16
_BYTE_PAUSE = 0.002  # seconds between the bytes of an answer that is to come in pieces


class _Over(Exception):
    """The conversation has ended; the text says why."""


class Tunnel(Connection):
    """One client connection of the SOCKS5 port."""

    def __init__(self, proxy, client):
        super().__init__(proxy, client)
        self.seen = dict.fromkeys(("methods", "method", "token", "location", "host", "atyp", "reply"))
        self.noted, self.up, self.down = False, 0, 0
        self.moved = 0.0  # time of the loop of the last byte

    async def _converse(self):
        try:
            location, mapping, active = await self._ask()
        except _Over as e:
            self.why = str(e)
            return
        finally:
            self._note()
        await self._carry(mapping, active, *location.pipes(self.number))

    def _note(self):
        """The record of the conversation, once: before the reply, or when there will be none."""
        if not self.noted:
            self.noted = True
            self.audit.note("socks", connection=self.number, **self.seen)

    # --- who may, and whereto -------------------------------------------------------------------------------------

    async def _ask(self):
        """(location, mapping, faults) of a client that may have what it asks for, and has been told."""
        wanted = await self._who()
        host = await self._whereto()
        active = self.proxy.faults.on(host)
        try:
            location, mapping = await self._open(wanted, host, active)
        except Refused as e:
            await self._reply(e.status, active)
            raise _Over(f"refused: {e.text}") from None
        await faults.before_head(active)
        await self._reply(OK, active)
        return location, mapping, active

    async def _who(self):
        """The location id that the client wants, after it has shown whatever it must."""
        version, count = await self._read(2)
        if version != 5:
            raise _Over("not SOCKS5")
        offered = await self._read(count)
        ours = self.settings.socks_methods if self.settings.mode == "trusted" else [_JWT]
        method = next((one for one in ours if one in offered), _NO_METHOD)
        self.seen.update(methods=list(offered), method=method)
        await self._say("method", bytes([5, method]))
        if method == _NO_METHOD:
            raise _Over("no method")
        return "" if method == _NONE else await self._token()

    async def _token(self):
        version, = await self._read(1)
        length = int.from_bytes(await self._read(4))
        if version != 1 or length > _TOKEN_LIMIT:
            raise _Over("not the negotiation of a token")
        token = (await self._read(length)).decode("latin-1")
        location, why = _location(await self._read((await self._read(1))[0]))
        self.seen.update(token=token, location=location)
        if self.settings.mode != "trusted":
            why = why or tokens.unwanted(token, self.settings) if token else "there is none"
        await self._say("token", bytes([1, self.settings.socks_token_status if why else 0]))
        if why:
            raise _Over(f"token: {why}")
        return location

    async def _whereto(self):
        """The virtual host:port of a request that the proxy understands."""
        version, command, _, kind = await self._read(4)
        if version != 5:
            raise _Over("not a request")
        self.seen["atyp"] = kind
        if kind == 1:
            name = str(ipaddress.IPv4Address(await self._read(4)))
        elif kind == 3:
            name = (await self._read((await self._read(1))[0])).decode("latin-1")
        else:
            await self._refuse(ADDRESS, "no such type of address")
        host = f"{name}:{int.from_bytes(await self._read(2))}"
        self.seen["host"] = host
        if command != 1:
            await self._refuse(COMMAND, "no such command")
        return host

    async def _refuse(self, code, why):
        await self._reply(code, self.proxy.faults.on())
        raise _Over(f"refused: {why}")

    async def _open(self, wanted, host, active):
        """(location, mapping) with a connection to the backend; Refused with a reply code as its status."""
        if fault := faults.struck(active, "refuse"):
            raise Refused(fault.code, "a fault")
        try:
            location = await self._tunnel(wanted)
        except Refused as e:
            code = self.settings.socks_open_code if e.text == texts.OPEN_TIMEOUT else NETWORK
            raise Refused(code, e.text) from None
        mapping = location.find(host, raw=True)
        if mapping is None:
            raise Refused(FORBIDDEN, texts.no_system(host))
        up, _ = location.pipes(self.number)
        await asyncio.sleep(up.rtt * self.settings.open_rtts)
        try:
            self.backend = await connector.Backend.open(mapping, self.audit)
        except Refused as e:
            raise Refused(HOST, e.text) from None
        return location, mapping

    # --- bytes of the conversation --------------------------------------------------------------------------------

    async def _read(self, count):
        try:
            return await self.client.reader.readexactly(count)
        except asyncio.IncompleteReadError:
            raise wire.Incomplete from None

    async def _reply(self, code, active):
        self.seen["reply"] = code
        self._note()
        if self.settings.socks_bound == "name":
            bound = b"\x03\x09localhost" + (20004).to_bytes(2)
        else:
            bound = b"\x01\x7f\x00\x00\x01" + (20004).to_bytes(2)
        early = faults.struck(active, "early") if code == OK else None
        await self._say("reply", bytes([5, code, 0]) + bound, active, bytes.fromhex(early.hex) if early else b"")

    async def _say(self, step, data, active=None, early=b""):
        """Our answer of a step, or what a fault says in its place."""
        fault = faults.struck(self.proxy.faults.on() if active is None else active, "speak", step)
        data = (bytes.fromhex(fault.hex) if fault else data) + early
        size = 1 if self.settings.socks_writes == "bytes" else len(data) or 1
        for at in range(0, len(data), size):
            await self.client.send(data[at:at + size], self.settings.write_timeout)
            await asyncio.sleep(0 if size > 1 else _BYTE_PAUSE)
        if fault and fault.then == "wait":
            self.why = f"fault: silent at {step}"
            await self.client.gone.wait()
            raise _Over(self.why)
        if fault and fault.then != "on":
            raise faults.Cut(fault.then)

    # --- bytes of others ------------------------------------------------------------------------------------------

    async def _carry(self, mapping, active, up, down):
        """Both ways until one side has ended, or both have been silent for too long."""
        self.moved = asyncio.get_running_loop().time()
        ways = [asyncio.create_task(self._upward(up)), asyncio.create_task(self._downward(active, down)),
                asyncio.create_task(self._idle())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                self.why = one.result()
        finally:
            for one in ways:
                one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*ways, return_exceptions=True)
            self.audit.note("tunnel", connection=self.number, host=mapping.host, backend=self.backend.number,
                            up=self.up, down=self.down, end=self.why)

    async def _upward(self, up):
        async with pipe.carrying(up, wire.pieces(self.client.reader, ("close", 0))) as carried:
            async for piece in carried:
                await self.backend.link.send(piece)
                self.up += len(piece)
                self._alive()
        return "client"

    async def _downward(self, active, down):
        async with pipe.carrying(down, wire.pieces(self.backend.link.reader, ("close", 0))) as carried:
            async for piece in faults.shaped(carried, active):
                await self.client.send(piece, self.settings.write_timeout)
                self.down += len(piece)
                self._alive()
        return "backend"

    def _alive(self):
        self.moved = asyncio.get_running_loop().time()

    async def _idle(self):
        while True:
            limit, now = self.settings.idle_timeout, asyncio.get_running_loop().time()
            if limit and now >= self.moved + limit:
                return "idle timeout"
            await asyncio.sleep(self.moved + limit - now if limit else 1)


def _location(coded):
    """(location id, why it is none) of its base64 form."""
    try:
        return base64.b64decode(coded, validate=True).decode(), None
    except (binascii.Error, UnicodeDecodeError):
        return coded.decode("latin-1"), "the location id is not base64"
