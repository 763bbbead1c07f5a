"""``params.yaml``, typed: a module a section, and :mod:`lacaf.params.whole` for all of it."""
