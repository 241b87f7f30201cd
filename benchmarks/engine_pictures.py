"""Pictures for measurements: distinct 512 x 512 grey PNG files, 183 KB, incompressible.

``python engine_pictures.py FOLDER COUNT`` keeps them as Osler keeps images (by the hash of their
bytes) and lists the hashes in ``digests.txt``.
"""

from __future__ import annotations

import sys
from pathlib import Path

SIDE, GREYS = 512, 48
"""48 equally likely greys hold log2(48) = 5.6 bits a pixel: 183 KB."""


def make(folder: Path, count: int) -> None:
    """Write ``count`` pictures below ``folder``; one that is there already is kept."""
    import cv2
    import numpy as np

    from osler.evaluate.engine import put_blob

    listed = folder / "digests.txt"
    if listed.exists() and len(listed.read_text().split()) >= count:
        return
    # Without a row filter: differences of noise would need more bits than the noise.
    plain = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
    plain += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    digests = []
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, GREYS, (SIDE, SIDE), dtype=np.uint8)
        done, data = cv2.imencode(".png", noise + np.uint8(100), plain)
        assert done
        digests.append(put_blob(folder, data.tobytes()).sha256)
    listed.write_text("\n".join(digests) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
