import Measurement

extension StepRecord {
    /// Something came of it.
    var hasEvents: Bool {
        sent > 0 || received > 0 || retransmissionsSent > 0 || retransmissionsReceived > 0 || absorbed > 0
            || timedOut > 0
            || unexpected > 0 || failed > 0
    }
}
