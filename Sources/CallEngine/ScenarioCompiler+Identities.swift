import ScenarioDSL

// Who an INVITE is from and to. Both stay what they were while its dialog lives (RFC 3261 §12.2.1.1), whatever becomes of what they were
// made of.
extension ScenarioCompiler {
    /// The step with identities that do not change any more: what is known only during the call is kept in variables of the dialog.
    mutating func keepIdentities(
        _ tree: SendTree, _ method: String, at: Spot, _ state: inout FlowState, dialog: Int, inDialog: Bool
    ) -> SendTree {
        guard method == "INVITE", !inDialog, tree.isRedirected != true else { return tree }
        var kept = tree
        kept.from = keep(tree.from, "From", at, &state, dialog)
        kept.to = keep(tree.to, "To", at, &state, dialog)
        return kept
    }

    private mutating func keep(
        _ value: ValueTree?, _ header: String, _ at: Spot, _ state: inout FlowState, _ dialog: Int
    ) -> ValueTree? {
        guard let value, !value.isConstant else { return value }
        let name = KeptIdentity.name(of: header, dialog, isNameAddress: value.mayHoldAngleBrackets)
        let number = step(at, "compute the \(header)")
        let text = self.value(value)
        emit(Instruction(.set, step: number, a: variableIndex(name), b: text))
        state.known.insert(name)
        return .variable(name)
    }

    /// An INVITE that opens a dialog: what follows in it is from and to the same.
    mutating func noteOrigin(_ tree: SendTree, dialog: Int) {
        if let known = inviteOrigins[dialog], known.from != tree.from || known.to != tree.to {
            // The ACK that the script does not write is another one now.
            dialogs[dialog].acknowledge = -1
        }
        inviteOrigins[dialog] = tree
    }
}

/// Names of the variables that keep identities: no script can write them.
enum KeptIdentity {
    private static let nameAddress = "\u{1}<"

    static func name(of header: String, _ dialog: Int, isNameAddress: Bool) -> String {
        (isNameAddress ? nameAddress : "\u{1}") + "\(header) of \(dialog)"
    }

    static func isNameAddress(_ variable: String) -> Bool { variable.hasPrefix(nameAddress) }
}
