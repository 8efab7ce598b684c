"""A row of the table: one change, followed to its end."""

import asyncio
import random
import time

import offline
from appliance import VIPS
from lab import HERE, IDLE, Failed, say, until

REQUESTS = 10_000  # to both services together, to see the shares of new flows
TOLERANCE = 2  # percentage points off the weights
STRAGGLERS = 20  # new connections from a port whose last connection may live still, as far as the appliance can know
SAMPLE = 60  # connections that are asked for by `explain`
LATEST = 3  # times T_idle after the last listed connection's end everything has settled
LOAD = HERE.parent / "lab.d" / "http_load.py"


class Row:
    """One change in a lab."""

    def __init__(self, lab, change):
        self.lab, self.change = lab, change
        self.appliance, self.crowd = lab.appliance, lab.crowd

    async def judge(self):
        await self.prepare()
        print(f"  {self.change.__name__}: {self.change.__doc__}", flush=True)
        await self.appliance.note_flips()
        flips = self.appliance.flips.total
        weights = await self.change(self.lab)
        exposed = await (self.watch(weights) if self.lab.moves else self.compare())
        row = {
            "change": self.change.__name__,
            "exposed": exposed,
            "broken": len(self.crowd.breaks),
            "flips": self.appliance.flips.total - flips,
        }
        self.report(row)
        return row

    async def prepare(self):
        """What the change begins with; what the one before it ended with, if none was left out."""
        await self.appliance.define(self.change.pool, self.change.weights)
        await self.appliance.steered()
        if self.lab.moves:
            await self.settle()
        await self.crowd.complete()
        if not self.lab.moves:
            # What the way here broke belongs to no row.
            self.crowd.count_anew()

    def report(self, row):
        for reason, count in self.crowd.reasons().most_common(5):
            say(f"broken {count}: {reason}")
        say(f"{row['broken']} broken, {row['exposed']} exposed, {row['flips']} flips; {self.crowd.summary()}")
        self.crowd.count_anew()

    async def compare(self):
        """Without moving slots the change is made already: waits for what comes of it."""
        await self.crowd.heard_again()
        await self.appliance.note_flips()
        return self.crowd.size

    async def watch(self, weights):
        """Follows the transition to its end; how many connections it exposed."""
        await self.appliance.steered()
        await asyncio.sleep(1)
        await self.shares(weights)
        await until("D is T everywhere", self.nothing_moves)
        await self.crowd.heard_again()
        exposed = self.crowd.alive_among(await self.lasting())
        await self.settle()
        await self.crowd.complete()
        await self.pure(weights)
        return exposed or len(self.crowd.on_living_backends())

    async def nothing_moves(self):
        return all(one["moving"] == 0 for one in await self.appliance.transitions())

    async def settle(self):
        """Ends the listed connections, and waits for the end of the transition. A new connection from the port of one
        that ended a moment ago is still listed, and ends as well."""
        await until("D is T everywhere", self.nothing_moves)
        last = time.monotonic()

        async def is_settled():
            nonlocal last
            if self.crowd.renew(await self.appliance.listed()):
                last = time.monotonic()
            settled = all(one["consulted"] == 0 for one in await self.appliance.transitions())
            return settled and await self.appliance.entries() == 0

        await until("no slot consulted and no entry left", is_settled)
        passed = time.monotonic() - last
        say(f"settled {passed:.1f} s after the last listed connection was told to end; T_idle is {IDLE:.0f} s")
        if passed > LATEST * IDLE:
            raise Failed(f"the last entry went {passed:.1f} s after its connection")

    async def lasting(self):
        """The listed flows, once those that short connections and the new owners left behind are gone."""
        listed, before = await self.appliance.listed(), None
        while before is None or self.crowd.alive_among(before) != self.crowd.alive_among(listed):
            await asyncio.sleep(1)
            before, listed = listed, await self.appliance.listed()
        return listed

    async def shares(self, weights):
        """New flows go by the new weights."""
        named = [f"web{number}={weight}" for number, weight in weights.items()]
        urls = [f"http://{VIPS[4]}/", f"http://[{VIPS[6]}]/"]
        command = [LOAD, "--requests", REQUESTS, "--tolerance", TOLERANCE, "--stragglers", STRAGGLERS]
        command += ["--weights", *named, "--", *urls]
        code, output = await self.lab.output("client", *command)
        say(output.splitlines()[0])
        if code != 0:
            raise Failed(f"the shares of new flows are not the weights:\n{output}")

    async def pure(self, weights):
        """Each connection is where the table of the wanted backends alone has it."""
        definitions = self.appliance.definitions(await self.pool(), weights)
        config = offline.write(self.appliance, definitions)
        sample = random.sample(self.crowd.on_living_backends(), SAMPLE)
        wrong = [one for one in sample if await offline.owner(self.appliance, config, one) != one.backend]
        if wrong:
            raise Failed(f"{len(wrong)} of {SAMPLE} connections are not where the pure table has them")

    async def pool(self):
        return (await self.appliance.call("GET", "/services/http4"))["pool"].removesuffix("4")
