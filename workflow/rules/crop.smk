# Lungs, left and right, and the CT on the working grid, with the inverse transform.
rule crop:
    input:
        expand("data/crop/{case}/box.json", case=CASES),


rule crop_case:
    input:
        source="data/convert/{case}/source.json",
        masks=lambda wildcards: layout.lung_masks(CASES[wildcards.case]),
    output:
        record="data/crop/{case}/box.json",
    log:
        "logs/crop/{case}.log",
    benchmark:
        "logs/benchmarks/crop/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=lambda wildcards: digests.digest(
            layout.section("crop", CASES[wildcards.case], PARAMS)
        ),
        code=digests.of_code("crop"),
    shell:
        "lacaf crop {wildcards.case} > {log} 2>&1"
