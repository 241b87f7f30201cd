"""Goals to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "dimension": "2D",
        "modalities": ["CT", "MR", "Fundus"],
        "task_types": ["classification", "segmentation", "detection", "regression"],
        "license_allowlist": None,
        "include_unlabeled": True,
        "prefer_labeled": True,
        "min_valid_image_n_per_dataset": 100,
        "anatomy_whitelist": None,
        "release_date_min": None,
        "allow_3d_as_2d_sources": False,
        "selection": {
            "enable": True,
            "min_datasets_per_modality": 2,
            "min_orgs_per_modality": 2,
            "storage_budget_gb": None,
        },
    },
    "own": {
        "name": "abdomen",
        "purpose": "research",
        "seed": 0,
        "targets": ["liver", "spleen", "kidney:left", "kidney:right"],
        "intensity": {"CT": "HU"},
        "balance": {"max_share": 0.5, "by": "modality"},
        "split": {"train": 0.7, "val": 0.15, "test": 0.15},
        "sources": [
            {"dataset": "my-ct", "path": "my_ct", "licence": "CC BY 4.0", "modality": "CT"},
            {"dataset": "amos22", "path": "amos22", "layout": "nnunet", "modality": "CT"},
        ],
    },
}
"""Name -> goal. "paper" is the worked example of Imaging-X (arXiv 2603.27460): 2D pretraining over
three modalities; "own" fuses datasets that are on disk."""
