# Prompts to frozen vectors, once for each text encoder that an experiment names.
ENCODERS = sorted({e.encoder for e in PARAMS.train.experiments.values() if e.encoder})


rule embed:
    input:
        expand("data/embed/{encoder}/embedding.json", encoder=ENCODERS),


rule embed_prompts:
    input:
        stored=lambda wildcards: (
            [PARAMS.embed.file] if wildcards.encoder == "file" else []
        ),
    output:
        embedding="data/embed/{encoder}/embedding.json",
    log:
        "logs/embed/{encoder}.log",
    benchmark:
        "logs/benchmarks/embed/{encoder}.tsv"
    conda:
        "../envs/lacaf.yaml"
    params:
        section=records.digest(config["embed"]),
        code=records.digest_code("embed"),
    shell:
        "lacaf embed {wildcards.encoder} > {log} 2>&1"
