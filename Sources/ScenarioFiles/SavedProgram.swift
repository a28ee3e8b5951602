// Saved programs: the JSON that a scenario file leaves behind. What comes from outside is never trusted to be well formed;
// whether it means anything is the checker's business.

import Foundation
import ScenarioDSL

package enum SavedProgram {
    /// More is no program of a person.
    static let limitOctets = 64 << 20

    /// One JSON document with its format version, ended by a line feed.
    package static func encode(_ scenarios: [ScenarioTree]) throws(ScenarioFileError) -> [UInt8] {
        do {
            return try JSONWriter.write(ProgramDocument(scenarios: scenarios))
        } catch {
            throw ScenarioFileError(.unusable, "error: \(error)")
        }
    }

    /// `name` is how the document is called in errors.
    package static func decode(_ octets: [UInt8], name: String) throws(ScenarioFileError) -> [ScenarioTree] {
        struct Head: Decodable { let format: Int? }
        guard octets.count <= limitOctets else {
            throw ScenarioFileError(.unusable, "\(name): error: larger than 64 MiB: this is no saved program")
        }
        let data = Data(octets)
        let decoder = JSONDecoder()
        do {
            guard let format = try decoder.decode(Head.self, from: data).format else {
                throw ScenarioFileError(
                    .unusable,
                    "\(name): error: no \"format\": this is not a saved program; carillon lint FILE --emit writes one")
            }
            guard format == ProgramDocument.currentFormat else {
                throw ScenarioFileError(
                    .unusable,
                    "\(name): error: format \(format), but this carillon reads format \(ProgramDocument.currentFormat):"
                        + " emit the program again with this version")
            }
            return try decoder.decode(ProgramDocument.self, from: data).scenarios
        } catch let error as ScenarioFileError {
            throw error
        } catch let error as DecodingError {
            throw ScenarioFileError(.unusable, "\(name): error: " + sentence(error, data))
        } catch {
            throw ScenarioFileError(.unusable, "\(name): error: \(error.localizedDescription)")
        }
    }

    private static func sentence(_ error: DecodingError, _ data: Data) -> String {
        func place(_ context: DecodingError.Context) -> String {
            guard !context.codingPath.isEmpty else { return "" }
            var text = " at " + pathText(context.codingPath)
            if let spot = nearestSpot(context.codingPath, data) { text += " (written at \(spot))" }
            return text
        }
        switch error {
        case .keyNotFound(let key, let context): return "'\(key.stringValue)' is missing" + place(context)
        case .typeMismatch(let type, let context): return "not \(typeText(type))" + place(context)
        case .valueNotFound(let type, let context): return "null, not \(typeText(type))" + place(context)
        case .dataCorrupted(let context):
            guard context.codingPath.isEmpty else { return context.debugDescription + place(context) }
            let why = (context.underlyingError as NSError?)?.userInfo["NSDebugDescription"] as? String
            return "not JSON (cut off, or changed by hand?)" + (why.map { ": " + $0 } ?? "")
        @unknown default: return "\(error)"
        }
    }

    private static func typeText(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "a text"
        case is Int.Type, is Double.Type, is UInt8.Type: "a number"
        case is Bool.Type: "true or false"
        case is any Collection.Type: "a list"
        default: "an object"
        }
    }

    private static func pathText(_ path: [any CodingKey]) -> String {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text
    }

    /// The innermost `"at"` on the way.
    private static func nearestSpot(_ path: [any CodingKey], _ data: Data) -> String? {
        guard var here = try? JSONSerialization.jsonObject(with: data) else { return nil }
        var spot: String?
        for key in path {
            if let found = (here as? [String: Any])?["at"] as? String { spot = found }
            if let index = key.intValue, let list = here as? [Any], index < list.count {
                here = list[index]
            } else if let next = (here as? [String: Any])?[key.stringValue] {
                here = next
            } else {
                break
            }
        }
        return ((here as? [String: Any])?["at"] as? String) ?? spot
    }
}
