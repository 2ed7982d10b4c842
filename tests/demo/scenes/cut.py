"""The tunnel is cut twenty times during one pull, for a client that cannot go on with half a blob."""
from stage import claim

TITLE = "The tunnel is cut twenty times during one pull"
CUTS, CLIENT = 20, "skopeo"


def play(stage):
    before = stage.relay.stat("regrelay_aborted_transfers_total")
    _through_nginx(stage)
    _through_regrelay(stage)
    claim(stage.relay.stat("regrelay_aborted_transfers_total") == before, "no transfer was cut towards the client")


def _events(stage, done):
    """One cut a step of the pull, by FIN and by RST in turn; done has how many connections each one met."""
    def cut(how):
        return lambda: done.append(stage.standin.cut(how))
    return [((n + 0.5) / (CUTS + 1), cut(("fin", "rst")[n % 2])) for n in range(CUTS)]


def _through_nginx(stage):
    cuts = []
    done = stage.pull(CLIENT, stage.nginx.port, show="nginx", events=_events(stage, cuts))
    claim(not done.ok, "a pull through nginx survived a tunnel that was cut")
    stage.talk.quote("nginx", f"dead after {len(cuts)} cut{'s' * (len(cuts) != 1)}: {done.words}")


def _through_regrelay(stage):
    cuts = []
    done = stage.pull(CLIENT, stage.relay.port, show="regrelay", events=_events(stage, cuts))
    claim(done.ok, f"the pull through regrelay did not survive: {done.words}")
    claim(len(cuts) == CUTS and sum(cuts) >= CUTS // 2, f"the tunnel was cut {CUTS} times while bytes were on their way: {cuts}")
    claim(stage.same_digests(CLIENT, done, stage.relay.port), "the digests are right")
    claim(done.size <= 1.2 * stage.image.total, f"little came twice: {done.size / stage.image.total:.2f} of the image")
    stage.talk.say(f"{len(cuts)} cuts, all digests right; {done.size / stage.image.total:.3f} of the image came through the"
                   " tunnel.  The client saw one answer a blob.", 3)
