# Prompts to frozen vectors, once for each text encoder and set of prompts of an experiment.
rule embed:
    input:
        [layout.record("embed", *pair) for pair in PARAMS.embeddings()],


rule embed_prompts:
    input:
        stored=lambda wildcards: (
            [PARAMS.embed.file] if wildcards.encoder == "file" else []
        ),
    output:
        embedding="data/embed/{encoder}/{prompts}/embedding.json",
    log:
        "logs/embed/{encoder}-{prompts}.log",
    benchmark:
        "logs/benchmarks/embed/{encoder}-{prompts}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=lambda wildcards: digests.digest(
            layout.encoding(wildcards.encoder, wildcards.prompts, PARAMS)
        ),
        code=digests.of_code("embed"),
    shell:
        "lacaf embed {wildcards.encoder} {wildcards.prompts} > {log} 2>&1"
