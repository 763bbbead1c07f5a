"""Section ``study``: experiments that are set side by side, with several seeds each."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lacaf.params.section import Name, Section
from lacaf.params.train import Seed, different


class Table(Section):
    """A table of a study: some of its experiments, each set against the same one."""

    against: Name
    """The experiment that the others are compared with."""
    experiments: Annotated[list[Name], Field(min_length=1), AfterValidator(different)]
    """Those that stand in the table, in this order."""


class Study(Section):
    """Many experiments, each with several seeds, scored on the test cases and compared."""

    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(different)]
    """Each experiment is trained once with each of these; from three on their spread is told."""
    experiments: dict[Name, dict[str, Any]]
    """Experiments by name: the keys of `train` that each has otherwise."""
    tables: dict[Name, Table]
    """Which experiments stand side by side, and against which one, by the name of the table."""

    @model_validator(mode="after")
    def _tables_name_experiments(self) -> Study:
        for name, table in self.tables.items():
            strange = [e for e in table.experiments if e not in self.experiments]
            if strange:
                raise ValueError(
                    f"table `{name}` names {', '.join(strange)}; study.experiments has "
                    f"{', '.join(self.experiments) or 'none'}"
                )
            if table.against not in table.experiments:
                raise ValueError(
                    f"table `{name}` is against {table.against}, which is none of its experiments: "
                    f"{', '.join(table.experiments)}"
                )
        return self
