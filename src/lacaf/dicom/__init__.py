"""DICOM, read and written: a shared room that knows no stage's rules and no parameters."""
