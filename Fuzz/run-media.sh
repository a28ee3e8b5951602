#!/bin/sh
# Fuzzes the reader of RTP (Sources/RTPMedia) for so many seconds (default 60), as run.sh does SIPWire. The corpus is kept in
# .build/fuzz-media/corpus; a crash is left in .build/fuzz-media and named at the end.
#
#     Fuzz/run-media.sh SECONDS [libFuzzer options]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
work=.build/fuzz-media
mkdir -p "$work/corpus"

build() { # SANITIZERS
    swiftc -O -sanitize="$1" -parse-as-library -swift-version 6 -module-name FuzzMedia \
        Sources/RTPMedia/RTPPacket.swift Sources/RTPMedia/ReceptionStatistics.swift "$work/ExercisePacket.swift" \
        Fuzz/FuzzMedia.swift -o "$work/fuzz-media"
}
# The exercise imports RTPMedia for the tests; here it is part of the module.
grep -v '^import RTPMedia$' Tests/RTPMediaTests/ExercisePacket.swift >"$work/ExercisePacket.swift"
if build fuzzer,address 2>"$work/build.log"; then
    echo "fuzzing with the address sanitizer"
else
    echo "no address sanitizer here, fuzzing without:" && tail -n 2 "$work/build.log"
    build fuzzer
fi

seed() { cat >"$work/corpus/seed-$1"; }
printf '\200\000\000\001\000\000\000\240\000\000\000\005\377\377\377\377' | seed plain
printf '\201\210\000\002\000\000\001\100\000\000\000\005\000\000\000\006\325' | seed source
printf '\220\000\000\003\000\000\001\340\000\000\000\005\276\336\000\001\020\000\000\000\377' | seed extension
printf '\240\000\000\004\000\000\002\200\000\000\000\005\377\000\000\003' | seed padding
printf '\200\310\000\006\000\000\000\005\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000' | seed report

"$work/fuzz-media" "$work/corpus" -max_len=512 -max_total_time="$seconds" -timeout=5 \
    -artifact_prefix="$work/" -print_final_stats=1 "$@" 2>"$work/fuzz.log" && status=0 || status=$?
grep -E 'DONE|stat::number_of_executed_units|ERROR|Fatal|SUMMARY|Test unit written' "$work/fuzz.log" || true
exit "$status"
