"""The crowd: two thousand connections that live long, new ones all the time, and what became of each."""

import asyncio
import itertools
import random
from collections import Counter

from connections import MIXTURE, PATIENCE, PORT

ATTEMPT = 40.0  # seconds for one connection: SYNs are repeated after 1, 3, 7, 15 and 31
AT_A_TIME = 64  # connections that are being opened


class Crowd:
    """Keeps `size` connections alive, spread over `services`, and opens `rate` short ones a second beside them."""

    def __init__(self, services, size, rate, idle):
        self.services, self.size, self.rate, self.idle = services, size, rate, idle
        self.alive = set()
        self.dead = {}
        self.count_anew()
        self.tasks = []
        self.stopping = False
        self.kinds = itertools.cycle(kind for kind, count in MIXTURE.items() for _ in range(count))
        self.turns = itertools.cycle(services)
        self.opening = 0

    async def start(self):
        """Opens all; returns when each was heard."""
        self.tasks = [asyncio.create_task(self.fill()), asyncio.create_task(self.arrive())]
        await self.complete()

    async def complete(self):
        """Waits until none is missing, and each was heard."""
        while len(self.alive) < self.size or any(not one.heard for one in self.alive):
            await asyncio.sleep(0.1)

    async def stop(self):
        self.stopping = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for one in list(self.alive):
            one.stop()
        self.alive.clear()

    # Connections tell their end.

    def broken(self, one, why):
        self.alive.discard(one)
        if self.stopping:
            return
        if self.died(one.backend, one.established):
            self.lost_with_backend += 1
        elif one.late:
            self.late += 1
        else:
            self.breaks.append((type(one).__name__, one.address, one.backend, why))

    def finished(self, one):
        self.alive.discard(one)
        self.finished_well += 1

    def died(self, backend, established):
        """Whether a connection may be blamed on a dead backend: it is that backend's, or it has named none yet and was
        there before one died."""
        if backend:
            return backend in self.dead
        return any(established <= when for when in self.dead.values())

    def kill(self, backend):
        self.dead[backend] = asyncio.get_running_loop().time()

    # The tasks.

    async def fill(self):
        """Opens connections whenever some are missing."""
        while True:
            missing = self.size - len(self.alive) - self.opening
            for _ in range(min(missing, AT_A_TIME - self.opening)):
                self.opening += 1
                self.spawn(self.open())
            await asyncio.sleep(0.02)

    async def open(self):
        try:
            loop, kind = asyncio.get_running_loop(), next(self.kinds)
            attempt = loop.create_connection(lambda: kind(self), next(self.turns), PORT)
            _, one = await asyncio.wait_for(attempt, ATTEMPT)
            if not one.over:
                self.alive.add(one)
        except (OSError, asyncio.TimeoutError) as error:
            self.breaks.append((kind.__name__, None, None, f"not opened: {error or 'timeout'}"))
        finally:
            self.opening -= 1

    async def arrive(self):
        while True:
            self.spawn(self.visit(next(self.turns)))
            await asyncio.sleep(random.expovariate(self.rate))

    async def visit(self, service):
        """One short connection: a request, an answer, the end."""
        loop, since = asyncio.get_running_loop(), None
        begun = loop.time()
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(service, PORT), ATTEMPT)
            # By its first SYN it may have been there before this task hears of it.
            repeated = loop.time() - begun > 0.9
            since = loop.time() if repeated else begun
            self.repeated += repeated
            writer.write(b"GET /echo/visit HTTP/1.1\r\nHost: lab\r\n\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b" visit\n"), PATIENCE)
            writer.close()
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ValueError("wrong answer")
            self.arrived += 1
        except (OSError, ValueError, EOFError, asyncio.TimeoutError) as error:
            if since is None or not self.died(None, since):
                self.breaks.append(("Visit", None, None, f"{'in use' if since else 'not opened'}: {error!r}"))

    def spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.append(task)
        task.add_done_callback(self.tasks.remove)

    # What the judge asks.

    async def heard_again(self):
        """Waits until each connection has heard of its backend since now, or is broken."""
        now = asyncio.get_running_loop().time()
        waiting = set(self.on_living_backends())
        while waiting:
            await asyncio.sleep(0.1)
            waiting = {one for one in waiting if one in self.alive and one.heard <= now}

    async def repeated_attempt(self):
        """Waits until somebody was connected by a repeated SYN."""
        while not self.repeated:
            await asyncio.sleep(0.1)

    def renew(self, addresses):
        """Ends the connections from these client addresses, so that new ones take their places; how many."""
        among = [one for one in self.alive if one.address in addresses]
        for one in among:
            one.finish()
        return len(among)

    def on_living_backends(self):
        """Those that nothing excuses."""
        return [one for one in self.alive if one.backend not in self.dead]

    def alive_among(self, addresses):
        """How many of them have these client addresses."""
        return sum(one.address in addresses for one in self.on_living_backends())

    def count_anew(self):
        """Forgets what became of connections so far."""
        self.breaks = []
        self.late = self.finished_well = self.lost_with_backend = self.arrived = self.repeated = 0

    def reasons(self):
        """How often each reason of a break."""
        return Counter(f"{kind}: {why}" for kind, _, _, why in self.breaks)

    def summary(self):
        """What else became of connections."""
        parts = [f"{self.arrived} arrived", f"{self.finished_well} ended well"]
        if self.repeated:
            parts.append(f"{self.repeated} opened by a repeated SYN")
        if self.lost_with_backend:
            parts.append(f"{self.lost_with_backend} lost with their backend")
        if self.late:
            parts.append(f"{self.late} not judged: silent for too long, by this machine's fault")
        return ", ".join(parts)
