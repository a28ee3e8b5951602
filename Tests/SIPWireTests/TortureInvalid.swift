/// RFC 4475 §3.1.2: outside the grammar.
let tortureInvalid: [TortureCase] = [
    TortureCase(
        "badinv01", "3.1.2.1", .lenient(.via),
        """
        INVITE sip:plant@garden.example SIP/2.0
        To: sip:k.violet@garden.example
        From: sip:caller@garden.example;tag=t141
        Max-Forwards: 7
        Call-ID: badinv01.142@192.0.2.9
        CSeq: 8 INVITE
        Via: SIP/2.0/UDP 192.0.2.15;;,;,,
        Contact: "Flo" <sip:flo@field.example>;;;;
        Content-Length: $LENGTH
        Content-Type: application/sdp
        """, body: smallOffer),
    TortureCase(
        "clerr", "3.1.2.2", .refused(.contentLengthBeyondMessage),
        """
        INVITE sip:plant@garden.example SIP/2.0
        Max-Forwards: 80
        To: sip:k.violet@garden.example
        From: sip:caller@field.example;tag=t143
        Contact: <sip:caller@hungry.field.example>
        Call-ID: clerr.144@192.0.2.9
        CSeq: 8 INVITE
        Via: SIP/2.0/UDP h5.field.example;branch=z9hG4bK.t145
        Content-Type: application/sdp
        Content-Length: 9999
        """, body: smallOffer),
    TortureCase(
        "ncl", "3.1.2.3", .refused(.contentLength),
        """
        INVITE sip:plant@garden.example SIP/2.0
        Max-Forwards: 254
        To: sip:k.violet@garden.example
        From: sip:caller@field.example;tag=t146
        Call-ID: ncl.147@192.0.2.9
        CSeq: 0 INVITE
        Via: SIP/2.0/UDP 192.0.2.53;branch=z9hG4bK.t148
        Contact: <sip:caller@field53.example>
        Content-Type: application/sdp
        Content-Length: -999
        """, body: smallOffer),
    TortureCase(
        "scalar02", "3.1.2.4", .refused(.cseqNumber),
        """
        REGISTER sip:garden.example SIP/2.0
        Via: SIP/2.0/TCP h129.garden.example;branch=z9hG4bK.t149
        To: <sip:plant@garden.example>
        From: <sip:plant@garden.example>;tag=t150
        CSeq: 55555555555555555555 REGISTER
        Call-ID: scalar02.151@192.0.2.9
        Max-Forwards: 300
        Expires: 10000000000000000000000000000000000000000000000000000000
        Contact: <sip:plant@h129.garden.example>;expires=999999999999999
        Content-Length: 0
        """),
    TortureCase(
        "scalarlg", "3.1.2.5", .refused(.cseqNumber),
        """
        SIP/2.0 503 Service Unavailable
        Via: SIP/2.0/TCP h129.garden.example;branch=z9hG4bK.t152;received=192.0.2.129
        To: <sip:plant@garden.example>
        From: <sip:other@field.example>;tag=t153
        CSeq: 8888888888888888888888 OPTIONS
        Call-ID: scalarlg.154@192.0.2.9
        Retry-After: 777777777777777777777777777
        Warning: 1812 garden "too long a number"
        Content-Length: 0
        """),
    TortureCase(
        "quotbal", "3.1.2.6", .lenient(.nameAddress),
        """
        INVITE sip:plant@garden.example SIP/2.0
        To: "Ms. K. Violet <sip:k.violet@garden.example>
        From: sip:caller@field.example;tag=t155
        Max-Forwards: 10
        Call-ID: quotbal.156@192.0.2.9
        Contact: <sip:caller@h59.field.example>
        CSeq: 8 INVITE
        Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bK.t157
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "ltgtruri", "3.1.2.7", .refused(.requestURI),
        """
        INVITE <sip:plant@garden.example> SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t158
        Max-Forwards: 23
        Call-ID: ltgtruri.159@192.0.2.9
        CSeq: 1 INVITE
        Via: SIP/2.0/UDP 192.0.2.5
        Contact: <sip:caller@h5.field.example>
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "lwsruri", "3.1.2.8", .refused(.requestURI),
        """
        INVITE sip:plant@garden.example; lr SIP/2.0
        To: sip:plant@garden.example;tag=t160
        From: sip:caller@field.example;tag=t161
        Max-Forwards: 5
        Call-ID: lwsruri.162@192.0.2.9
        CSeq: 2130706432 INVITE
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK.t163
        Contact: <sip:caller@h1.field.example>
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "lwsstart", "3.1.2.9", .refused(.requestURI),
        """
        INVITE  sip:plant@garden.example  SIP/2.0
        Max-Forwards: 8
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t164
        Call-ID: lwsstart.165@192.0.2.9
        CSeq: 166 INVITE
        Via: SIP/2.0/UDP h1.field.example;branch=z9hG4bK.t167
        Contact: <sip:caller@h1.field.example>
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "trws", "3.1.2.10", .refused(.startLine),
        """
        OPTIONS sip:remote-target@garden.example SIP/2.0\u{20}\u{20}
        Via: SIP/2.0/TCP h1.garden.example;branch=z9hG4bK.t168
        To: <sip:remote-target@garden.example>
        From: <sip:local-plant@garden.example>;tag=t169
        Call-ID: trws.170@192.0.2.9
        Accept: application/sdp
        CSeq: 171 OPTIONS
        Max-Forwards: 70
        Content-Length: 0
        """),
    TortureCase(
        "escruri", "3.1.2.11", .lenient(.escapedHeadersInRequestURI),
        """
        INVITE sip:plant@garden.example?Route=%3Csip:garden.example%3E SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t172
        Max-Forwards: 7
        Contact: <sip:caller@h39923.field.example>
        Call-ID: escruri.173@192.0.2.9
        CSeq: 174 INVITE
        Via: SIP/2.0/UDP h42.field.example;branch=z9hG4bK.t175
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "baddate", "3.1.2.12", .lenient(.date),
        """
        INVITE sip:plant@garden.example SIP/2.0
        To: sip:plant@garden.example
        From: sip:caller@field.example;tag=t176
        Max-Forwards: 70
        Call-ID: baddate.177@192.0.2.9
        CSeq: 178 INVITE
        Via: SIP/2.0/UDP h.field.example;branch=z9hG4bK.t179
        Date: Fri, 07 May 2027 16:00:00 CET
        Contact: <sip:caller@h5.field.example>
        Content-Type: application/sdp
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "regbadct", "3.1.2.13", .lenient(.contactNotBracketed),
        """
        REGISTER sip:garden.example SIP/2.0
        To: sip:plant@garden.example
        From: sip:plant@garden.example;tag=t180
        Max-Forwards: 70
        Call-ID: regbadct.181@192.0.2.9
        CSeq: 1 REGISTER
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK.t182
        Contact: sip:plant@garden.example?Route=%3Csip:relay.garden.example%3E
        L: 0
        """),
    TortureCase(
        "badaspec", "3.1.2.14", .lenient(.nameAddress),
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK.t183
        Max-Forwards: 70
        From: "Gray, Ada" <sip:a.gray@garden.example>;tag=t184
        To: "Violet, Kim" < sip:k.violet@garden.example >
        Call-ID: badaspec.185@192.0.2.9
        Accept: application/sdp
        CSeq: 186 OPTIONS
        l: 0
        """),
    TortureCase(
        "baddn", "3.1.2.15", .lenient(.nameAddress),
        """
        OPTIONS sip:k.violet@garden.example SIP/2.0
        Via: SIP/2.0/UDP c.field.example:5060;branch=z9hG4bK.t187
        Max-Forwards: 70
        From: Gray, Ada <sip:a.gray@garden.example>;tag=t188
        To: Violet, Kim <sip:k.violet@garden.example>
        Call-ID: baddn.189@192.0.2.9
        Accept: application/sdp
        CSeq: 190 OPTIONS
        l: 0
        """),
    TortureCase(
        "badvers", "3.1.2.16", .refused(.unsupportedVersion),
        """
        OPTIONS sip:k.violet@garden.example SIP/7.0
        Via: SIP/7.0/UDP c.field.example;branch=z9hG4bK.t191
        Max-Forwards: 70
        From: A. Gray <sip:a.gray@garden.example>;tag=t192
        To: K. Violet <sip:k.violet@garden.example>
        Call-ID: badvers.193@192.0.2.9
        CSeq: 1 OPTIONS
        l: 0
        """),
    TortureCase(
        "mismatch01", "3.1.2.17", .refused(.cseqMethodMismatch),
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:k.violet@garden.example
        From: sip:caller@field.example;tag=t194
        Max-Forwards: 6
        Call-ID: mismatch01.195@192.0.2.9
        CSeq: 8 INVITE
        Via: SIP/2.0/UDP h.field.example;branch=z9hG4bK.t196
        l: 0
        """),
    TortureCase(
        "mismatch02", "3.1.2.18", .refused(.cseqMethodMismatch),
        """
        CHIME sip:plant@garden.example SIP/2.0
        To: sip:k.violet@garden.example
        From: sip:caller@field.example;tag=t197
        Max-Forwards: 6
        Call-ID: mismatch02.198@192.0.2.9
        CSeq: 8 INVITE
        Contact: <sip:caller@h.field.example>
        Via: SIP/2.0/UDP h.field.example;branch=z9hG4bK.t199
        Content-Type: application/sdp
        l: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "bigcode", "3.1.2.19", .refused(.statusCode),
        """
        SIP/2.0 4294967301 beyond every class
        Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK.t200
        Call-ID: bigcode.201@192.0.2.9
        CSeq: 202 INVITE
        From: <sip:plant@garden.example>;tag=t203
        To: <sip:plant@field.example>;tag=t204
        Content-Length: 0
        Contact: <sip:plant@h105.garden.example>
        """),
]
