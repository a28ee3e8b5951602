/// How often a basic call fails on a network that loses datagrams: RFC 3261's timers and the network of `Impairment`, call
/// by call, with nothing of the engine. What the engine does is held against it.
///
/// The caller rings up, acknowledges each 2xx, holds, and hangs up; its run fails when the INVITE or the BYE gets no final
/// response in time, or the callee hangs up first. The callee takes the BYE once it has the ACK, and hangs up itself when
/// none came in 64 × T1.
public struct LossModel: Sendable {
    public let impairment: Impairment
    /// Longest hold time in nanoseconds; drawn uniformly from 0.
    public let longestHold: Int64
    /// Calls tried, and those that failed at the caller.
    public private(set) var tried = 0
    public private(set) var failed = 0

    public init(_ impairment: Impairment, longestHold: Int64) {
        self.impairment = impairment
        self.longestHold = longestHold
    }

    public var share: Double { tried == 0 ? 0 : Double(failed) / Double(tried) }

    public mutating func tryCalls(_ count: Int, seed: UInt64) {
        var chance = Chance(seed: seed)
        var call = ModelCall()
        for _ in 0..<count where !call.succeeds(impairment, longestHold, &chance) { failed += 1 }
        tried += count
    }
}

/// One call of the model.
private struct ModelCall {
    private enum Happening {
        case sendInvite, inviteCame, ringingCame, sendSuccess, successCame, ackCame, hangUp, sendBye, byeCame
        case byeAnswerCame, calleeGivesUp, sendCalleeBye, calleeByeCame
    }

    private var agenda: [(time: Int64, what: Happening)] = []
    private static let t1: Int64 = 500_000_000
    private static let t2: Int64 = 4_000_000_000
    private static let timeout: Int64 = 64 * t1

    mutating func succeeds(_ network: Impairment, _ longestHold: Int64, _ chance: inout Chance) -> Bool {
        agenda.removeAll(keepingCapacity: true)
        agenda.append((0, .sendInvite))
        var inviteGap = Self.t1
        var successGap = Self.t1
        var byeGap = Self.t1
        var calleeByeGap = Self.t1
        var byeStart: Int64 = 0
        var calleeByeStart: Int64 = 0
        var successStart: Int64 = 0
        var heard = false
        var answered = false
        var asked = false
        var acknowledged = false
        var gaveUp = false
        var byeWaits = false
        var byeDone = false

        func send(_ what: Happening, _ time: Int64) {
            for arrival in network.fate(at: time, &chance) { agenda.append((arrival, what)) }
        }
        while true {
            guard let place = agenda.indices.min(by: { agenda[$0].time < agenda[$1].time }) else { return false }
            let (now, what) = agenda.remove(at: place)
            switch what {
            case .sendInvite:
                if heard { continue }
                if now >= Self.timeout { return false }
                send(.inviteCame, now)
                agenda.append((min(now + inviteGap, Self.timeout), .sendInvite))
                inviteGap *= 2
            case .inviteCame:
                if asked { continue }
                asked = true
                send(.ringingCame, now)
                successStart = now
                agenda.append((now, .sendSuccess))
                agenda.append((now + Self.timeout, .calleeGivesUp))
            case .ringingCame: heard = true
            case .sendSuccess:
                if acknowledged || gaveUp || byeDone || now >= successStart + Self.timeout { continue }
                send(.successCame, now)
                agenda.append((now + successGap, .sendSuccess))
                successGap = min(successGap * 2, Self.t2)
            case .successCame:
                send(.ackCame, now)
                if answered { continue }
                heard = true
                answered = true
                agenda.append((now + Int64(chance.fraction() * Double(longestHold)), .hangUp))
            case .ackCame:
                acknowledged = true
                if byeWaits {
                    byeWaits = false
                    byeDone = true
                    send(.byeAnswerCame, now)
                }
            case .hangUp:
                byeStart = now
                agenda.append((now, .sendBye))
            case .sendBye:
                if now >= byeStart + Self.timeout { return false }
                send(.byeCame, now)
                agenda.append((min(now + byeGap, byeStart + Self.timeout), .sendBye))
                byeGap = min(byeGap * 2, Self.t2)
            case .byeCame:
                if acknowledged || gaveUp || byeDone {
                    byeDone = true
                    send(.byeAnswerCame, now)
                } else {
                    byeWaits = true
                }
            case .byeAnswerCame: return true
            case .calleeGivesUp:
                if acknowledged || byeDone { continue }
                gaveUp = true
                if byeWaits {
                    byeDone = true
                    send(.byeAnswerCame, now)
                } else {
                    calleeByeStart = now
                    agenda.append((now, .sendCalleeBye))
                }
            case .sendCalleeBye:
                if now >= calleeByeStart + Self.timeout { continue }
                send(.calleeByeCame, now)
                agenda.append((now + calleeByeGap, .sendCalleeBye))
                calleeByeGap = min(calleeByeGap * 2, Self.t2)
            case .calleeByeCame: return false
            }
        }
    }
}
