"""What the run cost: time and memory by stage, from Snakemake's benchmark files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lacaf.report.charts import bar_chart
from lacaf.report.findings import parsed, read_table
from lacaf.stages import BY_WORD


def by_stage(benchmarks: Path) -> list[dict[str, Any]]:
    """One row a stage that has run: jobs, seconds in all and at most, peak memory in GB.

    Args:
        benchmarks: folder with one folder a stage and ``.tsv`` files below.
    """
    rows = []
    for stage in BY_WORD:
        jobs = [
            line
            for path in sorted((benchmarks / stage).rglob("*.tsv"))
            for line in read_table(path, "\t")
        ]
        seconds = [v for v in (parsed(job.get("s")) for job in jobs) if v is not None]
        memory = [v for v in (parsed(job.get("max_rss")) for job in jobs) if v is not None]
        if seconds:
            rows.append(
                {
                    "stage": stage,
                    "jobs": len(seconds),
                    "total_s": sum(seconds),
                    "longest_s": max(seconds),
                    "peak_gb": max(memory) / 1024 if memory else None,
                }
            )
    return rows


def charts(benchmarks: Path) -> list[str]:
    """Time and memory of the stages as bars; none where there are no benchmark files."""
    rows = by_stage(benchmarks)
    minutes = [(r["stage"], r["total_s"] / 60, f"{r['total_s'] / 60:.1f} min") for r in rows]
    memory = [
        (r["stage"], r["peak_gb"], f"{r['peak_gb']:.2f} GB")
        for r in rows
        if r["peak_gb"] is not None
    ]
    drawn = (
        bar_chart("Time of all jobs", minutes, "minutes"),
        bar_chart("Peak memory of a job", memory, "GB"),
    )
    return [chart for chart in drawn if chart]
