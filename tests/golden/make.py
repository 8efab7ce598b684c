#!/usr/bin/python3
"""Builds the golden cases with scapy.

  make.py accept PROGRAM   writes every case's folder here; asks PROGRAM which backend each flow has
  make.py rebuild FOLDER   writes them to FOLDER, with the backends of the committed verdicts

Either way a verdict other than the case demands ends it: only backends are taken from outside.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import cases

HERE = Path(__file__).parent
START = 1_600_000_000


def capture(packets):
    """A classic capture: (number, bytes) pairs, packet n at n microseconds."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    records = (struct.pack("<IIII", START, n, len(packet), len(packet)) + packet for n, packet in packets)
    return header + b"".join(records)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def ask(program, folder):
    """The verdicts of the program."""
    command = [program, "replay", "--config", "lb.toml", "--in", "in.pcap", "--verdicts", "verdicts.jsonl"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return lines((folder / "verdicts.jsonl").read_text())


def write(case, folder, verdicts):
    """Writes a case; `verdicts` says where its backends come from, once configuration and input are there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README").write_text(case.text.strip() + "\n")
    (folder / "lb.toml").write_text(case.toml)
    (folder / "in.pcap").write_bytes(capture(enumerate(case.inputs())))
    said = verdicts(folder)
    chosen = [line["backend"] for line in said]
    demanded = case.verdicts(chosen)
    for is_line, must_line in zip(said, demanded):
        if is_line != must_line:
            sys.exit(f"{case.name}: the verdict is {is_line}\n  but must be {must_line}")
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in demanded)
    (folder / "verdicts.jsonl").write_text(text)
    (folder / "out.pcap").write_bytes(capture(case.outputs(chosen)))


def main(what, where):
    for case in cases.ALL:
        if what == "accept":
            write(case, HERE / case.name, lambda folder: ask(Path(where).resolve(), folder))
        else:
            committed = lines((HERE / case.name / "verdicts.jsonl").read_text())
            write(case, Path(where) / case.name, lambda _, committed=committed: committed)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("accept", "rebuild"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
