"""The golden cases."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

from case import (
    CLIENT4, CLIENT6, CLIENT_MAC, IN4, IN6, OWN4, OWN6, OWN_MAC, VIP4, VIP6, Case, config, ether, pool, port, service,
)
from expect import Flow, flow_of

WEB4, WEB6 = service("web4", VIP4), service("web6", VIP6)
ROUTER4, ROUTER6 = "192.0.2.1", "2001:db8:5::1"
ALL = []


def case(name, text, *sections, **more):
    """A case over a configuration of these sections; by default both services before IPv4 backends."""
    made = Case(name, text, config(*(sections or (port(), pool(IN4), WEB4, WEB6))), **more)
    ALL.append(made)
    return made


def ip4(**fields):
    return ether() / IP(**{"src": CLIENT4, "dst": VIP4, "id": 0x1234, "ttl": 60} | fields)


def ip6(**fields):
    return ether() / IPv6(**{"src": CLIENT6, "dst": VIP6, "hlim": 60, "fl": 0xABCDE} | fields)


def back():
    return Ether(src=OWN_MAC, dst=CLIENT_MAC)


def tcp(sport=40000, dport=80, flags="S"):
    return TCP(sport=sport, dport=dport, seq=1000, flags=flags)


def payload(length):
    return Raw(bytes(n % 251 for n in range(length)))


def connection(made, ip, service, count=5):
    """SYN, ACK and data of some flows: each flow's packets go to one backend."""
    for sport in range(40000, 40000 + count):
        for packet in (tcp(sport), tcp(sport, flags="A"), tcp(sport, flags="PA") / payload(33)):
            made.forward(ip() / packet, service)


def families():
    for name, ip, service, backends in (
        ("4in4", ip4, "web4", IN4),
        ("6in4", ip6, "web6", IN4),
        ("4in6", ip4, "web4", IN6),
        ("6in6", ip6, "web6", IN6),
    ):
        text = f"TCP, IPv{name[0]} in IPv{name[-1]}: the inner packet is left alone, and a flow keeps its backend."
        connection(case(f"encap-{name}", text, port(), pool(backends), WEB4, WEB6), ip, service)
    for version, ip, vip in ((4, ip4, WEB4), (6, ip6, WEB6)):
        backends = ["192.0.2.21", "192.0.2.22"] if version == 4 else ["2001:db8::21", "2001:db8::22"]
        text = f"TCP connections over IPv{version} to backends on the same link: only the Ethernet header changes."
        made = case(f"l2dsr-{version}", text, port(), pool(backends, "l2dsr"), vip, encap="l2dsr")
        connection(made, ip, f"web{version}")


def tags():
    made = case("vlan", "One 802.1Q tag on the way in: the next hop is not behind a tag, so it goes.")
    made.forward(ether() / Dot1Q(vlan=100, prio=5) / ip4()[IP] / tcp(), "web4")
    made.forward(ether() / Dot1Q(vlan=100) / ip6()[IPv6] / tcp(), "web6")
    made.punt(ether() / Dot1Q(vlan=100) / ARP(psrc=ROUTER4, pdst=OWN4, hwsrc=CLIENT_MAC))
    made = case("qinq", "An 802.1ad tag with an 802.1Q tag inside; a third tag is the host's to understand.")
    made.forward(ether() / Dot1AD(vlan=7) / Dot1Q(vlan=100) / ip4()[IP] / tcp(), "web4")
    made.forward(ether() / Dot1AD(vlan=7) / Dot1Q(vlan=100) / ip6()[IPv6] / tcp(), "web6")
    made.punt(ether() / Dot1AD(vlan=7) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / ip4()[IP] / tcp())
    request = ether() / Dot1Q(vlan=9) / ip4()[IP] / ICMP(id=1, seq=2) / payload(8)
    reply = back() / Dot1Q(vlan=9) / IP(src=VIP4, dst=CLIENT4, id=0x1234) / ICMP(type=0, id=1, seq=2) / payload(8)
    case("vlan-echo", "An answer goes back behind the tag that the request came with.").answer(request, reply)


def headers():
    made = case("ip4-options", "IPv4 options are kept, and the ports behind them are found.")
    made.forward(ip4(options=[IPOption_Router_Alert()]) / tcp(), "web4")
    made.forward(ip4(options=b"\x01" * 40) / tcp() / payload(5), "web4")
    made = case(
        "ip6-extensions",
        "IPv6 extension headers are kept, and the ports behind them are found; an atomic fragment is a whole packet.",
    )
    made.forward(ip6() / IPv6ExtHdrHopByHop() / tcp(), "web6")
    made.forward(ip6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / tcp(), "web6")
    made.forward(ip6() / IPv6ExtHdrFragment(id=5) / tcp(), "web6")
    made = case(
        "tos",
        "DSCP and ECN go to the outer header (RFC 2983, RFC 6040), for every ECN codepoint.",
        port(), pool(IN4 + IN6), WEB4, WEB6,
    )
    for tos in (0, 1, 2, 3, 0xB8, 0xB9, 0xBA, 0xBB, 0xFF):
        made.forward(ip4(tos=tos) / tcp(50000 + tos), "web4")
        made.forward(ip6(tc=tos) / tcp(50000 + tos), "web6")
    made = case("df", "DF is copied; before IPv6, which routers don't cut, it is set.")
    for sport in (40000, 40001, 40002):
        made.forward(ip4(flags="DF") / tcp(sport), "web4")
        made.forward(ip4() / tcp(sport), "web4")
        made.forward(ip6() / tcp(sport), "web6")
    text = "Ethernet padding and what else lies behind the IP packet is removed."
    made = case("padding", text, port(), pool(IN4 + IN6), WEB4, WEB6)
    for ip, name in ((ip4, "web4"), (ip6, "web6")):
        for sport, length in ((40000, 6), (40001, 1), (40002, 46), (40003, 2), (40004, 5)):
            packet = ip() / tcp(sport)
            inner = bytes(packet.getlayer("IP") or packet.getlayer("IPv6"))
            made.forward(Raw(bytes(packet) + b"\xee" * length), name, flow_of(packet), inner)


def services():
    made = case("udp", "UDP over both families, with and without a checksum.", port(), pool(IN4 + IN6),
                service("rtp4", VIP4, "udp", "[5004]"), service("rtp6", VIP6, "udp", "[5004]"))
    for sport in range(1024, 1030):
        made.forward(ip4() / UDP(sport=sport, dport=5004) / payload(17), "rtp4")
        made.forward(ip4() / UDP(sport=sport, dport=5004, chksum=0) / payload(17), "rtp4")
        made.forward(ip6() / UDP(sport=sport, dport=5004) / payload(18), "rtp6")
    made = case("sctp", "SCTP associations over both families.", port(), pool(IN4 + IN6),
                service("sig4", VIP4, "sctp", "[2905]"), service("sig6", VIP6, "sctp", '"any"'))
    for sport in range(1024, 1030):
        chunk = SCTPChunkInit(init_tag=7, a_rwnd=4096, n_out_streams=1, n_in_streams=1, init_tsn=3)
        init = SCTP(sport=sport, dport=2905) / chunk
        made.forward(ip4() / init, "sig4")
        made.forward(ip6() / init, "sig6")
    made = case(
        "prefix",
        "A service on a prefix, and a more specific one inside it.",
        port(), pool(IN4), service("net4", "203.0.113.0/24"), service("one4", VIP4),
        service("net6", "2001:db8:2::/64", ports='"any"'),
    )
    for last in (0, 9, 11, 255):
        made.forward(ip4(dst=f"203.0.113.{last}") / tcp(), "net4")
    made.forward(ip4() / tcp(), "one4")
    made.forward(ip6(dst="2001:db8:2::") / tcp(dport=1), "net6")
    made.forward(ip6(dst="2001:db8:2::ffff:ffff:ffff:ffff") / tcp(dport=65535), "net6")
    made.punt(ip4(dst="203.0.114.0") / tcp())
    made.punt(ip6(dst="2001:db8:2:1::") / tcp())
    made = case(
        "port-ranges",
        "Single ports, ranges side by side, and a range on a prefix around them; a port beside them is no service's.",
        port(), pool(IN4),
        service("low", VIP4, ports='[80, "8000-8009"]'),
        service("high", VIP4, ports='["8010-8099", 65535]'),
        service("around", "203.0.113.0/24", ports='["8090-8200"]'),
    )
    for name, ports in (("low", (80, 8000, 8009)), ("high", (8010, 8099, 65535)), ("around", (8100, 8200))):
        for dport in ports:
            made.forward(ip4() / tcp(dport=dport), name)
    for dport in (79, 81, 7999, 8201, 0, 65534):
        made.drop(ip4() / tcp(dport=dport), "no_service")
    sources = {4: "100.64.0.0/12", 6: "2001:db8:77::/48"}
    listed = ", ".join(f'"{prefix}"' for prefix in sources.values())
    made = case(
        "encap-source",
        "The outer source is drawn per flow from a prefix: its host bits are the flow hash's lowest.",
        port(more=f"encap_source = [{listed}]\n"), pool(IN4 + IN6), WEB4, WEB6, sources=sources,
    )
    for sport in range(40000, 40008):
        made.forward(ip4() / tcp(sport), "web4")
        made.forward(ip6() / tcp(sport), "web6")
    made = case("two-ports", "A backend is reached by the port whose network it is in.", port(),
                port(1, addresses=["10.0.0.1/24"]), pool(IN4), WEB4, sources={4: "10.0.0.1/32"})
    for sport in range(40000, 40005):
        made.forward(ip4() / tcp(sport), "web4", port=1)


def drops():
    made = case("drop-ethernet", "Frames shorter than their Ethernet header and tags.")
    whole = bytes(ether() / Dot1AD(vlan=7) / Dot1Q(vlan=100) / ip4()[IP] / tcp())
    for length in (1, 13, 17, 21):
        made.drop(Raw(whole[:length]), "ethernet_truncated")
    made = case("drop-ip4", "IPv4 packets cut short, with impossible headers, and with a wrong checksum.")
    whole = bytes(ip4() / tcp() / payload(20))
    for length in (14, 33, 53, 73):
        made.drop(Raw(whole[:length]), "ip4_truncated")
    made.drop(ip4(ihl=15, chksum=0) / tcp(), "ip4_truncated")
    for fields in ({"version": 6}, {"ihl": 4}, {"len": 19}):
        made.drop(ip4(**fields) / tcp(), "ip4_bad_header")
    made.drop(ip4(chksum=1) / tcp(), "ip4_bad_checksum")
    made = case("drop-ip6", "IPv6 packets cut short, and with impossible headers.")
    whole = bytes(ip6() / tcp() / payload(20))
    for length in (14, 53, 73, 93):
        made.drop(Raw(whole[:length]), "ip6_truncated")
    made.drop(ip6(plen=4, nh=0) / Raw(bytes(4)), "ip6_truncated")
    made.drop(ip6(version=4) / tcp(), "ip6_bad_header")
    chain = ip6()
    for _ in range(9):
        chain /= IPv6ExtHdrDestOpt()
    made.drop(chain / tcp(), "ip6_bad_header")
    made = case("drop-transport", "Transport headers cut short, behind whole IP headers.", port(), pool(IN4),
                WEB4, WEB6, service("udp4", VIP4, "udp", '"any"'), service("sctp4", VIP4, "sctp", '"any"'))
    for protocol, shortest in ((6, 20), (17, 8), (132, 12)):
        made.drop(ip4(proto=protocol) / payload(shortest - 1), "transport_truncated")
        made.drop(ip6(nh=protocol) / payload(shortest - 1), "transport_truncated")
    made = case("drop-no-service", "Another port, protocol or family on a service's address.")
    made.drop(ip4() / tcp(dport=81), "no_service")
    made.drop(ip4() / UDP(sport=1, dport=80), "no_service")
    made.drop(ip4(proto=47) / payload(30), "no_service")
    made.drop(ip4(proto=58) / payload(30), "no_service")
    made.drop(ip6() / tcp(dport=81), "no_service")
    made.drop(ip6(nh=1) / payload(30), "no_service")
    made = case(
        "drop-fragment",
        "Fragments to a service: only the first names the ports, and nobody remembers it. Others' are the host's.",
    )
    made.drop(ip4(flags="MF") / tcp() / payload(20), "fragment")
    made.drop(ip4(frag=5, proto=6) / payload(40), "fragment")
    made.drop(ip6() / IPv6ExtHdrFragment(m=1, id=9) / tcp() / payload(20), "fragment")
    made.drop(ip6() / IPv6ExtHdrFragment(offset=5, nh=6, id=9) / payload(40), "fragment")
    made.punt(ip4(dst=OWN4, flags="MF") / tcp() / payload(20))
    made = case("drop-no-backend", "A pool without backends.", port(), pool([]), WEB4, WEB6)
    made.drop(ip4() / tcp(), "no_backend", service="web4")
    made.drop(ip6() / tcp(), "no_backend", service="web6")
    for version, backends, room in ((4, IN4, 1480), (6, IN6, 1460)):
        text = f"With an outer IPv{version} header the MTU of 1500 holds {room} bytes, and not one more."
        made = case(f"drop-mtu-in{version}", text, port(), pool(backends), WEB4, WEB6)
        for ip, header, name in ((ip4, 20, "web4"), (ip6, 40, "web6")):
            fits = ip() / tcp(flags="A") / payload(room - header - 20)
            made.forward(fits, name)
            larger = ip() / tcp(flags="A") / payload(room - header - 19)
            made.drop(larger, "mtu_exceeded", name, flow_of(larger))


def messages():
    made = case("echo4", "Pings of a service's address are answered, with odd and even lengths, options and ToS.")
    options = {"options": [IPOption_Router_Alert()], "flags": "DF"}
    for length, fields in ((0, {}), (1, {"tos": 0xB8}), (56, {"ttl": 1}), (57, options)):
        request = ip4(**fields) / ICMP(id=7, seq=length) / payload(length)
        header = IP(**{"id": 0x1234} | fields | {"src": VIP4, "dst": CLIENT4, "ttl": 64})
        made.answer(request, back() / header / ICMP(type=0, id=7, seq=length) / payload(length))
    made.drop(ip4() / ICMP(id=7, seq=1, chksum=1) / payload(9), "icmp_malformed")
    made.punt(ip4(dst=OWN4) / ICMP(id=7, seq=1))
    made = case("echo6", "The same over IPv6.")
    for length, tc in ((0, 0), (1, 0xB8), (56, 3)):
        request = ip6(tc=tc) / ICMPv6EchoRequest(id=7, seq=length, data=bytes(length))
        header = IPv6(src=VIP6, dst=CLIENT6, hlim=64, fl=0xABCDE, tc=tc)
        made.answer(request, back() / header / ICMPv6EchoReply(id=7, seq=length, data=bytes(length)))
    made.drop(ip6() / ICMPv6EchoRequest(id=7, cksum=1), "icmp_malformed")
    made.punt(ip6(dst=OWN6) / ICMPv6EchoRequest(id=7))
    errors4()
    errors6()
    made = case("drop-icmp", "Messages to a service that are neither echo nor about a flow, or are cut short.")
    made.drop(ip4() / ICMP(type=13, ts_ori=1, ts_rx=0, ts_tx=0), "icmp_unsupported")
    made.drop(ip4() / ICMP(type=0), "icmp_unsupported")
    made.drop(ip6() / ICMPv6EchoReply(), "icmp_unsupported")
    made.drop(ip4(proto=1) / payload(7), "icmp_malformed")
    made.drop(ip6(nh=58) / payload(7), "icmp_malformed")
    sent = bytes(IP(src=VIP4, dst=CLIENT4) / tcp(80, 40000, "SA"))
    for quoted in (b"", sent[:19], sent[:20], sent[:23], b"\x65" + sent[1:]):
        made.drop(ip4(src=ROUTER4) / ICMP(type=3, code=1) / Raw(quoted), "icmp_malformed")
    later = bytes(IP(src=VIP4, dst=CLIENT4, frag=4, proto=6) / payload(20))
    made.drop(ip4(src=ROUTER4) / ICMP(type=3, code=1) / Raw(later), "icmp_malformed")
    other = bytes(IP(src=VIP4, dst=CLIENT4) / tcp(81, 40000, "SA"))
    made.drop(ip4(src=ROUTER4) / ICMP(type=3, code=1) / Raw(other), "no_service")


def errors4():
    made = case(
        "icmp-errors4",
        "An error about a flow goes to the flow's backend, though only 8 bytes of its transport header are quoted.",
        port(), pool(IN4 + IN6), WEB4,
    )
    for sport in (40000, 40001, 40002):
        made.forward(ip4() / tcp(sport), "web4")
        flow = Flow(CLIENT4, VIP4, 6, (sport, 80))
        sent = bytes(IP(src=VIP4, dst=CLIENT4, flags="DF", id=9, ttl=50) / tcp(80, sport, "A") / payload(100))
        for kind, code, quoted in ((3, 4, sent), (3, 1, sent[:28]), (11, 0, sent[:24]), (12, 0, sent[:32])):
            made.forward(ip4(src=ROUTER4) / ICMP(type=kind, code=code) / Raw(quoted), "web4", flow)


def errors6():
    made = case("icmp-errors6", "The same over IPv6: Packet Too Big above all.", port(), pool(IN4 + IN6), WEB6)
    for sport in (40000, 40001, 40002):
        made.forward(ip6() / tcp(sport), "web6")
        flow = Flow(CLIENT6, VIP6, 6, (sport, 80))
        sent = bytes(IPv6(src=VIP6, dst=CLIENT6) / tcp(80, sport, "A") / payload(100))
        for error, quoted in (
            (ICMPv6PacketTooBig(mtu=1280), sent),
            (ICMPv6DestUnreach(code=1), sent[:48]),
            (ICMPv6TimeExceeded(), sent[:44]),
            (ICMPv6ParamProblem(), sent),
        ):
            made.forward(ip6(src=ROUTER6) / error / Raw(quoted), "web6", flow)


def punts():
    made = case("punt", "ARP, neighbour discovery and the host's own traffic are the host's.")
    made.punt(Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=ROUTER4, pdst=OWN4, hwsrc=CLIENT_MAC))
    solicitation = IPv6(src=ROUTER6, dst="ff02::1:ff00:10", hlim=255) / ICMPv6ND_NS(tgt=OWN6)
    made.punt(Ether(src=CLIENT_MAC, dst="33:33:ff:00:00:10") / solicitation)
    made.punt(ip4(dst=OWN4) / tcp(dport=22))
    made.punt(ip6(dst=OWN6) / tcp(dport=179))
    made.punt(ip4(dst="192.0.2.255") / UDP(sport=67, dport=68))
    made.punt(Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(bytes(46)))


families()
tags()
headers()
services()
drops()
messages()
punts()
