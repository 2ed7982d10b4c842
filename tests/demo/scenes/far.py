"""A registry whose tokens and blobs come from other hosts: through nginx, and through regrelay."""
from stage import FarStage, claim
from tools.landscape import AUTH, STORAGE

TITLE = "A registry with a token server and a storage on other hosts"


def play(stage):
    with FarStage(stage) as far:
        far.talk.say(f"Another registry: it sends clients to https://{AUTH} for tokens and to https://{STORAGE} for"
                     " blobs.  The Cloud Connector exposes both, but no node can reach them.", 3)
        for client in far.clients:
            _through_nginx(far, client)
            _through_regrelay(far, client)
        far.talk.say("The node has the pull secret of localhost alone: the password went to the token server, tokens to"
                     " the registry, and neither to the storage.", 3)


def _through_nginx(far, client):
    done = far.pull(client, far.nginx.port)
    claim(not done.ok, "a pull through nginx succeeded")
    claim(AUTH.partition(":")[0] in done.words, f"{client} looks for the token server by itself: {done.words}")
    far.talk.quote("nginx", done.words)


def _through_regrelay(far, client):
    land, blobs = far.land, {far.image.config, *far.image.layers}
    land.begin()
    done = far.pull(client, far.relay.port, show="regrelay")
    claim(done.ok, f"{client} could not pull through regrelay: {done.words}")
    claim(far.same_digests(client, done, far.relay.port), f"what {client} got through regrelay is not what was pushed")
    tokens, stored = land.heard(land.auth), land.heard(land.storage)
    claim(tokens and len(stored) == len(blobs), "tokens and blobs came from where the registry says")
    claim(not land.strays(), f"credentials strayed: {land.strays()}")
    far.talk.say(f"{client}: all digests equal; {len(tokens)} requests for tokens, {len(stored)} to the storage", 14)
