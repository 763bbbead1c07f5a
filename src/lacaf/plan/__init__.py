"""Plan: parameters proposed for a cohort, an amount of memory and a time, each with its reason.

What the cohort is like is read from what convert, crop and harmonize left of its training and
validation cases; what a training costs is counted on the network itself. No stage: nothing
depends on it, and it writes nothing that is not asked for. The habit is that of nnU-Net's
fingerprint and planner (Isensee 2021, doi 10.1038/s41592-020-01008-z).
"""
