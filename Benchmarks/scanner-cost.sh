#!/bin/sh
# Instructions per scan of a 200 OK of about 460 octets, counted by callgrind in a release build; the bar is 1,300.
# The difference between two counts is used, so start-up does not show. Exit code 1 where the bar is missed.
set -eu
cd "$(dirname "$0")/.."
bar=${1:-1300}
swift build -c release --product ScannerCost >/dev/null
tool="$(swift build -c release --show-bin-path)/ScannerCost"

instructions() { # WHAT COUNT
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$tool" "$1" "$2" 2>&1 |
        awk '/Collected/ { print $4 }'
}

per_scan() { # WHAT
    low=$(instructions "$1" 1000)
    high=$(instructions "$1" 3000)
    echo $(((high - low) / 2000))
}

scan=$(per_scan ok)
printf 'scan of a 200 OK (%s octets)      %6s instructions\n' "$("$tool" ok 0)" "$scan"
printf 'scan of an INVITE (%s octets)     %6s instructions\n' "$("$tool" invite 0)" "$(per_scan invite)"
printf 'topmost branch                     %6s instructions\n' "$(per_scan branch)"
printf 'From tag                           %6s instructions\n' "$(per_scan tag)"
if [ "$scan" -le "$bar" ]; then
    echo "PASS: $scan <= $bar"
else
    echo "FAIL: $scan > $bar"
    exit 1
fi
