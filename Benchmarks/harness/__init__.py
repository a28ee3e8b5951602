"""What `Benchmarks/bench` measures with: processes, parties, rounds, measures and tables."""
