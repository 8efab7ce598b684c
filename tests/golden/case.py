"""A golden case: what it shows, its configuration, its packets and what must become of each."""

from ipaddress import ip_address

from scapy.layers.l2 import Ether

import expect

CLIENT_MAC, OWN_MAC = "02:09:09:09:09:09", "02:00:00:00:00:00"
CLIENT4, CLIENT6 = "198.51.100.1", "2001:db8:9::1"
VIP4, VIP6 = "203.0.113.10", "2001:db8:2::10"
OWN4, OWN6 = "192.0.2.10", "2001:db8::10"
IN4 = ["10.0.0.5", "10.0.0.6", "10.0.0.7"]
IN6 = ["2001:db8:1::5", "2001:db8:1::6", "2001:db8:1::7"]


def ether(**fields):
    return Ether(src=CLIENT_MAC, dst=OWN_MAC, **fields)


def port(number=0, more="", addresses=(f"{OWN4}/24", f"{OWN6}/64")):
    listed = ", ".join(f'"{address}"' for address in addresses)
    name = f"eth{number}"
    device = f"net_af_packet{number},iface={name}"
    return f'[[port]]\nname = "{name}"\ndevice = "{device}"\naddresses = [{listed}]\n{more}\n'


def pool(backends, encap="ipip", name="web"):
    rows = "".join(f'  {{ address = "{address}" }},\n' for address in backends)
    return f'[[pool]]\nname = "{name}"\nencap = "{encap}"\nbackends = [\n{rows}]\n\n'


def service(name, address, protocol="tcp", ports="[80]", pool="web"):
    return (
        f'[[service]]\nname = "{name}"\naddress = "{address}"\nprotocol = "{protocol}"\n'
        f'ports = {ports}\npool = "{pool}"\n\n'
    )


def config(*sections):
    return f'[maglev]\nhash_key = "{expect.KEY.hex()}"\n\n' + "\n".join(sections).rstrip() + "\n"


class Case:
    """A folder in the making. `sources` are the prefixes of outer sources by IP version."""

    def __init__(self, name, text, toml, encap="ipip", sources=None):
        self.name, self.text, self.toml, self.encap = name, text, toml, encap
        self.sources = sources or {4: f"{OWN4}/32", 6: f"{OWN6}/128"}
        self.steps = []

    def forward(self, frame, service, flow=None, inner=None, port=0):
        """The frame goes to its flow's backend. `inner` is its IP packet where padding follows it."""
        inner = inner or bytes(frame.getlayer("IP") or frame.getlayer("IPv6"))
        self._step(frame, "forwarded", service=service, flow=flow or expect.flow_of(frame), inner=inner, port=port)

    def answer(self, frame, reply):
        self._step(frame, "answered", reply=bytes(reply))

    def punt(self, frame):
        self._step(frame, "punted")

    def drop(self, frame, reason, service=None, flow=None):
        """The flow is named where the packet got as far as its slot."""
        self._step(frame, "dropped", reason=reason, service=service, flow=flow)

    def _step(self, frame, verdict, **more):
        self.steps.append({"frame": bytes(frame), "verdict": verdict} | more)

    def inputs(self):
        return [step["frame"] for step in self.steps]

    def verdicts(self, chosen):
        """The lines that must be reported; `chosen` are the backends by input packet."""
        sent, lines = 0, []
        for n, (step, backend) in enumerate(zip(self.steps, chosen, strict=True), 1):
            leaves = step["verdict"] in ("forwarded", "answered")
            sent += leaves
            flow = step.get("flow")
            if (backend is None) != (flow is None) or backend and str(ip_address(backend)) not in self.toml:
                raise ValueError(f"{self.name}: packet {n} can't have the backend {backend}")
            lines.append({
                "n": n,
                "verdict": step["verdict"],
                "reason": step.get("reason"),
                "service": step.get("service"),
                "slot": flow and flow.slot,
                "backend": backend,
                "out": [sent] if leaves else [],
            })
        return lines

    def outputs(self, chosen):
        """Input number and bytes of each packet that must leave."""
        for n, (step, backend) in enumerate(zip(self.steps, chosen, strict=True)):
            if step["verdict"] == "answered":
                yield n, step["reply"]
            elif step["verdict"] == "forwarded" and self.encap == "l2dsr":
                yield n, expect.direct(step["inner"], backend, step["port"])
            elif step["verdict"] == "forwarded":
                yield n, expect.encapsulated(step["inner"], step["flow"], backend, self.sources, step["port"])
