"""Which sockets have something to read, however many descriptors the process has (select(2) knows 1024)."""
import selectors


def readable(sockets, seconds):
    """Those of the sockets that can be read from, or have ended; [] after so many seconds without any."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(seconds)]
