/// RFC 4475 §3.2 and §3.3: what a transaction or an application has to judge. Most are right to a reader of octets.
let tortureSemantic: [TortureCase] = [
    TortureCase(
        "badbranch", "3.2.1", .lenient(.viaBranch),
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t205
        Max-Forwards: 3
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
        Accept: application/sdp
        Call-ID: badbranch.206@192.0.2.9
        CSeq: 8 OPTIONS
        l: 0
        """),
    TortureCase(
        "insuf", "3.3.1", .refused(.missingFrom),
        """
        INVITE sip:plant@garden.example SIP/2.0
        CSeq: 207 INVITE
        Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bK.t208
        Content-Type: application/sdp
        l: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "unkscm", "3.3.2", .right,
        """
        OPTIONS carillon:third-octave SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t209
        Max-Forwards: 3
        Call-ID: unkscm.210@192.0.2.9
        CSeq: 211 OPTIONS
        Via: SIP/2.0/TCP h9.field.example;branch=z9hG4bK.t212
        Content-Length: 0
        """),
    TortureCase(
        "novelsc", "3.3.3", .right,
        """
        OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t213
        Max-Forwards: 3
        Call-ID: novelsc.214@192.0.2.9
        CSeq: 215 OPTIONS
        Via: SIP/2.0/TCP h9.field.example;branch=z9hG4bK.t216
        Content-Length: 0
        """),
    TortureCase(
        "unksm2", "3.3.4", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        To: urn:isbn:0451450523
        From: <https://field.example>;tag=t217
        Call-ID: unksm2.218@192.0.2.9
        CSeq: 219 REGISTER
        Max-Forwards: 70
        Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bK.t220
        Contact: <bell:treble>
        l: 0
        """),
    TortureCase(
        "bext01", "3.3.5", .right,
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:k_plant@garden.example
        From: sip:caller@field.example;tag=t221
        Max-Forwards: 6
        Call-ID: bext01.222@192.0.2.9
        Require: bellfounding, changeringing
        Proxy-Require: clapper, headstock
        CSeq: 8 OPTIONS
        Via: SIP/2.0/TLS belfry.field.example;branch=z9hG4bK.t223
        Content-Length: 0
        """),
    TortureCase(
        "invut", "3.3.6", .right,
        """
        INVITE sip:plant@garden.example SIP/2.0
        Contact: <sip:caller@h5.field.example>
        To: sip:k.violet@garden.example
        From: sip:caller@field.example;tag=t224
        Max-Forwards: 70
        Call-ID: invut.225@192.0.2.9
        CSeq: 226 INVITE
        Via: SIP/2.0/UDP some.field.example;branch=z9hG4bK.t227
        Content-Type: application/bell-notation
        Content-Length: $LENGTH
        """, body: "ding dong ding\r\n"),
    TortureCase(
        "regaut01", "3.3.7", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        To: sip:k.violet@garden.example
        From: sip:k.violet@garden.example;tag=t228
        Max-Forwards: 8
        Call-ID: regaut01.229@192.0.2.9
        CSeq: 230 REGISTER
        Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bK.t231
        Authorization: Handbell pattern=\"ding\"
        Content-Length:0
        """),
    TortureCase(
        "multi01", "3.3.8", .refused(.repeatedHeader),
        """
        INVITE sip:plant@company.example SIP/2.0
        Contact: <sip:caller@h25.field.example>
        Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bK.t232
        Max-Forwards: 70
        CSeq: 5 INVITE
        Call-ID: multi01.233@192.0.2.9
        CSeq: 59 INVITE
        Call-ID: multi01.234@192.0.2.9
        From: sip:caller@field.example;tag=t235
        To: sip:plant@garden.example
        To: sip:other@garden.example
        From: sip:caller@garden.example;tag=t236
        Content-Type: application/sdp
        l: $LENGTH
        Contact: <sip:caller@h36.field.example>
        Max-Forwards: 5
        """, body: smallOffer),
    TortureCase(
        "mcl01", "3.3.9", .refused(.repeatedHeader),
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        Via: SIP/2.0/UDP host5.garden.example;branch=z9hG4bK.t237
        To: sip:plant@garden.example
        From: sip:other@field.example;tag=t238
        Call-ID: mcl01.239@192.0.2.9
        CSeq: 240 OPTIONS
        Content-Length: 13
        Max-Forwards: 60
        Content-Length: 5
        Content-Type: text/plain
        """, body: "Thirteen octets, or five? Two lengths say two things of one body."),
    TortureCase(
        "bcast", "3.3.10", .right,
        """
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK.t241
        Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK.t242
        Call-ID: bcast.243@192.0.2.9
        CSeq: 35 INVITE
        From: sip:plant@garden.example;tag=t244
        To: sip:plant@field.example;tag=t245
        Content-Length: $LENGTH
        Content-Type: application/sdp
        Contact: <sip:plant@h28.field.example>
        """, body: smallOffer),
    TortureCase(
        "zeromf", "3.3.11", .right,
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t246
        Call-ID: zeromf.247@192.0.2.9
        CSeq: 248 OPTIONS
        Via: SIP/2.0/UDP h1.field.example;branch=z9hG4bK.t249
        Max-Forwards: 0
        Content-Length: 0
        """),
    TortureCase(
        "cparam01", "3.3.12", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        Via: SIP/2.0/UDP tower.garden.example:5060;branch=z9hG4bK.t250
        Max-Forwards: 70
        From: sip:ringer@garden.example;tag=t251
        To: sip:ringer@garden.example
        Call-ID: cparam01.252@192.0.2.9
        CSeq: 2 REGISTER
        Contact: sip:+15550100@gw1.field.example;unknownparam
        l: 0
        """),
    TortureCase(
        "cparam02", "3.3.13", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        Via: SIP/2.0/UDP tower.garden.example:5060;branch=z9hG4bK.t253
        Max-Forwards: 70
        From: sip:ringer@garden.example;tag=t254
        To: sip:ringer@garden.example
        Call-ID: cparam02.255@192.0.2.9
        CSeq: 3 REGISTER
        Contact: <sip:+15550100@gw1.field.example;unknownparam>
        l: 0
        """),
    TortureCase(
        "regescrt", "3.3.14", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        To: sip:plant@garden.example
        From: sip:plant@garden.example;tag=t256
        Max-Forwards: 70
        Call-ID: regescrt.257@192.0.2.9
        CSeq: 258 REGISTER
        Via: SIP/2.0/UDP host5.garden.example;branch=z9hG4bK.t259
        M: <sip:plant@garden.example?Route=%3Csip:sip.garden.example%3E>
        L:0
        """),
    TortureCase(
        "sdp01", "3.3.15", .right,
        """
        INVITE sip:plant@garden.example SIP/2.0
        To: sip:k_plant@garden.example
        Contact: <sip:caller@h15.field.example>
        From: sip:caller@field.example;tag=t260
        Max-Forwards: 5
        Call-ID: sdp01.261@192.0.2.9
        Accept: text/campanology
        CSeq: 8 INVITE
        Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bK.t262
        Content-Length: $LENGTH
        Content-Type: application/sdp
        """, body: smallOffer),
]
