"""What changes act on: the appliance, its network, and the crowd."""

import asyncio
import contextlib
import time
from pathlib import Path

from appliance import VIPS, Appliance
from crowd import Crowd

IDLE = 5.0  # T_idle of the pools, seconds
RATE = 50  # connections that arrive each second
FLOOD = 8_000, 15  # SYNs a second, for so many seconds
GROWTH = 16 << 10  # kilobytes that a flood may cost the appliance
BOUND = 90  # seconds for anything that has to come in a transition: many times what it takes
HERE = Path(__file__).parent


class Failed(Exception):
    """Something did not come as it must."""


class Lab:
    """A lab, and what can be done in it."""

    def __init__(self, options):
        self.name, self.idle = options.lab, IDLE
        self.moves = options.moving_slots == "on"
        self.appliance = Appliance(options.lab, options.encap, options.binary, options.moving_slots, IDLE)
        self.crowd = Crowd(list(VIPS.values()), options.connections, RATE, IDLE)
        self.servers = []

    async def serve(self, backends):
        for number in range(1, backends + 1):
            self.servers.append(await self.run(f"web{number}", HERE / "server.py", f"web{number}"))

    async def run(self, node, *command):
        inside = ["ip", "netns", "exec", f"tt-{self.name}-{node}", *map(str, command)]
        return await asyncio.create_subprocess_exec(*inside, stdout=asyncio.subprocess.PIPE)

    async def output(self, node, *command):
        process = await self.run(node, *command)
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    def end(self):
        for server in self.servers:
            server.terminate()

    async def unplug(self, number):
        """A backend's machine is gone, without a word: its port of the bridge is shut."""
        self.crowd.kill(f"web{number}")
        await self.output("router", "bridge", "link", "set", "dev", f"web{number}", "state", "0")

    async def restart(self):
        begun = time.monotonic()
        await self.appliance.kill()
        await self.appliance.start()
        say(f"killed with -9 and started again: {time.monotonic() - begun:.1f} s")

    @contextlib.asynccontextmanager
    async def flood(self):
        """SYNs from random sources; ends with the flood's end."""
        _, link = await self.output("router", "cat", "/sys/class/net/wan/address")
        before = self.appliance.memory()
        flood = await self.run("client", HERE / "flood.py", link.strip(), *FLOOD)
        yield
        sent, _ = await flood.communicate()
        growth = self.appliance.memory() - before
        say(f"flood: {int(sent)} SYNs; the appliance's memory grew by {growth} KiB")
        if growth > GROWTH:
            raise Failed(f"the flood cost {growth} KiB of memory")


def say(text):
    print(f"    {text}", flush=True)


async def until(what, condition):
    """Polls a condition; seconds until it was true."""
    begun = time.monotonic()
    while not await condition():
        if time.monotonic() - begun > BOUND:
            raise Failed(f"not within {BOUND} s: {what}")
        await asyncio.sleep(0.25)
    return time.monotonic() - begun
