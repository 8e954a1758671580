"""The part of conf/quickstart after the build: a lab, Tandem in it, and a backend that dies.

Says in plain words what it does; ends with the line that conf/quickstart documents.
"""
import argparse
import signal
import sys
import time

import client
import nginx
from lab import VIP4, Lab, wait_until
from tandem import Config, Service, Tandem

REQUESTS = 3000
RATE = 200  # requests a second while the backend dies and returns
SPREAD_TOLERANCE = 0.20


def say(text):
    print(text, flush=True)


def show_spread(spread, names):
    total = sum(spread.values())
    for name in names:
        share = spread[name] / total if total else 0
        say(f"  {name:10} {spread[name]:5} answers  {'#' * round(60 * share)} {share:.1%}")


def explain(failed):
    for result in failed[:3]:
        say(f"  failed: {result['error']}")


def spread_out(lab, names):
    """Many requests at once, the network at rest."""
    say(f"\nThe client opens {REQUESTS} connections to http://{VIP4}/, each a new one:")
    results = client.requests(lab, VIP4, REQUESTS)
    show_spread(results.spread, names)
    say(f"  {len(results.failed)} failed, {results[-1]['end'] - results[0]['start']:.1f} s in all")
    explain(results.failed)
    return results


class Outage:
    """One backend stops and returns under a steady stream of requests."""

    def __init__(self, lab, config):
        self.lab = lab
        self.config = config
        self.victim = lab.nginx[1]
        self.stopped = None  # time.monotonic()
        self.last_failed = None

    def run(self):
        """Returns the results of the whole stream."""
        say(f"\nNow {RATE} requests a second without a pause. After two seconds nginx stops on "
            f"{self.victim.name}.")
        with client.Stream(self.lab, VIP4, rate=RATE) as stream:
            wait_until(lambda: len(stream.results()) >= 2 * RATE, "two seconds of requests")
            self.stopped = time.monotonic()
            self.victim.stop()
            wait_until(lambda: self._quiet(stream), "a second without a failed request", 30)
            failures = self._failures(stream.results())
            self.last_failed = max((result["end"] for result in failures), default=self.stopped)
            say(f"  {len(failures)} requests failed; after {self.moved_ms} ms none any more "
                f"(health check every {self.config.interval_ms} ms, down after "
                f"{self.config.fall} failures: at most {self.config.detection_ms} ms)")

            say(f"\nnginx on {self.victim.name} starts again.")
            self.victim.start()
            wait_until(lambda: self._answers_since(stream, self.victim.started), "its traffic", 30)
            first = min(result["end"] for result in stream.results().since(self.victim.started)
                        if result.get("backend") == self.victim.name)
            say(f"  its first answer came {(first - self.victim.started) * 1000:.0f} ms later")
            count = len(stream.results())
            wait_until(lambda: len(stream.results()) >= count + RATE, "a second of requests")
            return stream.stop()

    def _failures(self, results):
        return [result for result in results.failed if result["end"] >= self.stopped]

    def _quiet(self, stream):
        now = time.monotonic()
        failures = self._failures(stream.results())
        return now > self.stopped + 1 and (not failures or failures[-1]["end"] < now - 1)

    def _answers_since(self, stream, moment):
        return stream.results().since(moment).spread[self.victim.name]

    @property
    def moved_ms(self):
        return round((self.last_failed - self.stopped) * 1000)

    def outside(self, results):
        """Failures that the death of a backend does not excuse."""
        window_end = self.stopped + self.config.detection_ms / 1000
        return [result for result in results.failed
                if not self.stopped <= result["end"] <= window_end]


def verdict(spread, names, failed, outage):
    """What is wrong, or None."""
    counts = [spread[name] for name in names]
    even = sum(counts) / len(counts)
    if failed:
        return f"{failed} requests failed outside the time in which the dead backend is noticed"
    if any(abs(count - even) > SPREAD_TOLERANCE * even for count in counts):
        return f"the spread {counts} is not within {SPREAD_TOLERANCE:.0%} of even"
    if outage.moved_ms > outage.config.detection_ms:
        return f"the traffic moved after {outage.moved_ms} ms, over {outage.config.detection_ms} ms"
    return None


def show(lab, stay):
    say(f"\nStarting a small network in namespaces, named {lab.name}-*: a client, a load balancer "
        "and three backends.")
    lab.nginx = nginx.start_all(lab)
    names = [node.name for node in lab.backends]
    config = Config(lab.directory, {"web": Service(VIP4, [node.ipv4 for node in lab.backends])},
                    packet_memory="")
    say("Each backend runs a real nginx. Tandem runs on the load balancer with this file:\n")
    say("    " + str(config).strip().replace("\n", "\n    "))
    with Tandem(lab, config) as tandem:
        tandem.wait_serving(VIP4, lab.backends)
        say("\nTandem is up: all three backends pass their health checks.")
        burst = spread_out(lab, names)
        outage = Outage(lab, config)
        stream = outage.run()
        failed = len(burst.failed) + len(outage.outside(stream))
        explain(outage.outside(stream))
        if stay:
            remain(lab, tandem)
    if trouble := verdict(burst.spread, names, failed, outage):
        return f"failed {trouble}"
    return (f"ok requests={len(burst) + len(stream)} failed={failed} "
            f"spread={','.join(str(burst.spread[name]) for name in names)} "
            f"moved_ms={outage.moved_ms}")


def remain(lab, tandem):
    client_shell = f"sudo ip netns exec {lab.client.namespace}"
    say(f"""
Everything stays up until Ctrl-C. To try, from another terminal:
  {client_shell} curl http://{VIP4}/
  sudo kill {lab.nginx[0].process.popen.pid}                     # nginx on {lab.nginx[0].name}
  sudo tail -f {tandem.control.log} {tandem.dataplane.log}
  sudoedit {tandem.file} && sudo kill -HUP {tandem.control.popen.pid}    # reload
  sudo kill -KILL {tandem.control.popen.pid}                  # forwarding goes on without control""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("\nStopping.")


def main():
    parser = argparse.ArgumentParser(prog="conf/quickstart")
    parser.add_argument("--stay", action="store_true", help="keep it up, and print what to try")
    stay = parser.parse_args().stay
    lab = Lab(backends=3)
    try:
        with lab:
            result = show(lab, stay)
    except KeyboardInterrupt:
        result = "failed interrupted"
    except (AssertionError, RuntimeError, OSError) as error:
        say(f"\n{error}")
        result = "failed " + (str(error).splitlines() or [type(error).__name__])[0]
    say(f"\nquickstart: {result}")
    return 0 if result.startswith("ok") else 1


if __name__ == "__main__":
    sys.exit(main())
