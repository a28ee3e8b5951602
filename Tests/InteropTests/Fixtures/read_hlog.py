"""Reads an HdrHistogram log with Python's hdrhistogram and prints its delays, summed over the intervals, as JSON.

Percentiles follow the Java original: the smallest bucket with at least ceil(share * samples) samples up to it. The package's own
get_value_at_percentile rounds that rank to the nearest sample, so it is computed here from the package's buckets.
"""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

LAYOUT = (1000, (1 << 47) - 1, 3)


def at(buckets, samples, share_in_10000):
    rank, seen = max(1, -(-samples * share_in_10000 // 10000)), 0
    for value, count in buckets:
        seen += count
        if seen >= rank:
            return value
    return 0


def main(path):
    delays = {}
    reader = HistogramLogReader(path, HdrHistogram(*LAYOUT))
    while (interval := reader.get_next_interval_histogram()) is not None:
        delays.setdefault(interval.get_tag(), HdrHistogram(*LAYOUT)).add(interval)
    figures = {}
    for name, histogram in delays.items():
        buckets = [
            (histogram.get_highest_equivalent_value(item.value_iterated_to), item.count_added_in_this_iter_step)
            for item in histogram.get_recorded_iterator()
        ]
        samples = histogram.get_total_count()
        figures[name] = {
            "samples": samples, "maximum": buckets[-1][0] if buckets else 0,
            **{key: at(buckets, samples, share) for key, share in (
                ("p50", 5000), ("p90", 9000), ("p99", 9900), ("p999", 9990), ("p9999", 9999))},
        }
    json.dump(figures, sys.stdout)


main(sys.argv[1])
