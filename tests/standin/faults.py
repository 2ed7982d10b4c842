"""faults: what goes wrong on purpose, switched on and off while the stand-in runs.

A fault is an object: kind, and what the kind wants; path (a regular expression, searched in the request's target) and
count (how many times it strikes; null: until it is removed) for all.

    cut        at, how         end the connection at body byte `at` ("fin", "rst"); at = -1: before the head
    stall      at, seconds     be silent at that byte; at = -1: before the head
    slow       rate            pass rate bytes a second
    corrupt    at              turn that byte around
    chunked                    send the body in chunks instead of with its length
    close                      send it without length or chunks: the end of the connection ends it
    no-range                   drop the Range header: the whole body comes, with 200
    answer     status, text    answer so, instead of the backend

Through a SOCKS tunnel, where the target is the virtual "host:port", bytes are counted as they are (of TLS: its records)
towards the client; chunked, close, no-range and answer have no meaning there, but these have:

    refuse     code            reply with that code instead of 00
    speak      step, hex, then say these bytes instead of the answer of a step ("method", "token", "reply"); path is not
                               looked at before the reply.  then: "wait" (say no more), "on" (as if it had been the
                               answer), "fin", "rst"
    early      hex             these bytes in one write with the reply, in front of the backend's own
"""
import asyncio
import dataclasses
import re

from mapping import Wrong
from wire import PIECE

_WANTS = {"cut": ("at", "how"), "stall": ("at", "seconds"), "slow": ("rate",), "corrupt": ("at",), "chunked": (),
          "close": (), "no-range": (), "answer": ("status", "text"), "refuse": ("code",),
          "speak": ("step", "hex", "then"), "early": ("hex",)}
_CHOICES = {"how": ("fin", "rst"), "step": ("method", "token", "reply"), "then": ("wait", "on", "fin", "rst")}


class Cut(Exception):
    """End the client's connection here."""

    def __init__(self, how):
        super().__init__(how)
        self.how = how


@dataclasses.dataclass
class Fault:
    kind: str
    at: int = 0
    how: str = "fin"
    seconds: float = 0
    rate: float = 0
    status: int = 502
    text: str = ""
    code: int = 1
    step: str = "reply"
    hex: str = ""
    then: str = "wait"
    path: str = ""
    count: int = None
    struck: int = 0
    id: int = 0

    def matches(self, target):
        return self.armed() and re.search(self.path, target) is not None

    def armed(self):
        return self.count is None or self.struck < self.count

    def strike(self):
        """True when it may strike (now one time less)."""
        if not self.armed():
            return False
        self.struck += 1
        return True


def fault_of(values):
    """A Fault from its JSON object; Wrong when something does not fit."""
    kind = values.get("kind")
    if kind not in _WANTS:
        raise Wrong(f"kind is one of {', '.join(_WANTS)}")
    unknown = set(values) - {"kind", "path", "count", *_WANTS[kind]}
    if unknown:
        raise Wrong(f"{kind} has no {', '.join(sorted(unknown))}")
    for name, choices in _CHOICES.items():
        if values.get(name, choices[0]) not in choices:
            raise Wrong(f"{name} is {' or '.join(choices)}")
    try:
        bytes.fromhex(values.get("hex", ""))
    except ValueError as e:
        raise Wrong(f"hex: {e}") from None
    if kind == "slow" and not values.get("rate", 0) > 0:
        raise Wrong("slow wants a rate > 0")
    try:
        re.compile(values.get("path", ""))
    except re.error as e:
        raise Wrong(f"path: {e}") from None
    return Fault(**values)


class Faults:
    """Those that are on."""

    def __init__(self):
        self._all, self._next = {}, 1

    def add(self, fault):
        fault.id = self._next
        self._next += 1
        self._all[fault.id] = fault
        return fault.id

    def remove(self, number=None):
        """Removes one, or all; False when there is no such one."""
        if number is None:
            self._all.clear()
            return True
        return self._all.pop(number, None) is not None

    def list(self):
        return [dataclasses.asdict(f) for f in self._all.values()]

    def on(self, target=None):
        """Those that concern a request for target (None: it is not known yet)."""
        return [f for f in self._all.values() if target is None or f.matches(target)]


# --- their effect -----------------------------------------------------------------------------------------------

def struck(faults, kind, step=None):
    """The first of that kind (and step) that strikes now, or None."""
    return next((f for f in faults if f.kind == kind and step in (None, f.step) and f.strike()), None)


async def before_head(faults):
    """Cuts and stalls that come before the head of the answer."""
    for fault in faults:
        if fault.at == -1 and fault.kind in ("cut", "stall") and fault.strike():
            if fault.kind == "cut":
                raise Cut(fault.how)
            await asyncio.sleep(fault.seconds)


def shaped(pieces, faults):
    """The pieces of a body as the faults leave them; the iterator raises Cut where the connection shall end."""
    for fault in faults:
        if fault.kind in _AT_BYTE and fault.at >= 0:
            pieces = _at_byte(pieces, fault)
        elif fault.kind == "slow" and fault.strike():
            pieces = _slow(pieces, fault.rate)
    return pieces


async def _at_byte(pieces, fault):
    position = 0
    async for piece in pieces:
        start, position = position, position + len(piece)
        if start <= fault.at < position and fault.strike():
            if fault.at > start:
                yield piece[:fault.at - start]
            piece = await _AT_BYTE[fault.kind](fault, piece[fault.at - start:])
        yield piece


async def _cut(fault, _rest):
    raise Cut(fault.how)


async def _stall(fault, rest):
    await asyncio.sleep(fault.seconds)
    return rest


async def _corrupt(_fault, rest):
    return bytes([rest[0] ^ 0xFF]) + rest[1:]


_AT_BYTE = {"cut": _cut, "stall": _stall, "corrupt": _corrupt}


async def _slow(pieces, rate):
    step = max(1, min(PIECE, int(rate / 20)))
    async for piece in pieces:
        for start in range(0, len(piece), step):
            part = piece[start:start + step]
            await asyncio.sleep(len(part) / rate)
            yield part
