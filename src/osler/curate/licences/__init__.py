"""Licences of data: what a licence asks, and what may be made of several together.

A dataset may have one licence for its images and another for its annotations; both count. What no
licence grants is not allowed: an unknown licence refuses until somebody accepts it by name.
"""

from .combine import (
    Credit,
    Form,
    Purpose,
    SourceTerms,
    SourceVerdict,
    Verdict,
    combine,
    combine_sources,
)
from .reading import (
    UNKNOWN,
    Constraint,
    Licence,
    is_permissive,
    known_licences,
    licence_named,
    licences_named,
)

__all__ = [
    "UNKNOWN",
    "Constraint",
    "Credit",
    "Form",
    "Licence",
    "Purpose",
    "SourceTerms",
    "SourceVerdict",
    "Verdict",
    "combine",
    "combine_sources",
    "is_permissive",
    "known_licences",
    "licence_named",
    "licences_named",
]
