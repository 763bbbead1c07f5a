# Labels of any coding to the canonical classes, and what is known of each.
rule harmonize:
    input:
        expand("data/harmonize/{case}/coverage.json", case=CASES),


rule harmonize_case:
    input:
        source="data/convert/{case}/source.json",
        box="data/crop/{case}/box.json",
    output:
        record="data/harmonize/{case}/coverage.json",
    log:
        "logs/harmonize/{case}.log",
    benchmark:
        "logs/benchmarks/harmonize/{case}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=lambda wildcards: digests.digest(
            layout.section("harmonize", CASES[wildcards.case], PARAMS)
        ),
        code=digests.of_code("harmonize"),
        row=lambda wildcards: layout.row("harmonize", CASES[wildcards.case]),
    shell:
        "lacaf harmonize {wildcards.case} > {log} 2>&1"
