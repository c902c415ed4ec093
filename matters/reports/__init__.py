"""What the runs mean: aggregates, intervals, comparisons, figures, questions, pages.

The room knows nothing of how runs are made. Its one entry point is `matters.reports.report.write_report`.
"""
