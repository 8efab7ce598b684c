"""Long-lived connections of every kind, each its own strict judge: whatever it hears must be what it expects, from
the backend that it heard from first."""

import asyncio
import random

PATIENCE = 20.0  # seconds without an expected answer: room for retransmissions, and for a machine that is slow
PORT = 8080


class Connection(asyncio.Protocol):
    """One connection. `crowd` is told of its end: `broken(self, why)` or `finished(self)`."""

    def __init__(self, crowd):
        self.crowd = crowd
        self.backend = None
        self.established = None
        self.heard = 0.0
        self.received = b""
        self.in_body = False
        self.expected = 0
        self.alarm = None
        self.step = None
        self.over = False
        self.late = False

    # What a kind says of itself.

    def begin(self):
        """Sends the request."""
        raise NotImplementedError

    def answered(self):
        """Goes on after an answer; the number is checked already."""

    # The rest is common.

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.established = self.loop.time()
        self.address = transport.get_extra_info("sockname")[:2]
        self.await_answer()
        self.begin()

    def ask(self, method, path):
        self.transport.write(f"{method} {path} HTTP/1.1\r\nHost: lab\r\n\r\n".encode())

    def later(self, seconds, step):
        self.step = self.loop.call_later(seconds, step)

    def await_answer(self):
        self.stop_waiting()
        self.alarm = self.loop.call_later(PATIENCE, self.end, "no answer")

    def stop_waiting(self):
        if self.alarm:
            self.alarm.cancel()
        self.alarm = None

    def data_received(self, data):
        self.received += data
        while not self.over and self.read_one():
            pass

    def read_one(self):
        """Takes the head or a line of the body off what was received; false when neither is there."""
        end = b"\n" if self.in_body else b"\r\n\r\n"
        part, found, rest = self.received.partition(end)
        if not found:
            return False
        self.received = rest
        if self.in_body:
            self.line(part.decode(errors="replace"))
        elif part.startswith(b"HTTP/1.1 200 "):
            self.in_body = True
        else:
            self.end(f"wrong answer {part[:40]!r}")
        return True

    def line(self, text):
        name, _, number = text.partition(" ")
        self.backend = self.backend or name
        if name != self.backend:
            return self.end(f"answer of {name} on a connection of {self.backend}")
        if number != str(self.expected):
            return self.end(f"answer {number!r} in the place of {self.expected}")
        self.heard = self.loop.time()
        self.expected += 1
        self.answered()

    def eof_received(self):
        self.end("closed by the backend")

    def connection_lost(self, error):
        self.end(str(error) if error else "closed by the backend")

    def end(self, why):
        if not self.stop():
            self.crowd.broken(self, why)

    def finish(self):
        """A good end."""
        if not self.stop():
            self.crowd.finished(self)

    def stop(self):
        """True when it was over already."""
        over, self.over = self.over, True
        if not over:
            self.stop_waiting()
            if self.step:
                self.step.cancel()
            self.transport.close()
        return over


class Talker(Connection):
    """Keep-alive HTTP: a request after each answer, with a pause between."""

    def begin(self):
        self.ask("GET", f"/echo/{self.expected}")
        self.await_answer()

    def pause(self):
        return random.uniform(0.5, 2.0)

    def answered(self):
        self.in_body = False
        self.stop_waiting()
        self.later(self.pause(), self.begin)


class Silent(Talker):
    """The same, with as much silence as just may be. If this machine makes it more, nothing is promised any more."""

    def pause(self):
        return 0.9 * self.crowd.idle

    def begin(self):
        if self.heard:
            self.late |= self.loop.time() - self.heard > 0.97 * self.crowd.idle
        super().begin()


class Download(Connection):
    """A stream: the client sends acknowledgements only."""

    def begin(self):
        self.ask("GET", "/stream")

    def answered(self):
        self.await_answer()


class Upload(Connection):
    """A stream the other way: a line of some kilobytes now and then, each of which is confirmed."""

    LINE = b"x" * 8191 + b"\n"

    def begin(self):
        self.expected = 1
        self.ask("PUT", "/sink")
        self.send()

    def send(self):
        self.transport.write(self.LINE)
        self.await_answer()

    def answered(self):
        self.stop_waiting()
        self.later(random.uniform(0.5, 1.5), self.send)


class HalfClosed(Connection):
    """Closes its side at once, and waits for a slow answer."""

    LINES = 6

    def begin(self):
        self.ask("GET", f"/slow/{0.9 * self.crowd.idle:.2f}/{self.LINES}")
        self.transport.write_eof()

    def answered(self):
        self.await_answer()

    def eof_received(self):
        if self.expected == self.LINES:
            self.finish()
        else:
            super().eof_received()


# How many of each are among twenty.
MIXTURE = {Talker: 7, Silent: 4, Download: 4, Upload: 2, HalfClosed: 3}
