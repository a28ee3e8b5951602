#!/bin/sh
# Fuzzes the registrar and the proxy of Sources/ElementServers for so many seconds (default 60), as run.sh does SIPWire. The corpus is kept in
# .build/fuzz-elements/corpus; a crash is left in .build/fuzz-elements and named at the end.
#
#     Fuzz/run-elements.sh SECONDS [libFuzzer options]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
work=.build/fuzz-elements
mkdir -p "$work/corpus"

compile() { # SANITIZERS, more
    sanitizers=$1
    shift
    swiftc -O -sanitize="$sanitizers" -I Sources/COctetSearch/include -I Sources/CHashFunctions/include -I "$work" \
        -parse-as-library -swift-version 6 "$@"
}
module() { # SANITIZERS NAME FILES
    sanitizers=$1 name=$2
    shift 2
    compile "$sanitizers" -wmo -module-name "$name" -emit-module -emit-module-path "$work/$name.swiftmodule" -c "$@" \
        -o "$work/$name.o"
}
# Modules as in the product; of the elements all but what has sockets.
build() { # SANITIZERS
    module "$1" SIPWire Sources/SIPWire/*.swift && module "$1" Digest Sources/Digest/*.swift &&
        module "$1" SIPTransactions Sources/SIPTransactions/*.swift &&
        module "$1" ElementServers $(ls Sources/ElementServers/*.swift | grep -v -e ElementLoop -e ElementStreams) &&
        compile "$1" -module-name FuzzElements Tests/ElementServersTests/ExerciseElement.swift Fuzz/FuzzElements.swift \
            "$work"/SIPWire.o "$work"/Digest.o "$work"/SIPTransactions.o "$work"/ElementServers.o "$work"/CHashFunctions.o \
            -lcrypto -o "$work/fuzz-elements"
}
clang -O2 -I Sources/CHashFunctions/include -c Sources/CHashFunctions/CHashFunctions.c -o "$work/CHashFunctions.o"
if build fuzzer,address 2>"$work/build.log"; then
    echo "fuzzing with the address sanitizer"
else
    echo "no address sanitizer here, fuzzing without:" && tail -n 2 "$work/build.log"
    build fuzzer
fi

seed() { # NAME ROLE, messages on standard input, parted by @; line ends become CR LF
    { printf "%s" "$2" && sed 's/$/\r/' | tr '@' '\000'; } >"$work/corpus/seed-$1"
}
call() {
    cat <<'SIP'
REGISTER sip:127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;rport;branch=z9hG4bK1
From: <sip:bob>;tag=1
To: <sip:127.0.0.1>
Call-ID: 1
CSeq: 1 REGISTER
Contact: <sip:127.0.0.1:5061>;q=0.5, sip:127.0.0.1:5062;expires=90
Authorization: Digest username="b", realm="127.0.0.1", nonce="0", uri="sip:a", response="00112233445566778899aabbccddeeff", qop=auth, nc=00000001, cnonce="c"
Content-Length: 0

@INVITE sip:127.0.0.1:5062 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK2, SIP/2.0/TCP h
Max-Forwards: 7
Route: <sip:127.0.0.1;lr>,<sip:127.0.0.1:5063>
From: <sip:a>;tag=1
To: <sip:b>
Call-ID: 2
CSeq: 1 INVITE
Content-Length: 0

@CANCEL sip:127.0.0.1:5062 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK2
From: <sip:a>;tag=1
To: <sip:b>
Call-ID: 2
CSeq: 1 CANCEL

@ACK sip:127.0.0.1;lr SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK3
Route: <sip:127.0.0.1:5063>
From: <sip:a>;tag=1
To: <sip:b>;tag=2
Call-ID: 2
CSeq: 1 ACK

SIP
}
# An at sign parts the messages, so the seeds have no users; the dictionary has the sign.
call | seed proxy 0
call | seed registrar 1
call | seed asking-proxy 2
call | seed asking-registrar 3
call | seed stream 8

"$work/fuzz-elements" "$work/corpus" -dict=Fuzz/sip.dict -max_len=4096 -max_total_time="$seconds" -timeout=5 \
    -artifact_prefix="$work/" -print_final_stats=1 "$@" 2>"$work/fuzz.log" && status=0 || status=$?
grep -E 'DONE|stat::number_of_executed_units|ERROR|Fatal|SUMMARY|Test unit written' "$work/fuzz.log" || true
exit "$status"
