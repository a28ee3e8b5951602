import Testing

@testable import Measurement

@Suite struct SessionFiguresTests {
    /// RFC 6076 §4: which answer enters which ratio. One attempt each.
    @Test(arguments: [
        // status, SER numerator, SEER numerator, SER denominator, ISA numerator
        (200, 1, 1, 1, 0), (202, 1, 1, 1, 0), (302, 0, 0, 0, 0), (401, 0, 0, 1, 0), (407, 0, 0, 1, 0),
        (404, 0, 0, 1, 0), (408, 0, 0, 1, 1), (420, 0, 0, 1, 0), (480, 0, 1, 1, 0), (486, 0, 1, 1, 0),
        (487, 0, 0, 1, 0), (500, 0, 0, 1, 1), (501, 0, 0, 1, 0), (503, 0, 0, 1, 1), (504, 0, 0, 1, 1),
        (600, 0, 1, 1, 0), (603, 0, 1, 1, 0), (606, 0, 0, 1, 0),
    ])
    func answer(status: Int, ser: UInt64, seer: UInt64, denominator: UInt64, isa: UInt64) {
        let figures = recordRun { recorder in
            recorder.count(.sessionAttempts)
            recorder.countSessionAnswer(status: status)
        }.figures
        #expect(figures.sessionEstablishmentRatio == Ratio(ser, of: denominator))
        #expect(figures.sessionEstablishmentEffectivenessRatio == Ratio(seer, of: denominator))
        // 3xx stay in the denominator of ISA and SCR.
        #expect(figures.ineffectiveSessionAttempts == Ratio(isa, of: 1))
        #expect(figures.sessionCompletionRatio == Ratio(0, of: 1))
        #expect(figures.undecidedSessionAttempts == 0)
    }

    @Test(
        arguments: [
            (200, 0), (301, 0), (401, 0), (402, 0), (407, 0), (403, 1), (404, 1), (408, 1), (423, 1), (500, 1),
            (603, 1),
        ] as [(Int, UInt64)])
    func registration(status: Int, ineffective: UInt64) {
        let figures = recordRun { recorder in
            recorder.count(.registrationAttempts)
            recorder.countRegistrationAnswer(status: status)
        }.figures
        #expect(figures.ineffectiveRegistrationAttempts == Ratio(ineffective, of: 1))
    }

    @Test func nothingAskedIsUndefined() {
        let figures = recordRun { _ in }.figures
        #expect(figures.sessionEstablishmentRatio.percent == nil)
        #expect(figures.ineffectiveRegistrationAttempts.percent == nil)
        #expect(percentText(figures.sessionEstablishmentRatio) == "n/a")
    }

    @Test func openAttemptsAreNeitherSuccessNorFailure() {
        let figures = recordRun { recorder in
            recorder.count(.sessionAttempts, by: 10)
            for _ in 0..<6 { recorder.countSessionAnswer(status: 200) }
            recorder.count(.sessionsCompleted, by: 3)
        }.figures
        #expect(figures.sessionEstablishmentRatio.percent == 100)
        #expect(figures.sessionCompletionRatio.percent == 50)
        #expect(figures.undecidedSessionAttempts == 4)
    }
}
