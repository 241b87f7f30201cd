"""Volumes and their masks as datasets store them, checked while they are read.

What the layouts of volumes share: files that must be there (``files``), tables and options
(``tables``, ``settings``), the grid in a NIfTI header (``grid``), images and label maps (``masks``,
``parts``), dictionaries of labels (``dictionary``), left and right (``sides``), the ventricles
(``cavities``), filled contours (``contours``), a DICOM archive by its headers (``archive``,
``slices``), its RTSTRUCT and SEG objects (``structures``, ``segments``), names in BIDS
(``bids_names``, ``bids_masks``).
"""
