"""The parties of a measurement: our C peer, SIPp and Carillon, each as caller and callee of the same basic call.

Each class says how it is started and how its own account of the run is read. `outcome()` gives the calls it completed, or the
reason why the round is void.
"""

import csv
import json
import os
import re
import subprocess
import time

from .processes import Process, answers_options, is_bound

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(REPOSITORY, ".build")
CALLER_CPU, CALLEE_CPU = 0, 1  # "cross": one core each, so that neither is charged for the other's cache misses


class Void(Exception):
    """The round does not count: a call failed, or a process did not do what it was asked."""


def build(folder, source, options, target):
    """Builds a C program of Benchmarks/ with gcc where it is older than its sources, and returns its path."""
    sources = os.path.join(REPOSITORY, "Benchmarks", folder)
    target = os.path.join(BUILD, "benchmarks", target)
    newest = max(os.path.getmtime(os.path.join(sources, name)) for name in os.listdir(sources))
    if not os.path.exists(target) or os.path.getmtime(target) < newest:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        subprocess.run(
            ["gcc", "-O3", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", target, os.path.join(sources, source), *options],
            check=True)
    return target


def build_peer():
    return build("peer", "peer.c", ["-lm"], "peer")


def test_certificate():
    """A certificate for 127.0.0.1 and its key, made once."""
    folder = os.path.join(BUILD, "benchmarks")
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    if not os.path.exists(certificate) or os.path.getmtime(certificate) < time.time() - 20 * 86400:
        os.makedirs(folder, exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def carillon_path():
    return os.environ.get("CARILLON", os.path.join(BUILD, "release", "carillon"))


def carillon_runs():
    """Whether the carillon command is built and knows `run`."""
    try:
        text = subprocess.run([carillon_path(), "--help"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.search(r"^\s+run\b", text, re.M) is not None


class Party:
    """`process` once started; `outcome()` after it has ended."""

    name = "?"
    process = None
    calls = 0
    tcp = False
    before = ()  # what its command line begins with

    def launch(self, role, arguments, cpu):
        self.process = Process(f"{self.name}-{role}", [*self.before, *arguments], cpu)
        return self

    def ready(self, port, probe=False):
        reached = answers_options(port) if probe else is_bound(port, tcp=self.tcp)
        if not reached:
            raise Void(f"{self.process.name} did not listen on {'TCP' if self.tcp else 'UDP'} {port} within 10 s: {self.process.last_words()}")
        return self

    def fail(self, text):
        raise Void(f"{self.process.name}: {text}\n{self.process.last_words()}")

    def finish(self, seconds):
        if not self.process.wait(seconds):
            self.fail(f"not ended after {seconds:.0f} s")
        return self.outcome()


class CPeer(Party):
    name = "c"

    def __init__(self, gso=False, tcp=False):
        self.tcp = tcp
        self.extra = (["--gso"] if gso else []) + (["--tcp"] if tcp else [])

    def call(self, port, calls, window, cpu=CALLER_CPU):
        return self.launch(
            "caller",
            [build_peer(), "uac", f"127.0.0.1:{port}", "--calls", str(calls), "--window", str(window), *self.extra], cpu)

    def pace(self, port, rate, seconds, cpu=CALLER_CPU):
        return self.launch(
            "pace", [build_peer(), "pace", f"127.0.0.1:{port}", "--rate", str(rate), "--seconds", str(seconds)], cpu)

    def answer(self, port, calls, cpu=CALLEE_CPU, until_idle=3):
        self.launch(
            "callee",
            [build_peer(), "uas", f"127.0.0.1:{port}", "--calls", str(calls), "--until-idle", str(until_idle), *self.extra],
            cpu)
        return self.ready(port)

    def outcome(self):
        try:
            self.record = json.loads(self.process.out())
        except ValueError:
            self.fail(f"exit {self.process.exit_code}, no result")
        if self.process.exit_code != 0:
            self.fail(f"exit {self.process.exit_code}")
        return self.record["calls"]


class SIPp(Party):
    """The scenarios `uac` and `uas` that SIPp brings along, or a caller of Benchmarks/scenarios."""

    name = "sipp"
    common = ["-i", "127.0.0.1", "-nostdin", "-buff_size", "4194304", "-fd", "1", "-trace_stat", "-stf", "statistics.csv"]

    def __init__(self, scenario=None, transport=None, answering=None):
        self.common = SIPp.common + (["-t", transport, "-max_socket", "15000"] if transport else [])
        self.tcp = transport is not None
        self.scenario = ["-sf", os.path.join(REPOSITORY, "Benchmarks", "scenarios", scenario)] if scenario else ["-sn", "uac"]
        self.answering = ["-sf", answering] if answering else ["-sn", "uas"]

    def call(self, port, calls, window, cpu=CALLER_CPU, rate=200000, hold_ms=0):
        return self.launch(
            "caller",
            ["sipp", *self.scenario, f"127.0.0.1:{port}", "-m", str(calls), "-l", str(window), "-r", str(rate), "-d",
             str(hold_ms), *self.common], cpu)

    def answer(self, port, calls, cpu=CALLEE_CPU):
        # -l: a finished call is kept 4 s by the built-in uas, and must not count against the limit
        self.launch("callee", ["sipp", *self.answering, "-p", str(port), "-m", str(calls), "-l", "2000000", *self.common], cpu)
        return self.ready(port)

    def retransmissions(self):
        return int(self.statistics()["Retransmissions(C)"])

    def statistics(self):
        with open(os.path.join(self.process.folder, "statistics.csv"), newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter=";") if row.get("SuccessfulCall(C)")]
        return rows[-1]

    def held(self):
        """Calls in progress, as it said within the last second."""
        try:
            return int(self.statistics()["CurrentCall"])
        except (OSError, IndexError):
            return 0

    def outcome(self):
        try:
            row = self.statistics()
        except (OSError, IndexError):
            self.fail(f"exit {self.process.exit_code}, no statistics")
        failed = int(row["FailedCall(C)"])
        if failed or self.process.exit_code != 0:
            self.fail(f"exit {self.process.exit_code}, {failed} calls failed, {row['Retransmissions(C)']} retransmissions")
        return int(row["SuccessfulCall(C)"])


class Carillon(Party):
    name = "carillon"

    def __init__(self, gso=False, trace=None, seed=1, scenario="basic-call", connections=None, sources=(), tls=False):
        self.scenario = scenario
        self.tcp = connections is not None
        self.extra = ([] if gso else ["--gso", "off"]) + (["--trace", trace] if trace else [])
        self.calling = ["--connections", connections] if connections else []
        self.answering = []
        if connections:
            self.extra += ["--transport", "tls" if tls else "tcp"]
        if tls:
            certificate, key = test_certificate()
            self.extra += ["--tls-ca", certificate]
            self.answering = ["--tls-cert", certificate, "--tls-key", key]
        self.extra += list(sources)
        self.seed = seed
        self._record = None

    def call(self, port, calls=None, window=None, rate=None, seconds=None, hold=None, arrivals=None, first=False, cpu=CALLER_CPU):
        """`first`: before all other programs of this machine, where that is permitted: what they do is not measured then."""
        load = []
        if arrivals:
            load += ["--arrivals", arrivals]
        if rate:
            load += ["--rate", f"{rate}/s"]
        if window:
            load += ["--concurrency", str(window)]
        if calls:
            load += ["--calls", str(calls)]
        if seconds:
            load += ["--for", f"{seconds}s"]
        if hold:
            load += ["--hold", f"{hold}s"]
        return self.launch(
            "caller",
            [*(["chrt", "--rr", "1"] if first and os.geteuid() == 0 else []), carillon_path(), "run", self.scenario, f"127.0.0.1:{port}", *load, "--seed", str(self.seed), *self.extra, *self.calling, "--out",
             "record"], cpu)

    def answer(self, port, calls=None, cpu=CALLEE_CPU, until_idle=5, hold=None):
        """`hold`: how long the caller will; without it a callee gives a silent call up after 32 s."""
        end = (["--calls", str(calls)] if calls else []) + ["--until-idle", f"{until_idle}s"]
        if hold:
            end += ["--hold", f"{hold}s"]
        self.launch(
            "callee",
            [carillon_path(), "serve", self.scenario, "--listen", f"127.0.0.1:{port}", *end, *self.extra, *self.answering, "--out", "record"],
            cpu)
        return self.ready(port)

    def held(self):
        """Calls in progress, as it said within the last second."""
        said = re.findall(r"([\d,]+) live", self.process.latest())
        return int(said[-1].replace(",", "")) if said else 0

    def record(self):
        """The run.json it left (schema 1, reports/README.md)."""
        if self._record is None:
            for folder, _, files in os.walk(os.path.join(self.process.folder, "record")):
                if "run.json" in files:
                    with open(os.path.join(folder, "run.json")) as file:
                        self._record = json.load(file)
                    break
            else:
                self.fail(f"exit {self.process.exit_code}, no run.json")
            if self._record.get("schema") != 1:
                self.fail(f"run.json has schema {self._record.get('schema')}, this harness reads 1")
        return self._record

    def total(self, *counters):
        return sum(self.record()["counters"][name] for name in counters)

    def retransmissions(self):
        return self.total(
            "inviteRetransmissionsSent", "requestRetransmissionsSent", "responseRetransmissionsSent", "ackRetransmissionsSent")

    @property
    def level(self):
        """What the run says of itself: valid, suspect or invalid."""
        return self.record()["verdict"]["level"]

    def delay(self, name):
        """A delay as run.json has it: `samples`, `p50Nanoseconds`, ..."""
        for delay in self.record()["delays"]:
            if delay["name"] == name and delay["samples"]:
                return delay
        self.fail(f"run.json has no {name}")

    def lateness_p99_ms(self):
        return self.delay("startLateness")["p99Nanoseconds"] / 1e6

    def outcome(self):
        """Completed calls. A run that says it is invalid (exit 3) counts here: the busy machine is judged by the measure."""
        failed = self.total("runsFailed")
        if self.process.exit_code not in (0, 3) or failed:
            self.fail(f"exit {self.process.exit_code}, {failed} calls failed")
        return self.total("runsSucceeded")
