import Measurement
import SIPWire

// What a failed requirement or capture is told with: the value that was there, or what was not there in its place.
extension CallEngine {
    /// What the first value of a requirement was, or what is not there of it.
    mutating func whyUnmet(
        _ number: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> (FailureEvidence, UnsafeRawBufferPointer) {
        let node = bound.nodes[number]
        switch node.kind {
        case .all, .any:
            for child in 0..<Int(node.b) {
                let member = Int(bound.children[Int(node.a) + child])
                if !holds(member, header, slot) { return whyUnmet(member, header, slot) }
            }
            return (.value, UnsafeRawBufferPointer(start: nil, count: 0))
        case .not: return whyUnmet(Int(node.a), header, slot)
        default:
            guard let value = evaluate(Int(node.a), header, slot) else {
                return (.absent, absence(Int(node.a), header, slot))
            }
            switch node.kind {
            case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .contains, .hasPrefix:
                if evaluate(Int(node.b), header, slot) == nil {
                    return (.absent, absence(Int(node.b), header, slot))
                }
            default: break
            }
            return (.value, value)
        }
    }

    /// What is not there of a value that cannot be read: "no X-Test header field". Empty where it is there.
    mutating func absence(
        _ number: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer {
        let node = bound.nodes[number]
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        switch node.kind {
        case .joined:
            for child in 0..<Int(node.b) {
                let member = Int(bound.children[Int(node.a) + child])
                if evaluate(member, header, slot) == nil { return absence(member, header, slot) }
            }
            return none
        case .plus, .minus, .times:
            for side in [Int(node.a), Int(node.b)] {
                guard let text = evaluate(side, header, slot) else { return absence(side, header, slot) }
                if Self.number(text) == nil { return say { Self.write("no whole number: “", text, "”", &$0) } }
            }
            return say { $0.write("a number beyond 64 bits") }
        case .length: return absence(Int(node.a), header, slot)
        case .header:
            let name = literal(bound.texts[Int(node.b)])
            let place = Int(node.c)
            return say { out in
                Self.write("no ", name, " header field", &out)
                guard place > 0 else { return }
                out.write(" number ")
                out.writeNumber(UInt64(place &+ 1))
            }
        case .parameter, .uriPart, .matching:
            guard let of = evaluate(Int(node.b), header, slot) else { return absence(Int(node.b), header, slot) }
            let what = node.kind == .parameter ? literal(bound.texts[Int(node.a)]) : none
            return say { out in
                switch node.kind {
                case .parameter: Self.write("no ", what, " parameter", &out)
                case .matching: out.write("no match")
                default: out.write(node.a == 1 ? "no user" : node.a == 2 ? "no host" : "no port")
                }
                Self.write(" in “", of, "”", &out)
            }
        case .ownBinding: return say { $0.write("no Contact that leads here") }
        case .body: return say { $0.write("no body") }
        case .sdpConnection, .sdpPort, .sdpAttribute:
            guard description() != nil else { return say { $0.write("no body") } }
            let name = node.kind == .sdpAttribute ? literal(bound.texts[Int(node.a)]) : none
            return say { out in
                switch node.kind {
                case .sdpAttribute: Self.write("no a=", name, " line", &out)
                case .sdpConnection: out.write("no c= line")
                default:
                    out.write("no m= line number ")
                    out.writeNumber(UInt64(max(node.a, 0)) &+ 1)
                }
                out.write(" in the body")
            }
        default: return none
        }
    }

    private mutating func say(_ write: (inout OctetWriter) -> Void) -> UnsafeRawBufferPointer {
        compute(write) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// A name or a value between words. A long one is cut: no more of a detail is kept.
    private static func write(
        _ before: StaticString, _ text: UnsafeRawBufferPointer, _ after: StaticString, _ out: inout OctetWriter
    ) {
        out.write(before)
        out.write(text.baseAddress, min(text.count, 150))
        if text.count > 150 { out.write("…") }
        out.write(after)
    }
}
