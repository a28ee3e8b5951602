"""Interleaved rounds: every contender once per round, in an order that turns, so that a drifting machine hurts all alike."""

import statistics
import sys

from .parties import Void


class Sampled:
    """One figure over the rounds that count."""

    def __init__(self):
        self.values = []

    @property
    def median(self):
        return statistics.median(self.values)

    def as_json(self):
        return {"median": self.median, "values": self.values}


def say(text):
    print(text, file=sys.stderr, flush=True)


def interleave(contenders, rounds, extra_rounds=3):
    """`contenders`: name → function that gives figures by name, or raises Void. Returns the samples by figure, and whether every
    contender reached `rounds`. A void round is made up for, in up to `extra_rounds` further ones."""
    samples, counted, void = {}, dict.fromkeys(contenders, 0), {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds + extra_rounds):
        due = [name for name in names if counted[name] < rounds and (turn < rounds or void[name])]
        if not due:
            break
        for name in due[turn % len(due):] + due[: turn % len(due)]:
            try:
                figures = contenders[name]()
                counted[name] += 1
                for figure, value in figures.items():
                    samples.setdefault(figure, Sampled()).values.append(value)
                say(f"  round {turn + 1}: " + ", ".join(f"{figure} {value:.2f}" for figure, value in figures.items()))
            except Void as reason:
                void[name].append(str(reason))
                say(f"  round {turn + 1}: {name} VOID: {reason}")
    return samples, {name: reasons for name, reasons in void.items() if reasons}, min(counted.values()) >= rounds


def median_of(samples, figure):
    return samples[figure].median if figure in samples else None


def ratio(above, below):
    if above is None or below is None or below == 0:
        return None
    return above / below


class Bar:
    """A stated requirement beside what was measured. `met` is None where it could not be measured."""

    def __init__(self, text, measured, limit, at_most=True):
        self.text, self.measured, self.limit, self.at_most = text, measured, limit, at_most

    @property
    def met(self):
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit

    def as_json(self):
        return {"bar": self.text, "measured": self.measured, "limit": self.limit, "atMost": self.at_most, "met": self.met}

    def line(self):
        verdict = {None: "not measured", True: "met", False: "NOT MET"}[self.met]
        measured = "-" if self.measured is None else f"{self.measured:.2f}"
        return f"  {self.text:<62} {measured:>10} {'<=' if self.at_most else '>='} {self.limit:<8g} {verdict}"


class Result:
    """What one measure gives: figures, bars, and whether it ran as it should (not: whether it was fast enough)."""

    def __init__(self, title, unit, samples, bars, void=None, complete=True, note=""):
        self.title, self.unit, self.samples, self.bars = title, unit, samples, bars
        self.void, self.complete, self.note = void or {}, complete, note

    def as_json(self):
        return {
            "unit": self.unit, "complete": self.complete, "note": self.note, "void": self.void,
            "figures": {name: sampled.as_json() for name, sampled in self.samples.items()},
            "bars": [bar.as_json() for bar in self.bars],
        }

    def text(self):
        lines = [f"{self.title} ({self.unit}; median, range, rounds)"]
        for name, sampled in self.samples.items():
            spread = f"{min(sampled.values):.2f} to {max(sampled.values):.2f}"
            lines.append(f"  {name:<46} {sampled.median:>10.2f}   {spread}, n {len(sampled.values)}")
        for name, reasons in self.void.items():
            lines.append(f"  {name}: {len(reasons)} rounds void; the last: {reasons[-1].splitlines()[0]}")
        if self.note:
            lines.append(f"  {self.note}")
        return "\n".join(lines + [bar.line() for bar in self.bars])
