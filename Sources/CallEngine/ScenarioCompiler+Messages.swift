import ScenarioDSL
import SIPWire

extension ScenarioCompiler {
    // MARK: steps that send

    mutating func compileSend(_ tree: SendTree, at: Spot, _ state: inout FlowState, dialog: Int) {
        state.received = nil
        for value in [tree.from, tree.to, tree.requestURI, tree.reason].compactMap({ $0 }) {
            requireReadable(value, state, at: at)
        }
        switch tree.what {
        case .method(let method): compileRequest(method, tree, at: at, &state, dialog: dialog)
        case .statuses(let status, _): compileResponse(status, tree, at: at, &state, dialog: dialog)
        }
    }

    private mutating func compileRequest(
        _ method: String, _ tree: SendTree, at: Spot, _ state: inout FlowState, dialog: Int
    ) {
        let stands = state.dialogs[dialog]
        let inDialog = stands == .early || stands == .confirmed
        let number = step(at, "send \(method)")
        if tree.isRedirected == true { checkRedirected(method, at: at, dialog: dialog, inDialog: inDialog) }
        switch method {
        case "ACK":
            guard state.unacknowledged.remove(dialog) != nil else {
                error(
                    at,
                    "ACK before a 2xx to an INVITE: nothing is there to acknowledge, so the peer would drop it. Put"
                        + " Expect(200) before it (the ACK to any other final response is sent by itself)")
                return
            }
            let template = makeRequest(method, tree, at: at, &state, dialog: dialog, inDialog: true)
            emit(Instruction(.acknowledge, step: number, a: template, c: dialog))
            dialogs[dialog].acknowledge = template
            return
        case "CANCEL":
            guard let invite = state.outstanding.last(where: { $0.dialog == dialog && $0.method == "INVITE" }) else {
                error(
                    at,
                    "CANCEL without an INVITE that awaits its final response: the peer would answer 481. Put it after"
                        + " Send(.invite) and before the final response (RFC 3261 §9.1)")
                return
            }
            if !invite.provisionalSeen { awaitProvisional(of: invite, at: at, &state, dialog: dialog) }
        case "INVITE":
            if state.outstanding.contains(where: { $0.dialog == dialog && $0.method == "INVITE" }) {
                error(
                    at,
                    "a second INVITE while the first awaits its final response: the peer would answer 491. Expect the"
                        + " final response first (RFC 3261 §14.1)")
            }
            if stands == .confirmed { dialogs[dialog].refreshes = true }
            dialogs[dialog].hasInvite = true
        case "BYE":
            if !inDialog {
                error(
                    at,
                    "BYE outside a call: there is no dialog here that it could end, so the peer would answer 481. Put it"
                        + " after the 2xx to an INVITE (RFC 3261 §15)")
            }
        case "PRACK", "UPDATE":
            if !inDialog {
                error(at, "\(method) outside a dialog: put it after a response to an INVITE that opens one")
            }
            if stands == .early { dialogs[dialog].learnsEarly = true }
            if method == "UPDATE" { dialogs[dialog].refreshes = true }
        default:
            if stands == .early { dialogs[dialog].learnsEarly = true }
        }
        if state.unacknowledged.contains(dialog) && method != "CANCEL" {
            // The script sends something before the ACK it names later: allowed, and left as written.
            state.messageAtHand = state.messageAtHand && true
        }
        // A CANCEL is its INVITE once more (RFC 3261 §9.1): in the dialog only where that one was.
        let kept = keepIdentities(tree, method, at: at, &state, dialog: dialog, inDialog: inDialog)
        let template = makeRequest(
            method, kept, at: at, &state, dialog: dialog,
            inDialog: method == "CANCEL" ? stands == .confirmed : inDialog)
        let record = state.freeClientRecord()
        useClient(record, at: at)
        emit(Instruction(.sendRequest, step: number, a: template, b: record, c: dialog))
        state.outstanding.append(
            .init(method: method, dialog: dialog, record: record, provisionalSeen: false, at: at))
        if method == "INVITE" && !inDialog { state.dialogs[dialog] = nil }
        if method == "BYE" { state.dialogs[dialog] = .ended }
    }

    /// RFC 3261 §9.1: a CANCEL goes out after a provisional response only.
    private mutating func awaitProvisional(
        of invite: FlowState.Outstanding, at: Spot, _ state: inout FlowState, dialog: Int
    ) {
        let number = step(at, "expect 100…199 to INVITE before the CANCEL")
        let wait = program.waits.count
        program.waits.append(
            WaitPlan(
                firstAlternative: program.alternatives.count, alternativeCount: 1, limit: 32_000,
                limitAfterProvisional: 0, timeout: -1, dialog: dialog, awaited: invite.record, step: number))
        emit(Instruction(.wait, step: number, a: wait))
        program.alternatives.append(
            Alternative(
                kind: .response, method: .invite, methodText: -1, low: 100, high: 199, dialog: dialog,
                client: invite.record, server: -1, target: here, step: number))
        if let index = state.outstanding.firstIndex(of: invite) { state.outstanding[index].provisionalSeen = true }
    }

    private mutating func compileResponse(
        _ status: Int, _ tree: SendTree, at: Spot, _ state: inout FlowState, dialog: Int
    ) {
        let candidates = state.unanswered.filter { $0.dialog == dialog }
        guard
            let place = Self.request(
                answeredBy: status...status, as: tree.answering, among: candidates.map(\.method))
        else {
            error(
                at,
                "\(status) answers nothing: \(party.name) has no \(tree.answering ?? "request") without a final response"
                    + " here. Put Expect(.\((tree.answering ?? "invite").lowercased())) before it")
            return
        }
        let chosen = candidates[place]
        let number = step(at, "send \(status) to \(chosen.method)")
        let isInvite = chosen.method == "INVITE"
        let template = makeResponse(status, tree, to: chosen, at: at, &state)
        emit(Instruction(.sendResponse, step: number, a: template, b: chosen.record, c: dialog))
        if status >= 200, let kept = state.keptOffer[dialog], tree.content.contains(where: { $0.part == .answer }) {
            emit(Instruction(.forget, step: number, a: kept))
            state.keptOffer[dialog] = nil
        }
        if status >= 200 {
            if isInvite && status < 300 {
                // Its record repeats the 2xx until the ACK: kept apart from requests still to come.
                if let index = state.unanswered.firstIndex(of: chosen) {
                    state.unanswered.remove(at: index)
                }
                state.dialogs[dialog] = .confirmed
                state.awaitingAck.insert(dialog)
                state.recordsAwaitingAck[chosen.record] = dialog
            } else {
                state.unanswered.removeAll { $0 == chosen }
                if isInvite, state.dialogs[dialog] == .early { state.dialogs[dialog] = .ended }
                // Its ACK belongs to the transaction: the script never sees the record become free.
                if isInvite { state.recordsAwaitingAck[chosen.record] = -1 }
                if chosen.method == "SUBSCRIBE" && status < 300 && state.dialogs[dialog] == nil {
                    state.dialogs[dialog] = .confirmed
                }
            }
        }
    }

    mutating func compileSendRaw(_ tree: SendRawTree, at: Spot, _ state: inout FlowState, dialog: Int) {
        state.received = nil
        for content in tree.content { checkReadable(content, state) }
        let name: String
        switch tree.what {
        case .method(let method)?: name = method
        case .statuses(let status, _)?: name = String(status)
        case nil: name = "octets"
        }
        let number = step(at, "send raw \(name)")
        let template = makeRaw(tree, at: at, &state, dialog: dialog)
        var record = -1
        if case .method(let method)? = tree.what,
            let open = state.outstanding.last(where: { $0.dialog == dialog && $0.method == method })
        {
            record = open.record
        } else if case .method(let method)? = tree.what, method != "ACK" {
            // A raw request is answered like any other; only its sending is the author's.
            record = state.freeClientRecord()
            useClient(record, at: at)
            state.outstanding.append(
                .init(method: method, dialog: dialog, record: record, provisionalSeen: false, at: at))
        }
        if case .method("ACK")? = tree.what { state.unacknowledged.remove(dialog) }
        emit(Instruction(.sendRaw, step: number, a: template, b: record, c: dialog))
    }

    /// A slot names its records by signed octets.
    static let mostRecords = 127

    private mutating func useClient(_ record: Int, at: Spot) {
        if record == Self.mostRecords, layout.clients == record {
            error(
                at,
                "\(party.name) has \(Self.mostRecords) requests without a final response here, and more are not kept"
                    + " apart. Expect some of the responses first")
        }
        layout.clients = max(layout.clients, record + 1)
    }

    mutating func useServer(_ record: Int, at: Spot) {
        if record == Self.mostRecords, layout.servers == record {
            error(
                at,
                "\(party.name) has left \(Self.mostRecords) requests unanswered here, and more are not kept apart."
                    + " Answer some of them first")
        }
        layout.servers = max(layout.servers, record + 1)
    }

    // MARK: templates

    /// The ACK that the script does not write.
    mutating func acknowledgeTemplate(dialog: Int) -> Int {
        if dialogs[dialog].acknowledge >= 0 { return dialogs[dialog].acknowledge }
        dialogs[dialog].acknowledge = makePlain("ACK", dialog: dialog)
        return dialogs[dialog].acknowledge
    }

    /// A request of the dialog with nothing of the script's in it.
    private mutating func makePlain(_ method: String, dialog: Int) -> Int {
        var state = FlowState()
        let tree = SendTree(
            what: .method(method), answering: nil, from: nil, to: nil, requestURI: nil, reason: nil, content: [])
        return makeRequest(method, tree, at: party.at, &state, dialog: dialog, inDialog: true)
    }

    /// What ends a dialog when the script does not.
    mutating func makeClosingTemplates(dialog: Int) {
        guard dialogs[dialog].hasInvite else { return }
        _ = acknowledgeTemplate(dialog: dialog)
        dialogs[dialog].plainAcknowledge = makePlain("ACK", dialog: dialog)
        dialogs[dialog].bye = makePlain("BYE", dialog: dialog)
    }

    /// Where requests of the peer's come.
    private var ownContact: TemplateBuilder {
        var contact = TemplateBuilder()
        contact.text("<")
        contact.bound(.contactScheme)
        contact.text(":")
        contact.bound(.user(party.name))
        contact.text("@")
        contact.bound(.contactHostPort)
        contact.bound(.contactTransport)
        contact.text(">")
        return contact
    }

    private mutating func makeRequest(
        _ method: String, _ tree: SendTree, at: Spot, _ state: inout FlowState, dialog: Int, inDialog: Bool
    ) -> Int {
        let outer = dialogAtHand
        dialogAtHand = dialog
        defer { dialogAtHand = outer }
        if method == "REFER" || method == "SUBSCRIBE" { subscribedDialogs.insert(dialog) }
        let isServer = dialogs[dialog].isServer
        let pieces = content(tree.content, at: at, &state, dialog: dialog, answering: nil)
        var message = TemplateBuilder()
        message.text("\(method) ")
        // CANCEL repeats the INVITE's request URI (RFC 3261 §9.1).
        let origin = method == "CANCEL" ? inviteOrigins[dialog] ?? tree : tree
        let isRedirected = tree.isRedirected == true && method == "INVITE"
        let cancelsRedirected = method == "CANCEL" && !inDialog && redirectedDialogs.contains(dialog)
        var redirect = -1
        // A URI that is known only during the call may have headers for the request (RFC 3261 §19.1.5).
        var formed = -1
        if cancelsRedirected {
            message.live(.inviteURI, dialog)
        } else if isRedirected, let uri = tree.requestURI {
            redirect = value(uri)
            message.live(.redirectURI, redirect)
        } else if let uri = origin.requestURI, !uri.isConstant {
            formed = value(uri)
            // Where it goes is kept as that of a redirected INVITE is.
            if method == "INVITE", !inDialog { layout.hasRedirects = true }
            message.live(.formedURI, formed)
        } else if let uri = origin.requestURI {
            write(uri, &message)
        } else if inDialog {
            message.live(.remoteTarget, dialog)
        } else if method == "REGISTER" {
            message.text("sip:")
            message.bound(.domain)
        } else if let to = origin.to {
            message.append(uriOnly(to))
        } else {
            message.bound(.calleeURI(calleeParty))
        }
        message.text(" SIP/2.0\r\n")

        var fixed: [(name: HeaderName, value: TemplateBuilder)] = []
        var via = TemplateBuilder()
        via.text("SIP/2.0/")
        via.bound(.transport)
        via.text(" ")
        via.bound(.localHostPort)
        via.bound(.viaParameters)
        via.text(";branch=z9hG4bK")
        via.bound(.nonce)
        via.live(.branch)
        fixed.append((.via, via))
        fixed.append((.maxForwards, TemplateBuilder("70")))

        let own = partyIndex
        var from = TemplateBuilder()
        var to = TemplateBuilder()
        if inDialog && isServer {
            from.live(.learnedLocalIdentity, dialog)
            to.live(.learnedRemoteIdentity, dialog)
        } else {
            let goesWithInvite = inDialog || method == "CANCEL" || isRedirected
            let originFrom = goesWithInvite ? inviteOrigins[dialog]?.from ?? tree.from : tree.from
            let originTo = goesWithInvite ? inviteOrigins[dialog]?.to ?? tree.to : tree.to
            from.append(nameAddress(originFrom, otherwise: own))
            from.text(";tag=")
            from.live(.localTag, dialog)
            if let originTo {
                to.append(nameAddress(originTo, otherwise: own))
            } else if method == "REGISTER" {
                to.append(nameAddress(originFrom, otherwise: own))
            } else {
                to.text("<")
                to.bound(.partyURI(calleeParty))
                to.text(">")
            }
            if inDialog { to.live(.remoteTag, dialog) }
        }
        fixed.append((.from, from))
        fixed.append((.to, to))

        var callID = TemplateBuilder()
        if isServer && inDialog {
            callID.live(.learnedCallID, dialog)
        } else {
            callID.bound(.nonce)
            callID.text("-")
            callID.live(.ownCallID, dialog)
        }
        fixed.append((.callID, callID))
        var cseq = TemplateBuilder()
        cseq.live(.cseq, dialog)
        cseq.text(" \(method)")
        fixed.append((.cseq, cseq))
        if Self.carriesContact.contains(method) {
            fixed.append((.contact, ownContact))
        }
        if method == "PRACK" {
            var rack = TemplateBuilder()
            rack.live(.rack, dialog)
            fixed.append((.rack, rack))
        }
        let hasRoute = pieces.added.contains { HeaderName(token: $0.name) == .route }
        // A CANCEL has the Route lines of its INVITE (RFC 3261 §9.1), unless its own step says otherwise.
        let takesRoutes = method == "CANCEL" && !inDialog && !hasRoute && invitesWithRoute.contains(dialog)
        write(
            fixed, pieces, routes: inDialog ? dialog : nil,
            extra: inDialog || takesRoutes ? nil : method == "CANCEL" ? .extraRoutes : .extraHeaders, &message)
        if formed >= 0, method != "CANCEL" { message.live(.formedHeaders, formed) }
        if takesRoutes { message.live(.inviteRoutes, dialog) }
        finishBody(pieces, &message)
        if method == "INVITE", inviteOrigins[dialog] == nil || !inDialog && !isRedirected {
            noteOrigin(tree, dialog: dialog)
        }
        if method == "INVITE" && !inDialog && hasRoute { invitesWithRoute.insert(dialog) }

        let fixedOctets = message.segments.reduce(0) { sum, segment in
            if case .text(let octets) = segment { sum + octets.count } else { sum }
        }
        if fixedOctets > CallEngine.largestOverUDP {
            warn(
                at,
                "this \(method) has more than \(fixedOctets) octets, and above \(CallEngine.largestOverUDP) a request goes over"
                    + " TCP (RFC 3261 §18.1.1). Run it with --transport tcp; over UDP such requests are counted, with"
                    + " --large fail not sent")
        }
        let constant = [tree.from, tree.to, tree.requestURI].compactMap { $0 }.allSatisfy(\.isConstant)
        let isPlain = tree.content.isEmpty && tree.from == nil && tree.to == nil && tree.requestURI == nil
        return add(
            TemplateSource(
                segments: message.segments, method: Method(token: method), methodText: method, dialog: dialog,
                isPure: pieces.isPure && constant && !takesRoutes && !isRedirected && !cancelsRedirected
                    && !(inDialog && dialogs[dialog].refreshes),
                isPlain: isPlain, redirect: redirect, formed: method == "INVITE" && !inDialog ? formed : -1,
                party: partyIndex))
    }

    /// - Parameter authentication: the number of the one whose challenges the response carries.
    mutating func makeResponse(
        _ status: Int, _ tree: SendTree, to request: FlowState.Unanswered, at: Spot, _ state: inout FlowState,
        authentication: (number: Int, algorithms: Int)? = nil
    ) -> Int {
        let pieces = content(
            tree.content, at: at, &state, dialog: request.dialog, answering: request.method)
        let opensDialog = Self.opensDialog.contains(request.method) && status > 100 && status < 300
        var message = TemplateBuilder()
        message.text("SIP/2.0 \(status) ")
        if let reason = tree.reason {
            write(reason, &message)
        } else {
            message.text(reasonPhrase(status))
        }
        message.text("\r\n")
        message.live(.echo, opensDialog ? 1 : 0)
        var fixed: [(name: HeaderName, value: TemplateBuilder)] = []
        if opensDialog || (Self.refreshesTarget.contains(request.method) && status >= 200 && status < 300) {
            fixed.append((.contact, ownContact))
        }
        write(fixed, pieces, routes: nil, extra: nil, &message)
        if let authentication {
            for algorithm in 0..<authentication.algorithms {
                message.text(status == 407 ? "Proxy-Authenticate: " : "WWW-Authenticate: ")
                message.live(.challenge, authentication.number * AuthenticationPlan.mostAlgorithms + algorithm)
                message.text("\r\n")
            }
        }
        finishBody(pieces, &message)
        return add(
            TemplateSource(
                segments: message.segments, method: Method(token: request.method), methodText: request.method,
                status: UInt16(clamping: status), dialog: request.dialog,
                isPure: pieces.isPure && (tree.reason?.isConstant ?? true) && authentication == nil,
                opensDialog: opensDialog, rseq: Self.rseq(ofResponse: status, tree, to: request.method),
                party: partyIndex))
    }

    /// A raw message: what the author owns stands in the content, the rest is made as ever.
    private mutating func makeRaw(
        _ tree: SendRawTree, at: Spot, _ state: inout FlowState, dialog: Int
    ) -> Int {
        let inDialog = state.dialogs[dialog] == .early || state.dialogs[dialog] == .confirmed
        guard tree.owning.contains(.everything) || tree.what == nil else {
            // Header content replaces the automatic header of its name, so that owning the branch, the CSeq or the tags is
            // writing Via, CSeq, From or To.
            switch tree.what! {
            case .method(let method):
                return makeRequest(
                    method,
                    SendTree(
                        what: tree.what!, answering: nil, from: nil, to: nil, requestURI: nil, reason: nil,
                        content: tree.content), at: at, &state, dialog: dialog, inDialog: inDialog)
            case .statuses(let status, _):
                guard let request = state.unanswered.last(where: { $0.dialog == dialog }) else {
                    error(at, "\(status) answers nothing: no request is without a final response here")
                    return 0
                }
                return makeResponse(
                    status,
                    SendTree(
                        what: tree.what!, answering: nil, from: nil, to: nil, requestURI: nil, reason: nil,
                        content: tree.content), to: request, at: at, &state)
            }
        }
        var message = TemplateBuilder()
        var method = ""
        switch tree.what {
        case .method(let name)?:
            method = name
            message.text("\(name) ")
            if inDialog { message.live(.remoteTarget, dialog) } else { message.bound(.calleeURI(calleeParty)) }
            message.text(" SIP/2.0\r\n")
        case .statuses(let status, _)?:
            message.text("SIP/2.0 \(status) \(reasonPhrase(status))\r\n")
        case nil: break
        }
        var hasHeaders = tree.what != nil
        var hasBody = false
        for content in tree.content {
            switch content.part {
            case .startLine(let line):
                write(line.text, &message)
                message.text("\r\n")
                hasHeaders = true
            case .header(let header):
                message.text("\(header.name): ")
                write(header.value, &message)
                message.text("\r\n")
                hasHeaders = true
            case .body(let body):
                message.text("\r\n")
                write(body.text, &message)
                hasBody = true
            case .bytes(let bytes): message.octets(bytes.octets)
            case .offer, .answer, .without: break
            }
        }
        if hasHeaders && !hasBody { message.text("\r\n") }
        return add(
            TemplateSource(
                segments: message.segments, method: Method(token: method), methodText: method, dialog: dialog,
                isPure: false, party: partyIndex))
    }

    private mutating func add(_ template: TemplateSource) -> Int {
        // Equal templates of one dialog are one (retransmissions of a loop's ACK, closing BYE and the script's).
        if let known = program.templates.firstIndex(where: {
            $0.segments == template.segments && $0.dialog == template.dialog && $0.party == template.party
                && $0.isPure == template.isPure && $0.status == template.status
        }) {
            return known
        }
        program.templates.append(template)
        return program.templates.count - 1
    }
}
