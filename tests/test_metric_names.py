"""The list of all metrics: as long as a reader can take in. What the stages write is held to it by their own tests."""

from metric_names import NAMES, OF_DRAWINGS, OF_PERSONS, OPTIONAL

ALL = [name for names in NAMES.values() for name in names]


def test_there_are_forty_metrics_at_most():
    assert len(ALL) == len(set(ALL)) and set(ALL) >= OPTIONAL >= OF_DRAWINGS | OF_PERSONS
    assert len(ALL) <= 40


def test_a_metric_reads_alone():
    """A subject and what is measured of it; `dvc metrics diff` prints file, name and three numbers in a line."""
    for stage, names in NAMES.items():
        path = "results/data/metrics.json" if stage == "report_data" else f"results/{stage}/metrics.json"
        for name in names:
            assert len(name.split(".")) == 2
            assert len(path) + len(name) + 4 * len("  ") + 3 * len("-0.00000") <= 100, name
