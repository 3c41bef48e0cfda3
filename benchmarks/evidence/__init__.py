"""The parts of ``benchmarks.completion``: methods, rows and their store, scoring, tables, marks, latency, plot."""
