"""The synthetic cohort: anatomy with known truth, handed over as a hospital would."""
