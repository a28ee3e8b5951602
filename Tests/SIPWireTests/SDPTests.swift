import SIPWire
import Testing

@Suite("Session descriptions")
struct SDPTests {
    let description = Octets(
        crlf(
            """
            v=0
            o=ada 7 42 IN IP4 192.0.2.1
            s=-
            c=IN IP4 192.0.2.1
            t=0 0
            a=recvonly
            a=group:BUNDLE a
            m=audio 6000/2 RTP/AVP 0 8  101
            a=rtpmap:0 PCMU/8000
            a=ptime:20
            m=video 0 RTP/AVP 31
            c=IN IP6 2001:db8::1/127
            a=sendonly
            nonsense
            m=audio 7000 RTP/SAVP 0

            """))

    @Test func sessionLevel() {
        let view = SDPView(description.base, description.whole)
        #expect(view.originVersion.map(description.text) == "42")
        #expect(view.sessionLine(UInt8(ascii: "s")).map(description.text) == "-")
        #expect(view.attribute("group").map(description.text) == "BUNDLE a")
        #expect(view.attribute("recvonly").map(description.text) == "")
        #expect(view.attribute("ptime") == nil)
        #expect(view.connection.map { description.text($0.address) } == "192.0.2.1")
        #expect(view.audioAddress == TransportAddress(ipv4: 0xC000_0201, port: 6000))
    }

    @Test func mediaLevel() throws {
        var list = SDPView(description.base, description.whole).media
        let audioFound = list.next()
        let audio = try #require(audioFound)
        #expect(audio.isKind("audio") && audio.isWellFormed)
        #expect(audio.port == 6000)
        #expect(description.text(audio.proto) == "RTP/AVP")
        #expect(description.text(audio.formats) == "0 8  101")
        #expect(audio.attribute("rtpmap").map(description.text) == "0 PCMU/8000")
        #expect(audio.attribute("sendonly") == nil)
        #expect(audio.direction == .recvonly)
        let videoFound = list.next()
        let video = try #require(videoFound)
        #expect(video.port == 0)
        #expect(video.direction == .sendonly)
        #expect(video.connection.map { description.text($0.address) } == "2001:db8::1")
        #expect(video.connection?.isIPv6 == true)
        let secondFound = list.next()
        let second = try #require(secondFound)
        #expect(description.text(second.proto) == "RTP/SAVP")
        #expect(second.direction == .recvonly)
        #expect(list.next() == nil)
    }

    @Test(arguments: [
        "", "v=0", "m=", "m=audio", "m=audio x RTP/AVP 0", "m=audio 70000 RTP/AVP 0", "m=audio 1 RTP/AVP", "c=IN",
    ])
    func oddDescriptionsHaveNoAddress(_ text: String) {
        let octets = Octets(text)
        let view = SDPView(octets.base, octets.whole)
        #expect(view.audioAddress == nil)
        var list = view.media
        while let media = list.next() { #expect(!media.isWellFormed) }
    }

    @Test func bareLineFeeds() {
        let octets = Octets("v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\na=inactive")
        let view = SDPView(octets.base, octets.whole)
        #expect(view.audioAddress == TransportAddress(ipv4: 0x7F00_0001, port: 9))
        #expect(view.firstMedia("audio")?.direction == .inactive)
        var lines = view.lines
        var types = ""
        while let line = lines.next() { types.append(Character(UnicodeScalar(line.type))) }
        #expect(types == "vcma")
    }
}
