# Many experiments with several seeds each, scored on the test cases and compared. Not part of
# `snakemake` alone: `snakemake study` asks for it. A run that was stopped goes on where it was;
# its model is no output here, since Snakemake would remove it before scoring it again.
rule study:
    input:
        "reports/study.html",


rule study_run:
    input:
        learnt=expand("data/prepare/{case}/prepare.json", case=LEARNT),
        embedding=lambda wildcards: layout.embedding(wildcards.experiment, STUDY),
        pretrained=lambda wildcards: layout.pretrained(wildcards.experiment, STUDY),
        sources=expand("data/convert/{case}/source.json", case=TEST),
        boxes=expand("data/crop/{case}/box.json", case=TEST),
        coverage=expand("data/harmonize/{case}/coverage.json", case=TEST),
        truth=[
            layout.record("phantom", case)
            for case in TEST
            if layout.is_phantom(CASES[case])
        ],
    output:
        scores="data/study/{experiment}-s{seed}/scores.csv",
        record="data/study/{experiment}-s{seed}/scores.json",
    log:
        "logs/study/{experiment}-s{seed}.log",
    benchmark:
        "logs/benchmarks/study/{experiment}-s{seed}.tsv"
    conda:
        "../envs/lacaf.yaml"
    threads: max(1, workflow.cores // max(1, len(STUDY.runs())))
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime=2880,
    params:
        section=lambda wildcards: digests.digest(
            [
                layout.recipe(wildcards.experiment, STUDY),
                PARAMS.infer.model_dump(exclude={"models"}),
                config["evaluate"],
            ]
        ),
        code=digests.of_code("study"),
        codes=[digests.of_code(word) for word in ("train", "infer", "evaluate")],
    shell:
        "lacaf study run {wildcards.experiment} --seed {wildcards.seed} > {log} 2>&1"


rule study_tables:
    input:
        scores=expand("data/study/{run}/scores.json", run=STUDY.runs()),
    output:
        page=report(
            "reports/study.html", caption="../report/study.rst", category="Study"
        ),
        numbers=report(
            "data/study/tables.csv", caption="../report/study.rst", category="Study"
        ),
        content="data/study/study.json",
        text="data/study/study.md",
        tables=directory("data/study/tables"),
        figures=directory("data/study/figures"),
    log:
        "logs/study/tables.log",
    benchmark:
        "logs/benchmarks/study/tables.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=digests.digest([config["study"], config["report"]]),
        code=digests.of_code("study"),
        page_code=digests.of_code("report"),
    shell:
        "lacaf study tables > {log} 2>&1"
