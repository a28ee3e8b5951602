/// Milliseconds since the engine started: the unit of the protocol timers (RFC 3261 §17.1.1.1 states them in
/// milliseconds). 32 bits last 49 days.
public typealias Tick = UInt32

extension Tick {
    /// "No timer runs."
    public static let never: Tick = .max
}
