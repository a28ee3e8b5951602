"""CPU per call over UDP: each tool as caller and as callee against the same C peer, and Carillon against itself.

The CPU is that of the whole process (user and system, as the kernel charges it at its end), divided by the calls it completed;
the number of calls is large enough for starting up to be less than one hundredth.
"""

from .parties import CPeer, Carillon, SIPp, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, interleave, median_of, ratio

WINDOW = 256
PATIENCE = 180  # seconds for one round
NOT_YET = "carillon is not built for release, or does not run calls yet: only the floor and SIPp are measured"


def microseconds(party, calls):
    return party.process.cpu_seconds / calls * 1e6


def exchange(caller, callee, calls, window):
    """One round: `callee` answers, `caller` calls in closed loop. Both must complete every call, else the round is void."""
    port = free_udp_ports()[0]
    try:
        callee.answer(port, calls)
        caller.call(port, calls=calls, window=window)
        for party in (caller, callee):
            completed = party.finish(PATIENCE)
            if completed < calls:
                party.fail(f"{completed} of {calls} calls completed")
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()
    return microseconds(caller, calls), microseconds(callee, calls)


def caller(calls, rounds):
    def contender(name, make):
        return lambda: {name: exchange(make(), CPeer(), calls, WINDOW)[0]}

    contenders = {"c": contender("C sendmmsg floor", CPeer), "sipp": contender("SIPp uac", SIPp)}
    if carillon_runs():
        contenders["carillon"] = contender("carillon run", Carillon)
    samples, void, complete = interleave(contenders, rounds)
    ours = median_of(samples, "carillon run")
    return Result(
        f"Caller against the C callee, closed loop of {WINDOW}, {calls} calls", "us CPU per call", samples,
        [
            Bar("carillon caller / C floor", ratio(ours, median_of(samples, "C sendmmsg floor")), 1.3),
            Bar("SIPp caller / carillon caller", ratio(median_of(samples, "SIPp uac"), ours), 4.5, at_most=False),
        ], void, complete, "" if carillon_runs() else NOT_YET)


def callee(calls, rounds):
    def contender(name, make):
        return lambda: {name: exchange(CPeer(), make(), calls, WINDOW)[1]}

    contenders = {"c": contender("C sendmmsg floor", CPeer), "sipp": contender("SIPp uas", SIPp)}
    if carillon_runs():
        contenders["carillon"] = contender("carillon serve", Carillon)
    samples, void, complete = interleave(contenders, rounds)
    ours = median_of(samples, "carillon serve")
    return Result(
        f"Callee against the C caller, closed loop of {WINDOW}, {calls} calls", "us CPU per call", samples,
        [
            Bar("carillon callee / C floor", ratio(ours, median_of(samples, "C sendmmsg floor")), 1.4),
            Bar("SIPp callee / carillon callee", ratio(median_of(samples, "SIPp uas"), ours), 4.5, at_most=False),
        ], void, complete, "" if carillon_runs() else NOT_YET)


def both_ends(calls, rounds):
    """GSO and GRO at both ends: a ceiling of the loopback, which no network card gives."""
    def contender(name, make, window):
        def run():
            caller_us, callee_us = exchange(make(), make(), calls, window)
            return {f"{name}, window {window}: caller": caller_us, f"{name}, window {window}: callee": callee_us}
        return run

    contenders = {"c 256": contender("C with GSO and GRO", lambda: CPeer(gso=True), 256)}
    if carillon_runs():
        for window in (16, 64, 256):
            for label, trace in (("trace off", "off"), ("default trace", None)):
                contenders[f"carillon {window} {label}"] = contender(
                    f"carillon {label}", lambda trace=trace: Carillon(gso=True, trace=trace), window)
    samples, void, complete = interleave(contenders, rounds)
    bars = []
    for label, limit in (("trace off", 1.5), ("default trace", 2.5)):
        for side in ("caller", "callee"):
            measured = median_of(samples, f"carillon {label}, window 256: {side}")
            bars.append(Bar(f"carillon both ends, window 256, {label}: {side} us", measured, limit))
    return Result(
        f"Both ends with GSO and GRO, {calls} calls (a loopback ceiling)", "us CPU per call and side", samples, bars, void, complete,
        "" if carillon_runs() else NOT_YET)
