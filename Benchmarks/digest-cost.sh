#!/bin/sh
# Instructions per digest operation, OpenSSL's included, counted by callgrind in a release build, with the nanoseconds of a
# plain run beside them, and the calls of malloc per operation, which must be none: exit code 1 where there are any.
# Differences of two counts are used, so start-up does not show.
set -eu
cd "$(dirname "$0")/.."
swift build -c release --product DigestCost >/dev/null
tool="$(swift build -c release --show-bin-path)/DigestCost"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

profile() { # WHAT FUNCTION COUNT; prints instructions and calls of malloc
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$tool" "$1" "$2" "$3" >"$work/log" 2>&1
    awk '/Collected/ { printf "%s ", $4 }' "$work/log"
    # The line after cfn=…malloc says how often: calls=N.
    awk '/^cfn=/ { name = $1; sub(/^cfn=/, "", name); id = name; sub(/\).*/, ")", id)
                   if (name != id || $2 != "") text[id] = $0
                   current = text[id] }
         /^calls=/ { if (current ~ /[ )](malloc|calloc|realloc|posix_memalign|aligned_alloc)(@|$)/) { split($1, part, "="); sum += part[2] } }
         END { print sum + 0 }' "$work/out"
}

nanoseconds() { # WHAT FUNCTION
    began=$(date +%s%N)
    "$tool" "$1" "$2" 200000 >/dev/null
    ended=$(date +%s%N)
    echo $(((ended - began) / 200000))
}

failed=0
for function in md5 sha256 sha512_256; do
    for what in read first next again challenge verify; do
        set -- $(profile "$what" "$function" 500) $(profile "$what" "$function" 1500)
        printf '%-10s %-10s %6s instructions %5s ns %s mallocs\n' "$function" "$what" $((($3 - $1) / 1000)) \
            "$(nanoseconds "$what" "$function")" $((($4 - $2) / 1000))
        [ "$4" -eq "$2" ] || failed=1
    done
done
exit $failed
