"""settings: the knobs.  [S]: sourced value or text; [A]: assumed, a guess that a test can turn the other way."""
import dataclasses


@dataclasses.dataclass
class Settings:
    mode: str = "trusted"               # [S] or "untrusted" (Proxy-Authorization), "service-token" (trusted, shared)
    tokens: list = dataclasses.field(default_factory=list)  # those that are valid; empty: every bearer token is
    token_key: str = ""                 # tokens are JWT, signed with this key and checked (tokens.py); empty: not
    token_clients: list = dataclasses.field(default_factory=list)  # client_id that may be in them; empty: any
    tokens_since: float = 0             # when the key came: tokens that were issued before are refused
    subaccount: str = "5f1d0c6e-0000-4000-8000-7a1e5c0de000"  # shows in texts
    other_host: str = "refuse"          # [S] 403 for another virtual host on a bound connection; "serve": its backend
    line_limit: int = 8192              # [S] bytes of a request line or header
    line_status: int = 431              # [A] 400, 414, 431
    request_head_limit: int = 65536     # [S] all request headers together
    request_head_status: int = 431      # [A]
    answer_head_limit: int = 8192       # [S] all response headers together
    answer_head_status: int = 502       # [A]
    service_token_status: int = 407     # [A] SAP-CP-Connectivity-Service-Token is missing
    write_timeout: float = 10           # [S] seconds; [A] a client that takes nothing for so long is cut
    write_timeout_how: str = "rst"      # [A] or "fin"
    open_timeout: float = 10            # [S] seconds until a tunnel must be open
    open_status: int = 503              # [A]
    open_rtts: float = 1                # [A] round trips it costs to open a logical connection
    idle_timeout: float = 0             # [A] seconds until an idle connection is closed; 0: never
    redirect_scheme: str = "https"      # [A] of a Location whose host was rewritten
    forwarded_host: str = "replace"     # [A] X-Forwarded-Host of the caller; "keep"
    ssl_client_cert: bool = True        # [S] inject SSL_CLIENT_CERT, empty
    socks_methods: list = dataclasses.field(default_factory=lambda: [0])  # [A] SOCKS, trusted: taken, best first
    socks_token_status: int = 1         # [A] status byte of a token that is refused
    socks_open_code: int = 1            # [A] reply code when the tunnel does not open in time
    socks_bound: str = "ipv4"           # [S] kind of address in replies; or "name"
    socks_writes: str = "whole"         # [A] answers go out at once; "bytes": one byte a segment

    def change(self, values):
        """Sets some; KeyError for an unknown one, TypeError for a value of another kind."""
        known = {f.name: f for f in dataclasses.fields(self)}
        for name, value in values.items():
            if name not in known:
                raise KeyError(name)
            old = getattr(self, name)
            if isinstance(old, float) and isinstance(value, int):
                value = float(value)
            if type(old) is not type(value) and not (isinstance(old, (int, float)) and isinstance(value, (int, float))):
                raise TypeError(f"{name} is a {type(old).__name__}")
        for name, value in values.items():
            setattr(self, name, value)
