"""Pulmonary arteries and veins from half-labelled chest CT."""
