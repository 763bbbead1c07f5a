"""Fake patients: data that looks like a patient's in a header and can be searched for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """One invented patient. Every value is recognisable as an invention, and none is random."""

    name: str
    patient_id: str
    birth_date: str
    address: str
    institution: str
    physician: str
    operator: str
    station: str

    def accession(self, case: str) -> str:
        """A fake accession number of one of the patient's scans."""
        return f"FAKEACC{_number(self.patient_id, case) % 10**8:08d}"

    def study_date(self, case: str) -> str:
        """A fake date of one of the patient's scans, long before there was CT."""
        number = _number(self.patient_id, case, "date")
        return f"1901{1 + number % 12:02d}{1 + number // 12 % 28:02d}"

    def uid(self, case: str, what: str) -> str:
        """A fake unique identifier, by UUID (root 2.25), of something in one of the scans."""
        return f"2.25.{_number(self.patient_id, case, what)}"


def fake_identity(patient: str) -> Identity:
    """The invented person behind a pseudonym; the same pseudonym gives the same person."""
    number = _number("lacaf phantom", patient)
    tag = f"{number % 10**6:06d}"
    return Identity(
        name=f"Phantasma{tag}^Ficta",
        patient_id=f"FAKEID{tag}",
        birth_date=f"1899{1 + number % 12:02d}{1 + number // 12 % 28:02d}",
        address=f"{tag} Nowhere Lane, Utopia",
        institution=f"Nosuch General Hospital {tag}",
        physician=f"Placebo{tag}^Doctor",
        operator=f"Nobody{tag}^Operator",
        station=f"FAKECT{tag}",
    )


def _number(*parts: str) -> int:
    """A positive integer below 2^127 that depends on all parts."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:16]) >> 1
