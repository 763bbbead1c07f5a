# CT and labels to NIfTI in HU with true geometry. The record source.json is always written;
# the image beside it only if the case was not refused.
rule convert:
    input:
        expand("data/convert/{case}/source.json", case=CASES),


rule convert_case:
    input:
        unpack(lambda wildcards: layout.inputs("convert", CASES[wildcards.case])),
    output:
        record="data/convert/{case}/source.json",
    log:
        "logs/convert/{case}.log",
    benchmark:
        "logs/benchmarks/convert/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=lambda wildcards: digests.digest(
            layout.section("convert", CASES[wildcards.case], PARAMS)
        ),
        code=digests.of_code("convert"),
        row=lambda wildcards: layout.row("convert", CASES[wildcards.case]),
    shell:
        "lacaf convert {wildcards.case} > {log} 2>&1"
