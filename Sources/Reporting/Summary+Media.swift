import Measurement

extension Summary {
    /// What went over the media ports, in two lines where both ways were used; a third where there is more to tell.
    var media: [String] {
        guard let media = record.media else { return [] }
        var lines: [String] = []
        if media.streamsSent > 0 || media.packetsUnsent > 0 {
            var text = "\(counted(media.packetsSent, "packet")) sent on \(counted(media.streamsSent, "stream"))"
            if media.packetsUnsent > 0 { text += " · \(grouped(media.packetsUnsent)) not sent" }
            lines.append(text)
        }
        var received =
            "\(counted(media.packetsReceived, "packet")) received of \(counted(media.streamsReceived, "stream"))"
        if media.packetsReceived > 0 {
            let expected = media.packetsReceived - media.packetsDuplicated + media.packetsLost
            received += " · \(grouped(media.packetsLost)) lost"
            if media.packetsLost > 0 { received += " (\(percentText(Ratio(media.packetsLost, of: expected))))" }
            received += " · \(grouped(media.packetsOutOfOrder)) out of order"
            received += " · \(counted(media.packetsDuplicated, "duplicate"))"
            received +=
                " · jitter \(durationText(media.meanJitterNanoseconds)), at most \(durationText(media.largestJitterNanoseconds))"
        }
        lines.append(received)
        let others = [
            (media.packetsFromOthers, "from elsewhere than described"),
            (media.packetsAfterEnd, "outside calls"), (media.packetsStray, "off the sequence"),
            (media.packetsNotRTP, "not RTP"), (media.rtcpPackets, "RTCP"), (media.icmpErrors, "refused by ICMP"),
            (media.receiveOverflows, "dropped before we read them"),
            (media.streamsWithoutCodec, "streams without a codec that we can send"),
            (media.portsExhausted, "streams without a port"),
        ].filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
        if !others.isEmpty { lines.append(others.joined(separator: " · ")) }
        return lines.enumerated().flatMap { number, text in wrapped(number == 0 ? "Media" : "", text) }
    }
}
