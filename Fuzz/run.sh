#!/bin/sh
# Fuzzes SIPWire with libFuzzer, with the address sanitizer where it links, for so many seconds each (default 60): the scanner with
# the views, the stream framer, session descriptions, and values of Via, From, Contact and Route with URIs and addresses. The corpora
# start from messages of our own and are kept in .build/fuzz; a crash is left there and named at the end.
#
#     Fuzz/run.sh SECONDS [libFuzzer options]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
work=.build/fuzz
mkdir -p "$work/corpus" "$work/corpus-stream" "$work/corpus-description" "$work/corpus-parts"

build() { # SANITIZERS NAME
    swiftc -O -sanitize="$1" -I Sources/COctetSearch/include -parse-as-library -swift-version 6 -module-name "Fuzz$2" \
        Sources/SIPWire/*.swift "$work"/shared/*.swift "Fuzz/Fuzz$2.swift" -o "$work/fuzz-$2"
}
# What is shared imports SIPWire for the tests; here it is part of the module.
mkdir -p "$work/shared"
for name in Account ExerciseWire ExerciseStream ExerciseDescription ExerciseParts; do
    grep -v '^import SIPWire$' "Tests/SIPWireTests/$name.swift" >"$work/shared/$name.swift"
done
for name in Wire Stream Description Parts; do
    if build fuzzer,address "$name" 2>"$work/build.log"; then
        echo "fuzzing with the address sanitizer: $name"
    else
        echo "no address sanitizer here, fuzzing without: $name" && tail -n 2 "$work/build.log"
        build fuzzer "$name"
    fi
done

seed() { # NAME, lines on standard input; line ends become CR LF
    sed 's/$/\r/' >"$work/corpus/seed-$1"
}
seed invite <<'SIP'
INVITE sip:callee;x=1@127.0.0.1:5060;transport=udp SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;rport;branch=z9hG4bK-1, SIP/2.0/TCP [::1]:5060;branch=z9hG4bK-2
Max-Forwards: 70
From: "a, \"b\"" <sip:caller@127.0.0.1;lr>;tag=a1
To: callee <sip:callee@127.0.0.1>
Call-ID: one@127.0.0.1
CSeq: 1 INVITE
Contact: <sip:caller@127.0.0.1:5061;ob>;q=0.5;expires=60 , sip:other@[2001:db8::1]
Route: <sip:127.0.0.1;lr>,<sip:10.0.0.1;lr>
Subject: folded
 twice
	over
Content-Type: application/sdp
Content-Length: 111

v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 6000 RTP/AVP 0 8
a=rtpmap:0 PCMU/8000
a=sendonly
SIP
seed answer <<'SIP'
SIP/2.0 200 OK
v: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1;received=127.0.0.1;rport=5061
f: <sip:caller@127.0.0.1>;tag=a1
t: <sip:callee@127.0.0.1>;tag=b2
i: one@127.0.0.1
CSeq: 2147483647 INVITE
m: *
Record-Route : <sip:p1;lr>
Record-Route: <sip:p2;lr>
Warning: 399 host "text"
Retry-After: 18 (soon) ;duration=3600
Date: Sat, 13 Nov 2010 23:29:00 GMT
l: 0

SIP
seed options <<'SIP'
OPTIONS sips:%61:pw@h?to=a%20b&x=y SIP/2.0
Via: SIP / 2.0 / UDP h : 5060 ; branch = z9hG4bK1 ; x = "q;\""
From: tel:+1-201;ext=2;tag=1
To: urn:a:b
Call-ID: a
CSeq: 0009
 OPTIONS
Replaces: a;to-tag=b;from-tag=c
Expires: 4294967295

SIP
printf '\r\n\r\n' >"$work/corpus/seed-keepalive"

# Streams: one octet that says how to cut, then messages and keep-alives.
stream() { # NAME, messages by their seeds
    name=$1
    shift
    { printf 'A' && for seed in "$@"; do cat "$work/corpus/seed-$seed"; done; } >"$work/corpus-stream/seed-$name"
}
seed short <<'SIP'
A b SIP/2.0
c:
Content-Language: l
l : 05
Content-Length:
 5

SIP
printf 'hello' >"$work/corpus/seed-hello"
stream many invite keepalive answer keepalive short hello
stream answers answer answer short hello answer
stream pings keepalive keepalive options

# Session descriptions, and values as they stand behind a header field's name.
part() { # FOLDER NAME, the value on standard input; line ends become CR LF but for the last, which goes
    sed 's/$/\r/' | head -c -2 >"$work/corpus-$1/seed-$2"
}
part description full <<'SDP'
v=0
o=ada 7 42 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1/127
t=0 0
a=recvonly
a=group:BUNDLE a
m=audio 6000/2 RTP/AVP 0 8  101
a=rtpmap:0 PCMU/8000
a=fmtp:101 0-15
m=video 0 RTP/AVP 31
c=IN IP6 2001:db8::1
a=sendonly
nonsense
m=audio 7000 RTP/SAVP 0
a=inactive
SDP
printf 'v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\na=inactive' >"$work/corpus-description/seed-feeds"
part parts vias <<'SIP'
SIP/2.0/UDP 127.0.0.1:5061;rport;branch=z9hG4bK-1, SIP / 2.0 / TCP [::1] : 5060 ; branch = z9hG4bK2;received=192.0.2.1;x="q;,\""
SIP
part parts contacts <<'SIP'
"a, \"b\"" <sip:a@b;lr>;q=0.5;expires=60 , sip:other@[2001:db8::1];tag=t, c d <tel:+1-201;ext=2>, <urn:a:b>
SIP
part parts uris <<'SIP'
sip:%61lice;x=1:pw@Example.com:5060;transport=tcp;lr;maddr=127.0.0.1?to=a%20b&x=y
sips:alice@example.com
SIP
part parts numbers <<'SIP'
tel:+1-(201).555;ext=2
tel:+1201555;EXT=2
SIP
printf '*' >"$work/corpus-parts/seed-star"
printf '[::ffff:192.0.2.1]:5060' >"$work/corpus-parts/seed-hostport"

status=0
fuzz() { # NAME CORPUS, libFuzzer options
    name=$1
    corpus=$2
    shift 2
    "$work/fuzz-$name" "$corpus" -dict=Fuzz/sip.dict -max_total_time="$seconds" -timeout=5 \
        -artifact_prefix="$work/$name-" -print_final_stats=1 "$@" 2>"$work/fuzz-$name.log" || status=$?
    echo "$name: $(grep -c . "$work/fuzz-$name.log") lines in $work/fuzz-$name.log"
    grep -E 'DONE|stat::number_of_executed_units|ERROR|Fatal|SUMMARY|Test unit written' "$work/fuzz-$name.log" || true
}
fuzz Wire "$work/corpus" -max_len=2048 "$@"
fuzz Stream "$work/corpus-stream" -max_len=3072 "$@"
fuzz Description "$work/corpus-description" -max_len=1024 "$@"
fuzz Parts "$work/corpus-parts" -max_len=512 "$@"
exit "$status"
