#!/usr/bin/python3
"""Sends HTTP requests, one connection each, and says which backend answered how many.

Exit code 0: every request was answered, every backend with a weight served and no other, and each share lies
within the tolerance of its weight. 1: not every request was answered. 2: a share is off.
"""

import argparse
import asyncio
import errno
import itertools
import random
import signal
import sys
from collections import Counter
from urllib.parse import urlsplit

TIMEOUT = 15  # seconds for one request: room for three retransmissions of a lost SYN
PORTS = range(1024, 65536)
PATIENCE = 100  # failures after which there is no point in asking on: it bounds the whole run


def weight(text):
    name, _, value = text.partition("=")
    if not name or not value.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r}: expected BACKEND=WEIGHT")
    return name, int(value)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", metavar="URL", help="what to ask for in turn, e.g. http://203.0.113.10/")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64, help="connections open at a time")
    parser.add_argument("--weights", type=weight, nargs="+", required=True, metavar="BACKEND=WEIGHT")
    parser.add_argument(
        "--stragglers",
        type=int,
        default=0,
        help="how many may go to backends without a weight: a port used again may still be its last connection's",
    )
    parser.add_argument("--tolerance", type=float, help="percentage points off the weight (2 for 10,000 requests)")
    options = parser.parse_args()
    # Chance spreads the shares of fewer requests wider.
    options.tolerance = options.tolerance or 2 * max(1, 10_000 / options.requests) ** 0.5
    return options


async def connect(url, ports):
    """A connection from the next port that is free. The kernel's choice comes back to a port within seconds, and where
    slots move a port used again may be led to where its last connection went."""
    wildcard = "::" if ":" in url.hostname else "0.0.0.0"
    for port in ports:
        try:
            return await asyncio.open_connection(url.hostname, url.port or 80, local_addr=(wildcard, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


async def ask(url, ports):
    """One request on a connection of its own; the name of the backend that answered."""
    reader, writer = await connect(url, ports)
    try:
        writer.write(f"GET {url.path or '/'} HTTP/1.0\r\nHost: lab\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    if status.split(" ")[1:2] != ["200"]:
        raise ValueError(f"answer {status!r}")
    if len(body) != int(headers["content-length"]):
        raise ValueError("answer cut short")
    return headers["x-backend"]


async def worker(urls, tickets, ports, served, failed):
    for ticket in tickets:
        if failed.total() >= PATIENCE:
            return
        try:
            served[await asyncio.wait_for(ask(urls[ticket % len(urls)], ports), TIMEOUT)] += 1
        except (OSError, ValueError, KeyError, asyncio.TimeoutError) as error:
            failed[str(error) or type(error).__name__] += 1


async def load(options):
    urls, tickets = [urlsplit(url) for url in options.urls], iter(range(options.requests))
    served, failed = Counter(), Counter()
    # Not where the load before began.
    first = random.randrange(len(PORTS))
    ports = itertools.cycle([*PORTS[first:], *PORTS[:first]])
    await asyncio.gather(*(worker(urls, tickets, ports, served, failed) for _ in range(options.connections)))
    return served, failed


def report(options, served, failed):
    """Prints the table; the exit code."""
    answered, weights = sum(served.values()), dict(options.weights)
    print(f"{' '.join(options.urls)}: {options.requests} requests, {answered} answered, {sum(failed.values())} failed")
    for reason, count in failed.most_common():
        print(f"  failed {count}: {reason}")
    print(f"  {'backend':10}{'weight':>8}{'answered':>10}{'share':>9}{'expected':>10}")
    off = sum(count for name, count in served.items() if not weights.get(name)) > options.stragglers
    for name in sorted(weights.keys() | served.keys()):
        share = 100 * served[name] / max(answered, 1)
        expected = 100 * weights.get(name, 0) / max(sum(weights.values()), 1)
        fits = abs(share - expected) <= options.tolerance and (served[name] > 0 or not expected)
        mark = "" if fits else f"  not within {options.tolerance:.1f} points"
        print(f"  {name:10}{weights.get(name, 0):>8}{served[name]:>10}{share:>8.2f}%{expected:>9.2f}%{mark}")
        off = off or not fits
    if failed or answered != options.requests:
        return 1
    return 2 if off else 0


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = arguments()
    served, failed = asyncio.run(load(options))
    sys.exit(report(options, served, failed))


if __name__ == "__main__":
    main()
