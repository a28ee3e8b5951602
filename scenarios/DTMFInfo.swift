import ScenarioDSL

/// Digits pressed in a call, each in an INFO: RFC 6086, with the info package `dtmf` that gateways and voice boxes agree on.
///
/// Bob says with Recv-Info which packages he takes (RFC 6086 §4.2.2). `--set digit=…` is the digit (5 unless said), `--set digits=…` how many
/// are pressed. Parties: alice and bob. A sensible rate is 100/s. Fails if bob refuses an INFO; 469 says that he does not take the package.
public let dtmfInfo = Scenario("dtmf-info", "a call with digits in INFO") {
    let digit = Setting("digit", default: "5")
    let digits = Setting("digits", default: 3)
    Party("alice") {
        Send(.invite) {
            Header("Recv-Info", "")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Repeat(digits) {
            Send(.info) {
                Header("Info-Package", "dtmf")
                Header("Content-Disposition", "Info-Package")
                Body("application/dtmf-relay", "Signal=\(digit)\nDuration=160\n")
            }
            Expect(200)
        }
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) {
            Header("Recv-Info", "dtmf")
            Answer()
        }
        Expect(.ack)
        Repeat(digits) {
            Expect(.info) {
                Require(.header("Info-Package") == "dtmf", "RFC 6086 §4.2.1")
                Require(.body.matches(#"Signal=\s*[0-9A-D*#]"#), "one digit in each INFO")
            }
            Send(200)
        }
        Expect(.bye)
        Send(200)
    }
}
