"""The record-routing Kamailio of the interoperability tests, started in a private folder and stopped by its own id."""

import os

from .parties import REPOSITORY, Void
from .processes import Process, answers_options, free_udp_ports


class Kamailio:
    def __init__(self, callee_port, cpu=None, shared_megabytes=512, before=()):
        self.port = free_udp_ports()[0]
        configuration = os.path.join(REPOSITORY, "Tests", "InteropTests", "Fixtures", "kamailio.cfg")
        self.process = Process(
            "kamailio",
            [*before, "kamailio", "-f", configuration, "-DD", "-E", "-m", str(shared_megabytes), "-l", f"udp:127.0.0.1:{self.port}",
             "-A", 'CALLEE_HOST="127.0.0.1"', "-A", f'CALLEE_PORT="{callee_port}"', "-Y", ".", "-w", "."],
            cpu)
        if not answers_options(self.port):
            words = self.process.last_words()
            self.stop()
            raise Void(f"Kamailio did not answer OPTIONS on UDP {self.port} within 10 s: {words}")

    def stop(self):
        self.process.discard()
