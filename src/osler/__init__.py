"""Osler: evaluate a medical multimodal model, curate the data that would mend it, improve it.

Importing this package is cheap (standard library only); each room imports what it needs.
For research use only: nothing here is a medical device.
"""

__version__ = "0.1.0"
