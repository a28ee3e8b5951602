"""Sustained load, overload, memory per held call, and what little load costs."""

import signal
import statistics
import time

from .cpu_per_call import NOT_YET, PATIENCE, WINDOW, exchange
from .kamailio import Kamailio
from .parties import CPeer, Carillon, SIPp, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, interleave, median_of, ratio


def nothing_to_measure(title, unit):
    return Result(title, unit, {}, [], note=NOT_YET)


def rss_growth(samples, seconds):
    """Growth of resident size within the last third of the run, in percent. `samples`: (seconds since start, bytes)."""
    last = [size for at, size in samples if seconds * 2 / 3 <= at <= seconds]
    if len(last) < 4:
        return None
    quarter = max(1, len(last) // 4)
    early, late = statistics.median(last[:quarter]), statistics.median(last[-quarter:])
    return (late - early) / early * 100


def offered(rate, seconds, overload=False):
    """One run of two Carillon processes at `rate` for `seconds`, no segmentation. Figures of the caller and both sizes, and what
    the caller says of its own run. With `overload` calls may fail."""
    port = free_udp_ports()[0]
    caller, callee = Carillon(), Carillon()
    try:
        callee.answer(port)
        caller.call(port, rate=rate, seconds=seconds)
        began, sizes = time.monotonic(), {"caller": [], "callee": []}
        while caller.process.running and time.monotonic() - began < seconds + PATIENCE:
            at = time.monotonic() - began
            for side, party in (("caller", caller), ("callee", callee)):
                size = party.process.resident_bytes()
                if size:
                    sizes[side].append((at, size))
            time.sleep(0.25)
        if overload:
            if not caller.process.wait(PATIENCE) or caller.process.exit_code not in (0, 1, 3):
                caller.fail(f"exit {caller.process.exit_code}")
            completed = caller.total("runsSucceeded")
        else:
            completed = caller.finish(PATIENCE)
        figures = {
            "completed calls/s": completed / seconds,
            "retransmissions ppm of messages sent": caller.retransmissions() / max(1, caller.total("messagesSent")) * 1e6,
        }
        for side, series in sizes.items():
            growth = rss_growth(series, seconds)
            if growth is not None:
                figures[f"{side}: growth of resident size in the last third %"] = growth
                figures[f"{side}: resident MB"] = series[-1][1] / 1e6
        return figures, caller.level
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()


def ceiling(calls=300000):
    """Calls/s of the bare C peers in closed loop, one on each cpu: what no program with one datagram a send exceeds here and now."""
    caller = CPeer()
    exchange(caller, CPeer(), calls, WINDOW)
    return caller.record["calls_per_second"]


def sustained(seconds, rounds, rate=70000):
    title = f"Sustained: two processes, {rate} calls/s offered for {seconds} s, no segmentation"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")
    levels = []

    def run():
        most = ceiling()
        figures, level = offered(rate, seconds)
        levels.append(level)
        return figures | {"C peers in closed loop just before, calls/s": most, "offered / that": rate / most}

    # A run with failed calls is not made up for: it is one of the runs.
    samples, void, complete = interleave({"sustained": run}, rounds, extra_rounds=0)
    ppm = samples["retransmissions ppm of messages sent"].values if samples else []
    rates = samples["completed calls/s"].values if samples else []
    clean = sum(
        1 for repeated, completed, level in zip(ppm, rates, levels)
        if repeated <= 10 and completed >= rate * 0.99 and level != "invalid")
    needed = rounds // 2 + 1
    bars = [Bar(f"clean runs of {rounds}: none failed, <= 10 ppm repeated, >= 99 % of rate", clean, needed, at_most=False)]
    for side in ("caller", "callee"):
        figure = f"{side}: growth of resident size in the last third %"
        bars.append(Bar(figure, median_of(samples, figure), 1))
    return Result(title, "per run", samples, bars, void, complete or clean >= needed, "verdicts: " + ", ".join(levels))


def overload(seconds, sustained_rate, rate=140000):
    title = f"Overload: {rate} calls/s offered for {seconds} s"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")
    levels = []

    def run():
        figures, level = offered(rate, seconds, overload=True)
        levels.append(level)
        return {"completed calls/s": figures["completed calls/s"], "says it is invalid": 1.0 if level == "invalid" else 0.0}

    samples, void, complete = interleave({"overload": run}, 1)
    return Result(
        title, "per run", samples,
        [
            Bar("completed while overloaded / sustained", ratio(median_of(samples, "completed calls/s"), sustained_rate), 0.9,
                at_most=False),
            Bar("the run says it is invalid", median_of(samples, "says it is invalid"), 1, at_most=False),
        ], void, complete)


def slope(rate, first, last, watched, alive):
    """Resident bytes per held call of each watched process, between `first` and `last` calls that it says it holds: a machine that
    is busy, or a proxy that is, makes the ramp slower than `rate`, and a call that was never made takes no memory."""
    deadline = time.monotonic() + 2 * last / rate + 60
    readings = {name: [] for name in watched}
    for wanted in (first, last):
        waiting = dict(watched)
        while waiting:
            for party in alive:
                if not party.process.running:
                    party.fail(f"ended with {party.process.exit_code} while calls were held")
            for name, party in list(waiting.items()):
                held = party.held()
                if held >= wanted:
                    readings[name].append((held, party.process.resident_bytes() or 0))
                    del waiting[name]
                elif time.monotonic() > deadline:
                    party.fail(f"holds {held} calls where {wanted} should be")
            time.sleep(0.05)
    return {name: (b[1] - a[1]) / (b[0] - a[0]) for name, (a, b) in readings.items()}


def memory(first, last, rate, through_kamailio, kamailio_rate=1800):
    """Held calls: the caller's hold is longer than the run; everything is stopped once the sizes are read."""
    hold = int(2 * last / min(rate, kamailio_rate if through_kamailio else rate)) + 120

    def held(make_caller, make_callee, start, watched, pace=rate):
        port = free_udp_ports()[0]
        parties, proxy = [], None
        try:
            callee = make_callee()
            callee.answer(port, hold=hold) if isinstance(callee, Carillon) else callee.answer(port, last * 2)
            parties.append(callee)
            target = port
            if start == "kamailio":
                proxy = Kamailio(callee_port=port)
                target = proxy.port
            caller = make_caller()
            parties.append(caller)
            if isinstance(caller, Carillon):
                caller.call(target, calls=last * 2, rate=pace, hold=hold)
            else:
                caller.call(target, last * 2, last * 2, rate=pace, hold_ms=hold * 1000)
            return slope(pace, first, last, {name: parties[index] for name, index in watched.items()}, parties)
        finally:
            for party in reversed(parties):
                party.process.stop(signal.SIGKILL)
                party.process.discard()
            if proxy:
                proxy.stop()

    contenders = {"sipp both": lambda: held(SIPp, SIPp, "direct", {"SIPp caller": 1, "SIPp callee": 0})}
    bars = []
    if carillon_runs():
        def ours():
            return Carillon(trace="off")
        contenders |= {
            "both ours": lambda: held(
                ours, ours, "direct", {"carillon caller, carillon callee": 1, "carillon callee, carillon caller": 0}),
            "caller, SIPp": lambda: held(ours, SIPp, "direct", {"carillon caller, SIPp callee": 1}),
            "callee, SIPp": lambda: held(SIPp, ours, "direct", {"carillon callee, SIPp caller": 0}),
        }
        if through_kamailio:
            contenders["kamailio"] = lambda: held(
                ours, ours, "kamailio",
                {"carillon caller through Kamailio": 1, "carillon callee through Kamailio": 0}, kamailio_rate)
    samples, void, complete = interleave(contenders, 1, extra_rounds=1)
    if carillon_runs():
        for name, limit in (
            ("carillon caller, carillon callee", 256), ("carillon callee, carillon caller", 256),
            ("carillon caller, SIPp callee", 512), ("carillon callee, SIPp caller", 512),
            ("carillon caller through Kamailio", 640), ("carillon callee through Kamailio", 640),
        ):
            if through_kamailio or "Kamailio" not in name:
                bars.append(Bar(name, median_of(samples, name), limit))
    return Result(
        f"Memory: slope of resident size from {first} to {last} held calls, tracing off", "bytes per held call", samples, bars,
        void, complete, "" if carillon_runs() else NOT_YET)


def many(calls, rate):
    """So many calls held at once by one process, and by the one that answers it; then all of them ended as they began. Nothing is
    read from outside: the caller's own record says how many it held, and none may fail."""
    hold = int(calls / rate) + 15
    title = f"{calls} held calls in one process: ramp at {rate}/s, each held {hold} s, tracing off"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")

    def run():
        port = free_udp_ports()[0]
        caller, callee = Carillon(trace="off"), Carillon(trace="off")
        try:
            callee.answer(port, calls, until_idle=hold + 60, hold=hold)
            caller.call(port, calls=calls, rate=rate, hold=hold)
            completed = caller.finish(2 * hold + PATIENCE)
            answered = callee.finish(60)
            figures = {"completed calls": completed, "answered calls": answered}
            for side, party in (("caller", caller), ("callee", callee)):
                figures[f"{side}: most held at once"] = max(row["mostLiveRuns"] for row in party.record()["intervals"])
                figures[f"{side}: resident MB at most"] = party.process.peak_kilobytes * 1024 / 1e6
                figures[f"{side}: retransmissions sent"] = party.retransmissions()
            return figures
        finally:
            for party in (caller, callee):
                if party.process:
                    party.process.discard()

    samples, void, complete = interleave({"many": run}, 1, extra_rounds=1)
    bars = [
        Bar(name, median_of(samples, name), calls, at_most=False)
        for name in ("caller: most held at once", "callee: most held at once", "completed calls", "answered calls")]
    return Result(title, "per run", samples, bars, void, complete)


def quiet(rate, seconds, rounds):
    """Little load on an idle machine: share of a core and lateness, beside a C loop that makes the same calls."""
    def c_loop():
        port = free_udp_ports()[0]
        caller, callee = CPeer(), CPeer()
        try:
            callee.answer(port, int(rate * seconds))
            caller.pace(port, rate, seconds)
            caller.finish(seconds + 30)
            wall = caller.record["wall_seconds"]
            return {"C loop: % of a core": caller.process.cpu_seconds / wall * 100,
                    "C loop: lateness p99 ms": caller.record["lateness_microseconds"]["p99"] / 1e3}
        finally:
            for party in (caller, callee):
                if party.process:
                    party.process.discard()

    def ours():
        port = free_udp_ports()[0]
        caller, callee = Carillon(), CPeer()
        try:
            callee.answer(port, 0, until_idle=8)
            caller.call(port, rate=rate, seconds=seconds)
            caller.finish(seconds + 60)
            return {"carillon: % of a core": caller.process.cpu_seconds / seconds * 100,
                    "carillon: lateness p99 ms": caller.lateness_p99_ms()}
        finally:
            for party in (caller, callee):
                if party.process:
                    party.process.discard()

    contenders = {"c": c_loop}
    if carillon_runs():
        contenders["carillon"] = ours
    samples, void, complete = interleave(contenders, rounds)
    mine = median_of(samples, "carillon: % of a core")
    if rate >= 1000:
        bars = [
            Bar("carillon: % of a core", mine, 15),
            Bar("carillon / C loop", ratio(mine, median_of(samples, "C loop: % of a core")), 1.6),
            Bar("carillon: lateness p99 ms", median_of(samples, "carillon: lateness p99 ms"), 2),
        ]
    else:
        bars = [Bar("carillon: % of a core", mine, 2)]
    return Result(f"Quiet: {rate} calls/s for {seconds} s", "caller process", samples, bars, void, complete,
                  "" if carillon_runs() else NOT_YET)
