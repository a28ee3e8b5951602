"""What passes on loopback, taken by dumpcap and read by tshark: a witness that shares no code and no clock reading with Carillon.

The kernel stamps a frame as it passes, with CLOCK_REALTIME in nanoseconds. Senders must not segment (`--gso off`): the tap sees a
segmented send as one frame.
"""

import os
import socket
import subprocess
import time

from .parties import CALLEE_CPU, Void
from .processes import Process, free_udp_ports

TOOLS = ("dumpcap", "tshark")
INVITE = 0x494E5649  # "INVI", the first four octets of a request that invites


class Capture:
    """Captures from its creation until `stop`. It begins and ends with a marker of ours seen in the file, so that neither the start of
    dumpcap nor its end cuts anything off."""

    def __init__(self, port, only_invites_to_it=False):
        self.sip_ports = [port]
        self.marker_port = free_udp_ports()[0]
        self.marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.looked_until = 0
        wanted = f"udp dst port {port} and udp[8:4] = {INVITE:#x}" if only_invites_to_it else f"udp port {port}"
        self.process = Process(
            "dumpcap",
            ["dumpcap", "-q", "-i", "lo", "-B", "64", "-f", f"({wanted}) or udp dst port {self.marker_port}", "-w", "taken.pcapng"],
            CALLEE_CPU)  # writing the file must not delay the caller
        self.path = os.path.join(self.process.folder, "taken.pcapng")
        self._await_marker(b"the capture begins")

    def _await_marker(self, text, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.process.running:
                raise Void(f"dumpcap ended with {self.process.exit_code}: {self.process.last_words()}")
            self.marker.sendto(text, ("127.0.0.1", self.marker_port))
            time.sleep(0.05)
            try:
                with open(self.path, "rb") as file:
                    file.seek(max(0, self.looked_until - len(text)))
                    fresh = file.read()
            except OSError:
                continue
            self.looked_until += len(fresh)
            if text in fresh:
                return
        raise Void(f"dumpcap wrote nothing within {seconds} s: {self.process.last_words()}")

    def stop(self):
        """Ends it once everything until now is in the file. Void when the kernel dropped a frame: gaps would be ours, not the caller's."""
        self._await_marker(b"the capture ends")
        self.process.stop(first=2)  # SIGINT: it says what was dropped
        with open(self.process.error_path, errors="replace") as file:
            said = [line for line in file if "dropped" in line]
        if not said or "/0 (" not in said[-1]:
            raise Void("dumpcap: " + (said[-1].strip() if said else "says nothing of dropped frames"))
        return self

    def messages(self, wanted="sip"):
        """(nanoseconds, method of a request or none, status of a response or none, CSeq method, Call-ID, source port) of each message
        as tshark dissects it, oldest first."""
        decode = [option for port in self.sip_ports for option in ("-d", f"udp.port=={port},sip")]
        fields = ("frame.time_epoch", "sip.Method", "sip.Status-Code", "sip.CSeq.method", "sip.Call-ID", "udp.srcport")
        read = subprocess.run(
            # with SDP it would follow a media stream per call, all on one port, in quadratic time
            ["tshark", "-n", "-r", self.path, *decode, "--disable-protocol", "sdp", "-Y", wanted, "-T", "fields", "-E", "separator=/t",
             *(option for field in fields for option in ("-e", field))],
            capture_output=True, text=True, timeout=600)
        if read.returncode != 0:
            raise Void(f"tshark: {read.stderr.strip()}")
        rows = []
        for line in read.stdout.splitlines():
            stamp, method, status, sequence, call, source = line.split("\t")
            seconds, _, fraction = stamp.partition(".")
            rows.append((
                int(seconds) * 10**9 + int(fraction.ljust(9, "0")), method or None, int(status) if status else None, sequence, call,
                int(source)))
        return sorted(rows, key=lambda row: row[0])

    def discard(self):
        self.marker.close()
        self.process.discard()
