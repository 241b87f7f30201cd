"""From failures to the data that would mend them, and whether it did: pure functions."""

from .baselines import (
    pick_badge,
    pick_coreset,
    pick_entropy,
    pick_margin,
    pick_random,
    pick_typiclust,
)
from .budget import allocate, shares
from .embedding import QualityScale, joint_embedding, quality_scale, with_quality
from .failures import Failures, Weakness, persistent_failures, stratum_labels, weakness
from .leakage import Forbidden, Leak, differing_bits, leakage, leaked_rows, nearest_hash
from .prototypes import Clustering, Prototype, cluster, find_prototypes, medoid, stability
from .retrieve import (
    Hits,
    Selection,
    k_centre,
    range_retrieve,
    retrieval_scores,
    select,
    spread_out,
)
from .silhouette import adjusted_rand, silhouette

__all__ = [
    "Clustering",
    "Failures",
    "Forbidden",
    "Hits",
    "Leak",
    "Prototype",
    "QualityScale",
    "Selection",
    "Weakness",
    "adjusted_rand",
    "allocate",
    "cluster",
    "differing_bits",
    "find_prototypes",
    "joint_embedding",
    "k_centre",
    "leakage",
    "leaked_rows",
    "medoid",
    "nearest_hash",
    "persistent_failures",
    "pick_badge",
    "pick_coreset",
    "pick_entropy",
    "pick_margin",
    "pick_random",
    "pick_typiclust",
    "quality_scale",
    "range_retrieve",
    "retrieval_scores",
    "select",
    "shares",
    "silhouette",
    "spread_out",
    "stability",
    "stratum_labels",
    "weakness",
    "with_quality",
]
