import Measurement
import Testing

@testable import Blaster

@Suite("How a worker chooses to wait") struct WaitGovernorTests {
    /// A governor after one second in which so much happened.
    private func governor(
        _ load: Load, concurrency: Int = .max, events: Int, ended: UInt64, streams: Bool = false
    ) -> WaitGovernor {
        var governor = WaitGovernor(
            .automatic, load: load, concurrency: concurrency, workers: 1, streams: streams)
        governor.count(0, ended: 0, now: MonotonicInstant(nanoseconds: 1_000_000_000))
        governor.count(events, ended: ended, now: MonotonicInstant(nanoseconds: 2_000_000_000))
        return governor
    }

    @Test(
        "A closed load waits a small part of a run at most, or not at all",
        arguments: [
            // Concurrency, runs/s → whether it gathers.
            (256, 80_000, true), (256, 300_000, false), (64, 80_000, false), (1, 20_000, false), (1024, 300_000, true),
            (256, 100, false),
        ] as [(Int, UInt64, Bool)])
    func closed(concurrency: Int, runs: UInt64, isModerated: Bool) {
        let chosen = governor(
            .closed(concurrency: concurrency), concurrency: concurrency, events: Int(runs) * 4, ended: runs)
        #expect((chosen.mode == .moderated) == isModerated)
        if isModerated {
            let run = Double(concurrency) / Double(runs) * 1e9
            #expect(Double(chosen.quantum) <= run / 16)
        }
    }

    @Test("A closed load in which nothing ends does not wait for more")
    func nothingEnds() {
        #expect(governor(.closed(concurrency: 1000), concurrency: 1000, events: 100_000, ended: 0).mode == .event)
    }

    @Test("An open load gathers where much happens", arguments: [(500, false), (5000, true)])
    func open(events: Int, isModerated: Bool) {
        let load = Load.open(rate: Double(events) / 4, process: .poisson, concurrency: nil)
        #expect((governor(load, events: events, ended: 100).mode == .moderated) == isModerated)
    }

    /// What comes over a stream has no stamp of the kernel's: a delay that is measured has the worker's wait in it.
    @Test(
        "Over streams it gathers later, and for 250 µs at most",
        arguments: [(5000, false), (40_000, true)])
    func streams(events: Int, isModerated: Bool) {
        let load = Load.open(rate: Double(events) / 4, process: .poisson, concurrency: nil)
        let chosen = governor(load, events: events, ended: 100, streams: true)
        #expect((chosen.mode == .moderated) == isModerated)
        #expect(chosen.quantum <= 250_000)
    }
}
