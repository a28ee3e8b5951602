import CallTraces
import Glibc
import Measurement
import ScenarioDSL
import SIPTransactions
import SIPWire

/// A program with its addresses and settings filled in: what one worker executes. Flat tables behind raw pointers, made once
/// when the worker starts, freed with it.
struct BoundProgram: ~Copyable {
    struct Wait {
        var kind: WaitPlan.Kind
        var firstAlternative: UInt32
        var alternativeCount: UInt16
        var dialog: UInt8
        var awaited: Int8
        var limit: UInt32
        var limitAfterProvisional: UInt32
        var timeout: Int32
        var signal: Int16
        var step: UInt16
        /// Position in `RecorderLayout.expectations`.
        var expectation: UInt16
    }

    struct Party {
        var entry: UInt16
        var answers: Bool
        var isPlayed: Bool
        var scenario: UInt16
        var dialogs: UInt8
        var clients: UInt8
        var servers: UInt8
        var marks: UInt16
        var variables: UInt16
        var loops: UInt16
        var dialogOffset: Int32
        var clientOffset: Int32
        var serverOffset: Int32
        var markOffset: Int32
        var variableOffset: Int32
        var loopOffset: Int32
        var feedOffset: Int32
        /// A bit for each feed of which a run of its scenario has a row.
        var feeds: UInt64
        var firstDialog: UInt32
        /// Bit set of `Method` that its first wait takes; bit 15 (`other`) with `firstOther`.
        var firstMethods: UInt32
        var takesAnyMethod: Bool
        /// A later wait takes a request that comes without a tag (a second REGISTER, an INVITE with credentials): the leg
        /// is found by Call-ID and From tag.
        var takesLaterInitial: Bool
        var hasCredentials: Bool
        var securityOffset: Int32
        var nonceOffset: Int32
        var redirectOffset: Int32
        var correlation: Int32
    }

    struct DialogTemplates {
        var acknowledge: Int32
        var plainAcknowledge: Int32
        var bye: Int32
        var isServer: Bool
        var learnsEarly: Bool
        var hasInvite: Bool
    }

    let literals: UnsafeMutablePointer<UInt8>
    let pieces: UnsafeMutablePointer<Piece>
    let templates: UnsafeMutablePointer<Template>
    let instructions: UnsafeMutablePointer<Instruction>
    /// By dialog and instruction, a bit set of `Method`: what some wait takes that can still be reached from there.
    let wantedLater: UnsafeMutablePointer<UInt32>
    let instructionCount: Int
    let waits: UnsafeMutablePointer<Wait>
    let choices: UnsafeMutablePointer<Choice>
    let parties: UnsafeMutablePointer<Party>
    let dialogTemplates: UnsafeMutablePointer<DialogTemplates>
    let nodes: UnsafeMutablePointer<ValuePool.Node>
    let children: UnsafeMutablePointer<Int32>
    /// Texts of the pool, settings and party URIs: offset and length in `literals`.
    let texts: UnsafeMutablePointer<OctetRange>
    let textCount: Int
    /// For the `setting` node's text number: its value.
    let settingValues: UnsafeMutablePointer<OctetRange>
    let templateCount: Int
    /// Templates for datagrams, then the same for TCP and for TLS where those are spoken: Via and Contact differ.
    let variantCount: Int
    let partyCount: Int
    /// A party of the program has a further dialog that an INVITE opens.
    let takesReplaces: Bool
    /// Legs of some party are joined by a value.
    let correlates: Bool
    let stride: Int
    /// Where a slot keeps what its call record needs; the end of the slot where none is kept.
    let recordOffset: Int
    /// Of what a slot keeps for the choice of its target.
    let routeOffset: Int
    /// Of each dialog's media ports, where the run has media.
    let mediaOffset: Int
    let hasMedia: Bool
    let initiator: Int
    /// Parties that begin something, and where their share of a 32-bit draw ends.
    let initiators: [(party: Int, end: UInt64)]
    let repeatsUntilEnd: Bool
    let domain: OctetRange
    let target: OctetRange
    /// Of each target as a URI shows it, where there are several.
    let targetNames: UnsafeMutablePointer<OctetRange>
    let localHost: OctetRange
    /// `IP4 192.0.2.1` or `IP6 2001:db8::1`.
    let connectionAddress: OctetRange
    let localPort: OctetRange
    let localHostPort: OctetRange
    /// Of Contacts, and where they are for TLS.
    let contactPort: UInt16
    let secureContactPort: UInt16
    let secureHostPort: OctetRange
    /// `:5060`, where the address before it differs from call to call.
    let colonPort: OctetRange
    let secureColonPort: OctetRange
    /// How our Vias begin over datagrams, TCP and TLS, up to the semicolon after sent-by and with it.
    let viaHead: OctetRange
    let streamViaHead: OctetRange
    let secureViaHead: OctetRange
    /// Vias that `EngineSettings.extraHeaders` gives an initial request, below ours.
    let furtherVias: Int
    let nonceDigits: OctetRange
    /// What stands in our Vias between sent-by and branch.
    let viaParameters: OctetRange
    let partyURIs: UnsafeMutablePointer<OctetRange>
    let partyNames: UnsafeMutablePointer<OctetRange>
    /// Reached only by those who draw a pause or match a pattern.
    let credentials: [CredentialsPlan]
    let authentications: [AuthenticationPlan]
    let delays: [DelayPlan]
    let patterns: [Regex<AnyRegexOutput>]

    deinit {
        literals.deallocate()
        pieces.deallocate()
        templates.deallocate()
        instructions.deallocate()
        wantedLater.deallocate()
        waits.deallocate()
        choices.deallocate()
        parties.deallocate()
        dialogTemplates.deallocate()
        nodes.deallocate()
        children.deallocate()
        texts.deallocate()
        settingValues.deallocate()
        partyURIs.deallocate()
        partyNames.deallocate()
        targetNames.deallocate()
    }

    init(_ program: borrowing CallProgram, _ settings: EngineSettings, expectations: [Int]) {
        var text = TextRegion()
        let hostText = settings.advertisedHost ?? settings.local.hostText
        let portText = String(settings.local.port)
        let hostPortText = "\(hostText):\(portText)"
        let securePortText = String(settings.securePort ?? settings.local.port)
        let securePlaceText = "\(hostText):\(securePortText)"
        contactPort = settings.contactPort ?? settings.local.port
        secureContactPort = settings.contactPort ?? settings.securePort ?? settings.local.port
        let contactPorts = (plain: String(contactPort), secure: String(secureContactPort))
        let domainText = settings.domain ?? settings.targetText
        localHost = text.add(hostText)
        // An IPv6 address stands in brackets in SIP and without them in SDP; a name is taken for either.
        let isIPv6 =
            hostText.hasPrefix("[")
            || (settings.local.isIPv6 && settings.advertisedHost != nil
                && !hostText.utf8.allSatisfy { $0 == 0x2E || $0 >= 0x30 && $0 <= 0x39 })
        let connectionText = (isIPv6 ? "IP6 " : "IP4 ") + hostText.filter { $0 != "[" && $0 != "]" }
        connectionAddress = text.add(connectionText)
        localPort = text.add(portText)
        localHostPort = text.add(hostPortText)
        colonPort = text.add(":" + portText)
        secureColonPort = text.add(":" + securePortText)
        let hasNamedLocals = (!settings.sources.isEmpty || settings.listensEverywhere) && settings.advertisedHost == nil
        // Of several addresses none is the one that all Vias begin with: a NUL matches nothing (see `viaFault`).
        viaHead = text.add("SIP/2.0/UDP \(hasNamedLocals ? "\0" : hostPortText);")
        streamViaHead = text.add("SIP/2.0/TCP \(hasNamedLocals ? "\0" : hostPortText);")
        secureHostPort = text.add(securePlaceText)
        secureViaHead = text.add("SIP/2.0/TLS \(hasNamedLocals ? "\0" : securePlaceText);")
        furtherVias = settings.extraHeaders.reduce(0) { count, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            let name = String(parts[0].filter { $0 != " " && $0 != "\t" })
            guard parts.count == 2, HeaderName(token: name) == .via else { return count }
            return count + parts[1].split(separator: ",").count
        }
        let viaParametersText = settings.asksForPort ? ";rport" : ""
        viaParameters = text.add(viaParametersText)
        domain = text.add(domainText)
        target = text.add(settings.targetText)
        targetNames = Self.copy(settings.targets.targets.map { text.add($0.name) })
        nonceDigits = text.add(settings.nonce.description)

        let initiator = program.initiator ?? -1
        self.initiator = initiator
        let beginning = program.initiators
        initiators = Self.shares(of: beginning, settings.weights)
        repeatsUntilEnd = program.instructions.contains { $0.operation == .branchAtEnd }
        let firstAnswerers = program.scenarios.compactMap { $0.parties.first { program.parties[$0].answers } }
        func user(_ party: Int) -> String {
            firstAnswerers.contains(party)
                ? settings.calleeUser ?? program.parties[party].name : program.parties[party].name
        }
        func uri(_ party: Int, at host: String) -> String {
            if beginning.contains(party), let own = settings.callerURI { return own }
            if firstAnswerers.contains(party), let own = settings.calleeURI { return own }
            return "sip:\(user(party))@\(host)"
        }
        let scheme = settings.usesSIPS ? "sips" : "sip"
        func requestURI(_ party: Int) -> String {
            // `--to` is where the call is meant to go; without it the callee's name at the target.
            if firstAnswerers.contains(party), let own = settings.calleeURI { return own }
            return "\(scheme):\(user(party))@\(settings.domain ?? settings.targetText)"
        }
        func value(of setting: String) -> String {
            if let given = settings.settings[setting] { return given }
            return program.settings.first { $0.name == setting }?.fallback ?? ""
        }
        let extra = settings.extraHeaders.map { $0 + "\r\n" }.joined()
        let extraRoutes = settings.extraHeaders.filter { $0.lowercased().hasPrefix("route:") }.map { $0 + "\r\n" }
            .joined()
        func fill(_ field: BoundField, over transport: TransportProtocol) -> String {
            switch field {
            case .transport: "\(transport.text)"
            case .contactScheme: scheme
            case .contactTransport: contactTransport(transport)
            case .localHostPort: transport == .tls ? securePlaceText : hostPortText
            case .contactHostPort: "\(hostText):\(transport == .tls ? contactPorts.secure : contactPorts.plain)"
            case .viaParameters: viaParametersText
            case .localHost: hostText
            case .connectionAddress: connectionText
            case .localPort: transport == .tls ? securePortText : portText
            case .nonce: settings.nonce.description
            case .domain: domainText
            case .target: settings.targetText
            case .user(let name): name
            case .partyURI(let party): uri(party, at: domainText)
            case .calleeURI(let party): requestURI(party)
            case .setting(let name): value(of: name)
            case .extraHeaders: extra
            case .extraRoutes: extraRoutes
            case .version: "Carillon"
            }
        }

        func contactTransport(_ transport: TransportProtocol) -> String {
            switch transport {
            case .udp: ""
            case .tcp: ";transport=tcp"
            // A sips URI says so itself (RFC 3261 §26.2.2); of sip URIs servers and phones know no other way to say it.
            case .tls: settings.usesSIPS ? "" : ";transport=tls"
            }
        }
        /// What is not the same for all targets: what stands before the target's name.
        func beforeTargetName(_ field: BoundField) -> String? {
            guard settings.targets.targets.count > 1 else { return nil }
            switch field {
            case .target: return ""
            case .domain: return settings.domain == nil ? "" : nil
            case .partyURI(let party), .calleeURI(let party):
                // `--from` and `--to` name somebody somewhere else.
                let isOwn =
                    beginning.contains(party) && settings.callerURI != nil
                    || firstAnswerers.contains(party) && settings.calleeURI != nil
                var mayBeSIPS = false
                if case .calleeURI = field { mayBeSIPS = true }
                return settings.domain == nil && !isOwn ? "\(mayBeSIPS ? scheme : "sip"):\(user(party))@" : nil
            default: return nil
            }
        }

        // Templates: bound fields become text, neighbouring texts one literal.
        var allPieces: [Piece] = []
        var allTemplates: [Template] = []
        // For datagrams, and where streams are spoken all of them again for those.
        let kinds: [TransportProtocol] =
            settings.transports.contains(.tls)
            ? [.udp, .tcp, .tls] : settings.transports.contains(.tcp) ? [.udp, .tcp] : [.udp]
        for (transport, source) in kinds.flatMap({ kind in program.templates.map { (kind, $0) } }) {
            let first = allPieces.count
            var pending: [UInt8] = []
            var literalOctets = 0
            func flush(_ pieces: inout [Piece], _ text: inout TextRegion) {
                guard !pending.isEmpty else { return }
                let range = text.add(pending)
                pieces.append(Piece(kind: .literal, argument: 0, offset: range.offset, length: range.length))
                literalOctets += pending.count
                pending = []
            }
            for segment in source.segments {
                switch segment {
                case .text(let octets): pending += octets
                case .bound(.localHostPort) where hasNamedLocals, .bound(.localHost) where hasNamedLocals,
                    .bound(.contactHostPort) where hasNamedLocals:
                    flush(&allPieces, &text)
                    allPieces.append(Piece(kind: .localHost, argument: 0, offset: 0, length: 0))
                    switch segment {
                    case .bound(.localHostPort):
                        pending += ":\(transport == .tls ? securePortText : portText)".utf8
                    case .bound(.contactHostPort):
                        pending += ":\(transport == .tls ? contactPorts.secure : contactPorts.plain)".utf8
                    default: break
                    }
                case .bound(.connectionAddress) where hasNamedLocals:
                    pending += connectionText.prefix(4).utf8
                    flush(&allPieces, &text)
                    allPieces.append(Piece(kind: .bareLocalHost, argument: 0, offset: 0, length: 0))
                case .bound(let field):
                    guard let before = beforeTargetName(field) else {
                        pending += fill(field, over: transport).utf8
                        continue
                    }
                    pending += before.utf8
                    flush(&allPieces, &text)
                    allPieces.append(Piece(kind: .targetName, argument: 0, offset: 0, length: 0))
                case .live(.mediaPort, let argument) where settings.media == nil:
                    pending += String(LiveField.unheardPort(argument)).utf8
                case .live(let field, let argument):
                    flush(&allPieces, &text)
                    allPieces.append(
                        Piece(kind: Self.kind(field), argument: UInt16(clamping: argument), offset: 0, length: 0))
                }
            }
            flush(&allPieces, &text)
            let method = text.add(source.methodText)
            let uriIsText: Bool =
                switch source.segments.dropFirst().first {
                case .live(.remoteTarget, _)?, .live(.value, _)?, .live(.redirectURI, _)?, .live(.formedURI, _)?: false
                default: true
                }
            allTemplates.append(
                Template(
                    firstPiece: UInt32(first), pieceCount: UInt16(allPieces.count - first),
                    dialog: UInt8(source.dialog), method: source.method, status: source.status, isPure: source.isPure,
                    isPlain: source.isPlain,
                    opensDialog: source.opensDialog, literalOctets: UInt32(literalOctets), methodOffset: method.offset,
                    methodLength: UInt16(method.length), hasConstantURI: uriIsText,
                    isInDialog: source.segments.contains { if case .live(.routes, _) = $0 { true } else { false } },
                    writesCSeq: source.segments.contains { if case .live(.cseq, _) = $0 { true } else { false } },
                    readsInvite: source.segments.contains {
                        switch $0 {
                        case .live(.inviteRoutes, _), .live(.inviteURI, _): true
                        default: false
                        }
                    },
                    redirect: Int32(source.redirect), formed: settings.hasTarget ? -1 : Int32(source.formed),
                    rseq: source.rseq,
                    mayBeAuthorized: source.status == 0 && source.method != .cancel
                        && program.parties[source.party].layout.hasCredentials))
        }

        var textRanges: [OctetRange] = []
        var settingRanges: [OctetRange] = []
        for octets in program.values.texts {
            textRanges.append(text.add(octets))
            let name = String(decoding: octets, as: UTF8.self)
            if name.hasPrefix("\u{1}party:"), let party = Int(name.dropFirst(7)) {
                settingRanges.append(text.add(uri(party, at: domainText)))
            } else if program.settings.contains(where: { $0.name == name }) || settings.settings[name] != nil {
                settingRanges.append(text.add(value(of: name)))
            } else {
                settingRanges.append(.none)
            }
        }
        let uris = program.parties.indices.map { text.add(uri($0, at: domainText)) }
        let names = program.parties.map { text.add($0.name) }

        /// A pause given by a setting is known now.
        func resolve(_ plan: DelayPlan) -> DelayPlan {
            guard case .value(let node) = plan else { return plan }
            let tree = program.values.nodes[node]
            guard tree.kind == .setting || tree.kind == .text else { return plan }
            let name = String(decoding: program.values.texts[Int(tree.a)], as: UTF8.self)
            guard let delay = DelayTree(parsing: tree.kind == .setting ? value(of: name) : name) else { return plan }
            return DelayPlan(delay) ?? plan
        }
        /// What a pause can take at most, as far as that is known.
        func bound(_ plan: DelayPlan) -> Int64 {
            switch resolve(plan) {
            case .fixed(let time): return DelayPlan.pause(time)
            case .uniform(_, let high): return DelayPlan.pause(high)
            case .exponential(let mean): return DelayPlan.pause(mean * 20)
            case .lognormal(let median, let sigma): return DelayPlan.pause(median * exp(sigma * 4))
            case .weibull(let shape, let scale): return DelayPlan.pause(scale * pow(20, 1 / shape))
            case .empirical(_, let delays): return DelayPlan.pause(delays.max() ?? 0)
            case .value, .part: return 0
            }
        }

        let allWaits = program.waits.enumerated().map { number, plan -> Wait in
            // More is no limit any more, and the timers' milliseconds would wrap.
            let most = Int64(Tick.max - 1)
            let extra = plan.peerPauses.reduce(Int64(0)) { min($0 + bound($1) / 1_000_000, most) }
            return Wait(
                kind: plan.kind, firstAlternative: UInt32(plan.firstAlternative),
                alternativeCount: UInt16(plan.alternativeCount), dialog: UInt8(plan.dialog),
                awaited: Int8(clamping: plan.awaited),
                limit: UInt32(min(Int64(plan.limit) + extra, most)),
                limitAfterProvisional: plan.limitAfterProvisional, timeout: Int32(plan.timeout),
                signal: Int16(plan.signal), step: UInt16(clamping: plan.step),
                expectation: UInt16(clamping: expectations[number]))
        }
        let allChoices = program.alternatives.map {
            Choice(
                kind: $0.kind, method: $0.method, dialog: UInt8($0.dialog), client: Int8(clamping: $0.client),
                server: Int8(clamping: $0.server), low: $0.low, high: $0.high, step: UInt16(clamping: $0.step),
                target: UInt16(clamping: $0.target), methodText: Int32($0.methodText))
        }
        var allDialogs: [DialogTemplates] = []
        let allParties = program.parties.map { party -> Party in
            let first = allDialogs.count
            allDialogs += party.dialogs.map {
                DialogTemplates(
                    acknowledge: Int32($0.acknowledge), plainAcknowledge: Int32($0.plainAcknowledge),
                    bye: Int32($0.bye), isServer: $0.isServer,
                    learnsEarly: $0.learnsEarly, hasInvite: $0.hasInvite)
            }
            let layout = party.layout
            var methods: UInt32 = 0
            var initialWaits = 0
            for instruction in program.instructions[party.entry..<party.end] where instruction.operation == .wait {
                let wait = program.waits[Int(instruction.a)]
                for number in wait.firstAlternative..<(wait.firstAlternative + wait.alternativeCount) {
                    let one = program.alternatives[number]
                    switch one.kind {
                    case .response: continue
                    case .request:
                        switch one.method {
                        case .register, .options, .message, .publish, .invite, .subscribe, .other: initialWaits += 1
                        default: break
                        }
                    case .anyRequest: initialWaits += 1
                    }
                }
            }
            let loops = program.instructions[party.entry..<party.end].contains { $0.operation == .loopStart }
            for name in party.firstMethods { methods |= 1 << UInt32(Method(token: name).rawValue) }
            return Party(
                entry: UInt16(party.entry), answers: party.answers,
                isPlayed: settings.plays?.contains(party.name) ?? true, scenario: UInt16(party.scenario),
                dialogs: UInt8(layout.dialogs), clients: UInt8(layout.clients), servers: UInt8(layout.servers),
                marks: UInt16(layout.marks), variables: UInt16(layout.variables), loops: UInt16(layout.loops),
                dialogOffset: Int32(layout.dialogOffset), clientOffset: Int32(layout.clientOffset),
                serverOffset: Int32(layout.serverOffset), markOffset: Int32(layout.markOffset),
                variableOffset: Int32(layout.variableOffset), loopOffset: Int32(layout.loopOffset),
                feedOffset: Int32(layout.feedOffset),
                feeds: program.feedsInUse(scenario: party.scenario, plays: settings.plays),
                firstDialog: UInt32(first), firstMethods: methods,
                takesAnyMethod: party.firstMethods.contains("*"),
                takesLaterInitial: party.answers
                    && (initialWaits > 1 || ((loops || layout.authenticates) && initialWaits > 0)),
                hasCredentials: layout.hasCredentials, securityOffset: Int32(layout.securityOffset),
                nonceOffset: Int32(layout.nonceOffset), redirectOffset: Int32(layout.redirectOffset),
                correlation: Int32(party.correlation))
        }

        literals = text.copy()
        pieces = Self.copy(allPieces)
        templates = Self.copy(allTemplates)
        instructions = Self.copy(program.instructions)
        instructionCount = program.instructions.count
        let mostDialogs = program.parties.map(\.dialogs.count).max() ?? 1
        wantedLater = Self.copy((0..<max(mostDialogs, 1)).flatMap { Self.wantedLater(program, dialog: $0) })
        waits = Self.copy(allWaits)
        choices = Self.copy(allChoices)
        parties = Self.copy(allParties)
        dialogTemplates = Self.copy(allDialogs)
        nodes = Self.copy(program.values.nodes)
        children = Self.copy(program.values.children)
        texts = Self.copy(textRanges)
        textCount = textRanges.count
        settingValues = Self.copy(settingRanges)
        partyURIs = Self.copy(uris)
        partyNames = Self.copy(names)
        templateCount = program.templates.count
        variantCount = allTemplates.count
        partyCount = allParties.count
        correlates = program.parties.contains { $0.correlation >= 0 }
        takesReplaces = program.parties.contains { $0.dialogs.dropFirst().contains { $0.isServer && $0.hasInvite } }
        recordOffset = program.stride
        routeOffset = recordOffset + (settings.callRecords == nil ? 0 : CallRecordNote.size)
        mediaOffset = routeOffset + (settings.targets.picks ? RouteRecord.size : 0)
        hasMedia = settings.media != nil
        let dialogsWithMedia = program.parties.map(\.layout.dialogs).max() ?? 0
        stride = mediaOffset + (hasMedia ? (dialogsWithMedia * MediaPorts.size + 15) & ~15 : 0)
        credentials = program.credentials
        authentications = program.authentications
        delays = program.delays.map(resolve)
        // The checker has compiled each of them before.
        patterns = program.values.patterns.compactMap { try? Regex($0) }
    }
}
