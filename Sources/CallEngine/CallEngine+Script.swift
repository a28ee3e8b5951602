import CallTraces
import Glibc
import Measurement
import ScenarioDSL
import SIPTransactions
import SIPWire

extension CallEngine {
    /// Instructions that one event may cause: a script that loops without waiting would stall its worker.
    static let mostInstructions = 100_000

    /// Executes a party's script until it waits, pauses or ends.
    mutating func run(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        var left = Self.mostInstructions
        while true {
            let number = Int(header.pointee.programCounter)
            let instruction = bound.instructions[number]
            left -= 1
            if left == 0 {
                fail(slot, header, .endless(steps: UInt32(Self.mostInstructions)), 0)
                return
            }
            switch instruction.operation {
            case .sendRequest:
                header.pointee.programCounter &+= 1
                guard
                    sendRequest(
                        Int(instruction.a), record: Int(instruction.b), dialog: Int(instruction.c), slot, header)
                else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .acknowledge:
                header.pointee.programCounter &+= 1
                guard acknowledge(Int(instruction.a), dialog: Int(instruction.c), slot, header) else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .sendResponse:
                header.pointee.programCounter &+= 1
                guard sendResponse(Int(instruction.a), record: Int(instruction.b), slot, header) else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .sendRaw:
                header.pointee.programCounter &+= 1
                guard sendRaw(Int(instruction.a), record: Int(instruction.b), dialog: Int(instruction.c), slot, header)
                else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .wait:
                if beginWait(Int(instruction.a), slot, header) { continue }
                spill(slot, header)
                return
            case .pause:
                if header.pointee.flags.contains(.pausing) {
                    header.pointee.flags.remove(.pausing)
                    header.pointee.stepDeadline = .never
                    header.pointee.programCounter &+= 1
                    continue
                }
                if isEnding, instruction.c > 0 {
                    header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.c)
                    continue
                }
                guard let time = drawDelay(Int(instruction.a), slot, header) else {
                    // Without a pause the steps round it would follow one another as fast as they are answered.
                    fail(slot, header, .value, 0, detail: wholeOfPause(Int(instruction.a), slot, header))
                    return
                }
                if time <= 0 {
                    header.pointee.programCounter &+= 1
                    continue
                }
                header.pointee.flags.insert(.pausing)
                header.pointee.stepStarted = tick
                header.pointee.stepDeadline = later(by: time)
                spill(slot, header)
                return
            case .jump: header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.a)
            case .loopStart:
                textUsed = 0
                let count = evaluate(Int(instruction.b), header, slot).flatMap(Self.number) ?? 0
                if count <= 0 {
                    header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.c)
                } else {
                    loop(header, Int(instruction.a)).pointee = UInt32(clamping: count)
                    header.pointee.programCounter &+= 1
                }
            case .loopNext:
                let counter = loop(header, Int(instruction.a))
                counter.pointee -= 1
                header.pointee.programCounter =
                    counter.pointee > 0
                    ? UInt16(truncatingIfNeeded: instruction.c) : header.pointee.programCounter &+ 1
            case .beginRepeating:
                recorder.count(.runsRepeating)
                header.pointee.programCounter &+= 1
            case .branchAtEnd:
                header.pointee.programCounter =
                    isEnding ? UInt16(truncatingIfNeeded: instruction.c) : header.pointee.programCounter &+ 1
            case .branchUnless:
                textUsed = 0
                header.pointee.programCounter =
                    holds(Int(instruction.a), header, slot)
                    ? header.pointee.programCounter &+ 1 : UInt16(truncatingIfNeeded: instruction.c)
            case .capture, .set:
                textUsed = 0
                var value = evaluate(Int(instruction.b), header, slot)
                if value == nil, instruction.operation == .capture, instruction.c >= 0 {
                    value = evaluate(Int(instruction.c), header, slot)
                }
                guard let value else {
                    fail(slot, header, .absent, 0, detail: absence(Int(instruction.b), header, slot))
                    return
                }
                assign(Int(instruction.a), value, header)
                header.pointee.programCounter &+= 1
            case .forget:
                forget(Int(instruction.a), header)
                header.pointee.programCounter &+= 1
            case .require:
                textUsed = 0
                guard holds(Int(instruction.a), header, slot) else {
                    let (evidence, detail) = whyUnmet(Int(instruction.a), header, slot)
                    fail(slot, header, evidence, 0, detail: detail)
                    return
                }
                header.pointee.programCounter &+= 1
            case .mark:
                mark(header, Int(instruction.a)).pointee = momentOfStep()
                header.pointee.programCounter &+= 1
            case .measure:
                let start = mark(header, Int(instruction.b)).pointee
                let end = instruction.c >= 0 ? mark(header, Int(instruction.c)).pointee : momentOfStep()
                recorder.record(.mark(Int(instruction.a)), nanoseconds: end &- start)
                header.pointee.programCounter &+= 1
            case .correlate:
                textUsed = 0
                guard let value = evaluate(Int(instruction.a), header, slot) else {
                    fail(slot, header, .absent, 0, detail: absence(Int(instruction.a), header, slot))
                    return
                }
                correlate(value, header)
                header.pointee.programCounter &+= 1
            case .signal:
                header.pointee.programCounter &+= 1
                signal(Int(instruction.a), slot, header)
            case .authenticate:
                switch authenticate(Int(instruction.a), record: Int(instruction.b), slot, header) {
                case .right: header.pointee.programCounter &+= 1
                case .challenged: header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.c)
                case .failed:
                    // Told already, where the credentials were wrong.
                    if header.pointee.phase == .waiting { fail(slot, header, refusal, 0) }
                    return
                }
            case .credentials:
                header.pointee.programCounter &+= 1
                guard learnCredentials(Int(instruction.a), slot, header) else {
                    failToSend(slot, header, dialog: 0)
                    return
                }
            case .sendMedia:
                header.pointee.programCounter &+= 1
                sendMedia(UInt8(truncatingIfNeeded: instruction.a), header, Int(instruction.c))
                recorder.countStep(Int(instruction.step), .sent)
            case .fail:
                let text = bound.texts[Int(instruction.a)]
                var words = Array(
                    UnsafeRawBufferPointer(start: bound.literals + Int(text.offset), count: Int(text.length)))
                // What the author's words stand for is told apart by what came.
                if hand != nil, !scanner.index.isRequest { words += ", after \(scanner.index.statusCode)".utf8 }
                words.withUnsafeBytes { fail(slot, header, .declared, 0, detail: $0) }
                return
            case .finish:
                owner(slot, header).pointee.outcome = UInt8(truncatingIfNeeded: instruction.a &+ 1)
                close(slot, header)
                return
            case .end:
                close(slot, header)
                return
            }
        }
    }

    /// The message of the step just begun could not be made.
    private mutating func failToSend(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, dialog: Int) {
        header.pointee.programCounter &-= 1
        let evidence = refusal
        refusal = .exhausted
        fail(slot, header, evidence, dialog)
    }

    /// The time of what just happened: the kernel's stamp of the message at hand, else now. From the run's due time.
    private mutating func momentOfStep() -> Int64 { hand == nil ? now.nanoseconds : received.nanoseconds }

    @inline(__always)
    private func loop(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.loopOffset) + number &* 4).assumingMemoryBound(
            to: UInt32.self)
    }

    @inline(__always)
    private func mark(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<Int64> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.markOffset) + number &* 8).assumingMemoryBound(
            to: Int64.self)
    }

    /// The tick at which so many nanoseconds, of a pause, are over.
    private mutating func later(by nanoseconds: Int64) -> Tick {
        let due = (now.nanoseconds &- epoch.nanoseconds &+ nanoseconds &+ 999_999) / 1_000_000
        return min(Tick(clamping: due), .never &- 1)
    }

    // MARK: waiting

    /// Starts a wait; true when a message of the inbox or a signal ends it at once.
    private mutating func beginWait(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let wait = bound.waits[number]
        header.pointee.stepStarted = tick
        header.pointee.stepDeadline = tick.after(wait.limit)
        if wait.kind == .signal {
            let run = owner(slot, header)
            let bit = UInt8(truncatingIfNeeded: 1 &<< Int(wait.signal))
            if run.pointee.signals & bit != 0 {
                header.pointee.stepDeadline = .never
                header.pointee.programCounter &+= 1
                return true
            }
            signalWaiters[header.pointee.owner, default: []].append(slot)
            return false
        }
        if header.pointee.inbox != 0 {
            if takeFromInbox(slot, header) { return true }
            // A BYE that came before this wait did ends it now as one that came later would.
            if let dialog = dialogOfKeptBye(header), awaitsRequestsAlone(header, dialog) {
                fail(slot, header, .request(.bye), dialog)
            }
        }
        return false
    }

    private mutating func signal(_ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let run = owner(slot, header)
        run.pointee.signals |= UInt8(truncatingIfNeeded: 1 &<< number)
        guard let waiters = signalWaiters.removeValue(forKey: header.pointee.owner) else { return }
        let atHand = hand
        hand = nil
        for waiter in waiters where slots.isLive(waiter) {
            let other = self.header(waiter)
            guard other.pointee.owner == header.pointee.owner, other.pointee.phase == .waiting,
                !other.pointee.flags.contains(.pausing)
            else { continue }
            let instruction = bound.instructions[Int(other.pointee.programCounter)]
            guard instruction.operation == .wait else { continue }
            let wait = bound.waits[Int(instruction.a)]
            guard wait.kind == .signal, Int(wait.signal) == number else {
                if wait.kind == .signal { signalWaiters[other.pointee.owner, default: []].append(waiter) }
                continue
            }
            other.pointee.stepDeadline = .never
            other.pointee.programCounter &+= 1
            self.run(waiter, other)
            settleTimers(waiter)
        }
        hand = atHand
    }

    mutating func choice(forRequest method: Method, _ wait: Int, _ dialogNumber: Int) -> Int? {
        let plan = bound.waits[wait]
        guard plan.kind == .message else { return nil }
        for number in Int(plan.firstAlternative)..<Int(plan.firstAlternative) &+ Int(plan.alternativeCount) {
            let choice = bound.choices[number]
            switch choice.kind {
            case .response: continue
            case .anyRequest: if Int(choice.dialog) == dialogNumber && method != .ack { return number }
            case .request:
                guard choice.method == method, Int(choice.dialog) == dialogNumber else { continue }
                if method == .other, choice.methodText >= 0 {
                    let text = bound.texts[Int(choice.methodText)]
                    let range = scanner.index.methodRange
                    guard let base = hand, text.length == range.length,
                        memcmp(
                            base + Int(range.offset), bound.literals + Int(text.offset), Int(text.length)) == 0
                    else { continue }
                }
                return number
            }
        }
        return nil
    }

    /// What a transaction tells the script.
    mutating func deliver(_ event: CallEvent, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        if bound.hasMedia { noteMedia(event, header) }
        switch header.pointee.phase {
        case .waiting: break
        case .closing:
            deliverWhileClosing(event, slot, header)
            return
        case .free, .settled, .orphan: return
        }
        switch event {
        case .noResponse(let client, let dialog):
            if timeoutBranch(slot, header) { return }
            _ = client
            fail(slot, header, .timeout, dialog)
            return
        case .noAck(let dialog):
            fail(slot, header, .timeout, dialog, owed: .acknowledgement)
            return
        case .refused(let errno):
            let words = troubles[errno] ?? []
            words.withUnsafeBytes { fail(slot, header, .transport(errno: errno), 0, detail: $0) }
            return
        default: break
        }
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        guard instruction.operation == .wait else {
            keepOrAbsorb(event, slot, header)
            return
        }
        let wait = bound.waits[Int(instruction.a)]
        switch event {
        case .response(let status, let client, let dialog):
            if wait.kind == .message {
                for number in Int(wait.firstAlternative)..<Int(wait.firstAlternative) &+ Int(wait.alternativeCount) {
                    let choice = bound.choices[number]
                    guard choice.kind == .response, choice.low <= status, status <= choice.high,
                        choice.client < 0 || Int(choice.client) == client, Int(choice.dialog) == dialog
                    else { continue }
                    take(number, slot, header)
                    return
                }
            }
            if status < 200 {
                if wait.kind == .silence && status > 100 {
                    fail(slot, header, .response(status: status), dialog)
                    return
                }
                recorder.count(.provisionalsAbsorbed)
                recorder.countStep(Int(wait.step), .absorbed)
                if Int(wait.awaited) == client, wait.limitAfterProvisional > wait.limit {
                    header.pointee.stepDeadline = header.pointee.stepStarted.after(wait.limitAfterProvisional)
                }
                return
            }
            if Int(wait.awaited) == client || wait.kind == .silence {
                recorder.countStep(Int(wait.step), .unexpected)
                fail(slot, header, .response(status: status), dialog, detail: whyRefused(status, header))
                return
            }
            keepOrAbsorb(event, slot, header)
        case .request(let method, _, let dialog):
            if let number = choice(forRequest: method, Int(instruction.a), dialog) {
                take(number, slot, header)
                return
            }
            if wait.kind == .silence {
                fail(slot, header, .request(method), dialog)
                return
            }
            keepOrAbsorb(event, slot, header)
        default: break
        }
    }

    mutating func reasonAtHand() -> UnsafeRawBufferPointer {
        guard let base = hand else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let range = scanner.index.reasonPhrase
        return UnsafeRawBufferPointer(start: base + Int(range.offset), count: Int(range.length))
    }

    private mutating func take(_ choice: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let plan = bound.choices[choice]
        header.pointee.stepDeadline = .never
        recorder.countStep(Int(plan.step), .received)
        header.pointee.programCounter = plan.target
        run(slot, header)
    }

    /// The `OnTimeout` of the wait at hand, when it has one.
    mutating func timeoutBranch(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> Bool {
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        guard instruction.operation == .wait else { return false }
        let wait = bound.waits[Int(instruction.a)]
        guard wait.timeout >= 0 else {
            recorder.countStep(Int(wait.step), .timedOut)
            return false
        }
        header.pointee.stepDeadline = .never
        header.pointee.programCounter = UInt16(truncatingIfNeeded: wait.timeout)
        let atHand = hand
        hand = nil
        run(slot, header)
        hand = atHand
        return true
    }

    /// Keeps what later responses will repeat of requests that are still unanswered, before the message goes.
    mutating func spill(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard hand != nil, scanner.index.isRequest else { return }
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, record.pointee.echo == 0 else { continue }
            // With its octets kept, a final response needs the request no more.
            if record.pointee.status >= 200 && record.pointee.frozen != 0 { continue }
            makeEcho()
            let echo = echoScratch.load(as: RequestEcho.self)
            let handle = arena.store(UnsafeRawBufferPointer(start: echoScratch, count: echo.total))
            record.pointee.echo = handle.raw
            if handle.isNone { recorder.count(.overflowRefusals) }
        }
    }

    // MARK: chance

    /// A number of 64 bits that depends on the seed, the run, the party and the count of draws alone.
    mutating func draw(_ header: UnsafeMutablePointer<SlotHeader>) -> UInt64 {
        header.pointee.draws &+= 1
        var z =
            settings.seed &+ header.pointee.run &* 0x9E37_79B9_7F4A_7C15
            &+ UInt64(header.pointee.party) &* 0xD1B5_4A32_D192_ED03 &+ UInt64(header.pointee.draws)
            &* 0x8CB9_2BA7_2F3D_8DD7
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }

    /// In (0, 1).
    private mutating func drawFraction(_ header: UnsafeMutablePointer<SlotHeader>) -> Double {
        (Double(draw(header) &>> 11) + 0.5) * 0x1p-53
    }

    /// What a pause is a part of, as it reads.
    private mutating func wholeOfPause(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeRawBufferPointer {
        textUsed = 0
        guard case .part(_, _, let node) = bound.delays[number], let text = evaluate(node, header, slot) else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return text
    }

    /// A pause in nanoseconds; nil where it is a part of something that is no time.
    private mutating func drawDelay(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Int64? {
        let plan = bound.delays[number]
        switch plan {
        case .fixed(let time): return DelayPlan.pause(time)
        case .uniform(let low, let high):
            return DelayPlan.pause(Double(low) + drawFraction(header) * (Double(high) - Double(low)))
        case .exponential(let mean): return DelayPlan.pause(-log(drawFraction(header)) * mean)
        case .lognormal(let median, let sigma):
            let radius = sqrt(-2 * log(drawFraction(header)))
            let normal = radius * cos(2 * Double.pi * drawFraction(header))
            return DelayPlan.pause(median * exp(sigma * normal))
        case .weibull(let shape, let scale):
            return DelayPlan.pause(scale * pow(-log(drawFraction(header)), 1 / shape))
        case .empirical(let cumulative, let delays):
            let fraction = drawFraction(header)
            for (index, limit) in cumulative.enumerated() where fraction < limit {
                return DelayPlan.pause(delays[index])
            }
            return DelayPlan.pause(delays.last ?? 0)
        case .value(let node):
            textUsed = 0
            guard let text = evaluate(node, header, slot),
                let time = Seconds(parsing: String(decoding: text, as: UTF8.self))
            else { return 0 }
            return DelayPlan.pause(time.nanoseconds)
        case .part(let low, let high, let node):
            textUsed = 0
            guard let text = evaluate(node, header, slot),
                let time = Seconds(parsing: String(decoding: text, as: UTF8.self))
            else { return nil }
            return DelayPlan.pause((low + drawFraction(header) * (high - low)) * Double(time.nanoseconds))
        }
    }
}
