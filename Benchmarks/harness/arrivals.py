"""Whether arrivals are what they claim: first transmissions of INVITEs as a capture saw them, against a Poisson process of the
claimed rate, whose mean is not fitted to what was seen.

What the test can see grows with the rate to the power of 3/2: in 30 s of 1,000 calls/s gaps that are 9 us off, in 30 s of 2,000 such
of 3 us. A send on loopback, which wakes whoever receives, takes about 10, and no two arrivals can be nearer: at 2,000 the test finds
that and nothing else. So it is made at 1,000, and shown beside it is the same test in steps that a send cannot change.
"""

import bisect
import math
import statistics

from .capture import Capture
from .cpu_per_call import NOT_YET, PATIENCE
from .parties import Carillon, Void, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, Sampled, say

BIN = 10**7  # nanoseconds: 10 ms
LEAST_P = 0.01


def p_value(distance, count):
    """Kolmogorov's limit with Stephens' correction, good to three digits from 40 samples on."""
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * distance
    if scaled < 0.3:  # the series converges slowly there, and p is 1 to five digits
        return 1.0
    series = sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * series))


def kolmogorov_smirnov(gaps, rate):
    """D and p of the gaps (seconds) against the exponential distribution with mean 1/rate."""
    gaps = sorted(gaps)
    count = len(gaps)
    distance = 0.0
    for index, gap in enumerate(gaps):
        claimed = -math.expm1(-rate * gap)
        distance = max(distance, claimed - index / count, (index + 1) / count - claimed)
    return distance, p_value(distance, count)


def beyond_a_send(gaps, rate, step=20e-6):
    """The p-value of the distance at multiples of `step` only, which a send's own time cannot change. It errs towards 1."""
    gaps = sorted(gaps)
    longest = int(gaps[-1] / step)
    return p_value(max(
        abs(bisect.bisect_left(gaps, k * step) / len(gaps) + math.expm1(-rate * k * step)) for k in range(1, longest + 2)), len(gaps))


def dispersion(times):
    """Variance over mean of the counts in whole bins of 10 ms: 1 for Poisson arrivals, 0 for even ones, more for bursts."""
    first, bins = times[0], (times[-1] - times[0]) // BIN
    edges = [bisect.bisect_left(times, first + index * BIN) for index in range(bins + 1)]
    counts = [after - before for before, after in zip(edges, edges[1:])]
    return statistics.pvariance(counts) / statistics.fmean(counts)


def first_transmissions(rows):
    """When each call's INVITE was first seen, oldest first."""
    seen = {}
    for stamp, method, _, _, call, _ in rows:
        if method == "INVITE":
            seen.setdefault(call, stamp)
    return sorted(seen.values())


def captured(rate, seconds, seed, process):
    """First transmissions of one run, arrivals that were due, and the 99th percentile of their lateness in microseconds. Void when the run says that it did not keep up: then it has said
    itself that its arrivals are not what was planned."""
    port = free_udp_ports()[0]
    caller, callee, capture = Carillon(seed=seed), Carillon(), None
    try:
        callee.answer(port)
        capture = Capture(port, only_invites_to_it=True)
        caller.call(port, rate=rate, seconds=seconds, arrivals=process, first=True)
        caller.finish(seconds + PATIENCE)
        capture.stop()
        if caller.level != "valid":
            caller.fail(f"the run says it is {caller.level}: " + "; ".join(r["text"] for r in caller.record()["verdict"]["reasons"]))
        return first_transmissions(capture.messages()), caller.total("arrivalsDue"), caller.lateness_p99_ms() * 1e3
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()
        if capture:
            capture.discard()


def arrivals(rate, seconds, seeds, patience=3):
    """Poisson arrivals of several seeds, and evenly spaced ones once. One honest seed in a hundred fails the test of gaps by its
    definition, so one of five may; the rate has no chance in it, since the plan of each second has its whole number of arrivals."""
    title = f"Arrivals: {rate} calls/s for {seconds} s, seen by a capture, seeds 1 to {seeds}"
    if not carillon_runs():
        return Result(title, "per run", {}, [], note=NOT_YET)
    figures, void, runs = {}, {}, [("poisson", seed) for seed in range(1, seeds + 1)] + [("uniform", 1)]
    planned, fitting, off, counted = rate * seconds, 0, [], 0

    def add(name, value):
        figures.setdefault(name, Sampled()).values.append(value)

    for process, seed in runs:
        label = f"{process} seed {seed}"
        for _ in range(patience):
            try:
                times, due, late = captured(rate, seconds, seed, process)
                break
            except Void as reason:
                void.setdefault(label, []).append(str(reason))
                say(f"  {label} VOID: {reason}")
        else:
            continue
        counted += 1
        # Off the claim either way: too few or too many calls, or the right number in the wrong time.
        spread = (len(times) - 1) / ((times[-1] - times[0]) / 1e9)
        off.append(max(abs(spread / rate - 1), abs(len(times) / planned - 1), abs(due / planned - 1)) * 100)
        index = dispersion(times)
        add("start lateness p99 us, as the caller says", late)
        if process == "poisson":
            gaps = [(b - a) / 1e9 for a, b in zip(times, times[1:])]
            distance, p = kolmogorov_smirnov(gaps, rate)
            add("poisson: Kolmogorov-Smirnov p", p)
            add("poisson: Kolmogorov-Smirnov D", distance)
            add("poisson: the same in steps of 20 us, p", beyond_a_send(gaps, rate))
            add("poisson: dispersion at 10 ms", index)
            fitting += 1 if p > LEAST_P and 0.9 <= index <= 1.1 else 0
            say(f"  {label}: {len(times)} of {planned} calls, p {p:.3f}, dispersion {index:.3f}, rate off by {off[-1]:.4f} %")
        else:
            add("uniform: dispersion at 10 ms", index)
            say(f"  {label}: {len(times)} of {planned} calls, dispersion {index:.3f}, rate off by {off[-1]:.4f} %")
        add(f"{process}: rate off by %", off[-1])
    bars = [
        Bar(f"seeds of {seeds} with KS p > {LEAST_P} and dispersion 0.9 to 1.1", fitting if counted else None, seeds - seeds // 5,
            at_most=False),
        Bar("rate, farthest from the claim, %", max(off) if off else None, 0.1),
    ]
    return Result(title, "per run", figures, bars, void, counted == len(runs))
