import SIPWire
import ScenarioDSL

// What a message is made of: headers, bodies, addresses and computed parts.
extension ScenarioCompiler {
    /// What a step puts into its message.
    struct Pieces {
        var replaced: [(name: HeaderName, text: String, value: TemplateBuilder)] = []
        var added: [(name: String, value: TemplateBuilder)] = []
        var without: Set<String> = []
        var bodyType = ""
        var body = TemplateBuilder()
        var hasBody = false
        /// Length of the body where it is the same in every message.
        var bodyLength: Int? = 0
        var isPure = true
    }

    mutating func checkReadable(_ content: Content, _ state: FlowState) {
        switch content.part {
        case .header(let tree): requireReadable(tree.value, state, at: content.at)
        case .body(let tree): requireReadable(tree.text, state, at: content.at)
        case .startLine(let tree): requireReadable(tree.text, state, at: content.at)
        default: break
        }
    }

    mutating func content(
        _ content: [Content], at: Spot, _ state: inout FlowState, dialog: Int, answering: String?
    ) -> Pieces {
        var pieces = Pieces()
        for item in content {
            checkReadable(item, state)
            switch item.part {
            case .header(let tree):
                var value = TemplateBuilder()
                write(tree.value, &value)
                if !tree.value.isConstant { pieces.isPure = false }
                let known = HeaderName(token: tree.name)
                if Self.automatic.contains(known) && !pieces.replaced.contains(where: { $0.name == known }) {
                    pieces.replaced.append((known, tree.name, value))
                } else {
                    pieces.added.append((tree.name, value))
                }
            case .without(let tree): pieces.without.insert(HeaderName(token: tree.name).spelling(tree.name))
            case .body(let tree):
                write(tree.text, &pieces.body)
                pieces.bodyType = tree.type
                pieces.hasBody = true
                if !tree.text.isConstant { pieces.isPure = false }
                if case .text(let text) = tree.text {
                    pieces.bodyLength = text.utf8.count
                } else {
                    pieces.bodyLength = nil
                }
            case .offer(let tree):
                writeDescription(tree, &pieces.body, version: state.descriptions[dialog] ?? 0)
                state.descriptions[dialog, default: 0] += 1
                pieces.bodyType = "application/sdp"
                pieces.hasBody = true
                pieces.bodyLength = nil
            case .answer:
                let kept = state.keptOffer[dialog]
                if kept == nil && !state.messageAtHand {
                    error(
                        item.at,
                        "Answer() stands after a pause and the offer is no longer at hand. Capture the offer:"
                            + " Expect(.invite) { Capture(offer, from: .body) } and answer before the pause")
                }
                let child = kept.map { program.values.add(.init(kind: .variable, a: Int32($0))) } ?? -1
                let answer = program.values.add(.init(kind: .answer, a: Int32(child), b: Int32(dialog)))
                pieces.body.live(.value, answer)
                pieces.bodyType = "application/sdp"
                pieces.hasBody = true
                pieces.bodyLength = nil
                pieces.isPure = false
                state.descriptions[dialog, default: 0] += 1
            case .startLine, .bytes:
                error(item.at, "a start line or bare bytes stand in SendRaw { … } only")
            }
        }
        return pieces
    }

    /// Writes headers in the order of RFC 3261's examples: replaced ones at their place, added ones below.
    mutating func write(
        _ fixed: [(name: HeaderName, value: TemplateBuilder)], _ pieces: Pieces, routes: Int?, extra: BoundField?,
        _ message: inout TemplateBuilder
    ) {
        var used: [HeaderName] = []
        for (name, value) in fixed {
            if name == .maxForwards, let routes { message.live(.routes, routes) }
            used.append(name)
            if pieces.without.contains(name.spelling("")) { continue }
            if let own = pieces.replaced.first(where: { $0.name == name }) {
                message.text("\(own.text): ")
                message.append(own.value)
            } else {
                message.text("\(name.spelling("")): ")
                message.append(value)
            }
            message.text("\r\n")
        }
        for own in pieces.replaced
        where !used.contains(own.name) && own.name != .contentLength && own.name != .contentType {
            message.text("\(own.text): ")
            message.append(own.value)
            message.text("\r\n")
        }
        for (name, value) in pieces.added {
            message.text("\(name): ")
            message.append(value)
            message.text("\r\n")
        }
        if let extra { message.bound(extra) }
    }

    mutating func finishBody(_ pieces: Pieces, _ message: inout TemplateBuilder) {
        if pieces.hasBody && !pieces.without.contains("Content-Type") {
            message.text("Content-Type: ")
            if let own = pieces.replaced.first(where: { $0.name == .contentType }) {
                message.append(own.value)
            } else {
                message.text(pieces.bodyType)
            }
            message.text("\r\n")
        }
        if !pieces.without.contains("Content-Length") {
            message.text("Content-Length: ")
            if let own = pieces.replaced.first(where: { $0.name == .contentLength }) {
                message.append(own.value)
            } else if let length = pieces.bodyLength {
                message.text(String(length))
            } else {
                message.live(.bodyLength)
            }
            message.text("\r\n")
        }
        message.text("\r\n")
        if pieces.hasBody {
            if pieces.bodyLength == nil { message.live(.bodyStart) }
            message.append(pieces.body)
        }
    }

    mutating func write(_ tree: ValueTree, _ message: inout TemplateBuilder) {
        switch tree {
        case .text(let text): message.text(text)
        case .number(let number): message.text(String(number))
        case .joined(let parts): for part in parts { write(part, &message) }
        case .setting(let name, _): message.bound(.setting(name))
        case .field(.domain): message.bound(.domain)
        case .field(.target): message.bound(.target)
        case .field(.localAddress): message.bound(.localHost)
        case .field(.localPort): message.bound(.localPort)
        case .field(.localURI): message.bound(.partyURI(partyIndex))
        case .field(.remoteURI): message.bound(.partyURI(calleeParty))
        case .field(.party): message.text(party.name)
        case .partyURI(let name):
            let offset = scenario.parties.firstIndex { $0.name == name } ?? 0
            message.bound(.partyURI(scenarioFirstParty + offset))
        default: message.live(.value, value(tree))
        }
    }

    /// A From or To value: what the author gave, in angle brackets unless they are there.
    mutating func nameAddress(
        _ tree: ValueTree?, otherwise party: Int
    ) -> TemplateBuilder {
        var built = TemplateBuilder()
        guard let tree else {
            built.text("<")
            built.bound(.partyURI(party))
            built.text(">")
            return built
        }
        if tree.mayHoldAngleBrackets {
            write(tree, &built)
        } else {
            built.text("<")
            write(tree, &built)
            built.text(">")
        }
        return built
    }

    /// The URI of a value that may be a name-addr.
    mutating func uriOnly(_ tree: ValueTree) -> TemplateBuilder {
        var built = TemplateBuilder()
        if tree.mayHoldAngleBrackets {
            write(.uriPart(.uri, of: tree), &built)
        } else {
            write(tree, &built)
        }
        return built
    }

    /// The party that this one calls: the scenario's first other party that answers, else itself.
    var calleeParty: Int {
        for (offset, tree) in scenario.parties.enumerated()
        where scenarioFirstParty + offset != partyIndex && tree.startsByWaiting {
            return scenarioFirstParty + offset
        }
        return scenario.parties.count > 1 && partyIndex == scenarioFirstParty ? partyIndex + 1 : partyIndex
    }

    /// An offer as RFC 4566 and RFC 3264 §5 want it.
    func writeDescription(_ offer: OfferTree, _ body: inout TemplateBuilder, version: Int) {
        body.text("v=0\r\no=\(party.name) 2890844526 \(2_890_844_526 + version) IN ")
        body.bound(.connectionAddress)
        body.text("\r\ns=-\r\nc=IN ")
        body.bound(.connectionAddress)
        body.text("\r\nt=0 0\r\n")
        for (number, media) in offer.media.enumerated() {
            let payloads = media.codecs.map { String($0.payload) }.joined(separator: " ")
            body.text("m=\(media.kind) ")
            if let port = media.port {
                body.text(String(port))
            } else if number >= MediaPorts.mostStreams {
                body.text(String(LiveField.unheardPort(number)))
            } else {
                body.live(
                    .mediaPort, number + (media.direction == "sendrecv" || media.direction == "sendonly" ? 0 : 256))
            }
            body.text(" RTP/AVP \(payloads)\r\n")
            for codec in media.codecs {
                let channels = codec.channels.map { "/\($0)" } ?? ""
                body.text("a=rtpmap:\(codec.payload) \(codec.name)/\(codec.clockRate)\(channels)\r\n")
                if let parameters = codec.parameters { body.text("a=fmtp:\(codec.payload) \(parameters)\r\n") }
            }
            if media.direction != "sendrecv" { body.text("a=\(media.direction)\r\n") }
        }
    }

    /// What makes a provisional response to an INVITE reliable (RFC 3262 §3): the RSeq that its step writes.
    static func rseq(ofResponse status: Int, _ tree: SendTree, to method: String) -> UInt32 {
        guard method == "INVITE", (101...199).contains(status) else { return 0 }
        for item in tree.content {
            guard case .header(let header) = item.part, HeaderName(token: header.name) == .rseq else { continue }
            switch header.value {
            case .number(let number): return UInt32(exactly: number) ?? TemplateSource.unknownRSeq
            case .text(let text): return UInt32(text) ?? TemplateSource.unknownRSeq
            default: return TemplateSource.unknownRSeq
            }
        }
        return 0
    }

    static let carriesContact: Set<String> = ["INVITE", "REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "UPDATE"]
    static let opensDialog: Set<String> = ["INVITE", "SUBSCRIBE", "REFER", "NOTIFY"]
    static let refreshesTarget: Set<String> = ["INVITE", "UPDATE", "SUBSCRIBE"]
    /// Headers that are written by themselves in some message: a `Header` of that name replaces it.
    static let automatic: Set<HeaderName> = [
        .via, .maxForwards, .from, .to, .callID, .cseq, .contact, .contentType, .contentLength, .rack,
    ]
}

extension TemplateBuilder {
    init(_ string: String) { text(string) }
}

extension ValueTree {
    var mayHoldAngleBrackets: Bool {
        switch self {
        case .text(let text): text.contains("<")
        case .joined(let parts): parts.contains(where: \.mayHoldAngleBrackets)
        case .variable(let name): KeptIdentity.isNameAddress(name)
        default: false
        }
    }
}
