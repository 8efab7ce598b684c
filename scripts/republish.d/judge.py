#!/usr/bin/python3
"""Replaces every backend of every pool under load, and judges. Runs in the client's namespace; see scripts/republish."""

import argparse
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "survival.d"))

from appliance import Appliance, Refused
from load import Load

IDLE_MS = 5_000
SETTLING = 300  # seconds that the first definitions, and the end of a transition, may take
SINGLES = 100
QUIET = 2  # seconds of load before the change
LAST = 1  # seconds that the last packets may take
PULSE = 0.05  # seconds between two questions of one who looks on


def definitions(options, crop):
    """Every service with a pool of its own; `crop` tells one set of backends from another."""
    pools, services = {}, {}
    for pool in range(options.pools):
        backends = {
            f"{crop}{number}": {"address": f"10.{(pool >> 8) * 32 + (crop == 'b') * 16 + (number >> 8)}.{number & 255}.{pool & 255}", "weight": 100}
            for number in range(options.backends)
        }
        pools[f"pool{pool}"] = {"encap": "ipip", "idle_ms": IDLE_MS, "backends": backends}
        services[f"service{pool}"] = {"address": vip(pool), "protocol": "udp", "ports": [4000], "pool": f"pool{pool}"}
    return {"pools": pools, "services": services}


def vip(pool):
    return f"198.18.{pool >> 8}.{pool & 255}"


class Judge:
    def __init__(self, options):
        self.options = options
        self.appliance = Appliance(options.lab, "ipip", None, "on", IDLE_MS / 1000)

    def call(self, method, path, body=None):
        return self.appliance.call_now(method, path, body)

    def change(self, method, path, body, stages=("armed", "steered")):
        """Seconds until the answer, until every worker has it, and until new flows go by it."""
        begun = time.monotonic()
        self.call(method, path, body)
        times = {"answered": passed(begun)}
        generation = self.call("GET", "/node")["generation"]
        for stage in stages:
            self.call("GET", f"/generations/{generation}?wait={stage}&timeout_ms=60000")
            times[stage] = passed(begun)
        return times

    @contextmanager
    def looked_on(self, times):
        """Somebody asks how the node is, all the time: notes how long the longest answer took."""
        ended, longest = threading.Event(), [0]

        def ask():
            while not ended.wait(PULSE):
                begun = time.monotonic()
                self.call("GET", "/node")
                longest.append(passed(begun))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield
        finally:
            ended.set()
            asking.join()
        times["longest_answer"] = max(longest)

    def settle(self):
        end = time.monotonic() + SETTLING
        while any(one["consulted"] for one in self.call("GET", "/transitions")):
            if time.monotonic() > end:
                raise Refused(f"slots are moving still after {SETTLING} s")
            time.sleep(0.5)

    def replace(self):
        time.sleep(QUIET)
        body = definitions(self.options, "b")
        times = {}
        with self.looked_on(times):
            times.update(self.change("PUT", "/state", body))
        times["memory_moving_mib"] = self.memory()
        say("all backends replaced", times)
        return times

    def weigh(self):
        """Single changes, one after the other, while all slots move: seconds until they are armed, the median."""
        path = "/pools/pool0/backends/b0/weight"
        times = [self.change("PUT", path, {"weight": 100 + number}, ["armed"])["armed"] for number in range(1, SINGLES + 1)]
        say("one weight", {"armed": (median := sorted(times)[SINGLES // 2])})
        return median

    def counters(self):
        port = self.call("GET", "/ports")[0]
        counted = {name: port[name] for name in ("forwarded", "device_missed", "device_no_buffer", "device_unsent")}
        dropped = {f"dropped as {one['reason']}": one["count"] for one in self.call("GET", "/drops")}
        return {**counted, **dropped, "arrived": self.arrived()}

    def arrived(self):
        """IPv4 packets that came to web1."""
        read = ["ip", "netns", "exec", f"tt-{self.options.lab}-web1", "cat", "/proc/net/snmp"]
        names, values = [line.split() for line in subprocess.check_output(read, text=True).splitlines() if line.startswith("Ip:")]
        return int(values[names.index("InReceives")])

    def memory(self):
        return round(self.appliance.memory() / 1024)


def passed(begun):
    return round(time.monotonic() - begun, 3)


def say(what, figures):
    print(f"    {what}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)


def under_load(judge, work):
    """Does the work while packets pass; what it gives, and what became of the packets."""
    options = judge.options
    before = judge.counters()
    load = Load([vip(pool) for pool in range(options.pools)], options.rate)
    load.start()
    try:
        result = work()
    finally:
        sent = load.stop()
    end = time.monotonic() + LAST
    while (counted := difference(judge.counters(), before))["arrived"] < sent and time.monotonic() < end:
        time.sleep(0.05)
    return result, {"sent": sent, **counted, "lost": sent - counted["arrived"]}


def warm_up(judge):
    """Until the kernel has told the ways to all backends."""
    end = time.monotonic() + SETTLING
    while under_load(judge, lambda: time.sleep(QUIET))[1]["lost"] > 0:
        if time.monotonic() > end:
            raise Refused(f"packets are lost still after {SETTLING} s, without any change")


def difference(after, before):
    """What was counted meanwhile; of drops and losses only those that there were."""
    counted = {name: after[name] - before.get(name, 0) for name in after}
    return {name: count for name, count in counted.items() if count or name in ("forwarded", "arrived")}


def main():
    parser = argparse.ArgumentParser()
    for option in ("lab", "json"):
        parser.add_argument(f"--{option}")
    for option in ("pools", "backends", "rate"):
        parser.add_argument(f"--{option}", type=int)
    options = parser.parse_args()
    judge = Judge(options)
    say("defined", judge.change("PUT", "/state", definitions(options, "a")))
    judge.settle()
    warm_up(judge)
    settled = judge.memory()
    times, packets = under_load(judge, lambda: {**judge.replace(), "one_weight_armed": judge.weigh()})
    say("packets", packets)
    figures = {"pools": options.pools, "backends": options.backends, "memory_settled_mib": settled, **times, **packets}
    if options.json:
        Path(options.json).write_text(json.dumps(figures) + "\n")
    if figures["lost"] > 0:
        sys.exit(f"{figures['lost']} packets were lost")


if __name__ == "__main__":
    main()
