"""Volumes and their masks as datasets store them, checked while they are read.

What the layouts of volumes share: files that must be there (``files``), tables (``tables``), the
grid in a NIfTI header (``grid``), images and label maps (``masks``), dictionaries of labels
(``dictionary``), left and right (``sides``), filled contours (``contours``), the headers of a DICOM
archive (``archive``), its RTSTRUCT and SEG objects (``structures``, ``segments``).
"""
