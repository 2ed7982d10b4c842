"""A pull runs while the configuration is reloaded, and while a bad one is refused."""
from stage import claim
from tools.process import run
from tools.relay import REGCTL

TITLE = "A reload, and a bad one, under a running pull"


def play(stage):
    client, relay, words = stage.clients[0], stage.relay, []
    good = relay.config.read_text()

    def reload():
        done = run([REGCTL, "-s", relay.control, "reload"], timeout=40)
        said = (done.stdout + done.stderr).replace(f"{relay.config.parent}/", "")
        words.append(f"exit {done.returncode}: {said.strip()}")
        return done.returncode

    def well():
        relay.config.write_text(good.replace("level = info", "level = notice"))
        claim(reload() == 0, "a good reload is accepted")

    def badly():
        relay.config.write_text(good.replace("level = info", "levle = info"))
        claim(reload() == 78, "a bad reload is refused with status 78")
        line = good.splitlines().index("level = info") + 1
        claim(f"regrelay.ini:{line}: [log] has no key 'levle'" in words[-1], f"it names the line: {words[-1]}")
        claim(relay.status()["last_reload"]["result"] == "failed", "the refusal stays visible")

    generation, aborted = relay.status()["generation"], relay.stat("regrelay_aborted_transfers_total")
    try:
        done = stage.pull(client, relay.port, show="regrelay", events=[(0.2, well), (0.5, badly)])
        claim(len(words) == 2, "both reloads came while the pull ran")
        claim(done.ok, f"the pull goes on: {done.words}")
        claim(stage.same_digests(client, done, relay.port), "all digests are right")
        for text in words:
            stage.talk.quote("regctl", text)
        stage.talk.say("The pull ran on over both; its digests are right.  Until the file is mended, the metric"
                       " regrelay_config_last_reload_successful is 0 and regctl status says so.", 3)
        claim(relay.stat("regrelay_config_last_reload_successful") == 0, "the metric says so")
        claim(relay.stat("regrelay_aborted_transfers_total") == aborted, "no transfer was cut")
    finally:
        relay.config.write_text(good)
    claim(reload() == 0, "the mended file is accepted")
    claim(relay.status()["last_reload"]["result"] == "ok", "and the refusal is forgotten")
    claim(relay.status()["generation"] > generation, "a new generation serves")
