# Labels on the CT's original grid, for the cases of test and predict.
rule infer:
    input:
        expand("data/infer/{run}/{case}/prediction.json", run=RUNS, case=SEGMENTED),


rule infer_case:
    input:
        model=lambda wildcards: layout.model(wildcards.run, PARAMS) / "model.json",
        source="data/convert/{case}/source.json",
        box="data/crop/{case}/box.json",
    output:
        record="data/infer/{run}/{case}/prediction.json",
    log:
        "logs/infer/{run}/{case}.log",
    benchmark:
        "logs/benchmarks/infer/{run}/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    resources:
        gpu=GPU,
    params:
        section=digests.digest(PARAMS.infer.model_dump(exclude={"models"})),
        code=digests.of_code("infer"),
    shell:
        "lacaf infer {wildcards.run} {wildcards.case} > {log} 2>&1"
