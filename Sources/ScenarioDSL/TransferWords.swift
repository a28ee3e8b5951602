// Words for calls of more than two parties: hold, REFER and its subscription (RFC 3515), Replaces (RFC 3891), transfers (RFC 5589).

extension Step {
    fileprivate static func send(_ what: Message, _ content: [Part], from spot: Spot) -> Step {
        Step(.send(SendTree(what: what.tree, content: content.map { Content($0, at: spot) })), at: spot)
    }

    fileprivate static func expect(_ what: Message, _ inspections: [Action] = [], from spot: Spot) -> Step {
        Step(
            .expect(
                ExpectTree(
                    what: [what.tree], presence: .required, inspections: inspections.map { Step($0, at: spot) })),
            at: spot)
    }
}

/// INVITE in the call with a new offer, 200, ACK.
private func offerAgain(_ direction: Direction) -> Written {
    let offer = Offer(.audio(.pcmu, .pcma, direction: direction)).writtenPart.part
    return Written { spot in
        [
            .send(.invite, [offer], from: spot), .expect(.success, from: spot), .send(.ack, [], from: spot),
        ]
    }
}

/// Puts the peer on hold: INVITE in the call whose offer is sendonly, 200, ACK (RFC 3264 §8.4).
public struct Hold: StepWord {
    /// What it stands for.
    public let written = offerAgain(.sendonly)

    /// See `Hold`.
    public init() {}
}

/// Ends what `Hold` began: INVITE in the call whose offer is sendrecv, 200, ACK.
public struct Resume: StepWord {
    /// What it stands for.
    public let written = offerAgain(.sendrecv)

    /// See `Resume`.
    public init() {}
}

/// The other side of `Hold` and `Resume`: waits for an INVITE in the call, answers its offer, waits for the ACK.
public struct AcceptReinvite: StepWord {
    /// What it stands for.
    public let written = Written { spot in
        [.expect(.invite, from: spot), .send(200, [.answer], from: spot), .expect(.ack, from: spot)]
    }

    /// See `AcceptReinvite`.
    public init() {}
}

/// The header Refer-To (RFC 3515 §2.1): `Send(.refer) { ReferTo(carol) }`. With `replacing:` its URI is the Contact of that dialog's peer
/// and has a Replaces for the dialog, as an attended transfer wants it (RFC 5589 §7.1).
public struct ReferTo: ContentWord {
    /// What it stands for.
    public let writtenPart: WrittenPart

    /// `party` is who is to be called; `dialog` is the call with it that the new one takes the place of.
    public init(_ party: Party, replacing dialog: DialogName? = nil) {
        let value: ValueTree
        if let dialog {
            let name = dialog.name.key
            // Whoever gets it compares the to-tag with its own tag (RFC 3891 §3): that is our peer's.
            let replaces = ValueTree.joined([
                .dialogField(.callID, dialog: name), .text(";to-tag="), .dialogField(.remoteTag, dialog: name),
                .text(";from-tag="), .dialogField(.localTag, dialog: name),
            ])
            value = .joined([
                .text("<"), .uriPart(.withoutHeaders, of: .dialogField(.remoteTarget, dialog: name)),
                .text("?Replaces="), .escaped(of: replaces), .text(">"),
            ])
        } else {
            value = .joined([.text("<"), .partyURI(party.key), .text(">")])
        }
        writtenPart = WrittenPart(part: .header(HeaderTree(name: "Refer-To", value: value)))
    }
    /// A URI that is no party's: `ReferTo("sip:queue@example.com")`.
    public init(_ uri: Value) {
        writtenPart = WrittenPart(
            part: .header(HeaderTree(name: "Refer-To", value: .joined([.text("<"), uri.tree, .text(">")]))))
    }
}

/// Follows what becomes of a REFER (RFC 3515 §2.4.4): takes the NOTIFYs of its subscription, answers each with 200, and goes on
/// when the last one has come. If that tells of anything but success the call fails, with the status that it tells.
public struct Notified: StepWord {
    /// What it stands for.
    public let written: Written

    /// With another status than `.finalResponse` it goes on with the first NOTIFY that tells of such a one: `.provisional`, or 486 where
    /// the transfer is to fail. `within` is how long each NOTIFY may take, 180 s unless it is said.
    public init(until status: Message = .finalResponse, within: Duration? = nil) {
        written = Written(.notified(NotifiedTree(until: status.tree, within: within.map(Seconds.init))))
    }
}

/// Tells the sender of a REFER how it goes (RFC 3515 §2.4.5): NOTIFY with a sipfrag of this status, and its 200. A final status ends
/// the subscription.
public struct ReportTransfer: StepWord {
    /// What it stands for.
    public let written: Written

    /// `ReportTransfer(100)`, `ReportTransfer(486, reason: "Busy Here")`.
    public init(_ status: Message, reason: String = "") {
        guard case .statuses(let code, let high) = status.tree, code == high else {
            // No one status: the checker says so of the step that this becomes.
            written = Written(.send(SendTree(what: status.tree)))
            return
        }
        let line = ValueTree.text("SIP/2.0 \(code) \(reason.isEmpty ? Self.phrases[code] ?? "" : reason)\r\n")
        written = Written { spot in Self.report(line, isFinal: code >= 200, from: spot) }
    }

    private static let phrases: [Int: String] = [
        100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 404: "Not Found", 408: "Request Timeout",
        480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here",
        487: "Request Terminated", 488: "Not Acceptable Here", 503: "Service Unavailable", 603: "Decline",
    ]

    /// - Parameter id: CSeq number of the REFER: a second one in a dialog is told by it (RFC 3515 §2.4.6).
    fileprivate static func report(_ line: ValueTree, isFinal: Bool, id: ValueTree? = nil, from spot: Spot) -> [Step] {
        [
            .send(
                .notify,
                [
                    .header(
                        HeaderTree(
                            name: "Event",
                            value: id.map { .joined([.text("refer;id="), $0]) } ?? .text("refer"))),
                    .header(
                        HeaderTree(
                            name: "Subscription-State",
                            value: .text(isFinal ? "terminated;reason=noresource" : "active;expires=60"))),
                    .body(BodyTree(type: "message/sipfrag;version=2.0", text: line)),
                ], from: spot), .expect(.success, from: spot),
        ]
    }
}

/// The transferee's side of a transfer (RFC 5589 §6): waits for a REFER, answers 202, tells of a 100, calls the Refer-To's URI in a dialog
/// of its own, with the Replaces that the URI asks for, and tells what came of it. If that is refused, the call fails.
public struct AcceptTransfer: StepWord {
    /// What it stands for.
    public let written: Written

    /// `dialog` is the new call; the one that is transferred goes on until its BYE.
    public init(in dialog: DialogName) {
        let name = dialog.name.key
        let target = "transfer target", outcome = "outcome of the transfer", number = "number of the REFER"
        let id = ValueTree.matching(pattern: #"^\d+"#, of: .header(name: "CSeq", nth: 0))
        let uri = ValueTree.uriPart(.uri, of: .header(name: "Refer-To", nth: 0))
        let result = ValueTree.joined([.text("SIP/2.0 "), .status, .text(" "), .reasonPhrase, .text("\r\n")])
        let offer = Offer(.audio(.pcmu, .pcma)).writtenPart.part
        written = Written { spot in
            let keep = Step(.set(SetTree(variable: outcome, to: result)), at: spot)
            let call: [Step] = [
                Step(
                    .send(
                        SendTree(
                            what: Message.invite.tree,
                            to: .uriPart(.withoutHeaders, of: .variable(target)), requestURI: .variable(target),
                            content: [Content(offer, at: spot)])), at: spot),
                Step(
                    .firstOf(
                        FirstOfTree(
                            within: nil,
                            alternatives: [
                                AlternativeTree(
                                    at: spot, what: [Message.success.tree], answering: nil,
                                    steps: [keep, .send(.ack, [], from: spot)]),
                                AlternativeTree(
                                    at: spot, what: [Message.failure.tree], answering: nil, steps: [keep]),
                            ])), at: spot),
            ]
            return [
                .expect(
                    .refer,
                    [
                        .capture(CaptureTree(variable: target, from: uri, otherwise: nil)),
                        .capture(CaptureTree(variable: number, from: id, otherwise: nil)),
                    ], from: spot),
                .send(202, [], from: spot),
            ]
                + ReportTransfer.report(
                    .text("SIP/2.0 100 Trying\r\n"), isFinal: false, id: .variable(number), from: spot) + [
                    Step(.inDialog(InDialogTree(dialog: name, steps: call)), at: spot)
                ] + ReportTransfer.report(.variable(outcome), isFinal: true, id: .variable(number), from: spot) + [
                    Step(
                        .require(
                            RequireTree(
                                condition: .hasPrefix(.variable(outcome), prefix: .text("SIP/2.0 2")),
                                reason: "the target of the transfer takes the call (RFC 5589 §6)")), at: spot)
                ]
        }
    }
}

/// The target's side of an attended transfer: waits for an INVITE with Replaces (RFC 3891 §3), answers it, waits for the ACK. It stands in
/// `In(…)`: the dialog that is replaced goes on until one side ends it.
public struct AcceptReplacement: StepWord {
    /// What it stands for.
    public let written = Written { spot in
        [
            .expect(
                .invite,
                [
                    .require(
                        RequireTree(
                            condition: .exists(.header(name: "Replaces", nth: 0)),
                            reason: "the INVITE takes the place of a call (RFC 3891 §3)"))
                ], from: spot),
            .send(200, [.answer], from: spot), .expect(.ack, from: spot),
        ]
    }

    /// See `AcceptReplacement`.
    public init() {}
}

/// Joins a leg to its call where a server between the parties changes the Call-ID, as back-to-back user agents do: the party that calls says
/// `Correlate(as: …)`, the party that is called begins with `Correlate(by: …)`, and a leg belongs to the call whose value is the same.
///
///     Correlate(as: "\(.runNumber)")                 // alice, who sends it in a header
///     Correlate(by: .header("X-Call"))               // bob
public struct Correlate: StepWord {
    /// What it stands for.
    public let written: Written

    /// This call is known by `value`, until it is over. No two calls at a time may have the same.
    public init(as value: Value) {
        written = Written(.correlate(CorrelateTree(value: value.tree, names: true)))
    }
    /// The call of a request is the one that is known by this part of it: a header, the user of the request URI, an identity.
    public init(by value: Value) {
        written = Written(.correlate(CorrelateTree(value: value.tree, names: false)))
    }
}
