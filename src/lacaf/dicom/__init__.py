"""Shared room: DICOM read and written, of which no stage's rules and parameters know."""
