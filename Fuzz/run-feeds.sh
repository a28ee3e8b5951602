#!/bin/sh
# Fuzzes the reader of rows (Sources/Feeds) for so many seconds (default 60), as run.sh does SIPWire. The corpus is kept in
# .build/fuzz-feeds/corpus; a crash is left in .build/fuzz-feeds and named at the end.
#
#     Fuzz/run-feeds.sh SECONDS [libFuzzer options]
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
work=.build/fuzz-feeds
mkdir -p "$work/corpus"

build() { # SANITIZERS
    swiftc -O -sanitize="$1" -I Sources/CGuardedMapping/include -parse-as-library -swift-version 6 \
        -module-name FuzzFeeds Sources/Feeds/*.swift "$work/ExerciseRows.swift" Fuzz/FuzzFeeds.swift \
        "$work/CGuardedMapping.o" -o "$work/fuzz-feeds"
}
clang -O2 -I Sources/CGuardedMapping/include -c Sources/CGuardedMapping/CGuardedMapping.c -o "$work/CGuardedMapping.o"
# The exercise imports Feeds for the tests; here it is part of the module.
grep -v '^import Feeds$' Tests/FeedsTests/ExerciseRows.swift >"$work/ExerciseRows.swift"
if build fuzzer,address 2>"$work/build.log"; then
    echo "fuzzing with the address sanitizer"
else
    echo "no address sanitizer here, fuzzing without:" && tail -n 2 "$work/build.log"
    build fuzzer
fi

seed() { # NAME, what the file holds on standard input; its first octet says that the names stand in it
    { printf '\0'; cat; } >"$work/corpus/seed-$1"
}
printf 'user;password;domain\na;b;c\n"x;y";"say ""hi""";"1\r\n2"\n' | seed semicolons
printf '\357\273\277user,password\r\n# x\r\n\r\na,b\r\n,\r\n"",""' | seed commas
printf 'uri\nsip:a@b;lr,x\n""\n' | seed one
printf 'SEQUENTIAL\n1000;secret\n' | seed sipp
printf '\0021000;secret\n1001;secret\n' >"$work/corpus/seed-given"

"$work/fuzz-feeds" "$work/corpus" -dict=Fuzz/csv.dict -max_len=1024 -max_total_time="$seconds" -timeout=5 \
    -artifact_prefix="$work/" -print_final_stats=1 "$@" 2>"$work/fuzz.log" && status=0 || status=$?
grep -E 'DONE|stat::number_of_executed_units|ERROR|Fatal|SUMMARY|Test unit written' "$work/fuzz.log" || true
exit "$status"
