"""CPU per call over UDP: each tool as caller and as callee against the same C peer, and Carillon against itself.

The CPU is that of the whole process (user and system, as the kernel charges it at its end), divided by the calls it completed;
the number of calls is large enough for starting up to be less than one hundredth.
"""

import os

from .parties import REPOSITORY, CPeer, Carillon, SIPp, carillon_runs
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


def side_by_side(title, side, make_exchange, sipp_name, rounds, floor_limit):
    """The floor, SIPp and Carillon on one side of the same C peer. Carillon twice: with one datagram a send (`--gso off`), which
    is what the floor does, and as it comes, with segmented sends, beside the C peer with the same."""
    floor, segmented, ours, ours_segmented = (
        "C sendmmsg floor", "C with segmented sends", f"carillon {side}, --gso off", f"carillon {side}, as it comes")
    makers = {floor: CPeer, segmented: lambda: CPeer(gso=True), sipp_name: SIPp}
    if carillon_runs():
        makers |= {ours: Carillon, ours_segmented: lambda: Carillon(gso=True)}
    contenders = {name: (lambda name=name, make=make: {name: make_exchange(make())}) for name, make in makers.items()}
    samples, void, complete = interleave(contenders, rounds)
    bars = []
    for name in (ours, ours_segmented):
        bars += [
            Bar(f"{name} / C floor", ratio(median_of(samples, name), median_of(samples, floor)), floor_limit),
            Bar(f"{sipp_name} / {name}", ratio(median_of(samples, sipp_name), median_of(samples, name)), 4.5, at_most=False),
        ]
    sipp_per_floor = ratio(median_of(samples, sipp_name), median_of(samples, floor))
    notes = [] if carillon_runs() else [NOT_YET]
    if sipp_per_floor:
        notes.append(f"{sipp_name} / C floor in these minutes: {sipp_per_floor:.2f}")
    return Result(title, "us CPU per call", samples, bars, void, complete, "; ".join(notes))


def caller(calls, rounds):
    return side_by_side(
        f"Caller against the C callee, closed loop of {WINDOW}, {calls} calls", "caller",
        lambda party: exchange(party, CPeer(), calls, WINDOW)[0], "SIPp uac", rounds, 1.3)


def callee(calls, rounds):
    return side_by_side(
        f"Callee against the C caller, closed loop of {WINDOW}, {calls} calls", "callee",
        lambda party: exchange(CPeer(), party, calls, WINDOW)[1], "SIPp uas", rounds, 1.4)


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


def digest(calls, rounds):
    """Registrations that are challenged once, against the same C registrar."""
    file = os.path.join(REPOSITORY, "Benchmarks", "scenarios", "digest-registration.swift")
    makers = {"SIPp": lambda: SIPp("digest-registration.xml")}
    if carillon_runs():
        makers["carillon, --gso off"] = lambda: Carillon(scenario=file)
        makers["carillon, as it comes"] = lambda: Carillon(scenario=file, gso=True)
    contenders = {
        name: (lambda name=name, make=make: {name: exchange(make(), CPeer(), calls, WINDOW)[0]}) for name, make in makers.items()}
    samples, void, complete = interleave(contenders, rounds)
    bars = [
        Bar(f"SIPp / {name}", ratio(median_of(samples, "SIPp"), median_of(samples, name)), 4.0, at_most=False)
        for name in makers if name != "SIPp"]
    return Result(
        f"Registrations with digest (MD5, one challenge each), closed loop of {WINDOW}, {calls} registrations",
        "us CPU per registration", samples, bars, void, complete, "" if carillon_runs() else NOT_YET)


def sources(calls, rounds):
    """Callers from 10,000 loopback addresses beside one, against the C callee.

    The bar is what the number of addresses costs: one and 10,000 through the same kind of socket. An ordinary caller stands beside
    them: its socket is connected to the callee, so that no route is looked up for a datagram, and its sends are segmented; a socket
    that names a source for each datagram has neither, unless calls come in blocks from each address. That is the kernel's price.
    """
    many, one = ["--sources", "127.1.0.0-127.1.39.15"], ["--sources", "127.1.0.0"]
    blocks = many + ["--sources-order", "blocks:64"]
    variants = {
        "no --sources, --gso off": (False, []), "1 source, --gso off": (False, one), "10,000 sources, --gso off": (False, many),
        "no --sources": (True, []), "10,000 sources": (True, many), "10,000 sources, blocks:64": (True, blocks)}
    makers = {}
    if carillon_runs():
        makers = {name: (lambda gso=gso, options=options: Carillon(gso=gso, sources=options)) for name, (gso, options) in variants.items()}
    contenders = {
        name: (lambda name=name, make=make: {name: exchange(make(), CPeer(), calls, WINDOW)[0]}) for name, make in makers.items()}
    samples, void, complete = interleave(contenders, rounds)

    def beside(name, other):
        return ratio(median_of(samples, name), median_of(samples, other))

    bars = [Bar("10,000 sources / 1 source, --gso off", beside("10,000 sources, --gso off", "1 source, --gso off"), 1.1)]
    pairs = (
        ("10,000 sources, --gso off", "no --sources, --gso off"), ("10,000 sources", "no --sources"),
        ("10,000 sources, blocks:64", "no --sources"))
    notes = "; ".join(f"{name} / {other}: {beside(name, other):.2f}" for name, other in pairs if beside(name, other)) or NOT_YET
    return Result(
        f"Caller from many addresses against the C callee, closed loop of {WINDOW}, {calls} calls", "us CPU per call", samples, bars,
        void, complete, notes)


def streams(calls, rounds):
    """Callers over one TCP connection against the C callee."""
    floor = "C, one connection"
    makers = {floor: lambda: CPeer(tcp=True), "SIPp uac, t1": lambda: SIPp(transport="t1")}
    if carillon_runs():
        makers["carillon, one connection"] = lambda: Carillon(connections="one")
    contenders = {
        name: (lambda name=name, make=make: {name: exchange(make(), CPeer(tcp=True), calls, WINDOW)[0]})
        for name, make in makers.items()}
    samples, void, complete = interleave(contenders, rounds)
    ours = median_of(samples, "carillon, one connection")
    bars = [
        Bar("carillon / C floor", ratio(ours, median_of(samples, floor)), 2.0),
        Bar("SIPp / carillon", ratio(median_of(samples, "SIPp uac, t1"), ours), 15.0, at_most=False)]
    return Result(
        f"Caller over one TCP connection, closed loop of {WINDOW}, {calls} calls", "us CPU per call", samples, bars, void, complete,
        "" if carillon_runs() else NOT_YET)


def tls(calls, rounds):
    """Callers over one TLS connection beside the same over TCP, against Carillon as callee: the C peer has no TLS. AES-GCM is what two
    ends of Carillon agree on where the processor knows AES."""
    makers = {}
    if carillon_runs():
        makers = {
            "carillon over TCP": lambda: Carillon(connections="one"), "carillon over TLS": lambda: Carillon(connections="one", tls=True)}
    contenders = {
        name: (lambda name=name, make=make: {name: exchange(make(), make(), calls, WINDOW)[0]}) for name, make in makers.items()}
    samples, void, complete = interleave(contenders, rounds)
    bars = [Bar("TLS / TCP", ratio(median_of(samples, "carillon over TLS"), median_of(samples, "carillon over TCP")), 4.0)]
    return Result(
        f"Caller over one TLS connection, closed loop of {WINDOW}, {calls} calls", "us CPU per call", samples, bars, void, complete,
        "" if makers else NOT_YET)


def connections(calls, rounds):
    """One connection for each call: reported, without a bar, beside SIPp; over TCP against the C callee, over TLS against our own."""
    makers = {"SIPp uac, tn": (lambda: SIPp(transport="tn"), lambda: CPeer(tcp=True))}
    if carillon_runs():
        makers["carillon over TCP"] = (lambda: Carillon(connections="per-call"), lambda: CPeer(tcp=True))
        makers["carillon over TLS"] = (
            lambda: Carillon(connections="per-call", tls=True), lambda: Carillon(connections="one", tls=True))
    contenders = {
        name: (lambda name=name, pair=pair: {name: exchange(pair[0](), pair[1](), calls, 64)[0]}) for name, pair in makers.items()}
    samples, void, complete = interleave(contenders, rounds)
    beside = ratio(median_of(samples, "SIPp uac, tn"), median_of(samples, "carillon over TCP"))
    return Result(
        f"Caller with a connection for each call, closed loop of 64, {calls} calls", "us CPU per call", samples, [], void, complete,
        f"SIPp / carillon over TCP: {beside:.2f}" if beside else NOT_YET)
