"""MedQ-Bench: can a model see and describe image quality? See README.md of this folder."""
