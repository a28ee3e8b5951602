"""Sustained load, overload, memory per held call, and what little load costs."""

import signal
import statistics
import time

from .cpu_per_call import NOT_YET, PATIENCE
from .kamailio import Kamailio
from .parties import CPeer, Carillon, SIPp, carillon_runs, values_of
from .processes import free_udp_ports
from .rounds import Bar, Result, Sampled, interleave, median_of, ratio


def nothing_to_measure(title, unit):
    return Result(title, unit, {}, [], note=NOT_YET)


def sampled(values):
    figure = Sampled()
    figure.values = list(values)
    return figure


def rss_growth(samples, seconds):
    """Growth of resident size within the last third of the run, in percent. `samples`: (seconds since start, bytes)."""
    last = [size for at, size in samples if seconds * 2 / 3 <= at <= seconds]
    if len(last) < 4:
        return None
    quarter = max(1, len(last) // 4)
    early, late = statistics.median(last[:quarter]), statistics.median(last[-quarter:])
    return (late - early) / early * 100


def offered(rate, seconds, allowed_exits=(0,)):
    """One run of two Carillon processes at `rate` for `seconds`, no segmentation. Figures of the caller and both sizes."""
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
        completed = caller.finish(PATIENCE) if allowed_exits == (0,) else overloaded(caller, allowed_exits)
        callee.process.wait(20)
        messages = caller.total("messagesSent") or 1
        figures = {
            "completed calls/s": completed / seconds,
            "retransmissions ppm of messages sent": caller.retransmissions() / messages * 1e6,
        }
        for side, series in sizes.items():
            growth = rss_growth(series, seconds)
            if growth is not None:
                figures[f"{side}: growth of resident size in the last third %"] = growth
                figures[f"{side}: resident MB"] = series[-1][1] / 1e6
        verdict = next((v for v in values_of(caller.record(), "verdict") if isinstance(v, str)), "")
        return figures, caller.process.exit_code, verdict
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()


def overloaded(caller, allowed_exits):
    if not caller.process.wait(PATIENCE):
        caller.fail("did not end")
    if caller.process.exit_code not in allowed_exits:
        caller.fail(f"exit {caller.process.exit_code}")
    return caller.total("runsSucceeded")


def sustained(seconds, rounds, rate=70000):
    title = f"Sustained: two processes, {rate} calls/s offered for {seconds} s, no segmentation"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")
    samples, void, complete = interleave(
        {"sustained": lambda: offered(rate, seconds)[0]}, rounds, extra_rounds=0 if rounds > 1 else 1)
    ppm = samples.get("retransmissions ppm of messages sent", Sampled()).values
    rates = samples.get("completed calls/s", Sampled()).values
    clean = sum(1 for one, per_second in zip(ppm, rates) if one <= 10 and per_second >= rate * 0.99)
    bars = [Bar("runs clean: none failed, <= 10 ppm retransmitted, >= 99 % of rate", clean, 3 if rounds >= 5 else 1, False)]
    for side in ("caller", "callee"):
        bars.append(Bar(f"{side}: growth of resident size in the last third %",
                        median_of(samples, f"{side}: growth of resident size in the last third %"), 1))
    # A run with failed calls is a result here, not a fault of the harness: `clean` counts it.
    return Result(title, "per run", samples, bars, void, complete or clean >= 3)


def overload(seconds, rounds, sustained_rate, rate=140000):
    title = f"Overload: {rate} calls/s offered for {seconds} s"
    if not carillon_runs():
        return nothing_to_measure(title, "per run")
    verdicts = []

    def run():
        figures, exit_code, verdict = offered(rate, seconds, allowed_exits=(0, 1, 2, 3))
        verdicts.append(f"exit {exit_code} {verdict}")
        return {"completed calls/s": figures["completed calls/s"], "exit status": exit_code}

    samples, void, complete = interleave({"overload": run}, rounds)
    return Result(
        title, "per run", samples,
        [
            Bar("completed while overloaded / sustained", ratio(median_of(samples, "completed calls/s"), sustained_rate), 0.9,
                at_most=False),
            Bar("exit status says the run is invalid (3)", median_of(samples, "exit status"), 3, at_most=False),
        ], void, complete, "; ".join(verdicts))


def slope(rate, first, last, watched, alive):
    """Resident bytes per held call of each watched process, between `first` and `last` calls held at a constant `rate`."""
    began, sizes = time.monotonic(), {}
    for held in (first, last):
        while time.monotonic() < began + held / rate:
            for party in alive:
                if not party.process.running:
                    party.fail(f"ended with {party.process.exit_code} while calls were held")
            time.sleep(0.05)
        for name, party in watched.items():
            sizes.setdefault(name, []).append((time.monotonic() - began, party.process.resident_bytes() or 0))
    return {name: (b[1] - a[1]) / ((b[0] - a[0]) * rate) for name, (a, b) in sizes.items()}


def memory(first, last, rate, through_kamailio, kamailio_rate=1800):
    """Held calls: the caller's hold is longer than the run; everything is stopped once the sizes are read."""
    hold = int(last / min(rate, kamailio_rate if through_kamailio else rate)) + 120

    def held(make_caller, make_callee, start, watched, pace=rate):
        port = free_udp_ports()[0]
        parties, proxy = [], None
        try:
            callee = make_callee()
            callee.answer(port, calls=None) if isinstance(callee, Carillon) else callee.answer(port, last * 2)
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


def lateness_p99_ms(record):
    """p99 of lateness in ms from run.json, whatever unit its key names."""
    scale = {"nanoseconds": 1e-6, "microseconds": 1e-3, "milliseconds": 1.0, "seconds": 1e3}

    def search(node, inside):
        if isinstance(node, dict):
            for key, value in node.items():
                low = key.lower()
                here = inside + low
                if isinstance(value, (int, float)) and "lateness" in here and "p99" in low and "p999" not in low:
                    unit = next((u for u in scale if u in here), "microseconds")
                    yield value * scale[unit]
                yield from search(value, here)
    return next(search(record, ""), None)


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
            late = lateness_p99_ms(caller.record())
            if late is None:
                caller.fail("run.json names no lateness p99")
            return {"carillon: % of a core": caller.process.cpu_seconds / seconds * 100, "carillon: lateness p99 ms": late}
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
