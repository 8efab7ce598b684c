"""The lab's appliance: its HTTP API over the unix socket, its start and its sudden death."""

import asyncio
import http.client
import json
import os
import re
import secrets
import signal
import socket
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
VIPS = {4: "203.0.113.10", 6: "2001:db8:ff::10"}
PORTS = [80, 8080]  # the lab's nginx, and the survival table's own server
MILLISECONDS = 1000


class Refused(Exception):
    """The API did not do what was asked."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=90)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Appliance:
    """The appliance of the lab `name`. Pools come in pairs, `web4` and `web6`, of the same backends."""

    def __init__(self, name, encap, binary, moving_slots, idle):
        self.name, self.encap, self.binary, self.moving_slots, self.idle = name, encap, binary, moving_slots, idle
        self.state = Path("/run/tentetsu-lab") / name
        self.folder = self.state / "lb1"
        self.flips = Flips()

    # What the lab's addresses are.

    def address(self, family, number):
        """Where packets of a family's service go to reach a backend; see lab.d/topology.sh."""
        if self.encap == "ipip6":
            return f"2001:db8:{family}::{100 + number}"
        if self.encap == "l2dsr" and family == 6:
            return f"2001:db8:2::{100 + number}"
        return f"198.51.100.{100 + number}"

    def backend(self, family, number, weight=100):
        return {"address": self.address(family, number), "weight": weight}

    def pool(self, family, weights):
        """A pool of the backends with these weights, by number."""
        encap = "l2dsr" if self.encap == "l2dsr" else "ipip"
        backends = {f"web{number}": self.backend(family, number, weight) for number, weight in weights.items()}
        return {"encap": encap, "idle_ms": round(self.idle * MILLISECONDS), "backends": backends}

    def definitions(self, pool, weights):
        """A pair of pools, and the services that they serve."""
        return {
            "pools": {f"{pool}{family}": self.pool(family, weights) for family in VIPS},
            "services": {f"http{family}": self.service(family, pool) for family in VIPS},
        }

    def service(self, family, pool):
        return {"address": VIPS[family], "protocol": "tcp", "ports": PORTS, "pool": f"{pool}{family}"}

    # Start and end.

    async def start(self):
        """Returns when the services answer."""
        command = [SCRIPTS / "lab", "start", "--name", self.name, "--encap", self.encap, "--binary", self.binary]
        command += ["--services", "api", "--moving-slots", self.moving_slots]
        begun = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.DEVNULL)
        if await begun.wait() != 0:
            raise Refused("the appliance did not start")

    async def define(self, pool, weights):
        """Everything is this pair of pools, and the services that they serve."""
        await self.call("PUT", "/state", self.definitions(pool, weights))

    def process(self):
        return int((self.folder / "pid").read_text())

    async def pause(self, seconds):
        """Nobody in it runs for a while."""
        os.kill(self.process(), signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(self.process(), signal.SIGCONT)

    async def spread(self, slots):
        """Another hash key, and so many slots, by the file and SIGHUP; returns when the appliance has begun with it."""
        file = self.folder / "tentetsu.toml"
        maglev = f'hash_key = "{secrets.token_hex(16)}"\nslots = {slots}'
        file.write_text(re.sub('hash_key = ".*"', maglev, file.read_text()))
        os.kill(self.process(), signal.SIGHUP)
        while (await self.call("GET", "/node"))["slots"] != slots:
            await asyncio.sleep(0.02)

    async def kill(self):
        """kill -9, and waits for the end."""
        await self.note_flips()
        os.kill(self.process(), signal.SIGKILL)
        while not (self.folder / "exit").exists():
            await asyncio.sleep(0.02)
        self.flips.forget()

    def memory(self):
        """Kilobytes that the process has of its own."""
        lines = Path(f"/proc/{self.process()}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

    # The API.

    async def call(self, method, path, body=None):
        return await asyncio.to_thread(self.call_now, method, path, body)

    def call_now(self, method, path, body):
        connection = UnixConnection(self.folder / "api.sock")
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"{method} {path}: {answer.status} {text}")
        return json.loads(text) if text else None

    async def both(self, method, path, body=lambda _: None):
        """The same of both pools of a pair; `{}` in the path is the family."""
        for family in VIPS:
            await self.call(method, path.format(family), body(family))

    async def add(self, pool, number):
        await self.both("PUT", f"/pools/{pool}{{}}/backends/web{number}", lambda family: self.backend(family, number))

    async def remove(self, pool, number):
        await self.both("DELETE", f"/pools/{pool}{{}}/backends/web{number}")

    async def weigh(self, pool, number, weight):
        await self.both("PUT", f"/pools/{pool}{{}}/backends/web{number}/weight", lambda _: {"weight": weight})

    async def set_mode(self, pool, number, mode):
        """`drain`, `undrain` or `maintenance`."""
        await self.both("POST", f"/pools/{pool}{{}}/backends/web{number}/{mode}")

    async def repoint(self, pool):
        await self.both("PUT", "/services/http{}", lambda family: self.service(family, pool))

    async def steered(self):
        """Waits until new flows go by what is wanted now."""
        generation = (await self.call("GET", "/node"))["generation"]
        await self.call("GET", f"/generations/{generation}?wait=steered&timeout_ms=60000")

    async def transitions(self):
        transitions = await self.call("GET", "/transitions")
        self.flips.note(transitions)
        return transitions

    async def note_flips(self):
        await self.transitions()

    async def entries(self):
        """How many flows are listed."""
        entries = (await self.call("GET", "/node"))["entries"]
        return entries["unconfirmed"] + entries["confirmed"] + entries["learned"]

    async def listed(self):
        """The client addresses of the listed flows."""
        flows = (await self.call("GET", "/flows?limit=10000"))["flows"]
        return {split(flow["client"]) for flow in flows}


class Flips:
    """Adds up the flips of views that come, go, and begin at zero after a restart."""

    def __init__(self):
        self.total = 0
        self.last = {}

    def note(self, transitions):
        now = {json.dumps(one["view"]): one["flips"] for one in transitions}
        for view, flips in now.items():
            before = self.last.get(view, 0)
            self.total += flips - before if flips >= before else flips
        self.last = now

    def forget(self):
        self.last = {}


def split(address):
    """`1.2.3.4:5` or `[2001:db8::1]:5` as a pair."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
