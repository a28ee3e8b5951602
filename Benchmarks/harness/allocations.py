"""Allocations per call, counted: a library between the program and the heap, runs of two lengths, and the difference between them.
What a run allocates once, for its start, its slots and its report, is in both."""

import os
import re

from .cpu_per_call import NOT_YET, PATIENCE, WINDOW
from .parties import REPOSITORY, Carillon, build, carillon_runs
from .processes import free_udp_ports
from .rounds import Bar, Result, interleave, median_of


def build_counter():
    return build("allocations", "count.c", ["-shared", "-fPIC"], "count.so")


class Counted(Carillon):
    def launch(self, role, arguments, cpu):
        counter = build_counter()
        return super().launch(role, ["env", f"LD_PRELOAD={counter}", "CARILLON_ALLOCATIONS=allocations.txt", *arguments], cpu)

    def allocations(self):
        """(of its workers, of the whole process)"""
        try:
            with open(os.path.join(self.process.folder, "allocations.txt")) as file:
                threads = [line.split(None, 2) for line in file]
        except OSError:
            self.fail("it left no count of allocations")
        workers = sum(int(count) for count, _, name in threads if re.fullmatch(r"carillon-\d+", name.strip()))
        if not workers:
            self.fail("none of its threads is a worker: " + ", ".join(name.strip() for _, _, name in threads))
        return workers, sum(int(count) for count, _, _ in threads)


def counted(calls):
    port = free_udp_ports()[0]
    caller, callee = Counted(), Counted()
    try:
        callee.answer(port, calls)
        caller.call(port, calls=calls, window=WINDOW)
        for party in (caller, callee):
            if party.finish(PATIENCE) < calls:
                party.fail("not every call completed")
        return {"caller": caller.allocations(), "callee": callee.allocations()}
    finally:
        for party in (caller, callee):
            if party.process:
                party.process.discard()


def allocations(calls, rounds):
    title = f"Allocations, closed loop of {WINDOW}: what {calls} further calls add to a run of {calls}, default traces"
    if not carillon_runs():
        return Result(title, "allocations", {}, [], note=NOT_YET)

    def run():
        short, long = counted(calls), counted(2 * calls)
        figures = {}
        for side in ("caller", "callee"):
            for place, who in enumerate(("workers", "process")):
                figures[f"{side}: {who}, run of {calls}"] = short[side][place]
                figures[f"{side}: {who}, per 1,000 further calls"] = (long[side][place] - short[side][place]) / calls * 1000
        return figures

    samples, void, complete = interleave({"counted": run}, rounds)
    # Not none at all: a worker closes an interval each second, the command says once a second how far it is, and the longer run
    # has more seconds.
    return Result(title, "allocations", samples, [
        Bar(f"{side}: workers, per 1,000 further calls", median_of(samples, f"{side}: workers, per 1,000 further calls"), 1)
        for side in ("caller", "callee")
    ], void, complete)
