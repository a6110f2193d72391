"""Benchmarks: how fast the trainings and their reading are on this machine, beside the usual ways."""
