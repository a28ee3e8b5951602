#!/usr/bin/env bash
# Fuzzes the scanner and all views with libFuzzer and the address sanitizer: Fuzz/run.sh SECONDS (default 60).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
work=.build/fuzz
mkdir -p "$work/corpus"
swiftc -O -swift-version 6 -parse-as-library -module-name SIPWire -emit-module -emit-module-path "$work/SIPWire.swiftmodule" \
    -sanitize=fuzzer,address -emit-library -static -o "$work/libSIPWire.a" Sources/SIPWire/*.swift
swiftc -O -swift-version 6 -parse-as-library -module-name FuzzWire -I "$work" -sanitize=fuzzer,address \
    Fuzz/FuzzWire.swift "$work/libSIPWire.a" -o "$work/fuzz-wire"
write() { printf '%b' "$2" > "$work/corpus/$1"; }
headers='Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport\r\nFrom: "A; B" <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com;lr>\r\nCall-ID: x@y\r\n'
write invite "INVITE sip:b@example.com SIP/2.0\r\n${headers}CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>, <sip:c@[2001:db8::1]:5070>\r\nContent-Type: application/sdp\r\nContent-Length: 62\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0\r\n"
write ok "SIP/2.0 200 OK\r\n${headers}CSeq: 1 INVITE\r\nRecord-Route: <sip:p1;lr>,<sip:p2;lr>\r\nl: 0\r\n\r\n"
write compact 'OPTIONS sip:x SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKq\r\nf: <sip:a@b>;tag=2\r\nt: sip:c@d\r\ni: 3\r\nCSeq: 2\r\n OPTIONS\r\nk: a,\r\n b\r\n\r\n'
write keepalive '\r\n\r\n'
"$work/fuzz-wire" -max_total_time="$seconds" -max_len=4096 -timeout=5 -print_final_stats=1 -artifact_prefix="$work/" "$work/corpus" 2>&1 |
    tail -n 25
