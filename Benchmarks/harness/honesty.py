"""Whether a run's figures tell what happened: while the caller was stopped, while the callee was, and beside a capture."""

import math
import os
import signal
import time

from .capture import Capture
from .cpu_per_call import NOT_YET, PATIENCE
from .parties import REPOSITORY, Carillon, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, interleave, median_of

TIMED_CALL = os.path.join(REPOSITORY, "Benchmarks", "scenarios", "timed-call.swift")


def least(samples, figure):
    return min(samples[figure].values) if figure in samples else None


def most(samples, figure):
    return max(samples[figure].values) if figure in samples else None


def gather(run):
    """The caller's run with the callee's, both ended and their folders gone: `run(caller, callee)` gives the figures."""
    caller, callee = Carillon(), Carillon()
    try:
        return run(caller, callee)
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()


def with_a_stop(rate, seconds, stopped):
    """One run in whose middle a party ("caller", "callee" or none) is stopped for a second, as by a busy machine or a long collection
    of garbage. Figures of the caller."""
    def run(caller, callee):
        port = free_udp_ports()[0]
        callee.answer(port)
        caller.call(port, rate=rate, seconds=seconds)
        victim = {"caller": caller, "callee": callee}.get(stopped)
        if victim:
            time.sleep(seconds / 2)
            os.kill(victim.process.pid, signal.SIGSTOP)
            try:
                time.sleep(1)
            finally:
                os.kill(victim.process.pid, signal.SIGCONT)
        caller.finish(seconds + PATIENCE)
        reasons = caller.record()["verdict"]["reasons"]
        from_send, from_due = caller.delay("sessionRequestDelay"), caller.delay("sessionRequestDelayFromDue")
        label = f"{stopped or 'nobody'} stopped: "
        return {
            label + "p99 from send ms": from_send["p99Nanoseconds"] / 1e6,
            label + "p99 from due ms": from_due["p99Nanoseconds"] / 1e6,
            label + "scheduled calls without sample": caller.total("arrivalsDue") - from_due["samples"]
            + abs(caller.total("arrivalsDue") - rate * seconds),
            label + "VALID": 1.0 if caller.level == "valid" else 0.0,
            label + "not VALID for lateness":
                1.0 if caller.level != "valid" and any(reason["kind"] == "lateness" for reason in reasons) else 0.0,
        }
    return gather(run)


def stops(rate, seconds, rounds):
    title = f"Honesty: {rate} calls/s for {seconds} s, a party stopped (SIGSTOP) for 1 s in the middle"
    if not carillon_runs():
        return Result(title, "per run", {}, [], note=NOT_YET)
    samples, void, complete = interleave(
        {f"{who or 'nobody'} stopped": (lambda who=who: with_a_stop(rate, seconds, who)) for who in (None, "caller", "callee")}, rounds)
    grown = None
    if complete:
        # In percent of what callers would have waited: after the stop a hundred calls go out at once, and beside a busy machine's
        # p99 of a millisecond theirs is another.
        before, after = median_of(samples, "nobody stopped: p99 from send ms"), median_of(samples, "caller stopped: p99 from send ms")
        grown = (after - before) / median_of(samples, "caller stopped: p99 from due ms") * 100
    return Result(title, "caller process", samples, [
        Bar("caller stopped: p99 from due ms, least", least(samples, "caller stopped: p99 from due ms"), 800, at_most=False),
        Bar("caller stopped: growth of p99 from send, % of p99 from due", grown, 1),
        Bar("caller stopped: not VALID for lateness, least", least(samples, "caller stopped: not VALID for lateness"), 1, at_most=False),
        Bar("callee stopped: scheduled calls without sample, most", most(samples, "callee stopped: scheduled calls without sample"), 0),
        Bar("callee stopped: VALID", median_of(samples, "callee stopped: VALID"), 1, at_most=False),
    ], void, complete)


def percentile(values, percent):
    """HdrHistogram's rule: the smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def delays_on_the_wire(rows):
    """Delays of each call as a capture shows them, by the names they have in run.json. First transmissions only."""
    first = {}
    for stamp, method, status, sequence, call, _ in rows:
        first.setdefault((call, method or f"{status} {sequence}"), stamp)
    pairs = {
        "sessionRequestDelay": ("INVITE", "180 INVITE"), "INVITE to 180": ("INVITE", "180 INVITE"),
        "INVITE to 200": ("INVITE", "200 INVITE"), "sessionDisconnectDelay": ("BYE", "200 BYE"),
    }
    calls = {call for call, _ in first}
    return {name: [first[call, end] - first[call, begin] for call in calls] for name, (begin, end) in pairs.items()}


def wire(rate, seconds, rounds):
    """Our delays beside those of the same run that tshark saw pass."""
    title = f"Delays beside a capture of the same run: {rate} calls/s for {seconds} s, answered after 2 to 40 ms"
    if not carillon_runs():
        return Result(title, "us", {}, [], note=NOT_YET)

    def run(caller, callee):
        port, taken = free_udp_ports()[0], None
        caller.scenario = callee.scenario = TIMED_CALL
        try:
            callee.answer(port)
            taken = Capture(port)
            caller.call(port, rate=rate, seconds=seconds)
            completed = caller.finish(seconds + PATIENCE)
            figures = {}
            for name, delays in delays_on_the_wire(taken.stop().messages()).items():
                ours = caller.delay(name)
                if len(delays) != completed or ours["samples"] != completed:
                    caller.fail(f"{completed} calls, {ours['samples']} samples of {name}, {len(delays)} in the capture")
                for percent in (50, 99):
                    theirs = percentile(delays, percent) / 1e3
                    if percent == 50:
                        figures[f"{name}: p50 on the wire"] = theirs
                    figures[f"{name}: p{percent} ours - wire"] = ours[f"p{percent}Nanoseconds"] / 1e3 - theirs
            figures["p50, farthest apart"] = max(abs(value) for name, value in figures.items() if "p50 ours" in name)
            return figures
        finally:
            if taken:
                taken.discard()

    samples, void, complete = interleave({"capture": lambda: gather(run)}, rounds)
    return Result(title, "us", samples, [
        Bar("medians of our delays and the wire's, farthest apart, us", median_of(samples, "p50, farthest apart"), 100),
    ], void, complete)
