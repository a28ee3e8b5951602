/// Puts a template together, joining neighbouring texts.
struct TemplateBuilder {
    private(set) var segments: [TemplateSource.Segment] = []

    mutating func text(_ string: String) { octets(Array(string.utf8)) }

    mutating func octets(_ octets: [UInt8]) {
        guard !octets.isEmpty else { return }
        if case .text(let before)? = segments.last {
            segments[segments.count - 1] = .text(before + octets)
        } else {
            segments.append(.text(octets))
        }
    }

    mutating func bound(_ field: BoundField) { segments.append(.bound(field)) }
    mutating func live(_ field: LiveField, _ argument: Int = 0) { segments.append(.live(field, argument: argument)) }
    mutating func append(_ other: TemplateBuilder) {
        for segment in other.segments {
            if case .text(let octets) = segment { self.octets(octets) } else { segments.append(segment) }
        }
    }
}
