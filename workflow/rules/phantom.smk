# The embedded, synthetic cohort: only cases named phantom<number> are made here.
rule phantom:
    input:
        [
            layout.record("phantom", c.case)
            for c in CASES.values()
            if layout.is_phantom(c)
        ],


rule phantom_case:
    output:
        raw=directory("data/raw/{case}"),
        record="data/truth/{case}/phantom.json",
    log:
        "logs/phantom/{case}.log",
    benchmark:
        "logs/benchmarks/phantom/{case}.tsv"
    wildcard_constraints:
        case=r"phantom\d+",
    conda:
        "../envs/lacaf.yaml"
    params:
        section=lambda wildcards: digests.digest(
            layout.section("phantom", CASES[wildcards.case], PARAMS)
        ),
        code=digests.of_code("phantom"),
        row=lambda wildcards: layout.row("phantom", CASES[wildcards.case]),
    shell:
        "lacaf phantom {wildcards.case} > {log} 2>&1"
