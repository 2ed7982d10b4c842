"""A pull when all is well: digests, time, and how many connections went through the tunnel."""
from stage import claim

TITLE = "An image is pulled through the tunnel"


def play(stage):
    talk, image = stage.talk, stage.image
    talk.say(f"An image of {len(image.layers)} layers, {image.total / 1e6:.0f} MB, was pushed to the registry.", 3)
    for client in stage.clients:
        for name, port in stage.relays:
            before = stage.connections()
            done = stage.pull(client, port, show=name)
            claim(done.ok, f"{client} could not pull through {name}: {done.words}")
            claim(stage.same_digests(client, done, port), f"what {client} got through {name} is not what was pushed")
            connections, requests = (b - a for a, b in zip(before, stage.connections()))
            talk.say(f"{client}: all digests equal; {requests} requests on {connections} connections to the proxy", 14)
            if name == "regrelay":
                claim(connections < requests, "regrelay keeps connections to the proxy")
    if stage.no_containerd:
        talk.say(f"(no pull with ctr: {stage.no_containerd})", 3)
