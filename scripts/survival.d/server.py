#!/usr/bin/python3
"""A backend's server for connections that live long: HTTP of every kind that a change of backends could cut.

    GET /echo/TOKEN       "NAME TOKEN", and the connection stays open
    GET /stream           "NAME 0", "NAME 1", ... a line each second, without end
    GET /slow/SECONDS/N   N such lines with SECONDS of silence before each; then it closes, whatever the client did
    PUT /sink             "NAME COUNT" after each line of the body, which has no end

Each answer names the backend, so that a client sees at once when another one has its connection.
"""

import asyncio
import signal
import socket
import sys

PORT = 8080
BACKLOG = 4096
STREAM_PAUSE = 1.0  # seconds between two lines
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


class Connection(asyncio.Protocol):
    """One client, and what it asked for."""

    def __init__(self, name):
        self.name = name
        self.received = bytearray()
        self.sunk = None
        self.talk = None

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        if self.talk:
            self.talk.cancel()

    def eof_received(self):
        # Half-closed: what is still to be said, is. Without that there is nothing to wait for.
        return self.talk is not None

    def data_received(self, data):
        self.received += data
        while self.sunk is None and b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            self.received = bytearray(rest)
            self.answer(head.split(b" ", 2)[1].decode().split("/")[1:])
        if self.sunk is not None:
            self.sink()

    def answer(self, path):
        match path:
            case ["echo", token]:
                body = f"{self.name} {token}\n".encode()
                self.transport.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            case ["stream"]:
                self.begin()
                self.say(STREAM_PAUSE, sys.maxsize, 0)
            case ["slow", seconds, lines]:
                self.begin()
                self.talk_later(float(seconds), int(lines), 0)
            case ["sink"]:
                self.begin()
                self.sunk = 0
            case _:
                self.transport.close()

    def begin(self):
        self.transport.write(HEAD + b"Connection: close\r\n\r\n")

    def talk_later(self, pause, lines, number):
        self.talk = asyncio.get_running_loop().call_later(pause, self.say, pause, lines, number)

    def say(self, pause, lines, number):
        self.transport.write(f"{self.name} {number}\n".encode())
        if number + 1 < lines:
            self.talk_later(pause, lines, number + 1)
        else:
            self.transport.close()

    def sink(self):
        *lines, rest = self.received.split(b"\n")
        self.received = bytearray(rest)
        for _ in lines:
            self.sunk += 1
            self.transport.write(f"{self.name} {self.sunk}\n".encode())


async def serve(name):
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(name), sock=listener, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(serve(sys.argv[1]))
