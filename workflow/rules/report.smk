# Pages that open offline: one a case, then the report around them, with its figures.
FULL = (
    SEGMENTED
    if PARAMS.report.overlay_cases == "all"
    else SEGMENTED[: PARAMS.report.overlay_cases]
)


rule report:
    input:
        cases="data/cases.csv",
        coverage=expand("data/harmonize/{case}/coverage.json", case=CASES),
        models=expand("data/train/{run}/model.json", run=PARAMS.runs()),
        predictions=expand(
            "data/infer/{run}/{case}/prediction.json", run=RUNS, case=SEGMENTED
        ),
        scores="data/evaluate/summary.json" if TEST and RUNS else [],
        pages=expand("reports/cases/{case}.json", case=CASES),
    output:
        page=report(
            "reports/index.html", caption="../report/page.rst", category="Report"
        ),
        cohort="reports/cohort.html",
        manifest="reports/manifest.json",
        colours="reports/lacaf.ctbl",
        hero=report(
            "reports/figures/hero.png",
            caption="../report/hero.rst",
            category="Figures",
            labels={"figure": "typical case"},
        ),
        classes=report(
            "reports/figures/classes.svg",
            caption="../report/classes.rst",
            category="Figures",
            labels={"figure": "DSC by class"},
        ),
        calibre=report(
            "reports/figures/calibre.svg",
            caption="../report/calibre.rst",
            category="Figures",
            labels={"figure": "by calibre"},
        ),
        coverage=report(
            "reports/figures/coverage.svg",
            caption="../report/coverage.rst",
            category="Figures",
            labels={"figure": "coverage"},
        ),
        curves=report(
            "reports/figures/curves.svg",
            caption="../report/curves.rst",
            category="Figures",
            labels={"figure": "training"},
        ),
        cost=report(
            "reports/figures/cost.svg",
            caption="../report/cost.rst",
            category="Figures",
            labels={"figure": "cost"},
        ),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=digests.digest(config["report"]),
        code=digests.of_code("report"),
    shell:
        "lacaf report > {log} 2>&1"


rule report_case:
    input:
        coverage="data/harmonize/{case}/coverage.json",
        predictions=lambda wildcards: expand(
            "data/infer/{run}/{case}/prediction.json",
            run=RUNS if wildcards.case in SEGMENTED else [],
            case=wildcards.case,
        ),
        scores=lambda wildcards: expand(
            "data/evaluate/{run}/{case}/scores.json",
            run=RUNS if wildcards.case in TEST else [],
            case=wildcards.case,
        ),
    output:
        page="reports/cases/{case}.html",
        about="reports/cases/{case}.json",
        figure=report(
            "reports/cases/{case}.png",
            caption="../report/case.rst",
            category="Cases",
            labels={"case": "{case}"},
        ),
    log:
        "logs/report/{case}.log",
    benchmark:
        "logs/benchmarks/report/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=digests.digest(config["report"]),
        code=digests.of_code("report"),
        full=lambda wildcards: "--full" if wildcards.case in FULL else "--no-full",
    shell:
        "lacaf report {wildcards.case} {params.full} > {log} 2>&1"
