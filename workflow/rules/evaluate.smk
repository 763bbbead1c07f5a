# Scores of the test cases on the original grid; the only stage that looks at their labels.
rule evaluate:
    input:
        "data/evaluate/scores.csv",


rule evaluate_case:
    input:
        prediction="data/infer/{run}/{case}/prediction.json",
        coverage="data/harmonize/{case}/coverage.json",
        truth=lambda wildcards: (
            layout.record("phantom", wildcards.case)
            if layout.is_phantom(CASES[wildcards.case])
            else []
        ),
    output:
        record="data/evaluate/{run}/{case}/scores.json",
    log:
        "logs/evaluate/{run}/{case}.log",
    benchmark:
        "logs/benchmarks/evaluate/{run}/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=digests.digest(config["evaluate"]),
        code=digests.of_code("evaluate"),
        truth=lambda wildcards, input: (
            f"--truth {Path(input.truth).parent}" if input.truth else ""
        ),
    shell:
        "lacaf evaluate data/infer/{wildcards.run}/{wildcards.case}"
        " data/harmonize/{wildcards.case} {params.truth}"
        " --out data/evaluate/{wildcards.run}/{wildcards.case} > {log} 2>&1"


# A table each, as CSV for machines, as Markdown and LaTeX for readers.
TABLES = [
    "headline",
    "classes",
    "trees",
    "calibre",
    "generation",
    "identity",
    "experiments",
    "comparison",
]


rule summarize:
    input:
        scores=expand("data/evaluate/{run}/{case}/scores.json", run=RUNS, case=TEST),
        models=expand("data/train/{run}/model.json", run=PARAMS.runs()),
    output:
        scores=report(
            "data/evaluate/scores.csv",
            caption="../report/scores.rst",
            category="Scores",
        ),
        parts="data/evaluate/parts.csv",
        summary="data/evaluate/summary.json",
        tables=report(
            expand("data/evaluate/tables/{table}.csv", table=TABLES),
            caption="../report/tables.rst",
            category="Tables",
        ),
        readable=expand(
            "data/evaluate/tables/{table}.{format}", table=TABLES, format=["md", "tex"]
        ),
        curves=directory("data/evaluate/curves"),
        metrics="reports/metrics.json",
    log:
        "logs/evaluate/summarize.log",
    benchmark:
        "logs/benchmarks/evaluate/summarize.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=digests.digest(config["evaluate"]),
        code=digests.of_code("evaluate"),
    shell:
        "lacaf summarize > {log} 2>&1"
