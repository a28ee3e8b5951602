/// RFC 4475 §3.1.1: odd, and right.
let tortureValid: [TortureCase] = [
    TortureCase(
        "wsinv", "3.1.1.1", .right,
        """
        INVITE sip:violet@garden.example;loose-param SIP/2.0
        TO :
         sip:violet@garden.example ;   tag    = 8817n
        from   : "R Indigo \\\\\\""       <sip:indigo@field.example>
          ;
          tag = 31asjd8
        mAx-FORwards: 0042
        Call-ID: wsinv.101@192.0.2.9
        Content-Length   : $LENGTH
        cSEQ: 0007
          INVITE
        Via  : SIP  /   2.0
         /UDP
            192.0.2.9;branch=471skdjuw
        s :
        FreshlyMade:   a value
         that goes on
        \tand on
        OddValued: ;;,,;;,;
        Content-Type: application/sdp
        Route:
         <sip:relay.garden.example;lr;unknownwith=value;unknown-no-value>
        v:  SIP  / 2.0  / TCP     reel.garden.example   ;
          branch  =   z9hG4bK7ikj6  ,
         SIP  /    2.0   / UDP  192.0.2.77   ; branch=
         z9hG4bK20137
        m:"Quoted \\"\\"" <sip:indigo@field.example> ; fresh =
              value ;
          other ; q = 0.25
        """, body: smallOffer),
    TortureCase(
        "intmeth", "3.1.1.2", .right,
        """
        !rare-Verb42_*+`.%odd'~ sip:2_rare.URI~(so-be!it)&isn't+so$/wild?,/;;*:&x+y=1,odd!*pa$s~d_too.(no)@garden.example SIP/2.0
        Via: SIP/2.0/TCP h1.garden.example;branch=z9hG4bK-.!%55*_+`'~
        To: "BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7F}" <sip:2_rare.URI~(so-be!it)&isn't+so$/wild?,/;;*@garden.example>
        From: bloom1~` bloom2'+_ bloom3*%!.- <sip:mundane@garden.example>;odd*param'p~=\
        "\u{43E}\u{434}\u{438}\u{43D}";tag=.-!%*`+'~0
        Call-ID: rare.word%ZK-!.*_+'@word`~)(><:\\/"][?}{
        CSeq: 2904821 !rare-Verb42_*+`.%odd'~
        Max-Forwards: 255
        odd-header*Name_.: lead "" and \u{43E} trail
        Content-Length: 0
        """),
    TortureCase(
        "esc01", "3.1.1.3", .right,
        """
        INVITE sip:sips%3Aviolet%40field.example@garden.example SIP/2.0
        To: sip:%76iolet@garden.example
        From: <sip:I%20have%20blanks@field.example>;tag=t102
        Max-Forwards: 87
        i: esc01.103@192.0.2.9
        CSeq: 104 INVITE
        Via: SIP/2.0/UDP h5.garden.example;branch=z9hG4bK.t105
        C: application/sdp
        Contact: <sip:caller@h5.garden.example;%6C%72;n%61me=v%61lue%25%34%31>
        Content-Length: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "escnull", "3.1.1.4", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        To: sip:nil-%00-nil@garden.example
        From: sip:nil-%00-nil@garden.example;tag=t106
        Max-Forwards: 70
        Call-ID: escnull.107@192.0.2.9
        CSeq: 14 REGISTER
        Via: SIP/2.0/UDP h5.garden.example;branch=z9hG4bK.t108
        Contact: <sip:%00@h5.garden.example>
        Contact: <sip:%00%00@h5.garden.example>
        L:0
        """),
    TortureCase(
        "esc02", "3.1.1.5", .right,
        """
        RE%47IST%45R sip:registrar.garden.example SIP/2.0
        To: "%Z%45" <sip:plant@garden.example>
        From: "%Z%45" <sip:plant@garden.example>;tag=t109
        Max-Forwards: 70
        Call-ID: esc02.110@192.0.2.9
        CSeq: 111 RE%47IST%45R
        Via: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK.t112%fz
        Contact: <sip:alias1@h1.garden.example>
        Contact: <sip:alias%32@h2.garden.example>
        Content-Length: 0
        """),
    TortureCase(
        "lwsdisp", "3.1.1.6", .right,
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:plant@garden.example
        From: gardener<sip:gardener@garden.example>;tag=t113
        Max-Forwards: 70
        Call-ID: lwsdisp.114@192.0.2.9
        CSeq: 60 OPTIONS
        Via: SIP/2.0/UDP h1.garden.example;branch=z9hG4bK.t115
        L: 0
        """),
    TortureCase(
        "longreq", "3.1.1.7", .right,
        """
        INVITE sip:plant@garden.example SIP/2.0
        To: "Someone with \(String(repeating: "a very long ", count: 20))name"<sip:plant@garden.example:5060;\
        unknown\(String(repeating: "long", count: 30))Param=\(String(repeating: "value", count: 40));\
        otherparam\(String(repeating: "name", count: 20))>
        F: sip:\(String(repeating: "resounding", count: 20))@garden.example;tag=12\(String(repeating: "98", count: 100));\
        unknown\(String(repeating: "head", count: 30))=\(String(repeating: "more", count: 50))
        Call-ID: longreq.one\(String(repeating: "really", count: 30))longcallid
        CSeq: 3882340 INVITE
        Unknown-\(String(repeating: "Long-", count: 20))Name: \(String(repeating: "unknown, ", count: 40))
        Via: SIP/2.0/TCP sip33.garden.example
        v: SIP/2.0/TCP sip32.garden.example
        V: SIP/2.0/TCP sip31.garden.example
        Via: SIP/2.0/TCP h4.garden.example;branch=peal\(String(repeating: "branch", count: 40))
        Max-Forwards: 70
        Contact: <sip:\(String(repeating: "resounding", count: 20))@h5.garden.example>
        Content-Type: application/sdp
        l: $LENGTH
        """, body: smallOffer),
    TortureCase(
        "dblreq", "3.1.1.8", .right,
        """
        REGISTER sip:garden.example SIP/2.0
        To: sip:k.violet@garden.example
        From: sip:k.violet@garden.example;tag=t116
        Max-Forwards: 8
        Contact: sip:k.violet@h3.garden.example
        Call-ID: dblreq.117@192.0.2.9
        CSeq: 8 REGISTER
        Via: SIP/2.0/UDP h3.garden.example;branch=z9hG4bK.t118
        Content-Length: 0
        """,
        trailing:
            "INVITE sip:late@garden.example SIP/2.0\r\nTo: sip:late@garden.example\r\nContent-Length: 9\r\n\r\nno matter"
    ),
    TortureCase(
        "semiuri", "3.1.1.9", .right,
        """
        OPTIONS sip:plant;kind=fern%40pot.example@garden.example SIP/2.0
        To: sip:i_am@garden.example
        From: sip:gardener@garden.example;tag=t119
        Max-Forwards: 3
        Call-ID: semiuri.120@192.0.2.9
        CSeq: 8 OPTIONS
        Accept: application/sdp, application/pkcs7-mime,
                multipart/mixed, multipart/signed,
                message/sip, message/sipfrag
        Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK.t121
        l: 0
        """),
    TortureCase(
        "transports", "3.1.1.10", .right,
        """
        OPTIONS sip:plant@garden.example SIP/2.0
        To: sip:plant@garden.example
        From: <sip:gardener@garden.example>;tag=t122
        Max-Forwards: 70
        Call-ID: transports.123@192.0.2.9
        Accept: application/sdp
        CSeq: 60 OPTIONS
        Via: SIP/2.0/UDP t1.garden.example;branch=z9hG4bK.t124
        Via: SIP/2.0/SCTP t2.garden.example;branch=z9hG4bK.t125
        Via: SIP/2.0/TLS t3.garden.example;branch=z9hG4bK.t126
        Via: SIP/2.0/UNKNOWN t4.garden.example;branch=z9hG4bK.t127
        Via: SIP/2.0/TCP t5.garden.example;branch=z9hG4bK.t128
        l: 0
        """),
    TortureCase(
        "mpart01", "3.1.1.11", .right,
        """
        MESSAGE sip:kumquat@garden.example SIP/2.0
        Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK.t129;rport
        Max-Forwards: 70
        Route: <sip:192.0.2.9:5080>
        From: <sip:fluffy@field.example>;tag=t130
        To: <sip:kumquat@garden.example>
        Call-ID: mpart01.131@192.0.2.9
        CSeq: 1 MESSAGE
        Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
        Content-Length: $LENGTH
        """,
        body: "--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9cbec02ceef655\r\n"
            + "Content-Type: application/octet-stream\r\n\r\n\0\u{1}\u{82}\0\r\n\r\n\0\u{FF}:\r\n--7a9cbec02ceef655--\r\n"
    ),
    TortureCase(
        "unreason", "3.1.1.12", .right,
        """
        SIP/2.0 200 all is well; (\u{43A}\u{43E}\u{43B}\u{43E}\u{43A}\u{43E}\u{43B}) = 4 * \"50\" <ok>
        Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK.t132
        Call-ID: unreason.133@192.0.2.9
        CSeq: 35 INVITE
        From: sip:plant@garden.example;tag=t134
        To: sip:plant@field.example;tag=t135
        Content-Length: $LENGTH
        Content-Type: application/sdp
        Contact: <sip:plant@h198.garden.example>
        """, body: smallOffer),
    TortureCase(
        "noreason", "3.1.1.13", .right,
        """
        SIP/2.0 100\u{20}
        Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK.t136
        Call-ID: noreason.137@192.0.2.9
        CSeq: 35 INVITE
        From: <sip:plant@garden.example>;tag=t138
        To: <sip:plant@field.example>;tag=t139
        Content-Length: 0
        Contact: <sip:plant@h105.garden.example>
        """),
    TortureCase(
        "inv2543", "3.4.1", .right,
        """
        INVITE sip:UserB@garden.example SIP/2.0
        Via: SIP/2.0/UDP if.garden.example
        From: <sip:caller@field.example>
        Record-Route: <sip:UserB@garden.example;maddr=h1.garden.example>
        To: sip:callee@garden.example
        Call-ID: inv2543.140@192.0.2.9
        CSeq: 56 INVITE
        Content-Type: application/sdp
        """, body: smallOffer),
]
