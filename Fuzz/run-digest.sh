#!/bin/sh
# Fuzzes the readers of Sources/Digest for so many seconds (default 60), as run.sh does SIPWire. The corpus is kept in
# .build/fuzz-digest/corpus; a crash is left in .build/fuzz-digest and named at the end.
#
#     Fuzz/run-digest.sh SECONDS [libFuzzer options]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
work=.build/fuzz-digest
mkdir -p "$work/corpus"

module() { # SANITIZERS NAME
    swiftc -O -wmo -sanitize="$1" -I Sources/COctetSearch/include -I Sources/CHashFunctions/include -I "$work" -parse-as-library \
        -swift-version 6 -module-name "$2" -emit-module -emit-module-path "$work/$2.swiftmodule" \
        -c Sources/"$2"/*.swift -o "$work/$2.o"
}
# Two modules as in the product: their internal names need not differ.
build() { # SANITIZERS
    module "$1" SIPWire && module "$1" Digest &&
        swiftc -O -sanitize="$1" -I Sources/COctetSearch/include -I Sources/CHashFunctions/include -I "$work" -parse-as-library \
            -swift-version 6 -module-name FuzzDigest Tests/DigestTests/ExerciseDigest.swift Fuzz/FuzzDigest.swift \
            "$work/SIPWire.o" "$work/Digest.o" "$work/CHashFunctions.o" -lcrypto -o "$work/fuzz-digest"
}
clang -O2 -I Sources/CHashFunctions/include -c Sources/CHashFunctions/CHashFunctions.c -o "$work/CHashFunctions.o"
if build fuzzer,address 2>"$work/build.log"; then
    echo "fuzzing with the address sanitizer"
else
    echo "no address sanitizer here, fuzzing without:" && tail -n 2 "$work/build.log"
    build fuzzer
fi

seed() { # NAME, the value on standard input
    tr -d '\n' >"$work/corpus/seed-$1"
}
seed challenge <<'SIP'
Digest realm="a \"b\"", nonce="n,=1", opaque="\\", stale=TRUE, algorithm=SHA-256-sess, qop="auth-int , auth", userhash=true
SIP
seed plain <<'SIP'
Digest realm=r,nonce=n
SIP
seed credentials <<'SIP'
Digest username="u", realm="r", nonce="n", uri="sip:a", response="00112233445566778899aabbccddeeff", qop=auth, nc=0000000a, cnonce="c"
SIP
seed extended <<'SIP'
Digest username*=UTF-8''J%C3%A4s, realm="r", nonce="n", uri="sip:a", response="00112233445566778899aabbccddeeff"
SIP
seed information <<'SIP'
nextnonce="47364c23432d2e131a5fb210812c", qop=auth, rspauth="00", cnonce="c", nc=00000001
SIP

"$work/fuzz-digest" "$work/corpus" -dict=Fuzz/digest.dict -max_len=1024 -max_total_time="$seconds" -timeout=5 \
    -artifact_prefix="$work/" -print_final_stats=1 "$@" 2>"$work/fuzz.log" && status=0 || status=$?
grep -E 'DONE|stat::number_of_executed_units|ERROR|Fatal|SUMMARY|Test unit written' "$work/fuzz.log" || true
exit "$status"
