"""The frame header of a JPEG or JPEG-LS stream: checked before GDCM sees it.

GDCM ends the whole process on some streams that contradict the data set, so a contradiction has
to be found here.
"""

from __future__ import annotations

_SOF = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}  # baseline, extended, progressive, lossless, JPEG-LS
_ALONE = {0x01, 0xD8, *range(0xD0, 0xD8)}
_SOS, _EOI = 0xDA, 0xD9


def check_frame(data: bytes, rows: int, columns: int, samples: int, bits: int) -> None:
    """Raise ``ValueError`` unless the stream is whole and of the stated size.

    Parameters
    ----------
    bits
        Bits Stored of the data set; both it and the precision must fit one byte, or neither.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError("the JPEG stream does not begin with its start marker")
    at = 2
    seen = False
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError(f"the JPEG stream has no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _ALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2:
            raise ValueError("a segment of the JPEG stream is cut off")
        if marker in _SOF:
            _check_header(segment, rows, columns, samples, bits)
            seen = True
        elif marker == _SOS:
            if not seen or not segment or not 1 <= segment[0] <= samples:
                raise ValueError("the JPEG stream begins its scan without a frame header")
            _check_scans(data[at + 2 + length :])
            return
        elif marker == _EOI:
            break
        at += 2 + length
    raise ValueError("the JPEG stream holds no scan")


def _check_header(segment: bytes, rows: int, columns: int, samples: int, bits: int) -> None:
    if len(segment) < 6 or len(segment) < 6 + 3 * segment[5]:
        raise ValueError("the frame header of the JPEG stream is cut off")
    precision, parts = segment[0], segment[5]
    height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    if (height, width, parts) != (rows, columns, samples):
        raise ValueError(
            f"the JPEG stream holds {height} x {width} x {parts}, the data set states "
            f"{rows} x {columns} x {samples}"
        )
    if not 2 <= precision <= 16 or (precision <= 8) != (bits <= 8):
        raise ValueError(f"the JPEG stream has {precision} bits, the data set states {bits}")


def _check_scans(data: bytes) -> None:
    if b"\xff\xd9" not in data:
        raise ValueError("the JPEG stream is cut off")
