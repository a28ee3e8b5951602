// Times as text and as numbers: what `--hold 3s` and `Setting("hold", default: "3s")` mean.

extension Seconds {
    /// From a number of seconds. Nil if it is not finite or beyond 292 years.
    package init?(_ seconds: Double) {
        let scaled = (seconds * 1e9).rounded()
        guard scaled > -9.2e18, scaled < 9.2e18 else { return nil }
        nanoseconds = Int64(scaled)
    }

    /// Reads `250us`, `300ms`, `3s`, `1.5m`, `2h`, or a bare number of seconds. Nil if the text is something else.
    package init?(parsing text: some StringProtocol) {
        let units: [(String, Double)] = [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)]
        var number = String(text)
        var unit = 1.0
        if let found = units.first(where: { text.hasSuffix($0.0) }) {
            number = String(text.dropLast(found.0.count))
            unit = found.1
        }
        let digits = number.utf8.allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2E || $0 == 0x2D }
        guard digits, let value = Double(number), let read = Seconds(value * unit) else { return nil }
        self = read
    }
}

extension DelayTree {
    /// Reads a time (`3s`) or a distribution: `uniform(1s, 2s)`, `exponential(30s)`, `lognormal(30s, 0.5)`,
    /// `weibull(1.5, 30s)`. Nil if the text is something else.
    package init?(parsing text: String) {
        if let time = Seconds(parsing: text) {
            self = .fixed(time)
            return
        }
        guard let open = text.firstIndex(of: "("), text.last == ")" else { return nil }
        let inside = text[text.index(after: open)...].dropLast()
        let arguments = inside.split(separator: ",", omittingEmptySubsequences: false).map { part in
            String(part.drop(while: { $0 == " " }).reversed().drop(while: { $0 == " " }).reversed())
        }
        let times = arguments.map { Seconds(parsing: $0) }
        let numbers = arguments.map { Double($0) }
        switch (text[..<open], arguments.count) {
        case ("uniform", 2):
            guard let low = times[0], let high = times[1] else { return nil }
            self = .uniform(low: low, high: high)
        case ("exponential", 1):
            guard let mean = times[0] else { return nil }
            self = .exponential(mean: mean)
        case ("lognormal", 2):
            guard let median = times[0], let sigma = numbers[1] else { return nil }
            self = .lognormal(median: median, sigma: sigma)
        case ("weibull", 2):
            guard let shape = numbers[0], let scale = times[1] else { return nil }
            self = .weibull(shape: shape, scale: scale)
        default: return nil
        }
    }
}
