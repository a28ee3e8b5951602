import SIPTransactions

/// One Contact of an address of record (RFC 3261 §10).
struct Binding {
    var uri: String
    /// In thousandths.
    var q: Int
    var hasQ: Bool
    var expires: Tick
    var callID: String
    var cseq: UInt32

    /// Seconds left, rounded up: a binding that holds is never told to have 0.
    func secondsLeft(_ now: Tick) -> UInt32 { expires > now ? (expires - now + 999) / 1000 : 0 }
}

/// Bindings in memory (RFC 3261 §10.1), by address of record.
struct LocationService {
    private var records: [String: [Binding]] = [:]
    let mostRecords: Int

    init(mostRecords: Int) { self.mostRecords = mostRecords }

    /// Those that hold; nil where nobody has ever registered.
    func bindings(of record: String, now: Tick) -> [Binding]? {
        records[record].map { $0.filter { $0.expires > now } }
    }

    /// - Returns: false where there is no room for another address of record.
    mutating func set(_ bindings: [Binding], of record: String, now: Tick) -> Bool {
        if records[record] == nil, records.count >= mostRecords {
            records = records.filter { $0.value.contains { $0.expires > now } }
            guard records.count < mostRecords else { return false }
        }
        records[record] = bindings
        return true
    }

    func count(now: Tick) -> (records: Int, bindings: Int) {
        var records = 0, bindings = 0
        for one in self.records.values {
            let held = one.count { $0.expires > now }
            bindings += held
            if held > 0 { records += 1 }
        }
        return (records, bindings)
    }
}
