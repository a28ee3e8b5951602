"""The highest rate that goes through one record-routing Kamailio without a failed call, by Carillon at both ends and by SIPp at
both ends, found in the same way and in turns."""

import os
import subprocess
import time

from .kamailio import Kamailio
from .parties import CALLEE_CPU, CALLER_CPU, REPOSITORY, Carillon, SIPp, Void, carillon_path, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, Sampled, median_of, ratio, say

# Both ends on one cpu and the proxy on the other: the proxy is what ends first.
ENDS_CPU, PROXY_CPU = CALLER_CPU, CALLEE_CPU
MOST_PPM = 10  # repeated, of the requests and responses that both ends sent
MESSAGES = 5  # of a call, by both ends: INVITE, 200, ACK, BYE, 200
FIXTURES = os.path.join(REPOSITORY, "Tests", "InteropTests", "Fixtures")
SCENARIO = os.path.join(REPOSITORY, "Benchmarks", "scenarios", "routed-call.swift")


def ours():
    return Carillon(scenario=SCENARIO), Carillon(scenario=SCENARIO)


def sipps():
    return (
        SIPp(os.path.join(FIXTURES, "sipp-uac-routed.xml")), SIPp(answering=os.path.join(FIXTURES, "sipp-uas-routed.xml")))


def step(make, rate, seconds):
    """One run at `rate` through a Kamailio of its own. Repeated messages in ppm; Void where a call failed, or where the calls took
    longer to be made than they should have."""
    caller, callee = make()
    # before other programs of this machine, where that is permitted: what they do is not measured
    caller.before = callee.before = before = ("chrt", "--rr", "1") if os.geteuid() == 0 else ()
    port = free_udp_ports()[0]
    calls = int(rate * seconds)
    proxy = None
    try:
        callee.answer(port, calls, cpu=ENDS_CPU)
        proxy = Kamailio(callee_port=port, cpu=PROXY_CPU, shared_megabytes=1024, before=before)
        began = time.monotonic()
        if isinstance(caller, Carillon):
            caller.call(proxy.port, calls=calls, rate=rate, arrivals="uniform", cpu=ENDS_CPU)
        else:
            caller.call(proxy.port, calls, calls, rate=rate, cpu=ENDS_CPU)
        completed = caller.finish(1.05 * seconds + 2)
        took = time.monotonic() - began
        answered = callee.finish(10)
        if completed < 0.99 * calls or answered < completed:
            caller.fail(f"{completed} of {calls} calls completed, {answered} answered")
        # its start and the last call's 100 ms are no lost pace
        if took > 1.05 * seconds + 0.7:
            caller.fail(f"{calls} calls took {took:.2f} s in place of {seconds} s")
        return (caller.retransmissions() + callee.retransmissions()) / (MESSAGES * completed) * 1e6
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()
        if proxy:
            proxy.stop()


class Ladder:
    """Rates in steps of five hundredths (or another factor), the same for all who climb: two who reach as far are equal."""

    def __init__(self, first, factor, most=10**6):
        self.first, self.factor, self.most = first, factor, most

    def rate(self, rung):
        return round(self.first * self.factor**rung)

    def climb(self, holds, rung, stride):
        """The highest rung that holds: from `rung` in growing strides to one that does not, then by halves."""
        if holds(self.rate(rung)):
            while self.rate(rung + stride) <= self.most and holds(self.rate(rung + stride)):
                rung, stride = rung + stride, stride * 2
            low, high = rung, rung + stride
            if self.rate(high) > self.most:
                return low
        else:
            while not holds(self.rate(rung - stride)):
                rung, stride = rung - stride, stride * 2
                if self.rate(rung) < 20:
                    raise Void(f"not even {self.rate(rung)} calls/s go through")
            low, high = rung - stride, rung
        while high - low > 1:
            middle = (low + high) // 2
            if holds(self.rate(middle)):
                low = middle
            else:
                high = middle
        return low


def holds(name, make, rate, seconds, tries):
    """Whether a rate holds. One failure may be another program's: it is tried again."""
    for attempt in range(tries):
        try:
            repeated = step(make, rate, seconds)
            say(f"  {name} {rate}/s: none failed, {repeated:.1f} ppm repeated")
            if repeated <= MOST_PPM:
                return True
        except Void as reason:
            say(f"  {name} {rate}/s: {str(reason).splitlines()[0]}")
    return False


def kamailio(quick, rounds=3):
    title = "Through one record-routing Kamailio over UDP: INVITE, 200, ACK, 100 ms, BYE, 200"
    seconds, tries, long = (2, 1, 2) if quick else (8, 2, 30)
    ladder = Ladder(500, 1.5, most=1200) if quick else Ladder(1000, 1.05)
    makers = {"SIPp": sipps}
    if carillon_runs():
        # compiled before a step waits for it
        subprocess.run([carillon_path(), "lint", SCENARIO], capture_output=True, timeout=300)
        makers = {"carillon": ours} | makers
    samples = {}
    reached = dict.fromkeys(makers)
    void = {}
    for turn in range(1 if quick else rounds):
        for name in list(makers)[:: 1 if turn % 2 == 0 else -1]:
            known = reached[name]
            # where it was last time, else somewhere low
            rung, stride = (known, 2) if known is not None else (0 if quick else 16, 1 if quick else 4)
            try:
                reached[name] = ladder.climb(lambda rate: holds(name, makers[name], rate, seconds, tries), rung, stride)
                samples.setdefault(f"{name}: ceiling, calls/s", Sampled()).values.append(ladder.rate(reached[name]))
            except Void as reason:
                void.setdefault(name, []).append(str(reason))
    most = median_of(samples, "carillon: ceiling, calls/s")
    bars = []
    if most:
        rate = round(0.7 * most)
        repeated, lossless, failures = [], 0, []
        for _ in range(1 if quick else 3):
            try:
                repeated.append(step(ours, rate, long))
                lossless += repeated[-1] <= MOST_PPM
            except Void as reason:
                failures.append(str(reason))
                say(f"  carillon {rate}/s: {failures[-1].splitlines()[0]}")
        if repeated:
            samples["carillon at 70 %: repeated, ppm"] = Sampled()
            samples["carillon at 70 %: repeated, ppm"].values = repeated
        if failures:
            void[f"carillon at 70 %, {rate}/s"] = failures
        wanted = 1 if quick else 3
        bars.append(Bar(f"runs of {long} s at 70 % ({rate}/s): none failed, <= {MOST_PPM} ppm, of {wanted}", lossless, wanted, at_most=False))
    bars.append(Bar("carillon's ceiling / SIPp's", ratio(most, median_of(samples, "SIPp: ceiling, calls/s")), 1, at_most=False))
    return Result(title, f"steps of {seconds} s, {(ladder.factor - 1) * 100:.0f} %", samples, bars, void, not void)
