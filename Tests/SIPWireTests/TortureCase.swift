import SIPWire
import Testing

/// A message written for this project after one case of RFC 4475, and how it is to be read.
struct TortureCase: Sendable, CustomTestStringConvertible {
    enum Reading: Sendable {
        /// Nothing wrong with the octets; what is special about it is for a later layer.
        case right
        /// The scan refuses it.
        case refused(WireFault)
        /// The scan lets it pass, as RFC 4475 allows, and the strict reading names the fault.
        case lenient(WireFault)
    }

    let name: String
    let section: String
    let reading: Reading
    let octets: [UInt8]

    /// - Parameters:
    ///   - head: header lines with LF line ends, turned into CRLF; `$LENGTH` becomes the body's length.
    ///   - body: taken as it is.
    init(
        _ name: String, _ section: String, _ reading: Reading, _ head: String, body: String = "", trailing: String = ""
    ) {
        self.name = name
        self.section = section
        self.reading = reading
        var octets: [UInt8] = []
        let length = Array(String(body.utf8.count).utf8)
        let placeholder = Array("$LENGTH".utf8)
        let text = Array((head + "\n\n").utf8)
        var place = 0
        while place < text.count {
            if text[place] == 0x0A {
                octets += [0x0D, 0x0A]
            } else if text[place...].starts(with: placeholder) {
                octets += length
                place += placeholder.count - 1
            } else {
                octets.append(text[place])
            }
            place += 1
        }
        self.octets = octets + Array(body.utf8) + Array(trailing.utf8)
    }

    var testDescription: String { "\(section) \(name)" }
}

let smallOffer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"
