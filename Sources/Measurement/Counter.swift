/// What a worker counts. Each is a sum over the run; `closeInterval` keeps what each interval added.
///
/// The name of the case is the key in `run.json`.
@frozen public enum Counter: Int, Sendable, CaseIterable {
    // Arrivals. arrivalsDue = runsStarted + runsNotStarted + runsBlocked + runsWithoutSlot + runsWithoutRow
    // + runsWithoutConnection + runsBeyondSourceRate + runsHeldBack.
    /// Arrivals whose due time has come.
    case arrivalsDue
    case runsStarted
    /// Dropped: later than the catch-up limit. Counted by `recordNotStarted`.
    case runsNotStarted
    /// Dropped: the concurrency cap was full.
    case runsBlocked
    /// Dropped: no call slot was free.
    case runsWithoutSlot
    /// Dropped: no row of a feed was free, or none was left.
    case runsWithoutRow
    /// Dropped: the send queue of the connection it would have taken was half full.
    case runsWithoutConnection
    /// Dropped since their source had begun as many runs as one may in that time (`--source-rate`).
    case runsBeyondSourceRate
    /// Dropped: every address of every target had asked for no new calls (`--retry-after obey`).
    case runsHeldBack

    // Runs that ended. runsStarted = the sum of these four + runs still live.
    case runsSucceeded
    case runsFailed
    /// Cancelled or hung up by us at the end of the run.
    case runsDrained
    /// Still live when the run was cut off.
    case runsCutOff
    /// Came to what they repeat until the load ends.
    case runsRepeating

    // Messages. Sent and received include retransmissions.
    case messagesSent, messagesReceived
    case octetsSent, octetsReceived
    case inviteRetransmissionsSent, requestRetransmissionsSent, responseRetransmissionsSent, ackRetransmissionsSent
    case inviteRetransmissionsReceived, requestRetransmissionsReceived, responseRetransmissionsReceived
    case ackRetransmissionsReceived
    /// Responses received, by class, without those that no transaction took.
    case responses1xx, responses2xx, responses3xx, responses4xx, responses5xx, responses6xx
    /// Provisional responses that no step listed.
    case provisionalsAbsorbed
    /// Requests that no step expected and that were answered anyway.
    case unexpectedRequests
    /// Messages that belong to no transaction and no dialog of ours.
    case strayResponses, strayRequests
    case malformedMessages
    case keepAlives
    /// Initial requests joined to the run that caused them, and those that found none.
    case legsJoined, legsUnjoined
    /// 2xx responses of a further fork, answered with ACK and BYE.
    case forkedAnswers
    /// Requests above 1,300 octets over UDP, or within 200 of the path's MTU where that is known, repeats not counted: RFC 3261 §18.1.1 wants them over TCP.
    case requestsTooLargeForUDP
    /// Requests that large that went over TCP instead (`--large tcp`), and those of them that came back to UDP since TCP was refused.
    case requestsMovedToTCP, requestsReturnedToUDP
    /// Messages that are longer than the path takes whole, and were not sent (EMSGSIZE).
    case messagesTooLongForPath
    /// Times the next hop that a Contact or Record-Route told was not taken as RFC 3263 §4 has it: it has a host name, or asks for
    /// a transport that the run does not speak.
    case pathsNotFollowed
    /// 401 and 407 responses that were answered with credentials, by the engine or the next step.
    case challengesAnswered
    /// Of these, those for a nonce that had been used before.
    case staleNonces
    /// Credentials that a server refused: wrong password or unknown user.
    case credentialsRefused
    /// 401 and 407 responses that a step sent to ask for credentials.
    case challengesSent
    /// Requests whose credentials were right, and wrong.
    case credentialsAccepted, credentialsWrong
    /// Requests refused with 500 since the overflow pool or its limit per call was full.
    case overflowRefusals

    // The socket.
    /// The kernel refused a datagram for another reason than a full queue.
    case sendsRefused
    /// Messages given up before they were sent: our own queue was full.
    case sendsDropped
    /// EAGAIN, ENOBUFS.
    case sendsWouldBlock, sendsWithoutBuffers
    /// Datagrams that the kernel dropped since our receive buffer was full (SO_RXQ_OVFL).
    case receiveOverflows
    case icmpErrors
    case portsExhausted, descriptorsExhausted

    // Streams.
    /// Connections that we opened, and that peers did.
    case connectionsOpened, connectionsAccepted
    /// Connections that could not be opened: refused, timed out, no route.
    case connectionsRefused
    /// Of ours, those that were still being set up, TLS included, when the run ended.
    case connectionsUnfinished
    /// Of `messagesSent`, those that waited for a connection which never stood: nobody was told them.
    case messagesUnsent
    /// Connections that ended as they may, on either side, and those that broke: reset, timed out, not readable as SIP.
    case connectionsClosed, connectionsReset
    /// TLS handshakes that were done, on either side; those of them that took up a session again; those that failed.
    case tlsHandshakes, tlsResumptions, tlsHandshakesFailed
    /// Parties of calls that lost a transaction with their connection.
    case transactionsLost
    /// Write calls, and those that took only a part.
    case streamWrites, streamWritesShort
    /// CRLF keep-alives that peers sent, and the answers to ours (RFC 5626 §4.4.1).
    case pingsReceived, pongsReceived

    // The generator's own tables.
    case lingerEvictions
    case slabGrowths
    /// Remote addresses that others took the place of: more peers than the table of them holds.
    case peersForgotten
    /// Call traces that lost messages since the arena was full.
    case traceCuts
    /// Lines of `--cdr` that were not written since the file could not keep up.
    case callRecordsDropped
    /// Initial requests handed to the worker that owns them, and those whose ring was full.
    case handOvers, handOversRefused

    // The worker's time. Busy is work without waiting; CPU is what the kernel charged the thread.
    case busyNanoseconds, wallNanoseconds, cpuNanoseconds

    // RFC 6076 sums; `WorkerRecorder.countSessionAnswer` and `countRegistrationAnswer` keep them.
    /// New sessions asked for: one for each first INVITE, not one for each repetition with credentials or a new target.
    case sessionAttempts
    case sessionAnswers2xx, sessionAnswers3xx
    /// Of the 3xx, those that an INVITE of the same attempt followed.
    case sessionRedirectionsFollowed
    /// 401, 402 and 407 as the last word on a session attempt.
    case sessionAnswersChallenged
    /// 408, 500, 503, 504, and no answer at all (Timer B).
    case sessionsIneffective
    /// 480, 486, 600, 603.
    case sessionsEffectivelyRefused
    /// All other final responses.
    case sessionAnswersOther
    /// Sessions that were set up and ended by a BYE that was answered.
    case sessionsCompleted
    case registrationAttempts
    /// Of these, those of a party that is registered already: refreshes, and removals. And their 2xx.
    case reregistrationAttempts, reregistrationAnswers2xx
    case registrationAnswers2xx
    /// 401, 402, 407 as the last word, and 3xx.
    case registrationAnswersOther
    /// 4xx except 401, 402, 407; 5xx; 6xx; no answer at all (Timer F).
    case registrationsIneffective

    // The recorder's own.
    /// Samples below zero, recorded as 0, and samples beyond the range, recorded as its upper end.
    case delaysBelowRange, delaysAboveRange
    /// Samples of a delay from due time that are lower bounds: arrivals that were not started.
    case fromDueLowerBounds
}
