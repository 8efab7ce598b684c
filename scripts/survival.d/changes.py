"""The changes of the survival table, in their order.

Each is a coroutine over the `lab`; it returns the weights that new flows go by in the end. What it begins with is
what the one before it ends with, so that a whole table is one history.
"""

import asyncio

from lab import say, until

BOUND = 60  # seconds
PACE = 1.5  # seconds between two steps: shorter than a transition, so that they overlap
CHANGES = {}


def even(first, last):
    return dict.fromkeys(range(first, last + 1), 100)


DOUBLED = even(7, 12) | {7: 200}  # what `stutter` ends with, and `rekey` keeps


def begins_with(pool, weights):
    def register(change):
        change.pool, change.weights = pool, weights
        CHANGES[change.__name__] = change
        return change

    return register


@begins_with("web", even(1, 3))
async def grow(lab):
    """Backends are added one by one, from 3 to 12."""
    for number in range(4, 13):
        await lab.appliance.add("web", number)
        await asyncio.sleep(PACE)
    return even(1, 12)


@begins_with("web", even(1, 12))
async def shrink(lab):
    """They are drained one by one, back to 3, and removed."""
    for number in range(12, 3, -1):
        await lab.appliance.set_mode("web", number, "drain")
        await asyncio.sleep(PACE)
    for number in range(12, 3, -1):
        await lab.appliance.remove("web", number)
    return even(1, 3)


@begins_with("web", even(1, 3))
async def reweigh(lab):
    """Weights change, and change again while the slots are on their way."""
    for weights in ({1: 200, 3: 50}, {1: 50, 2: 150, 3: 100}):
        for number, weight in weights.items():
            await lab.appliance.weigh("web", number, weight)
        await asyncio.sleep(3 * PACE)
    return {1: 50, 2: 150, 3: 100}


@begins_with("web", {1: 50, 2: 150, 3: 100})
async def flap(lab):
    """A backend is drained and taken back, quickly at first, then long enough to have lost its slots."""
    for pause in (1, 2, 4, 2 * lab.idle):
        await lab.appliance.set_mode("web", 3, "drain")
        await asyncio.sleep(pause)
        await lab.appliance.set_mode("web", 3, "undrain")
        await asyncio.sleep(1)
    return {1: 50, 2: 150, 3: 100}


@begins_with("web", {1: 50, 2: 150, 3: 100})
async def kill(lab):
    """A backend's machine dies, and is said to be dead a while later. Who was connecting to it repeats the SYN."""
    await lab.unplug(1)
    await asyncio.sleep(2)
    await lab.appliance.set_mode("web", 1, "maintenance")
    await asyncio.wait_for(lab.crowd.repeated_attempt(), BOUND)
    return {2: 150, 3: 100}


@begins_with("web", {1: 50, 2: 150, 3: 100})
async def replace(lab):
    """Three other backends take the place of all that there are."""
    weights = even(4, 6)
    await lab.appliance.both("PUT", "/pools/web{}", lambda family: lab.appliance.pool(family, weights))
    return weights


@begins_with("web", even(4, 6))
async def repoint(lab):
    """The services are pointed to another pool, and the old one goes."""
    weights = even(7, 9)
    await lab.appliance.both("PUT", "/pools/blue{}", lambda family: lab.appliance.pool(family, weights))
    await lab.appliance.repoint("blue")
    await lab.appliance.both("DELETE", "/pools/web{}")
    return weights


@begins_with("blue", even(7, 9))
async def restart(lab):
    """A backend is added; the appliance is killed with -9 and started again, just after arm and again after steer."""
    await lab.appliance.add("blue", 10)
    await asyncio.sleep(1)
    await lab.restart()
    await lab.appliance.steered()
    await asyncio.sleep(2)
    await lab.restart()
    return even(7, 10)


@begins_with("blue", even(7, 10))
async def flood(lab):
    """A backend is added while SYNs from random sources flood both services."""
    async with lab.flood():
        await lab.appliance.add("blue", 11)
        await lab.appliance.steered()
    return even(7, 11)


@begins_with("blue", even(7, 11))
async def stall(lab):
    """A backend is added; the appliance stands still for a second, again and again until after the flips."""
    await lab.appliance.add("blue", 12)
    await lab.appliance.steered()
    for _ in range(8):
        await lab.appliance.pause(1)
        await asyncio.sleep(0.5)
    return even(7, 12)


@begins_with("blue", even(7, 12))
async def stutter(lab):
    """A weight is doubled; the appliance stands still for 0.15 s, again and again until every slot has gone over."""
    await lab.appliance.weigh("blue", 7, DOUBLED[7])
    await lab.appliance.steered()

    async def gone_over():
        await lab.appliance.pause(0.15)
        return not any(one["moving"] for one in await lab.appliance.transitions())

    took = await until("D is T everywhere", gone_over)
    say(f"every slot has gone over {took:.0f} s after steer")
    return DOUBLED


@begins_with("blue", DOUBLED)
async def rekey(lab):
    """The hash key is rotated, and the tables get another number of slots."""
    await lab.appliance.spread(32_771)
    await lab.appliance.steered()
    return DOUBLED
