"""The report of a round: one page, and the same in rows for the terminal."""

from .page import REPORT, write_round_report
from .text import round_summary

__all__ = ["REPORT", "round_summary", "write_round_report"]
