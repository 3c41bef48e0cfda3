"""The parts of ``benchmarks.estimation``: methods, planes, scores, rows, tables, marks, the picture sheet."""
