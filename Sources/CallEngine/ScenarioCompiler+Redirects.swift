import ScenarioDSL

// `Send(.invite, redirectedTo: …)`: an INVITE that follows the Contact of a 3xx (RFC 3261 §8.1.3.4).
extension ScenarioCompiler {
    mutating func checkRedirected(_ method: String, at: Spot, dialog: Int, inDialog: Bool) {
        layout.hasRedirects = true
        redirectedDialogs.insert(dialog)
        if method != "INVITE" {
            error(at, "only an INVITE follows a redirection: write Send(.\(method.lowercased()), requestURI: …)")
        } else if inDialog {
            error(
                at,
                "the call is set up here, and only an INVITE that was refused is sent elsewhere. Put it after"
                    + " Expect(302) (RFC 3261 §8.1.3.4)")
        } else if inviteOrigins[dialog] == nil {
            error(
                at, "no INVITE was redirected before: put Send(.invite) and Expect(302) before it (RFC 3261 §8.1.3.4)")
        }
    }
}
