"""journey: the verbs of k8s/Makefile with a state of their own, and a double of kubectl that keeps what it is given.

    journey = Journey(dir)
    journey.make("generate-certificate", "deploy", NODE_PORT="30007")
    journey.calls(), journey.applied()          # kubectl's command lines; what it was to apply, as text
"""
from . import ports
from .process import run
from .relay import TOP

K8S = TOP / "k8s"
KUBECTL = """#!/bin/sh
# Keeps its arguments in $DOUBLE/calls, and what is applied in $DOUBLE/applied.
echo "$*" >>"$DOUBLE/calls"
file=; from=; before=
for word in "$@"; do
	case $before in -f) file=$word ;; esac
	case $word in --from-file=*) from=${word#--from-file=*=} ;; esac
	before=$word
done
case $1 in
apply) if [ "$file" = - ]; then cat; else cat "$file"; fi >>"$DOUBLE/applied" ;;
create) cat "$from"; echo ;;
get) case "$*" in *"-o name"*) printf 'pod/regrelay-a\\npod/regrelay-b\\n' ;; esac ;;
rollout) [ ! -e "$DOUBLE/broken" ] ;;
describe) printf 'Name: x\\nEvents:\\n  Failed to pull: virtual host is not exposed\\n' ;;
esac
"""


class Journey:
    """Attributes: state, port (the registry's), registry (as images name it), double (directory),
    env (of the engine: home, logins)."""

    def __init__(self, directory, registry=None):
        """registry: "host:port" of one that runs already; without it one may be started at localhost."""
        self.dir, self.state, self.double = directory, directory / "state", directory / "double"
        self.registry = registry or f"localhost:{ports.free_port()}"
        self.port = int(self.registry.rpartition(":")[2])
        self.double.mkdir(parents=True)
        kubectl = self.double / "kubectl"
        kubectl.write_text(KUBECTL.replace("$DOUBLE", str(self.double)))
        kubectl.chmod(0o755)
        self.settings = {"KUBECTL": kubectl, "STATE": self.state, "REGISTRY": self.registry, "DOMAIN": "example.com",
                         "CERTS_DIR": directory / "home/.config/containers/certs.d", "CA_DIR": directory / "ca"}
        self.env = {"HOME": str(directory / "home"), "REGISTRY_AUTH_FILE": str(directory / "auth.json")}

    def make(self, *verbs, check=True, options=(), **settings):
        words = [f"{name}={value}" for name, value in {**self.settings, **settings}.items()]
        return run(["make", "--no-print-directory", "-C", K8S, *options, *verbs, *words], check=check, env=self.env, timeout=60)

    def calls(self):
        return (self.double / "calls").read_text().splitlines()

    def applied(self):
        text = (self.double / "applied").read_text()
        (self.double / "applied").unlink()
        return text

    @property
    def password(self):
        return (self.state / "password").read_text().strip()
