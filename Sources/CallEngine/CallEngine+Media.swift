import Glibc
import RTPMedia
import SIPWire

/// The media ports of one dialog, behind all else of a slot, and only where the run has media.
struct MediaPorts {
    /// Handles of the worker's desk, by the place of the stream in the description; 0 none.
    var handles: (UInt16, UInt16, UInt16, UInt16)
    /// What the party sends, for streams that come later too.
    var sending: UInt8

    init() {
        handles = (0, 0, 0, 0)
        sending = 0
    }

    static let size = 12
    /// Further streams of a peer's offer are refused (RFC 3264 §6).
    static let mostStreams = 4

    subscript(stream: Int) -> UInt16 {
        get {
            switch stream {
            case 0: handles.0
            case 1: handles.1
            case 2: handles.2
            default: handles.3
            }
        }
        set {
            switch stream {
            case 0: handles.0 = newValue
            case 1: handles.1 = newValue
            case 2: handles.2 = newValue
            default: handles.3 = newValue
            }
        }
    }
}

// Media ports of calls: drawn when a description is rendered, told where the peer is when its description comes, given back with the
// slot. What the engine does here is numbers; sockets and sound are the media thread's (MediaSockets).
extension CallEngine {
    @inline(__always)
    private func mediaPorts(
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int
    ) -> UnsafeMutablePointer<MediaPorts> {
        (UnsafeMutableRawPointer(header) + bound.mediaOffset + dialog &* MediaPorts.size)
            .assumingMemoryBound(to: MediaPorts.self)
    }

    /// The port of a stream, as its description names it: the one that the stream has, or one drawn now. Nil where none is free: `refusal` says so.
    mutating func mediaPort(
        ofStream stream: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int
    ) -> UInt16? {
        guard media != nil else { return nil }
        let ports = mediaPorts(header, dialog)
        if ports.pointee[stream] == 0 {
            guard let handle = media!.draw() else {
                refusal = .noMediaPort
                return nil
            }
            ports.pointee[stream] = handle
            if locals.areNamed {
                var order = media!.order(handle)
                order.local = locals.address(localNumber(ofCall: slot, header))
                media!.give(order, to: handle)
            }
        }
        return media!.port(ports.pointee[stream])
    }

    /// The port in an offer of ours, and whether that lets us send.
    mutating func offeredMediaPort(
        _ argument: UInt16, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int
    ) -> UInt16? {
        let stream = Int(argument & 0xFF)
        guard let port = mediaPort(ofStream: stream, slot, header, dialog) else { return nil }
        let handle = mediaPorts(header, dialog).pointee[stream]
        var order = media!.order(handle)
        order.isSilenced = argument &>> 8 != 0
        order.sending = MediaSending(rawValue: mediaPorts(header, dialog).pointee.sending) ?? .nothing
        media!.give(order, to: handle)
        return port
    }

    /// The peer has answered, or made an offer where ours was asked for: the body at hand.
    mutating func learnMedia(_ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int) {
        guard let view = description() else { return }
        var list = view.media
        var stream = 0
        while stream < MediaPorts.mostStreams, let one = list.next() {
            let handle = mediaPorts(header, dialog).pointee[stream]
            if handle != 0 { note(one, to: handle, header, dialog) }
            stream += 1
        }
    }

    /// An offer is being answered: what the answer names as the ports of its streams; 0: refused. Nil where none is free.
    mutating func answeredMediaPorts(
        _ view: SDPView, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int
    ) -> MediaPorts? {
        var named = MediaPorts()
        var list = view.media
        var stream = 0
        while stream < MediaPorts.mostStreams, let one = list.next() {
            if one.port != 0 {
                guard let port = mediaPort(ofStream: stream, slot, header, dialog) else { return nil }
                named[stream] = port
            }
            let handle = mediaPorts(header, dialog).pointee[stream]
            if handle != 0 { note(one, to: handle, header, dialog, answering: true) }
            stream += 1
        }
        return named
    }

    /// Where the peer takes a stream, and which way it flows (RFC 3264 §5.1, §8).
    private mutating func note(
        _ one: SDPMedia, to handle: UInt16, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int,
        answering: Bool = false
    ) {
        var order = media!.order(handle)
        // An answer of ours says no less than the offer lets it (RFC 3264 §6.1).
        if answering { order.isSilenced = false }
        let address = one.port == 0 ? nil : one.address
        // Of RFC 2543's time: an address of zeros holds the call (RFC 3264 §8.4).
        let isHeld = address.map { $0.isIPv6 ? $0.high == 0 && $0.low == 0 : $0.ipv4 == 0 } ?? true
        order.remote = isHeld ? nil : address
        order.maySend = !isHeld && (one.direction == .sendrecv || one.direction == .recvonly)
        if let sound = Self.soundFormat(one) {
            order.payloadType = sound.law.rawValue
            order.clockRate = 8000
        } else {
            order.payloadType = MediaOrder.noPayload
            order.clockRate = Self.firstClockRate(one)
        }
        order.sending = MediaSending(rawValue: mediaPorts(header, dialog).pointee.sending) ?? .nothing
        media!.give(order, to: handle)
        countWithoutCodec(order)
    }

    /// The first format of a stream that we can make sound in, and where it stands. Of an offer it is the one that the answer takes.
    static func soundFormat(_ one: SDPMedia) -> (law: G711, place: OctetRange)? {
        guard one.isKind("audio"), isPlainRTP(one) else { return nil }
        var place = Int(one.formats.offset)
        let past = place + Int(one.formats.length)
        while place < past {
            let first = place
            while place < past, one.message.load(fromByteOffset: place, as: UInt8.self) != 0x20 { place += 1 }
            if place - first == 1 {
                let range = OctetRange(offset: UInt32(first), length: 1)
                switch one.message.load(fromByteOffset: first, as: UInt8.self) {
                case UInt8(ascii: "0"): return (.muLaw, range)
                case UInt8(ascii: "8"): return (.aLaw, range)
                default: break
                }
            }
            place += 1
        }
        return nil
    }

    private static func isPlainRTP(_ one: SDPMedia) -> Bool {
        let text = UnsafeRawBufferPointer(start: one.message + Int(one.proto.offset), count: Int(one.proto.length))
        return text.elementsEqual("RTP/AVP".utf8) || text.elementsEqual("RTP/AVPF".utf8)
    }

    /// The clock of a stream's first format, in Hz.
    private static func firstClockRate(_ one: SDPMedia) -> UInt32 {
        let text = UnsafeRawBufferPointer(start: one.message + Int(one.formats.offset), count: Int(one.formats.length))
        var place = 0
        return digits(text, &place).flatMap { clockRate(one, $0) } ?? 8000
    }

    /// Of `a=rtpmap:<payload> name/rate`; nil where nothing is said, as for payload types that need no such line.
    private static func clockRate(_ one: SDPMedia, _ payload: UInt32) -> UInt32? {
        var lines = SDPLines(one.message, one.section)
        while let line = lines.next() {
            guard line.type == UInt8(ascii: "a"), line.value.length > 7 else { continue }
            let text = UnsafeRawBufferPointer(
                start: one.message + Int(line.value.offset), count: Int(line.value.length))
            guard text.prefix(7).elementsEqual("rtpmap:".utf8) else { continue }
            var place = 7
            guard let number = digits(text, &place), number == payload, place < text.count, text[place] == 0x20 else {
                continue
            }
            while place < text.count, text[place] != UInt8(ascii: "/") { place += 1 }
            place += 1
            guard let rate = digits(text, &place), (1...1_000_000).contains(rate) else { return nil }
            return rate
        }
        return nil
    }

    private static func digits(_ text: UnsafeRawBufferPointer, _ place: inout Int) -> UInt32? {
        var number: UInt32?
        while place < text.count, text[place] >= 0x30, text[place] <= 0x39, (number ?? 0) < 100_000_000 {
            number = (number ?? 0) * 10 + UInt32(text[place] - 0x30)
            place += 1
        }
        return number
    }

    /// What comes may say where media go, or end them. An offer in a request is noted when it is answered: refused, it changes nothing
    /// (RFC 3261 §14.2).
    @inline(never)
    mutating func noteMedia(_ event: CallEvent, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard hand != nil else { return }
        switch event {
        case .response(let status, _, let dialog): if status < 300 { learnMedia(header, dialog) }
        case .request(.ack, _, let dialog), .request(.prack, _, let dialog): learnMedia(header, dialog)
        case .request(.bye, _, let dialog): endMedia(header, dialog)
        default: break
        }
    }

    /// `SendMedia`: on all streams of a dialog, those to come too.
    mutating func sendMedia(_ sending: UInt8, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int) {
        guard media != nil else { return }
        let ports = mediaPorts(header, dialog)
        ports.pointee.sending = sending
        for stream in 0..<MediaPorts.mostStreams where ports.pointee[stream] != 0 {
            var order = media!.order(ports.pointee[stream])
            order.sending = MediaSending(rawValue: sending) ?? .nothing
            media!.give(order, to: ports.pointee[stream])
            countWithoutCodec(order)
        }
    }

    private func countWithoutCodec(_ order: MediaOrder) {
        let makesSound = order.sending == .tone || order.sending == .silence
        if makesSound, order.maySend, order.payloadType == MediaOrder.noPayload { media!.countWithoutCodec() }
    }

    /// The dialog is being ended by a BYE: who sends it or receives it sends no more (RFC 3261 §15.1.1).
    mutating func endMedia(_ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int) {
        sendMedia(MediaSending.nothing.rawValue, header, dialog)
    }

    /// Another call in the same dialog record keeps the ports, and knows nothing of where the last peer was.
    mutating func renewMedia(_ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int) {
        guard media != nil else { return }
        for stream in 0..<MediaPorts.mostStreams {
            let handle = mediaPorts(header, dialog).pointee[stream]
            guard handle != 0 else { continue }
            var order = media!.order(handle)
            order.generation &+= 1
            order.remote = nil
            order.maySend = false
            media!.give(order, to: handle)
        }
    }

    mutating func giveBackMedia(_ header: UnsafeMutablePointer<SlotHeader>) {
        for dialog in 0..<Int(party(header).pointee.dialogs) {
            let ports = mediaPorts(header, dialog)
            for stream in 0..<MediaPorts.mostStreams where ports.pointee[stream] != 0 {
                media!.giveBack(ports.pointee[stream])
                ports.pointee[stream] = 0
            }
        }
    }
}
