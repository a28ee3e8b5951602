import Glibc
import SIPWire

/// The memory of a `WorkerRecorder` and everything it does off the hot path. One per worker, used by its thread only.
@usableFromInline final class RecorderStorage {
    /// Counts between one delay's histogram and the next: a little more than a histogram, so that equal buckets of two
    /// delays do not fall into the same cache set.
    @usableFromInline static let stride = BucketLayout.count + 272
    /// Tables of one count per status, 1,024 wide: responses received by method, responses sent by method, answers to
    /// unexpected requests.
    @usableFromInline static let responsesSentOffset = 16 << 10
    @usableFromInline static let unexpectedAnswersOffset = 32 << 10
    static let responseSlots = 33 << 10

    let layout: RecorderLayout
    let epoch: MonotonicInstant
    let delayFromDue: DelayIndex
    let firstDelay: DelayIndex
    let faultCount: Int
    let outcomeCount: Int

    let counts: UnsafeMutablePointer<UInt32>
    /// 64 flags for each delay: which powers of two (`BucketLayout.zeros`) the interval touched.
    let touched: UnsafeMutablePointer<UInt8>
    /// The same over the run.
    let everTouched: UnsafeMutablePointer<UInt8>
    let totals: UnsafeMutablePointer<UInt64>
    let counters: UnsafeMutablePointer<UInt64>
    let countersBefore: UnsafeMutablePointer<UInt64>
    let stepEvents: UnsafeMutablePointer<UInt64>
    let responses: UnsafeMutablePointer<UInt64>
    let faults: UnsafeMutablePointer<UInt64>
    let outcomes: UnsafeMutablePointer<UInt64>
    /// `RunEvent.allCases.count` for each scenario.
    let scenarioRuns: UnsafeMutablePointer<UInt64>

    var failures = FailureTable()
    private var intervals: IntervalStore
    private var scratch: [UInt8] = []
    private var lastClose: MonotonicInstant
    private let region: UnsafeMutableRawPointer
    private let regionOctets: Int

    init(layout: RecorderLayout, epoch: MonotonicInstant) {
        self.layout = layout
        self.epoch = epoch
        delayFromDue = layout.firstRequest.delayFromDue
        firstDelay =
            switch layout.firstRequest {
            case .invite: .sessionRequestDelay
            case .register: .registrationRequestDelay
            case .other: .transactionDelay
            }
        faultCount = layout.faults.count
        outcomeCount = layout.outcomes.count
        lastClose = epoch
        intervals = IntervalStore(
            epoch: epoch, nominalNanoseconds: layout.intervalNanoseconds, limitOctets: layout.intervalOctets)
        scratch.reserveCapacity(64 << 10)

        let delays = layout.delayCount
        let counterCount = Counter.allCases.count
        // Each part begins on a cache line of its own. The region is address space; pages become resident when touched.
        var size = 0
        func reserve(_ octets: Int) -> Int {
            defer { size += (octets + 127) & ~63 }
            return size
        }
        let countersAt = reserve(counterCount * 8)
        let touchedAt = reserve(delays * 64)
        let everTouchedAt = reserve(delays * 64)
        let stepsAt = reserve(layout.steps.count * 64)
        let beforeAt = reserve(counterCount * 8)
        let faultsAt = reserve(faultCount * 8)
        let outcomesAt = reserve(outcomeCount * 8)
        let scenarioRunsAt = reserve(layout.scenarios.count * RunEvent.allCases.count * 8)
        let responsesAt = reserve(Self.responseSlots * 8)
        let countsAt = reserve(delays * Self.stride * 4)
        let totalsAt = reserve(delays * BucketLayout.count * 8)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
            fatalError("no address space for the recorder: \(size) octets, errno \(errno)")
        }
        region = base
        regionOctets = size
        func part<T>(_ offset: Int, _ type: T.Type) -> UnsafeMutablePointer<T> {
            (base + offset).assumingMemoryBound(to: type)
        }
        counters = part(countersAt, UInt64.self)
        touched = part(touchedAt, UInt8.self)
        everTouched = part(everTouchedAt, UInt8.self)
        stepEvents = part(stepsAt, UInt64.self)
        countersBefore = part(beforeAt, UInt64.self)
        faults = part(faultsAt, UInt64.self)
        outcomes = part(outcomesAt, UInt64.self)
        scenarioRuns = part(scenarioRunsAt, UInt64.self)
        responses = part(responsesAt, UInt64.self)
        counts = part(countsAt, UInt32.self)
        totals = part(totalsAt, UInt64.self)
    }

    deinit { munmap(region, regionOctets) }

    func closeInterval(startedAt: MonotonicInstant, endedAt: MonotonicInstant, liveRuns: Int) -> IntervalGlance {
        var glance = IntervalGlance()
        glance.startedAt = startedAt
        glance.endedAt = endedAt
        glance.liveRuns = liveRuns
        (glance.delayP50Nanoseconds, glance.delayP99Nanoseconds) = medianAndP99(of: firstDelay)
        glance.startLatenessP99Nanoseconds = medianAndP99(of: .startLateness).p99
        func added(_ counter: Counter) -> UInt64 { counters[counter.rawValue] &- countersBefore[counter.rawValue] }
        glance.runsStarted = added(.runsStarted)
        glance.runsSucceeded = added(.runsSucceeded)
        glance.runsFailed = added(.runsFailed)
        glance.runsRepeating = added(.runsRepeating)

        scratch.removeAll(keepingCapacity: true)
        var previous = -1
        for counter in 0..<Counter.allCases.count {
            let added = counters[counter] &- countersBefore[counter]
            guard added != 0 else { continue }
            appendVarint(UInt64(counter - previous), to: &scratch)
            appendVarint(added, to: &scratch)
            previous = counter
            countersBefore[counter] = counters[counter]
        }
        scratch.append(0)
        for delay in 0..<layout.delayCount where wasTouched(delay) { foldInterval(delay) }
        scratch.append(0)
        intervals.append(scratch, startedAt: startedAt, endedAt: endedAt, liveRuns: liveRuns)
        lastClose = endedAt
        return glance
    }

    func finish(at now: MonotonicInstant, liveRuns: Int) -> WorkerRecord {
        let anythingNew =
            (0..<layout.delayCount).contains(where: wasTouched)
            || (0..<Counter.allCases.count).contains { counters[$0] != countersBefore[$0] }
        if anythingNew { _ = closeInterval(startedAt: lastClose, endedAt: now, liveRuns: liveRuns) }
        return WorkerRecord(
            layout: layout, epoch: epoch,
            counters: Array(UnsafeBufferPointer(start: counters, count: Counter.allCases.count)),
            delays: (0..<layout.delayCount).map(total),
            stepEvents: Array(UnsafeBufferPointer(start: stepEvents, count: layout.steps.count * 8)),
            responses: Array(UnsafeBufferPointer(start: responses, count: Self.responseSlots)),
            faults: Array(UnsafeBufferPointer(start: faults, count: faultCount)),
            outcomes: Array(UnsafeBufferPointer(start: outcomes, count: outcomeCount)),
            scenarioRuns: Array(
                UnsafeBufferPointer(start: scenarioRuns, count: layout.scenarios.count * RunEvent.allCases.count)),
            failures: failures.groups,
            intervals: intervals.takeAll(), intervalNanoseconds: intervals.targetNanoseconds)
    }

    /// Moves one delay's interval counts into its totals and writes them to `scratch`.
    private func foldInterval(_ delay: Int) {
        let source = counts + delay * Self.stride
        let total = totals + delay * BucketLayout.count
        appendVarint(UInt64(delay + 1), to: &scratch)
        var previous = -1
        forEachTouched(delay) { index in
            let amount = UInt64(source[index])
            total[index] &+= amount
            source[index] = 0
            appendVarint(UInt64(index - previous), to: &scratch)
            appendVarint(amount, to: &scratch)
            previous = index
        }
        scratch.append(0)
        for flag in delay << 6..<(delay + 1) << 6 {
            everTouched[flag] |= touched[flag]
            touched[flag] = 0
        }
    }

    private func total(_ delay: Int) -> SparseHistogram {
        let counts = totals + delay * BucketLayout.count
        var buckets: [SparseHistogram.Bucket] = []
        for zeros in (0..<64).reversed() where everTouched[delay << 6 + zeros] != 0 {
            for index in BucketLayout.indices(zeros: zeros) where counts[index] != 0 {
                buckets.append(SparseHistogram.Bucket(index: index, count: counts[index]))
            }
        }
        return SparseHistogram(buckets: buckets)
    }

    /// Calls `body` with each non-empty bucket of the current interval, in order.
    private func forEachTouched(_ delay: Int, _ body: (Int) -> Void) {
        let source = counts + delay * Self.stride
        let flags = touched + (delay << 6)
        // More zeros are smaller values.
        for zeros in (0..<64).reversed() where flags[zeros] != 0 {
            let indices = BucketLayout.indices(zeros: zeros)
            var index = indices.lowerBound
            while index < indices.upperBound {
                let eight = UnsafeRawPointer(source + index).loadUnaligned(as: SIMD8<UInt32>.self)
                if eight != SIMD8<UInt32>(repeating: 0) {
                    for lane in index..<index + 8 where source[lane] != 0 { body(lane) }
                }
                index += 8
            }
        }
    }

    private func wasTouched(_ delay: Int) -> Bool {
        UnsafeBufferPointer(start: touched + (delay << 6), count: 64).contains(1)
    }

    private func medianAndP99(of delay: DelayIndex) -> (median: UInt64, p99: UInt64) {
        let source = counts + delay.rawValue * Self.stride
        var samples: UInt64 = 0
        forEachTouched(delay.rawValue) { samples &+= UInt64(source[$0]) }
        guard samples > 0 else { return (0, 0) }
        let halfway = (samples + 1) / 2
        let nearlyAll = samples - samples / 100
        var seen: UInt64 = 0
        var result: (UInt64, UInt64) = (0, 0)
        forEachTouched(delay.rawValue) { index in
            let before = seen
            seen &+= UInt64(source[index])
            if before < halfway, seen >= halfway { result.0 = BucketLayout.highestValue(at: index) }
            if before < nearlyAll, seen >= nearlyAll { result.1 = BucketLayout.highestValue(at: index) }
        }
        return result
    }
}
