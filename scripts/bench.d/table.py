#!/usr/bin/env python3
"""Medians and ratios of bench's figures: --header | --collect FILE (figures on stdin) | --json FILE."""

import json
import sys
from statistics import median

COLUMNS = ("mpps", "ns", "io_mpps", "csum_mpps", "ratio", "cost_ns", "clocks", "changes")


def row(lines):
    """One case's row; `lines` are `io CASE PPS`, `csum CASE PPS` and `ours CASE JSON`."""
    figures = {"io": [], "csum": [], "ours": []}
    name = "?"
    for line in lines:
        kind, name, value = line.split(" ", 2)
        figures[kind].append(json.loads(value))
    if not all(figures.values()):
        sys.exit(f"{name}: a program gave no figure")
    for run in figures["ours"]:
        if run["forwarded_share"] < 0.999:
            sys.exit(f"{name}: only {run['forwarded_share']:.1%} of the packets were forwarded")
    io, csum = median(figures["io"]) / 1e6, median(figures["csum"]) / 1e6
    mpps = median(run["mpps"] for run in figures["ours"])
    ghz = median(run["tsc_ghz"] for run in figures["ours"])
    if io == 0 or csum == 0:
        sys.exit(f"{name}: testpmd moved nothing")
    cost = 1000 / mpps - 1000 / io
    return {
        "case": name,
        "mpps": round(mpps, 2),
        "ns": round(1000 / mpps, 1),
        "io_mpps": round(io, 2),
        "csum_mpps": round(csum, 2),
        "ratio": round(mpps / io, 3),
        "cost_ns": round(cost, 1),
        "clocks": round(cost * ghz, 1),
        "changes": cost_of_changes(figures["ours"]),
    }


def cost_of_changes(runs):
    """The share of the rate that they take: in each run, turns with them alternate with turns without."""
    shares = [1 - run["mpps"] / between for run in runs if (between := run.get("mpps_between_changes"))]
    return f"{median(shares):.1%}" if shares else ""


def main():
    if sys.argv[1] == "--header":
        print(f"{'case':28}" + "".join(f"{column:>11}" for column in COLUMNS), flush=True)
    elif sys.argv[1] == "--collect":
        found = row(sys.stdin)
        print(f"{found['case']:28}" + "".join(f"{found[column]:>11}" for column in COLUMNS), flush=True)
        with open(sys.argv[2], "a", encoding="ascii") as file:
            file.write(json.dumps(found) + "\n")
    else:
        with open(sys.argv[2], encoding="ascii") as file:
            rows = [json.loads(line) for line in file]
        keys = ("case", "mpps", "io_mpps", "ratio", "cost_ns", "clocks")
        json.dump([{key: one[key] for key in keys} for one in rows], sys.stdout, indent=2)
        print()


main()
