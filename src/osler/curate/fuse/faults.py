"""What can be wrong with a dataset on disk: each fault has a code of its own."""

from __future__ import annotations

from osler.core import BadFileError, UnknownNameError

FAULTS: dict[str, str] = {
    "layout-unknown": "the folder fits no known layout, or more than one",
    "file-missing": "a file that the dataset names is not there",
    "file-dangling": "a link to content that was not fetched (git-annex, LFS pointer)",
    "file-unreadable": "a file cannot be read as what it claims to be",
    "file-unsafe": "a file carries what no dataset needs: XML entities, a bomb, endless nesting",
    "path-outside": "a table names a file outside the folder of its dataset",
    "table-columns": "a table lacks a column that its layout needs",
    "table-row": "a row of a table is broken or names something twice",
    "label-dictionary": "the dictionary of labels is inverted, has gaps or names a label twice",
    "label-value": "a mask or a table holds a label that no dictionary explains",
    "grid-mismatch": "image and mask do not lie on the same grid",
    "affine-broken": "the affine is not invertible, or spacing is zero or not finite",
    "form-disagreement": "sform and qform of a NIfTI file place the volume differently",
    "channels": "the number of channels is not the one that the dataset states",
    "slice-missing": "slices of a series are missing, doubled or not equally spaced",
    "series-mixed": "a series mixes sizes, directions or kinds of slices",
    "contour-slice": "a contour lies on no slice of its series",
    "frame-order": "frames of a segmentation do not match the slices they refer to",
    "frame-missing": "a frame that a table refers to is not in the video or the 4D volume",
    "mask-colours": "a mask holds colours that no class has (antialiased, JPEG, wrong palette)",
    "mask-is-image": "a mask has the values of an image, or an image those of a mask",
    "mask-overlap": "two exclusive masks claim one voxel",
    "rle": "a run-length code does not fill its image",
    "box": "a box is empty, inverted or leaves its image",
    "category": "an annotation has a category that is not declared",
    "laterality": "left and right are swapped against the anatomy or the label's name",
    "orientation-tag": "EXIF orientation would turn the image away from its annotations",
    "unit-unknown": "the unit of the values cannot be told and the goal needs it",
    "unit-other": "the values have another unit than the goal needs",
    "intensity": "the values contradict the unit that is stated",
    "suv": "a PET series lacks what its SUV is computed from",
    "checksum": "the content differs from the checksum that its source publishes",
    "split-leak": "one patient, lesion or image is in several splits of the source",
    "scale-missing": "a slide or image states no micrometres or millimetres per pixel",
    "answer-empty": "a question has no answer or no image",
    "patient-unknown": "a name does not fit the pattern that should tell its patient",
    "mask-variant": "an image has several masks and nothing says which one is meant",
    "label-conflict": "sources contradict each other on pictures that both hold",
    "uncertain": "a label is uncertain and the goal does not say what to do with it",
}
"""Code -> meaning. A reader raises no code that is not here."""


class LayoutError(BadFileError):
    """A dataset on disk is not what its layout promises.

    ``code`` is one of :data:`FAULTS`; ``path`` names the file. ``case`` is the key of the case it
    belongs to, empty for a fault of the whole dataset. A fault of a case drops that case with this
    sentence as its reason; a fault of the dataset refuses the dataset.
    """

    def __init__(
        self, code: str, path: object, what: str, todo: str = "", *, case: str = ""
    ) -> None:
        if code not in FAULTS:
            raise UnknownNameError("fault", code, FAULTS)
        self.code = code
        self.case = case
        super().__init__(path, f"{what} [{code}]", todo)
