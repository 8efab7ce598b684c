"""UDP to many services at a bounded rate, counted."""

import socket
import threading
import time

PORT = 4000
FLOWS = 8  # of each service
BURST = 32
PAYLOAD = bytes(18)  # with all headers, 60 bytes on the wire


class Load(threading.Thread):
    """Sends from its start until it is stopped."""

    def __init__(self, addresses, rate):
        super().__init__()
        self.rate, self.sent, self.stopping = rate, 0, threading.Event()
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
        self.flows = [(sender, (address, PORT)) for sender in sockets for address in addresses]

    def run(self):
        begun, place = time.monotonic(), 0
        while not self.stopping.is_set():
            if self.sent >= (time.monotonic() - begun) * self.rate:
                time.sleep(BURST / self.rate)
                continue
            for _ in range(BURST):
                sender, address = self.flows[place]
                sender.sendto(PAYLOAD, address)
                place = (place + 1) % len(self.flows)
            self.sent += BURST

    def stop(self):
        """How many packets were sent."""
        self.stopping.set()
        self.join()
        return self.sent
