"""What must leave for a packet that came, as scapy builds it: the judge of the golden cases.

Nothing here is the product's: the headers are scapy's, the flow hash is SipHash-1-3 as its paper gives it. Only the
backend that owns a slot is taken from the committed verdicts (Maglev has tests of its own).
"""

import struct
from ipaddress import ip_address, ip_network

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

KEY = bytes(range(16))
SLOTS = 65537
MASK = (1 << 64) - 1


def siphash13(message, key=KEY):
    """SipHash with one compression and three finalisation rounds (Aumasson and Bernstein, 2012)."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(x, n):
        return (x << n | x >> 64 - n) & MASK

    def sip_round():
        v[0] = v[0] + v[1] & MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = v[2] + v[3] & MASK
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = v[0] + v[3] & MASK
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = v[2] + v[1] & MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message)])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        sip_round()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        sip_round()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


class Flow:
    """A client's 5-tuple."""

    def __init__(self, source, destination, protocol, ports):
        addresses = ip_address(source).packed + ip_address(destination).packed
        self.hash = siphash13(addresses + struct.pack("!HHB", *ports, protocol))
        self.slot = (self.hash >> 32) * SLOTS >> 32


def flow_of(packet):
    """The 5-tuple of a packet whose ports scapy sees."""
    ip = packet[IP] if IP in packet else packet[IPv6]
    transport = next(layer for layer in map(packet.getlayer, ("TCP", "UDP", "SCTP")) if layer)
    protocol = {"TCP": 6, "UDP": 17, "SCTP": 132}[transport.name]
    return Flow(ip.src, ip.dst, protocol, (transport.sport, transport.dport))


def backend_mac(address):
    return "02:01:" + ":".join(f"{byte:02x}" for byte in ip_address(address).packed[-4:])


def drawn_source(prefix, flow):
    """The host bits of the prefix, at most 64, are the hash's lowest."""
    network = ip_network(prefix)
    hosts = int(network.hostmask) & MASK
    return str(network.network_address + (flow.hash & hosts))


def ethernet(port, address):
    return Ether(src=f"02:00:00:00:00:{port:02x}", dst=backend_mac(address))


def encapsulated(inner, flow, backend, sources, port=0):
    """IP in IP: the outer header's fields come of the inner packet's and of the flow's hash."""
    six = inner[0] >> 4 == 6
    tos = (inner[0] << 4 | inner[1] >> 4) & 0xFF if six else inner[1]
    protocol = 41 if six else 4
    if ip_address(backend).version == 4:
        identification = 0 if six else struct.unpack("!H", inner[4:6])[0] ^ flow.hash & 0xFFFF
        flags = "DF" if six or inner[6] & 0x40 else 0
        source = drawn_source(sources[4], flow)
        outer = IP(src=source, dst=backend, tos=tos, id=identification, flags=flags, ttl=64, proto=protocol)
    else:
        source = drawn_source(sources[6], flow)
        outer = IPv6(src=source, dst=backend, tc=tos, fl=flow.hash >> 12 & 0xFFFFF, hlim=64, nh=protocol)
    return bytes(ethernet(port, backend) / outer / Raw(inner))


def direct(inner, backend, port=0):
    """L2 DSR: only the Ethernet header is another."""
    header = ethernet(port, backend)
    header.type = 0x86DD if inner[0] >> 4 == 6 else 0x0800
    return bytes(header / Raw(inner))
