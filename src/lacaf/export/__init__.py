"""Export: the cohort in the form that other software asks for."""
