#!/bin/sh
# Installs what the tests compare our output with: Python's HdrHistogram, into .build/oracles.
set -eu
cd "$(dirname "$0")/../.."
if [ ! -x .build/oracles/bin/python3 ]; then
    python3 -m venv .build/oracles
fi
if ! .build/oracles/bin/python3 -c 'import hdrh' 2>/dev/null; then
    .build/oracles/bin/python3 -m pip install --quiet 'hdrhistogram>=0.10.8,<0.11'
fi
.build/oracles/bin/python3 -c 'import hdrh; print("hdrhistogram is ready")'
