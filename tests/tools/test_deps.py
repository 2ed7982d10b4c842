"""`./dev deps` on a machine made of doubles: what is installed stays, no daemon starts, and it says what it does."""
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TOOLS = "sh cat grep mv rm chmod dirname true false sed awk tr sort nproc".split()

APT_GET = r"""#!/bin/sh
# apt-get as far as ./dev uses it; $STATE/installed has names, $STATE/conflicts lines "a b": they exclude each other.
echo "apt-get $*" >>"$STATE/calls"
simulate= remove=yes names=
for word in "$@"; do
	case $word in
	-s) simulate=yes ;;
	--no-remove) remove= ;;
	-*|install|DPkg*|Dpkg*) ;;
	update) exit 0 ;;
	*) names="$names $word" ;;
	esac
done
for name in $names; do
	while read -r one other; do
		if [ "$name" = "$one" ] && grep -qx "$other" "$STATE/installed"; then
			[ -n "$remove" ] || exit 100
			grep -vx "$other" "$STATE/installed" >"$STATE/new"; mv "$STATE/new" "$STATE/installed"
		fi
	done <"$STATE/conflicts"
done
[ -z "$simulate" ] || exit 0
cat "$REGRELAY_POLICY_RC_D" >"$STATE/policy-seen" 2>/dev/null
[ ! -e "$STATE/broken" ] || exit 100
for name in $names; do echo "$name" >>"$STATE/installed"; done
"""
DPKG_QUERY = '#!/bin/sh\nwhile read -r name; do printf "installed=%s " "$name"; done <"$STATE/installed"\n'
OTHERS = {"apt-get": APT_GET, "dpkg-query": DPKG_QUERY, "apt-cache": "#!/bin/sh\n", "flock": "#!/bin/sh\n",
          "systemctl": '#!/bin/sh\necho "systemctl $*" >>"$STATE/calls"\n', "id": '#!/bin/sh\ncat "$STATE/uid"\n'}


class Machine:
    """Attributes: state (a directory), policy (the file that forbids daemons to start)."""

    def __init__(self, directory):
        self.state, self.bin, self.policy = directory / "state", directory / "bin", directory / "policy-rc.d"
        self.state.mkdir()
        self.bin.mkdir()
        for name, text in OTHERS.items():
            self.command(name, text)
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name))
        # The tree's own script, with a lock of its own; nothing else of the tree is needed.
        text = (TOP / "dev").read_text()
        assert "/run/regrelay-deps.lock" in text and "PATH=$PATH:/usr/sbin:/sbin" in text
        text = text.replace("/run/regrelay-deps.lock", str(directory / "lock"))
        self.dev = directory / "dev"
        self.dev.write_text(text.replace("PATH=$PATH:/usr/sbin:/sbin", ""))
        for name, content in (("installed", "base-files\n"), ("conflicts", ""), ("calls", ""), ("uid", "0\n")):
            self.write(name, content)

    def command(self, name, text="#!/bin/sh\n"):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def write(self, name, content):
        (self.state / name).write_text(content)

    def installed(self):
        return set((self.state / "installed").read_text().split())

    def calls(self):
        return (self.state / "calls").read_text()

    def deps(self, *args):
        return subprocess.run([self.bin / "sh", self.dev, "deps", *args], capture_output=True, text=True, timeout=60,
                              check=False, env={"PATH": str(self.bin), "STATE": str(self.state),
                                                "REGRELAY_POLICY_RC_D": str(self.policy)})


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_installs_what_is_missing_and_then_is_silent(machine):
    done = machine.deps()
    assert done.returncode == 0, done.stderr
    assert "dev: installing gcc " in done.stdout and {"gcc", "skopeo", "containerd", "runc"} <= machine.installed()
    machine.write("calls", "")
    done = machine.deps()
    assert (done.returncode, done.stdout, done.stderr, machine.calls()) == (0, "", "", "")


def test_package_that_conflicts_with_containerd_survives(machine):
    machine.write("installed", "somebodys-docker\n")
    machine.write("conflicts", "containerd somebodys-docker\nrunc somebodys-docker\n")
    done = machine.deps()
    assert done.returncode == 0, done.stderr
    assert "somebodys-docker" in machine.installed() and "skopeo" in machine.installed()
    assert not {"containerd", "runc"} & machine.installed()
    assert "left out containerd: it cannot be installed without removing another package; the parts of tests and " \
           "demo that pull with ctr are skipped" in done.stdout
    installs = [line for line in machine.calls().splitlines() if " install " in line]
    assert installs and all("--no-remove" in line for line in installs)


def test_containerd_of_a_vendor_will_do(machine):
    machine.write("installed", "containerd.io\n")
    machine.write("conflicts", "containerd containerd.io\nrunc containerd.io\n")
    machine.command("ctr")
    machine.command("runc")
    done = machine.deps()
    assert done.returncode == 0 and "left out" not in done.stdout
    assert "containerd.io" in machine.installed() and not {"containerd", "runc"} & machine.installed()


def test_no_daemon_may_start_while_it_installs(machine):
    assert machine.deps().returncode == 0
    assert "exit 101" in (machine.state / "policy-seen").read_text() and not machine.policy.exists()
    for unit in ("containerd", "docker-registry", "squid", "tinyproxy", "haproxy", "nginx"):
        assert f"disable {unit}.service" in machine.calls()


@pytest.mark.parametrize("broken", [False, True])
def test_policy_of_the_machine_comes_back(machine, broken):
    machine.policy.write_text("#!/bin/sh\nexit 0 # theirs\n")
    if broken:
        machine.write("broken", "")
    done = machine.deps()
    assert (done.returncode != 0) == broken
    assert "exit 101" in (machine.state / "policy-seen").read_text() and "theirs" in machine.policy.read_text()
    assert not broken or "could not install" in done.stderr


def test_policy_left_by_a_killed_run_is_repaired(machine):
    machine.policy.write_text("#!/bin/sh\n# regrelay: no daemon starts while ./dev deps installs\nexit 101\n")
    assert machine.deps().returncode == 0
    assert not machine.policy.exists()


def test_without_root_it_says_what_is_missing_and_does_nothing(machine):
    machine.write("uid", "1000\n")
    done = machine.deps("build")
    assert done.returncode == 1 and "only root can install" in done.stderr and "libssl-dev" in done.stderr
    assert machine.installed() == {"base-files"} and " update" not in machine.calls()
