"""A report: a network on some pictures, in one HTML file that opens from disk and needs no network."""

from convitro.report.documents import Counted, Runs
from convitro.report.full import full_report
from convitro.report.result import Report

__all__ = ["Counted", "Report", "Runs", "full_report"]
