#!/usr/bin/python3
"""Runs one history of changes, inside the client of a lab: a crowd of connections, one change after another, and what
became of each connection. Exit code 0: with moving slots, nothing broke and everything moved."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from appliance import Refused
from changes import CHANGES
from lab import Failed, Lab
from row import Row


async def history(options):
    lab = Lab(options)
    rows, changes = [], [CHANGES[name] for name in options.changes]
    try:
        await lab.serve(options.backends)
        await lab.appliance.start()
        await lab.appliance.define(changes[0].pool, changes[0].weights)
        await lab.crowd.start()
        for change in changes:
            rows.append({"encap": options.encap} | await Row(lab, change).judge())
    finally:
        await lab.crowd.stop()
        lab.end()
    return rows


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--encap", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--moving-slots", choices=["on", "off"], required=True)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--backends", type=int, default=12)
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--json", type=Path, required=True)
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.argv[1:] == ["--list"]:
        return print(*CHANGES, sep="\n")
    options = arguments()
    try:
        rows = asyncio.run(history(options))
    except (Failed, Refused, asyncio.TimeoutError) as failure:
        sys.exit(f"survival: {failure or 'a change did not come to its end'}")
    except KeyboardInterrupt:
        sys.exit(130)
    options.json.write_text(json.dumps(rows))
    if options.moving_slots == "on" and any(row["broken"] or not row["flips"] for row in rows):
        sys.exit("survival: connections to living backends broke, or nothing moved")


if __name__ == "__main__":
    main()
