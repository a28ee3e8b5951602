// Words for the usual case. They are taken apart while the file is read; all their steps keep the line of the word.

/// Calls another party of this scenario and waits for the answer: INVITE with an offer, 200, ACK.
public struct Call: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Call`.
    public init(_ party: Party) {
        let uri = ValueTree.partyURI(party.key)
        let offer = Offer(.audio(.pcmu, .pcma)).writtenPart.part
        written = Written { spot in
            [
                Step(
                    .send(
                        SendTree(
                            what: Message.invite.tree, to: uri, requestURI: uri, content: [Content(offer, at: spot)])),
                    at: spot),
                Step(.expect(ExpectTree(what: [Message.success.tree], presence: .required, inspections: [])), at: spot),
                Step(.send(SendTree(what: Message.ack.tree, content: [])), at: spot),
            ]
        }
    }
}

/// Is called and answers: waits for the INVITE, sends 180 and 200, waits for the ACK.
public struct AcceptCall: StepWord {
    /// What it stands for.
    public let written = Written { spot in
        [
            Step(.expect(ExpectTree(what: [Message.invite.tree], presence: .required, inspections: [])), at: spot),
            Step(.send(SendTree(what: .statuses(low: 180, high: 180), content: [])), at: spot),
            Step(
                .send(SendTree(what: .statuses(low: 200, high: 200), content: [Content(.answer, at: spot)])), at: spot),
            Step(.expect(ExpectTree(what: [Message.ack.tree], presence: .required, inspections: [])), at: spot),
        ]
    }

    /// See `AcceptCall`.
    public init() {}
}

/// Ends the call: BYE and its 200.
public struct HangUp: StepWord {
    /// What it stands for.
    public let written = Written { spot in
        [
            Step(.send(SendTree(what: Message.bye.tree, content: [])), at: spot),
            Step(.expect(ExpectTree(what: [Message.success.tree], presence: .required, inspections: [])), at: spot),
        ]
    }

    /// See `HangUp`.
    public init() {}
}
