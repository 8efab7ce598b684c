#!/usr/bin/python3
"""Prints the survival table of the histories in a folder, and writes it as JSON: table.py FOLDER [FILE]."""

import json
import sys
from pathlib import Path

COLUMNS = ("encap", "change", "exposed", "broken", "broken_without_moving_slots", "flips")


def rows(folder):
    """Each row of the histories with moving slots, beside what broke without them, if that was tried."""
    for file in sorted(folder.glob("*-on")):
        other = file.with_name(file.name.removesuffix("-on") + "-off")
        without = json.loads(other.read_text()) if other.exists() else []
        broken = {row["change"]: row["broken"] for row in without}
        for row in json.loads(file.read_text()):
            row["broken_without_moving_slots"] = broken.get(row["change"])
            yield {column: row[column] for column in COLUMNS}


def main():
    table = list(rows(Path(sys.argv[1])))
    print(f"\n{'':20}{'':>9}{'':>9}{'broken without':>16}")
    print(f"{'encap':8}{'change':12}{'exposed':>9}{'broken':>9}{'moving slots':>16}{'flips':>10}")
    for row in table:
        without = row["broken_without_moving_slots"]
        without = "not tried" if without is None else without
        print(f"{row['encap']:8}{row['change']:12}{row['exposed']:>9}{row['broken']:>9}{without:>16}{row['flips']:>10}")
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps(table, indent=2) + "\n")


main()
