#!/usr/bin/python3
"""Sends SYNs from random sources to the services, at a bounded rate and for a bounded time.

    flood.py GATEWAY_MAC RATE SECONDS
"""

import errno
import ipaddress
import os
import socket
import struct
import sys
import time

from appliance import PORTS, VIPS

INTERFACE = "eth0"
BURST = 50
SYN = 0x02
HEADER = 20  # bytes of an IPv4 or TCP header without options


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(source, destination):
    """A TCP SYN from a random port."""
    port, sequence = os.urandom(2), os.urandom(4)
    head = port + struct.pack("!H", PORTS[1]) + sequence + struct.pack("!IBBHHH", 0, 5 << 4, SYN, 64240, 0, 0)
    pseudo = source + destination + struct.pack("!II", HEADER, socket.IPPROTO_TCP)
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def packet4():
    # 198.18.0.0/15 is for benchmarks (RFC 2544): nobody answers from there.
    source, destination = b"\xc6" + bytes([18 + os.urandom(1)[0] % 2]) + os.urandom(2), socket.inet_aton(VIPS[4])
    fields = (0x45, 0, 2 * HEADER, 0, 0, 64, socket.IPPROTO_TCP, 0, source, destination)
    head = struct.pack("!BBHHHBBH4s4s", *fields)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\x08\x00" + head + segment(source, destination)


def packet6():
    # 2001:2::/48 likewise (RFC 5180).
    source, destination = bytes.fromhex("200100020000") + os.urandom(10), ipaddress.ip_address(VIPS[6]).packed
    head = struct.pack("!IHBB16s16s", 6 << 28, HEADER, socket.IPPROTO_TCP, 64, source, destination)
    return b"\x86\xdd" + head + segment(source, destination)


def main():
    gateway, rate, seconds = bytes.fromhex(sys.argv[1].replace(":", "")), int(sys.argv[2]), float(sys.argv[3])
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((INTERFACE, 0))
    own = raw.getsockname()[4]
    begun, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        if sent >= passed * rate:
            time.sleep(BURST / rate)
            continue
        packets = (packet6() if number % 2 else packet4() for number in range(BURST))
        sent += sum(is_sent(raw, gateway + own + packet) for packet in packets)
    print(sent)


def is_sent(raw, frame):
    try:
        raw.send(frame)
    except OSError as error:
        # A queue on its way is full, which no flood minds.
        if error.errno != errno.ENOBUFS:
            raise
        return False
    return True


if __name__ == "__main__":
    main()
