"""tinyproxy: an ordinary proxy for CONNECT, a foreign implementation of that way; with or without users.

    with Tinyproxy(dir, ports=[registry.port], credentials="user:password") as proxy:
        proxy.address, proxy.connects()
"""
import pathlib
import re

from . import ports as free
from .process import Process, find, starting

_CONFIG = """Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Connect
MaxClients 100
DisableViaHeader Yes
"""


def available():
    return find("tinyproxy") is not None


class Tinyproxy:
    """A running tinyproxy at address ("127.0.0.1:port")."""

    def __init__(self, directory, *, ports, credentials=None):
        """ports: those that may be connected to, on any host whose name it can resolve.  credentials: "user:password"
        that it wants, by Basic."""
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = free.free_port()
        self.address = f"127.0.0.1:{self.port}"
        lines = [f"ConnectPort {port}" for port in ports]
        if credentials:
            lines.append("BasicAuth {} {}".format(*credentials.split(":", 1)))
        config = self.dir / "tinyproxy.conf"
        config.write_text(_CONFIG.format(port=self.port) + "\n".join(lines) + "\n")
        config.chmod(0o600)
        self.process = Process(["tinyproxy", "-d", "-c", config], log=self.dir / "tinyproxy.log", name="tinyproxy")
        with starting(self.process):
            self.process.wait_port(self.port)

    def connects(self):
        """Targets of all CONNECTs that came."""
        return re.findall(r"CONNECT (\S+) HTTP", self.process.text())

    def stop(self):
        return self.process.stop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
