# One self-contained page, from everything above.
rule report:
    input:
        cases="data/cases.csv",
        coverage=expand("data/harmonize/{case}/coverage.json", case=CASES),
        models=expand("data/train/{run}/model.json", run=PARAMS.runs()),
        predictions=expand(
            "data/infer/{run}/{case}/prediction.json", run=RUNS, case=SEGMENTED
        ),
        scores="data/evaluate/summary.json" if TEST and RUNS else [],
    output:
        page=report(
            "reports/index.html", caption="../report/page.rst", category="Report"
        ),
        manifest="reports/manifest.json",
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=records.digest(config["report"]),
        code=records.digest_code("report"),
    shell:
        "lacaf report > {log} 2>&1"
