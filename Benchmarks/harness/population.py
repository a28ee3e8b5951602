"""Users that stay registered at Kamailio, held by one process, while calls run between them."""

import json
import os
import re
import time

from .cpu_per_call import NOT_YET
from .endurance import nothing_to_measure
from .parties import REPOSITORY, Void, carillon_path, carillon_runs
from .processes import Process, answers_options, free_udp_ports
from .rounds import Bar, Result, interleave, median_of

SCENARIOS = os.path.join(REPOSITORY, "Benchmarks", "scenarios", "living-users.swift")
PROGRESS = re.compile(r"^population, living-user: .*? ([\d,]+) live", re.M)


def registrar():
    port = free_udp_ports()[0]
    configuration = os.path.join(REPOSITORY, "Tests", "InteropTests", "Fixtures", "kamailio-digest.cfg")
    process = Process(
        "kamailio",
        ["kamailio", "-f", configuration, "-DD", "-E", "-m", "1024", "-l", f"udp:127.0.0.1:{port}", "-A", 'HASH="MD5"', "-A",
         "NONCE_EXPIRE=3600", "-Y", ".", "-w", "."])
    if not answers_options(port):
        words = process.last_words()
        process.discard()
        raise Void(f"Kamailio did not answer OPTIONS on UDP {port} within 10 s: {words}")
    return process, port


def population(users, register_rate, seconds, expires, rounds=1):
    title = f"{users} registered users held by one process, 100 calls/s between them for {seconds} s (Kamailio, MD5)"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")

    def run():
        proxy, port = registrar()
        ours = free_udp_ports()[0]
        caller = Process(
            "caller",
            [carillon_path(), "run", SCENARIOS, "--scenario", "call-between-users", f"127.0.0.1:{port}", "--local", f"127.0.0.1:{ours}",
             "--domain", "example.test", "--play", "alice,bob", "--rate", "100/s", "--for", f"{seconds}s", "--set",
             f"expires={expires}", "--population", f"{SCENARIOS}:{users}@{register_rate}/s", "--out", "record"])
        try:
            # what a user costs: from the first tenth to all of them, before any call
            sizes = []
            deadline = time.monotonic() + 3 * users / register_rate + seconds + 300
            while caller.running and time.monotonic() < deadline:
                with open(caller.out_path) as lines:
                    shown = PROGRESS.findall(lines.read())
                live = int(shown[-1].replace(",", "")) if shown else 0
                # while they come: what goes gives no memory back
                if live and (not sizes or sizes[-1][0] < live):
                    sizes.append((live, caller.resident_bytes() or 0))
                time.sleep(0.1)
            if caller.running or caller.exit_code != 0:
                raise Void(f"exit {caller.exit_code}: {caller.last_words()}")
            with open(os.path.join(caller.folder, "record", "run.json")) as file:
                record = json.load(file)
        finally:
            caller.discard()
            proxy.discard()
        phase = record["phases"][0]
        early = min((size for size in sizes if size[0] >= users / 10), default=(0, 0))
        late = max(sizes, default=(0, 0))
        lateness = next((delay for delay in phase["delays"] if delay["name"] == "timerLateness"), None)
        totals = record["counters"]
        return {
            "octets a user": (late[1] - early[1]) / max(1, late[0] - early[0]),
            "registered": phase["registered"],
            "refreshes": phase["reregistered"] - phase["succeeded"],
            "users failed": phase["failed"],
            "refreshes late by, p99 ms": lateness["p99Nanoseconds"] / 1e6 if lateness else -1.0,
            "calls": totals["runsSucceeded"],
            "calls failed": totals["runsFailed"],
        }

    samples, void, complete = interleave({"population": run}, rounds, extra_rounds=1)
    bars = [
        Bar("users failed", median_of(samples, "users failed"), 0),
        Bar("calls failed", median_of(samples, "calls failed"), 0),
        Bar("registered", median_of(samples, "registered"), users, at_most=False),
    ]
    if users >= 100000:
        # of fewer the tables that are made resident ahead are the greater part
        bars.append(Bar("octets a user", median_of(samples, "octets a user"), 512))
    return Result(title, "per run", samples, bars, void, complete)
