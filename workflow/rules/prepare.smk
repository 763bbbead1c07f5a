# What training reads of a case, laid out for reading by patches: a cache that all experiments share.
rule prepare:
    input:
        expand("data/prepare/{case}/prepare.json", case=LEARNT),


rule prepare_case:
    input:
        box="data/crop/{case}/box.json",
        coverage="data/harmonize/{case}/coverage.json",
        truth=lambda wildcards: (
            layout.record("phantom", wildcards.case)
            if layout.is_phantom(CASES[wildcards.case])
            else []
        ),
    output:
        record="data/prepare/{case}/prepare.json",
    log:
        "logs/prepare/{case}.log",
    benchmark:
        "logs/benchmarks/prepare/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        code=digests.of_code("prepare"),
    shell:
        "lacaf prepare {wildcards.case} > {log} 2>&1"
