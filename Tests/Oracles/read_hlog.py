"""Reads an .hlog with Python's HdrHistogram and prints, for each tag, what it sees.

One line for each tag: tag, samples, then p50 p90 p99 p99.9 p99.99 max, then value:count of each recorded bucket.
"""
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

sums = {}
# The layout of ours; the package has no other way to make an empty one.
reference = HdrHistogram(1000, (1 << 47) - 1, 3)
reader = HistogramLogReader(sys.argv[1], reference)
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    tag = interval.get_tag() or "-"
    if tag not in sums:
        sums[tag] = HdrHistogram(1000, (1 << 47) - 1, 3)
    sums[tag].add(interval)
for tag, histogram in sums.items():
    values = [histogram.get_value_at_percentile(p) for p in (50, 90, 99, 99.9, 99.99, 100)]
    buckets = [
        "%d:%d" % (item.value_iterated_to, item.count_added_in_this_iter_step)
        for item in histogram.get_recorded_iterator()
    ]
    print(tag, histogram.get_total_count(), *values, *buckets)
