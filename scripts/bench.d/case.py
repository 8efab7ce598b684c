#!/usr/bin/env python3
"""Bench cases. Without arguments, lists them; NAME FOLDER writes one's capture and configuration; --memory NAME prints
the packet buffers and the MiB that testpmd needs for it, --options NAME what `tentetsu bench` is told beside."""

import struct
import sys
from ipaddress import ip_address

# name: (VIPs, family, protocol, outer family or l2dsr, backends, flows, frame bytes)
CASES = {
    "tcp4-ipip-4k": (1, 4, "tcp", 4, 16, 4096, 60),
    "tcp4-ipip-100k": (1, 4, "tcp", 4, 16, 100_000, 60),
    "tcp4-ipip-4k-4096-services": (4096, 4, "tcp", 4, 16, 4096, 60),
    "tcp4-ipip-4k-1000-backends": (1, 4, "tcp", 4, 1000, 4096, 60),
    "tcp4-ipip6-4k": (1, 4, "tcp", 6, 16, 4096, 60),
    "tcp6-ipip-4k": (1, 6, "tcp", 4, 16, 4096, 78),
    "tcp6-ipip6-4k": (1, 6, "tcp", 6, 16, 4096, 78),
    "tcp4-l2dsr-4k": (1, 4, "tcp", "l2dsr", 16, 4096, 60),
    "udp4-ipip-4k": (1, 4, "udp", 4, 16, 4096, 60),
    "tcp4-ipip-4k-400-changes": (1, 4, "tcp", 4, 16, 4096, 60),
    "tcp4-ipip-1m": (1, 4, "tcp", 4, 20, 1_000_000, 60),
    "tcp4-ipip-1m-tenth-consulted": (1, 4, "tcp", 4, 20, 1_000_000, 60),
}
# What `tentetsu bench` is told beside: 400 changes in the two seconds of a measurement; two of twenty backends drained,
# so that a tenth of the slots is on the move, with a hundred thousand of the flows.
OPTIONS = {
    "tcp4-ipip-4k-400-changes": "--changes 200",
    "tcp4-ipip-1m-tenth-consulted": "--drained 2",
}
NUMBER = {"tcp": 6, "udp": 17}


def vip(family, n):
    return ip_address("203.0.96.0" if family == 4 else "2001:db8:ff::") + n


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(family, protocol, service, flow, length):
    ports = struct.pack(">HH", 1024 + flow % 60_000, 80)
    transport = ports + (struct.pack(">IIBBHHH", 1, 1, 0x50, 0x10, 512, 0, 0) if protocol == "tcp" else struct.pack(">HH", 8, 0))
    destination = vip(family, service).packed
    if family == 4:
        source = (ip_address("198.18.0.0") + flow // 60_000 + flow % 251).packed
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(transport), flow & 0xFFFF, 0x4000, 60, NUMBER[protocol], 0)
        header += source + destination
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        ether_type = 0x0800
    else:
        source = (ip_address("2001:db8:1::") + flow // 60_000 + flow % 251).packed
        header = struct.pack(">IHBB", 6 << 28, len(transport), NUMBER[protocol], 60) + source + destination
        ether_type = 0x86DD
    frame = bytes.fromhex("020000000002020000000001") + struct.pack(">H", ether_type) + header + transport
    return frame.ljust(length, b"\0")


def write_capture(path, vips, family, protocol, flows, length):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for flow in range(flows):
            data = packet(family, protocol, flow * 2654435761 % vips, flow, length)
            file.write(struct.pack("<IIII", 0, flow % 1_000_000, len(data), len(data)) + data)


def memory(flows):
    """MiB: net_pcap keeps the whole capture in packet buffers of its own."""
    return 256 + flows // 256


def write_config(path, vips, family, protocol, outer, backends, flows):
    base = ip_address("10.0.0.0" if (outer == 4 or (outer == "l2dsr" and family == 4)) else "2001:db8:2::")
    lines = [
        f"[dpdk]\nhuge_pages = \"off\"\nmemory_mib = {memory(flows)}\n",
        "[maglev]\nhash_key = \"000102030405060708090a0b0c0d0e0f\"\n",
        "[[port]]\nname = \"bench\"\ndevice = \"net_null0\"\nexception = \"off\"",
        "addresses = [\"192.0.2.1/24\", \"2001:db8::1/64\"]\n",
        f"[[pool]]\nname = \"pool\"\nencap = \"{'l2dsr' if outer == 'l2dsr' else 'ipip'}\"\nbackends = [",
    ]
    lines += [f'  {{ address = "{base + 1 + n}" }},' for n in range(backends)]
    lines += ["]\n"]
    for n in range(vips):
        address = vip(family, n)
        lines += [f'[[service]]\nname = "s{n}"\naddress = "{address}"\nprotocol = "{protocol}"\nports = [80]\npool = "pool"\n']
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


def main():
    if len(sys.argv) == 1:
        print("\n".join(CASES))
        return
    asks = sys.argv[1] in ("--memory", "--options")
    if sys.argv[1 + asks] not in CASES:
        sys.exit(f"no such case; there are: {', '.join(CASES)}")
    if sys.argv[1] == "--memory":
        flows = CASES[sys.argv[2]][5]
        print(flows + 16384, memory(flows) + 128)
        return
    if sys.argv[1] == "--options":
        print(OPTIONS.get(sys.argv[2], ""))
        return
    name, folder = sys.argv[1:]
    vips, family, protocol, outer, backends, flows, length = CASES[name]
    write_capture(f"{folder}/{name}.pcap", vips, family, protocol, flows, length)
    write_config(f"{folder}/{name}.toml", vips, family, protocol, outer, backends, flows)


if __name__ == "__main__":
    main()
