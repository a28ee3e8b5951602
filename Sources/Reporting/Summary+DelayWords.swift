extension Summary {
    /// Delays in words; marks stand by their own names.
    static let delayWords = [
        "sessionRequestDelay": "session request, from send",
        "sessionRequestDelayFromDue": "session request, from due",
        "sessionRequestDelayFailed": "session request, failed",
        "sessionDisconnectDelay": "session disconnect",
        "sessionDisconnectDelayFailed": "session disconnect, failed",
        "sessionDuration": "session duration",
        "registrationRequestDelay": "registration, from send",
        "registrationRequestDelayFromDue": "registration, from due",
        "transactionDelay": "other requests, from send",
        "transactionDelayFromDue": "first request, from due",
        "startLateness": "start lateness (ours)",
        "timerLateness": "timer lateness (ours)",
        "receiveLateness": "receive lateness (ours)",
        "connectionSetup": "connection setup",
        "tlsHandshake": "TLS handshake",
    ]
}
