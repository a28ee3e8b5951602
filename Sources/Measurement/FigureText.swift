/// A duration as a reader says it: three figures and the unit that fits, from ns to h.
/// - Parameter keepingZeros: also zeros behind the point, for columns: "2.00 ms" instead of "2 ms".
public func durationText(_ nanoseconds: Int64, keepingZeros: Bool = false) -> String {
    let sign = nanoseconds < 0 ? "-" : ""
    let value = Double(nanoseconds.magnitude)
    if value < 1_000 { return "\(nanoseconds) ns" }
    // The limits are a little below the next unit, so that 999.96 µs reads "1 ms" and not "1000 µs".
    let (scaled, unit) =
        value < 999_500
        ? (value / 1e3, "µs")
        : value < 999_500_000
            ? (value / 1e6, "ms")
            : value < 119.5e9 ? (value / 1e9, "s") : value < 7_170e9 ? (value / 60e9, "min") : (value / 3_600e9, "h")
    let text = decimalText(scaled, decimals: scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0)
    guard !keepingZeros, text.contains(".") else { return "\(sign)\(text) \(unit)" }
    var trimmed = text[...]
    while trimmed.last == "0" { trimmed.removeLast() }
    if trimmed.last == "." { trimmed.removeLast() }
    return "\(sign)\(trimmed) \(unit)"
}

/// How long a step had waited when it failed: " after 812 ms". Waits are timed in whole milliseconds.
public func waitedText(_ nanoseconds: Int64) -> String {
    nanoseconds > 0 ? " after \(durationText(nanoseconds))" : " in less than 1 ms"
}

/// 1234567 → "1,234,567".
public func grouped(_ value: UInt64) -> String {
    let digits = Array("\(value)")
    var text = ""
    for (i, digit) in digits.enumerated() {
        if i > 0, (digits.count - i) % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return text
}

/// "1 call", "2,000 calls": a number with its noun, whose plural is given where an s does not make it.
public func counted(_ count: UInt64, _ one: String, _ many: String? = nil) -> String {
    "\(grouped(count)) \(count == 1 ? one : many ?? one + "s")"
}

/// A share as percent with as many decimals as keep it from reading 0 or 100 when it is neither; "n/a" where undefined.
public func percentText(_ ratio: Ratio) -> String {
    guard let percent = ratio.percent else { return "n/a" }
    if ratio.numerator == 0 || ratio.numerator == ratio.denominator { return decimalText(percent, decimals: 0) + " %" }
    for decimals in 2...6 {
        let text = decimalText(percent, decimals: decimals)
        let shown = Double(text)!
        if shown != 0, shown != 100 { return text + " %" }
    }
    return percent < 50 ? "< 0.000001 %" : "> 99.999999 %"
}

/// A number with so many decimals, rounded to nearest, without exponent.
public func decimalText(_ value: Double, decimals: Int) -> String {
    let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = (min(value.magnitude, 9e15 / scale) * scale).rounded()
    let whole = UInt64(scaled / scale)
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(whole)" }
    let fraction = "\(UInt64(scaled) - whole * UInt64(scale))"
    return "\(sign)\(whole)." + String(repeating: "0", count: decimals - fraction.count) + fraction
}
