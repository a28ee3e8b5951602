import Glibc
import Measurement
import SIPWire

extension CallEngine {
    /// Reads a value. The octets stand in the message at hand, in the program's literals, in the arena or in
    /// `textScratch`, and are good until the next use of `textScratch` from its start. Nil: it is not there.
    mutating func evaluate(
        _ number: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer? {
        let node = bound.nodes[number]
        switch node.kind {
        case .text: return literal(bound.texts[Int(node.a)])
        case .setting: return literal(bound.settingValues[Int(node.a)])
        case .joined:
            // Members first: what they compute stands before the joined text.
            return withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: Int(node.b)) { parts in
                for child in 0..<Int(node.b) {
                    guard let part = evaluate(Int(bound.children[Int(node.a) + child]), header, slot) else {
                        return nil
                    }
                    parts.initializeElement(at: child, to: part)
                }
                return compute { out in
                    for part in parts { out.write(part.baseAddress, part.count) }
                }
            }
        case .variable: return variable(Int(node.a), header)
        case .feed: return feedField(Int(node.a), record: Int(node.b), header, slot)
        case .field: return field(node.a, dialog: Int(node.b), header, slot)
        case .random:
            let value = draw(header)
            let digits = Int(node.a)
            return compute { out in
                var rest = value
                for _ in 0..<digits {
                    out.writeNumber(rest % 10)
                    rest /= 10
                }
            }
        case .header:
            guard let base = hand, let range = headerValue(node) else { return nil }
            return UnsafeRawBufferPointer(start: base + Int(range.offset), count: Int(range.length))
        case .parameter:
            guard let of = evaluate(Int(node.b), header, slot), let start = of.baseAddress else { return nil }
            return parameter(bound.texts[Int(node.a)], of: start, of.count)
        case .uriPart:
            guard let of = evaluate(Int(node.b), header, slot), let start = of.baseAddress else { return nil }
            let whole = OctetRange(offset: 0, length: UInt32(truncatingIfNeeded: of.count))
            let uri = NameAddress(start, whole, inList: true).uri
            let view = URIView(start, uri)
            switch node.a {
            case 0: return slice(start, uri)
            case 4: return withoutHeaders(of)
            case 1: return view.hasUserInfo ? slice(start, view.user) : nil
            case 2: return view.host.length > 0 ? slice(start, view.host) : nil
            default:
                let port = view.port
                return port == 0 ? nil : compute { $0.writeNumber(UInt64(port)) }
            }
        case .uriHeader:
            guard let of = evaluate(Int(node.b), header, slot) else { return nil }
            return uriHeader(bound.texts[Int(node.a)], of: of)
        case .escaped:
            guard let of = evaluate(Int(node.a), header, slot) else { return nil }
            return escaped(of)
        case .sdpConnection:
            guard let view = description() else { return nil }
            var media = view.media
            let first = media.next()
            guard let connection = first?.connection ?? view.connection else { return nil }
            return slice(view.message, connection.address)
        case .sdpPort:
            guard let view = description() else { return nil }
            var media = view.media
            var index = 0
            while let one = media.next() {
                if index == Int(node.a) {
                    let port = one.port
                    return compute { $0.writeNumber(UInt64(port)) }
                }
                index += 1
            }
            return nil
        case .sdpAttribute: return attribute(bound.texts[Int(node.a)])
        case .ownBinding: return ownBinding()
        case .body:
            guard let base = hand, scanner.index.body.length > 0 else { return nil }
            return slice(base, scanner.index.body)
        case .status:
            guard hand != nil, !scanner.index.isRequest else { return nil }
            let status = scanner.index.statusCode
            return compute { $0.writeNumber(UInt64(status)) }
        case .reasonPhrase:
            guard let base = hand, !scanner.index.isRequest else { return nil }
            return slice(base, scanner.index.reasonPhrase)
        case .method:
            guard let base = hand else { return nil }
            return slice(base, scanner.index.methodRange)
        case .requestURI:
            guard let base = hand, scanner.index.isRequest else { return nil }
            return slice(base, scanner.index.requestURI)
        case .matching:
            guard let of = evaluate(Int(node.b), header, slot) else { return nil }
            return match(Int(node.a), in: of)
        case .length:
            guard let of = evaluate(Int(node.a), header, slot) else { return nil }
            return compute { $0.writeNumber(UInt64(of.count)) }
        case .plus, .minus, .times:
            guard let left = evaluate(Int(node.a), header, slot).flatMap(Self.number),
                let right = evaluate(Int(node.b), header, slot).flatMap(Self.number)
            else { return nil }
            let (result, overflow) =
                switch node.kind {
                case .plus: left.addingReportingOverflow(right)
                case .minus: left.subtractingReportingOverflow(right)
                default: left.multipliedReportingOverflow(by: right)
                }
            guard !overflow else { return nil }
            return compute { out in
                if result < 0 { out.write("-") }
                out.writeNumber(result.magnitude)
            }
        case .answer: return answer(node, header, slot)
        case .unborn: return nil
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .exists, .contains, .hasPrefix,
            .matches,
            .all, .any, .not:
            let holds = holds(number, header, slot)
            return compute { $0.write(holds ? "true" : "false") }
        }
    }

    /// Whether a condition holds now.
    mutating func holds(_ number: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32) -> Bool {
        let node = bound.nodes[number]
        switch node.kind {
        case .all, .any:
            for child in 0..<Int(node.b) {
                let one = holds(Int(bound.children[Int(node.a) + child]), header, slot)
                if one != (node.kind == .all) { return one }
            }
            return node.kind == .all
        case .not: return !holds(Int(node.a), header, slot)
        case .exists: return evaluate(Int(node.a), header, slot) != nil
        case .contains, .hasPrefix:
            guard let whole = evaluate(Int(node.a), header, slot), let part = evaluate(Int(node.b), header, slot) else {
                return false
            }
            guard let octets = part.baseAddress, part.count > 0 else { return true }
            guard let start = whole.baseAddress, whole.count >= part.count else { return false }
            if node.kind == .hasPrefix { return memcmp(start, octets, part.count) == 0 }
            return findOctets(start, whole.count, octets, part.count) != nil
        case .matches:
            guard let of = evaluate(Int(node.a), header, slot) else { return false }
            return match(Int(node.b), in: of) != nil
        case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
            guard let left = evaluate(Int(node.a), header, slot), let right = evaluate(Int(node.b), header, slot) else {
                return false
            }
            let order: Int
            if let a = Self.decimal(left), let b = Self.decimal(right) {
                order = a < b ? -1 : a > b ? 1 : 0
            } else {
                let shared = min(left.count, right.count)
                let start = shared > 0 ? Int(memcmp(left.baseAddress!, right.baseAddress!, shared)) : 0
                order = start != 0 ? start : left.count - right.count
            }
            switch node.kind {
            case .equal: return order == 0
            case .notEqual: return order != 0
            case .less: return order < 0
            case .lessOrEqual: return order <= 0
            case .greater: return order > 0
            default: return order >= 0
            }
        default:
            guard let value = evaluate(number, header, slot) else { return false }
            return value.count > 0
        }
    }

    // MARK: variables

    func variableField(
        _ number: Int, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeMutablePointer<(handle: UInt32, length: UInt32)> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.variableOffset) + number &* 8)
            .assumingMemoryBound(to: (handle: UInt32, length: UInt32).self)
    }

    private mutating func variable(
        _ number: Int, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeRawBufferPointer? {
        let field = variableField(number, header).pointee
        guard field.length > 0 else { return nil }
        // One more than the length, so that an empty text is told from none.
        guard field.handle != 0 else { return UnsafeRawBufferPointer(start: textScratch, count: 0) }
        return UnsafeRawBufferPointer(
            start: arena.pointer(.init(raw: field.handle)), count: Int(field.length) &- 1)
    }

    mutating func assign(
        _ number: Int, _ value: UnsafeRawBufferPointer, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        // The new value may be made of the old one: kept first, then the old one goes.
        let handle = value.count > 0 ? arena.store(value).raw : 0
        forget(number, header)
        if value.count > 0 && handle == 0 {
            recorder.count(.overflowRefusals)
            return
        }
        variableField(number, header).pointee = (handle, UInt32(truncatingIfNeeded: value.count) &+ 1)
    }

    mutating func forget(_ number: Int, _ header: UnsafeMutablePointer<SlotHeader>) {
        let field = variableField(number, header)
        if field.pointee.handle != 0 { arena.free(.init(raw: field.pointee.handle)) }
        field.pointee = (0, 0)
    }

    // MARK: parts of messages

    @inline(__always)
    mutating func literal(_ range: OctetRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bound.literals + Int(range.offset), count: Int(range.length))
    }

    @inline(__always)
    mutating func slice(_ base: UnsafeRawPointer, _ range: OctetRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(range.offset), count: Int(range.length))
    }

    /// Text made now, behind what was made before for the same value.
    mutating func compute(_ write: (inout OctetWriter) -> Void) -> UnsafeRawBufferPointer? {
        guard textUsed < Self.scratchOctets / 2 else { return nil }
        let start = textScratch + textUsed
        var out = OctetWriter(start)
        write(&out)
        textUsed += out.count
        return UnsafeRawBufferPointer(start: start, count: out.count)
    }

    /// The nth value of a header name, commas of list headers counted too; -1 is the last.
    mutating func headerValue(_ node: ValuePool.Node) -> OctetRange? {
        guard let base = hand, let name = HeaderName(rawValue: UInt8(truncatingIfNeeded: node.a)) else { return nil }
        let wanted = Int(node.c)
        var seen = 0
        var last: OctetRange?
        var number = 0
        let text = bound.texts[Int(node.b)]
        while let found = scanner.number(of: name, from: number) {
            number = found &+ 1
            let line = scanner.header(found)
            if name == .other {
                guard line.nameRange.length == text.length,
                    strncasecmp(
                        (base + Int(line.nameRange.offset)).assumingMemoryBound(to: CChar.self),
                        UnsafeRawPointer(bound.literals + Int(text.offset)).assumingMemoryBound(to: CChar.self),
                        Int(text.length)) == 0
                else { continue }
            }
            guard Self.isList(name) else {
                if seen == wanted { return line.value }
                last = line.value
                seen += 1
                continue
            }
            var rest = line.value
            while rest.length > 0 {
                let address = NameAddress(base, rest, inList: true)
                let one = Self.element(address, of: rest, base)
                if seen == wanted { return one }
                last = one
                seen += 1
                rest = address.rest
            }
        }
        return wanted < 0 ? last : nil
    }

    /// The first element of a list, which has been read, without the comma behind it and the blanks before that.
    static func element(_ address: NameAddress, of list: OctetRange, _ base: UnsafeRawPointer) -> OctetRange {
        var end = address.rest.length > 0 ? address.rest.offset : list.end
        while end > list.offset {
            let octet = base.load(fromByteOffset: Int(end &- 1), as: UInt8.self)
            guard octet == 0x2C || octet == 0x20 || octet == 0x09 else { break }
            end &-= 1
        }
        return OctetRange(offset: list.offset, length: end &- list.offset)
    }

    private static func isList(_ name: HeaderName) -> Bool {
        switch name {
        case .contact, .route, .recordRoute, .path, .serviceRoute, .pAssertedIdentity: true
        default: false
        }
    }

    /// A parameter of a header value or URI: after the angle brackets first, then inside them.
    private mutating func parameter(
        _ name: OctetRange, of start: UnsafeRawPointer, _ count: Int
    ) -> UnsafeRawBufferPointer? {
        let whole = OctetRange(offset: 0, length: UInt32(truncatingIfNeeded: count))
        let address = NameAddress(start, whole, inList: true)
        func find(_ range: OctetRange) -> UnsafeRawBufferPointer? {
            var list = ParameterList(start, range)
            while let one = list.next() {
                guard one.name.length == name.length,
                    strncasecmp(
                        (start + Int(one.name.offset)).assumingMemoryBound(to: CChar.self),
                        UnsafeRawPointer(bound.literals + Int(name.offset)).assumingMemoryBound(to: CChar.self),
                        Int(name.length)) == 0
                else { continue }
                return slice(start, one.value)
            }
            return nil
        }
        if let found = find(address.parameters) { return found }
        let uri = URIView(start, address.uri)
        if let found = find(uri.parameters) { return found }
        // Any other value with parameters: from its first semicolon on.
        guard let semicolon = memchr(start, 0x3B, count) else { return nil }
        let offset = UnsafeRawPointer(semicolon) - start
        return find(OctetRange(offset: UInt32(offset), length: UInt32(count - offset)))
    }

    mutating func description() -> SDPView? {
        guard let base = hand, scanner.index.body.length > 0 else { return nil }
        return SDPView(base, scanner.index.body)
    }

    private mutating func attribute(_ name: OctetRange) -> UnsafeRawBufferPointer? {
        guard let view = description() else { return nil }
        var lines = view.lines
        while let line = lines.next() {
            guard line.type == UInt8(ascii: "a"), line.value.length >= name.length,
                memcmp(
                    view.message + Int(line.value.offset), bound.literals + Int(name.offset), Int(name.length)) == 0
            else { continue }
            if line.value.length == name.length { return UnsafeRawBufferPointer(start: textScratch, count: 0) }
            guard view.message.load(fromByteOffset: Int(line.value.offset &+ name.length), as: UInt8.self) == 0x3A
            else { continue }
            return slice(
                view.message,
                OctetRange(offset: line.value.offset &+ name.length &+ 1, length: line.value.length &- name.length &- 1)
            )
        }
        return nil
    }

    /// First group of the pattern, or its whole match. Only scenarios that use patterns pay for texts.
    private mutating func match(_ pattern: Int, in octets: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let text = String(decoding: octets, as: UTF8.self)
        guard pattern < bound.patterns.count, let found = try? bound.patterns[pattern].firstMatch(in: text) else {
            return nil
        }
        let output = found.output
        let piece = output.count > 1 ? output[1].substring : output[0].substring
        guard let piece else { return nil }
        var copy = Array(piece.utf8)
        return compute { out in
            copy.withUnsafeMutableBytes { out.write($0.baseAddress, $0.count) }
        }
    }

    private mutating func field(
        _ code: Int32, dialog number: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer? {
        guard let field = ValuePool.Field(rawValue: code) else { return nil }
        let dialog = self.dialog(header, number)
        let part = UInt16(truncatingIfNeeded: number) &<< 12 | (dialog.pointee.incarnation & 0xFFF)
        switch field {
        case .domain: return literal(settings.domain == nil ? targetName(header) : bound.domain)
        case .target: return literal(targetName(header))
        case .localAddress:
            return locals.areNamed ? locals.text(localNumber(ofCall: slot, header)) : literal(bound.localHost)
        case .localPort: return literal(bound.localPort)
        case .localURI: return literal(bound.partyURIs[Int(header.pointee.party)])
        case .remoteURI:
            for number in 0..<bound.partyCount where number != Int(header.pointee.party) {
                if bound.parties[number].scenario == party(header).pointee.scenario {
                    return literal(bound.partyURIs[number])
                }
            }
            return nil
        case .party: return literal(bound.partyNames[Int(header.pointee.party)])
        case .runNumber:
            let run = header.pointee.run
            return compute { $0.writeNumber(run &+ 1) }
        case .cseq:
            let number = dialog.pointee.localCSeq
            return compute { $0.writeNumber(UInt64(number)) }
        case .unixTime:
            let time = Glibc.time(nil)
            return compute { $0.writeNumber(UInt64(max(time, 0))) }
        case .localTag:
            let token = CallToken(call: callWord(slot, header) ^ tagMask, part: part)
            return compute { $0.write(token) }
        case .callID:
            if templates(header, dialog: number).isServer {
                guard dialog.pointee.learned != 0 else { return nil }
                let block = arena.pointer(.init(raw: dialog.pointee.learned))
                let learned = block.load(as: LearnedDialog.self)
                return UnsafeRawBufferPointer(start: block + LearnedDialog.size, count: Int(learned.callIDLength))
            }
            let token = CallToken(call: callWord(slot, header), part: part)
            let nonce = literal(bound.nonceDigits)
            return compute { out in
                out.write(nonce.baseAddress, nonce.count)
                out.write("-")
                out.write(token)
            }
        case .remoteTarget:
            guard dialog.pointee.learned != 0 else { return nil }
            let block = arena.pointer(.init(raw: dialog.pointee.learned))
            let learned = block.load(as: LearnedDialog.self)
            return learned.targetNumber != 0
                ? texts.text(learned.targetNumber)
                : UnsafeRawBufferPointer(start: block + Int(learned.targetOffset), count: Int(learned.targetLength))
        case .remoteTag:
            guard dialog.pointee.learned != 0 else { return nil }
            let block = arena.pointer(.init(raw: dialog.pointee.learned))
            let learned = block.load(as: LearnedDialog.self)
            guard learned.tagLength > 0 else { return nil }
            return UnsafeRawBufferPointer(start: block + Int(learned.tagOffset), count: Int(learned.tagLength))
        }
    }

    // MARK: numbers

    /// A whole decimal number, with a sign or without.
    static func number(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count > 0, text.count < 20 else { return nil }
        var value: Int64 = 0
        var index = 0
        let negative = text[0] == UInt8(ascii: "-")
        if negative { index = 1 }
        guard index < text.count else { return nil }
        while index < text.count {
            let digit = text[index] &- 0x30
            guard digit < 10 else { return nil }
            let (tens, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tens.addingReportingOverflow(Int64(digit))
            guard !over, !carried else { return nil }
            value = sum
            index += 1
        }
        return negative ? -value : value
    }

    private static func decimal(_ text: UnsafeRawBufferPointer) -> Double? {
        if let whole = number(text), abs(whole) < 1 << 53 { return Double(whole) }
        guard text.count > 0, text.count < 32,
            text.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2E || $0 == 0x2D })
        else { return nil }
        return Double(String(decoding: text, as: UTF8.self))
    }
}
