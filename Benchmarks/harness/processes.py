"""Processes on loopback: started pinned, watched while they run, ended by their own id, and charged for by the kernel."""

import atexit
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERTZ = os.sysconf("SC_CLK_TCK")


def free_udp_ports(count=1, above=20000):
    """UDP ports of 127.0.0.1 nobody has bound, below the kernel's own range so that no other process is handed one."""
    found = []
    candidate = above + (os.getpid() * 61 + time.monotonic_ns() // 1000) % 10000
    while len(found) < count:
        candidate = candidate + 7 if candidate < 32000 else above
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        if candidate not in found:
            found.append(candidate)
    return found


def answers_options(port, seconds=10.0):
    """Whether something at 127.0.0.1:port answers an OPTIONS request within `seconds`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.bind(("127.0.0.1", 0))
        asker.settimeout(0.1)
        ours = asker.getsockname()[1]
        deadline = time.monotonic() + seconds
        attempt = 0
        while time.monotonic() < deadline:
            attempt += 1
            request = (
                f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{ours};branch=z9hG4bKbench{os.getpid()}x{attempt}\r\n"
                f"From: <sip:bench@127.0.0.1>;tag=bench\r\nTo: <sip:127.0.0.1:{port}>\r\n"
                f"Call-ID: bench-{os.getpid()}-{attempt}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            try:
                asker.sendto(request.encode(), ("127.0.0.1", port))
                if asker.recv(65536).startswith(b"SIP/2.0 "):
                    return True
            except OSError:
                time.sleep(0.02)
    return False


def is_bound(port, seconds=10.0, tcp=False):
    """Whether a process binds UDP `port`, or listens at TCP `port`, within `seconds` (no message is sent, so no counter of the process moves)."""
    deadline = time.monotonic() + seconds
    wanted = f":{port:04X}"
    while time.monotonic() < deadline:
        with open("/proc/net/tcp" if tcp else "/proc/net/udp") as table:
            if any(line.split()[1].endswith(wanted) for line in table.readlines()[1:]):
                return True
        time.sleep(0.01)
    return False


class Process:
    """One program with its output in a private folder. Ends it by id; `cpu_seconds` is what the kernel charged it."""

    def __init__(self, name, arguments, cpu=None, folder=None):
        self.name = name
        self.folder = folder or tempfile.mkdtemp(prefix=f"carillon-bench-{name}-")
        self.arguments = arguments
        self.out_path = os.path.join(self.folder, f"{name}.out")
        self.error_path = os.path.join(self.folder, f"{name}.err")
        command = (["taskset", "-c", str(cpu)] if cpu is not None else []) + arguments
        environment = dict(os.environ, TERM="xterm", LC_ALL="C.UTF-8")
        with open(self.out_path, "wb") as out, open(self.error_path, "wb") as error:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=error, cwd=self.folder, env=environment,
                start_new_session=True)
        self.pid = self.child.pid
        self.exit_code = None
        self.cpu_seconds = None
        self.peak_kilobytes = None
        self.ended = threading.Event()
        atexit.register(self.stop)
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self):
        _, status, usage = os.wait4(self.pid, 0)
        self.exit_code = os.waitstatus_to_exitcode(status)
        self.child.returncode = self.exit_code  # subprocess must not wait for an id that may be somebody else's by then
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_kilobytes = usage.ru_maxrss
        self.ended.set()

    @property
    def running(self):
        return not self.ended.is_set()

    def wait(self, seconds):
        """True when it ended by itself; after `seconds` it is killed and False returned."""
        if self.ended.wait(seconds):
            return True
        self.stop(signal.SIGKILL)
        return False

    def stop(self, first=signal.SIGTERM, patience=3.0):
        for number in (first, signal.SIGKILL):
            if not self.running:
                return
            try:
                # its workers must not outlive its being killed
                (os.killpg if number == signal.SIGKILL else os.kill)(self.pid, number)
            except ProcessLookupError:
                return
            self.ended.wait(patience)

    def cpu_so_far(self):
        """User and system seconds of the whole process until now; None when it is gone."""
        try:
            with open(f"/proc/{self.pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / HERTZ
        except (OSError, IndexError):
            return None

    def resident_bytes(self):
        try:
            with open(f"/proc/{self.pid}/status") as status:
                found = re.search(r"^VmRSS:\s+(\d+) kB", status.read(), re.M)
            return int(found.group(1)) * 1024 if found else None
        except OSError:
            return None

    def out(self):
        with open(self.out_path, errors="replace") as file:
            return file.read()

    def latest(self, octets=4096):
        """The end of what it wrote so far, on standard output and then on standard error."""
        text = ""
        for path in (self.out_path, self.error_path):
            with open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - octets))
                text += file.read().decode(errors="replace")
        return text

    def last_words(self, count=6):
        """The end of what it wrote, for the report of a failed round."""
        with open(self.error_path, errors="replace") as file:
            text = file.read().strip() or self.out().strip()
        return "\n".join(text.splitlines()[-count:])

    def discard(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
