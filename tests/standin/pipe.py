"""pipe: the tunnel as one shared pipe: all queues behind what came before, and comes out half a round trip later.

One Pipe is one direction of one physical tunnel connection.  Bandwidth is a reservation of time: what wants to cross
takes the next free stretch, so concurrent bodies interleave piece by piece, and a stall delays them all.
"""
import asyncio
import contextlib

_ON_THE_WAY = 64  # pieces between the two ends for one body: 4 MiB, more than 100 ms at 300 Mbit/s


class Pipe:
    """rtt in seconds, bandwidth in bytes a second (0: no limit); bytes counts what has crossed."""

    def __init__(self, rtt=0.0, bandwidth=0.0):
        self.rtt, self.bandwidth, self.bytes = rtt, bandwidth, 0
        self._free = 0.0
        self._held_at, self._moved = None, asyncio.Event()

    def hold(self, at):
        """Lets nothing in any more once so many bytes have crossed (a piece that is half-way does); None: goes on."""
        self._held_at = at
        self._moved.set()
        self._moved = asyncio.Event()

    def stall(self, seconds):
        """Lets nothing in for so long, as a Cloud Connector that collects garbage does."""
        self._free = max(self._free, asyncio.get_running_loop().time()) + seconds

    async def cross(self, size):
        """Waits until size bytes are in the pipe; returns the time (of the loop) at which they come out."""
        while self._held_at is not None and self.bytes >= self._held_at:
            await self._moved.wait()
        now = asyncio.get_running_loop().time()
        self._free = max(now, self._free) + (size / self.bandwidth if self.bandwidth else 0)
        inside = self._free
        if inside > now:
            await asyncio.sleep(inside - now)
        self.bytes += size
        return inside + self.rtt / 2

    async def carry(self, size):
        """Waits until size bytes have come out at the other end."""
        await until(await self.cross(size))


async def until(moment):
    """Sleeps until that time of the loop."""
    left = moment - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)


@contextlib.asynccontextmanager
async def carrying(pipe, pieces):
    """`async with carrying(pipe, pieces) as carried`: an iterator over the same pieces at the far end of the pipe.

    An error of pieces comes out in its place in the order.  Leaving the block stops everything."""
    queue = asyncio.Queue(_ON_THE_WAY)

    async def feed():
        try:
            async for piece in pieces:
                moment = await pipe.cross(len(piece))
                await queue.put((moment, piece, None))
            await queue.put((0, None, None))
        except Exception as e:  # whatever it is, the reader shall see it
            await queue.put((0, None, e))

    async def out():
        while True:
            moment, piece, error = await queue.get()
            if error:
                raise error
            if piece is None:
                return
            await until(moment)
            yield piece

    task = asyncio.create_task(feed())
    try:
        yield out()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
