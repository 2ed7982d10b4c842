"""link: a TCP or TLS connection with what asyncio's streams lack: a sign that the peer is gone, an end by choice."""
import asyncio
import contextlib
import socket
import struct

from wire import PIECE

_LIMIT = 256 * 1024


class Stuck(Exception):
    """The peer has not taken our bytes in time."""


class _Protocol(asyncio.StreamReaderProtocol):
    def __init__(self, connected=None):
        self.gone = asyncio.Event()
        self.reader = asyncio.StreamReader(limit=_LIMIT)
        super().__init__(self.reader, connected and (lambda r, w: connected(Link(self, w))))

    def eof_received(self):
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc):
        self.gone.set()
        super().connection_lost(exc)
        if exc:  # or the collector of garbage, should it come to the future before it comes to us, says that nobody has seen it
            self._get_close_waiter(None).exception()


class Link:
    """reader: an asyncio.StreamReader.  gone: an Event, set as soon as the peer has ended or lost the connection."""

    def __init__(self, protocol, writer):
        self.reader, self.gone, self._writer = protocol.reader, protocol.gone, writer
        self.peer = writer.get_extra_info("peername")
        writer.transport.set_write_buffer_limits(high=PIECE, low=0)

    async def send(self, data, timeout=None):
        """Writes data; returns when (almost) all is with the kernel; Stuck when that takes longer than timeout."""
        if not data:
            return
        self._writer.write(data)
        await self._drain(timeout)

    async def end(self, reset=False, flush_timeout=5):
        """Ends the connection after what was sent so far: with FIN, or RST."""
        if self._writer.transport.is_closing():
            return
        self._writer.transport.set_write_buffer_limits(high=0)
        with contextlib.suppress(Stuck, OSError):
            await self._drain(flush_timeout)
        self.drop(reset)

    def drop(self, reset=False):
        """Ends it now; what was not sent is lost."""
        sock = self._writer.get_extra_info("socket")
        if reset and sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _drain(self, timeout):
        try:
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError:
            raise Stuck from None


async def listen(host, port, connected):
    """A server whose every connection becomes `await connected(link)` in a task."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Protocol(connected), host, port, backlog=1024, reuse_address=True)


async def connect(host, port, tls=None, name=None):
    """A Link to host:port; OSError (ssl.SSLError is one) when that fails."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Protocol, host, port, ssl=tls, server_hostname=name)
    return Link(protocol, asyncio.StreamWriter(transport, protocol, protocol.reader, loop))
