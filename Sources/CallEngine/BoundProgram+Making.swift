import CallTraces
import Glibc
import ScenarioDSL
import SIPWire

// What a bound program is made with: shares of a mix, what may still be wanted, texts one after the other.
extension BoundProgram {
    /// What can still be taken from each instruction on: along every way that the script may go, loops included.
    static func shares(of parties: [Int], _ weights: [Double]) -> [(party: Int, end: UInt64)] {
        guard weights.count == parties.count else { return parties.prefix(1).map { ($0, 1 << 32) } }
        let total = weights.reduce(0, +)
        var sum = 0.0
        return zip(parties, weights).map { party, weight in
            sum += weight
            return (party, UInt64((sum / total * 0x1p32).rounded()))
        }
    }

    /// By instruction, a bit set of `Method`: what some wait takes in this dialog that can still be reached from there.
    static func wantedLater(_ program: borrowing CallProgram, dialog: Int) -> [UInt32] {
        var wanted = [UInt32](repeating: 0, count: program.instructions.count)
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            for number in program.instructions.indices.reversed() {
                let instruction = program.instructions[number]
                var mask: UInt32 = 0
                func follow(_ next: Int) { if wanted.indices.contains(next) { mask |= wanted[next] } }
                switch instruction.operation {
                case .wait:
                    let wait = program.waits[Int(instruction.a)]
                    for choice in wait.firstAlternative..<(wait.firstAlternative + wait.alternativeCount) {
                        let one = program.alternatives[choice]
                        switch one.dialog == dialog ? one.kind : .response {
                        case .response: break
                        case .request: mask |= 1 << UInt32(one.method.rawValue)
                        case .anyRequest: mask = .max
                        }
                        follow(Int(one.target))
                    }
                    follow(wait.timeout)
                    // A silence or a signal that was waited for.
                    if wait.kind != .message { follow(number + 1) }
                case .jump: follow(Int(instruction.a))
                case .pause where instruction.c > 0, .loopStart, .loopNext, .branchUnless, .branchAtEnd, .authenticate:
                    follow(number + 1)
                    follow(Int(instruction.c))
                case .fail, .finish, .end: break
                default: follow(number + 1)
                }
                if mask != wanted[number] {
                    wanted[number] = mask
                    hasChanged = true
                }
            }
        }
        return wanted
    }

    /// How our Vias begin over that flow.
    @inline(__always)
    func viaHead(over flow: Flow) -> OctetRange {
        flow.isStream ? (flow.isSecure ? secureViaHead : streamViaHead) : viaHead
    }

    /// A template as messages over that flow are made of it.
    @inline(__always)
    func variant(of template: Int, over flow: Flow) -> Int {
        template &+ templateCount &* flow.transportNumber
    }

    /// A template as the trace rebuilds it.
    func traceSegments(_ template: Int) -> [TraceTemplateSegment] {
        let t = templates[template]
        return (0..<Int(t.pieceCount)).compactMap { number -> TraceTemplateSegment? in
            let piece = pieces[Int(t.firstPiece) + number]
            switch piece.kind {
            case .literal:
                return .literal(
                    Array(UnsafeBufferPointer(start: literals + Int(piece.offset), count: Int(piece.length))))
            case .branch, .localTag, .ownCallID: return .fixed(CallToken.width)
            case .bodyLength: return .fixed(5)
            case .bodyStart: return nil
            default: return .variable
            }
        }
    }

    static func copy<T>(_ array: [T]) -> UnsafeMutablePointer<T> {
        let memory = UnsafeMutablePointer<T>.allocate(capacity: max(array.count, 1))
        array.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { memory.initialize(from: base, count: source.count) }
        }
        return memory
    }

    static func kind(_ field: LiveField) -> Piece.Kind {
        switch field {
        case .branch: .branch
        case .localTag: .localTag
        case .ownCallID: .ownCallID
        case .learnedCallID: .learnedCallID
        case .cseq: .cseq
        case .remoteTag: .remoteTag
        case .remoteTarget: .remoteTarget
        case .routes: .routes
        case .learnedLocalIdentity: .learnedLocalIdentity
        case .learnedRemoteIdentity: .learnedRemoteIdentity
        case .echo: .echo
        case .value: .value
        case .bodyLength: .bodyLength
        case .bodyStart: .bodyStart
        case .rack: .rack
        case .inviteRoutes: .inviteRoutes
        case .challenge: .challenge
        case .inviteURI: .inviteURI
        case .redirectURI: .redirectURI
        case .mediaPort: .mediaPort
        case .formedURI: .formedURI
        case .formedHeaders: .formedHeaders
        }
    }

    /// Texts put one after the other.
    struct TextRegion {
        var octets: [UInt8] = []

        mutating func add(_ string: String) -> OctetRange { add(Array(string.utf8)) }

        mutating func add(_ more: [UInt8]) -> OctetRange {
            let offset = octets.count
            octets += more
            return OctetRange(offset: UInt32(offset), length: UInt32(more.count))
        }

        func copy() -> UnsafeMutablePointer<UInt8> {
            // A few octets of room behind, so that whole words may be read at the end.
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: octets.count + 16)
            memory.initialize(repeating: 0, count: octets.count + 16)
            octets.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { memory.update(from: base, count: source.count) }
            }
            return memory
        }
    }
}
