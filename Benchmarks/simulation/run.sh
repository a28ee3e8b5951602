#!/bin/sh
# Calls through a network that loses, doubles and reorders, in virtual time, judged by the wire alone. Without options: ten
# seeds of 100,000 basic calls, and fewer of the other flows and of worse networks. With them, one run again:
#   Benchmarks/simulation/run.sh --scenario basic-call --seed 7 --calls 100000
set -e
cd "$(dirname "$0")/../.."
"${SWIFT:-swift}" build -c release --product SimulationSoak >&2
exec "$("${SWIFT:-swift}" build -c release --show-bin-path)/SimulationSoak" "$@"
