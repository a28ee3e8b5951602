/// A UTC time as RFC 3339 text with milliseconds, for example 2026-03-01T09:30:00.125Z.
/// - Parameter nanoseconds: since 1970-01-01T00:00:00Z.
public func utcText(_ nanoseconds: Int64) -> String {
    let milliseconds = nanoseconds.flooredDivision(by: 1_000_000)
    let seconds = milliseconds.flooredDivision(by: 1_000)
    let days = seconds.flooredDivision(by: 86_400)
    let second = seconds - days * 86_400
    // Days to a date in the proleptic Gregorian calendar, counted in years that begin with March, so that the leap day is
    // the last of its year.
    let shifted = days + 719_468
    let era = shifted.flooredDivision(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T"
        + "\(digits(second / 3_600, 2)):\(digits(second / 60 % 60, 2)):\(digits(second % 60, 2))"
        + ".\(digits(milliseconds - seconds * 1_000, 3))Z"
}

extension Int64 {
    fileprivate func flooredDivision(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
