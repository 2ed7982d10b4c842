"""Two nights when it does not work: what the client shows through nginx, and through regrelay."""
from stage import claim
from tools.standin import VHOST

TITLE = "When it cannot work: what the client says"


def play(stage):
    _case(stage, "The Cloud Connector does not expose the registry:", "mapping-missing",
          lambda: stage.standin.expose(VHOST, False), lambda: stage.standin.expose(VHOST))
    _case(stage, "The Cloud Connector is not connected:", "tunnel-down",
          lambda: stage.standin.tunnel(connected=False), lambda: stage.standin.tunnel(connected=True))
    _name, port = stage.relays[1]
    done = stage.pull("skopeo", port)
    claim(done.ok, f"regrelay recovers by itself once the way is open again: {done.words}")
    claim(stage.same_digests("skopeo", done, port), "and gives what was pushed")
    stage.talk.say(f"All is back: the next pull through regrelay works ({done.seconds:.1f} s), without a restart.", 3)


def _case(stage, words, error, breaks, mends):
    stage.talk.say(words, 3)
    breaks()
    try:
        for name, port in stage.relays:
            for client in stage.clients:
                done = stage.pull(client, port)
                claim(not done.ok, f"a pull through {name} succeeded")
                stage.talk.quote(name, done.words)
                if name == "regrelay":
                    text = stage.text_of(error, vhost=VHOST)
                    claim(text in done.words, f"{client} shows: {text}")
                    claim(stage.relay.status()["state"] == "serving", "regrelay stays up")
    finally:
        mends()
