# One model an experiment and seed, from the cases of train and val alone. A job that was stopped
# goes on from data/checkpoints. Set its resources for a cluster in a profile (docs/how/gpu.md).
rule train:
    input:
        expand("data/train/{run}/model.json", run=PARAMS.runs()),


rule train_model:
    input:
        cases=expand("data/prepare/{case}/prepare.json", case=LEARNT),
        embedding=lambda wildcards: layout.embedding(wildcards.experiment, PARAMS),
        pretrained=lambda wildcards: layout.pretrained(wildcards.experiment, PARAMS),
    output:
        weights="data/train/{experiment}-s{seed}/model.pt",
        model="data/train/{experiment}-s{seed}/model.json",
        history="data/train/{experiment}-s{seed}/history.csv",
    log:
        "logs/train/{experiment}-s{seed}.log",
    benchmark:
        "logs/benchmarks/train/{experiment}-s{seed}.tsv"
    conda:
        "../envs/lacaf.yaml"
    threads: max(1, workflow.cores // max(1, len(PARAMS.runs())))
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime=2880,
    params:
        section=lambda wildcards: digests.digest(
            layout.recipe(wildcards.experiment, PARAMS)
        ),
        code=digests.of_code("train"),
    shell:
        "lacaf train {wildcards.experiment} --seed {wildcards.seed} "
        "--processes {resources.gpu} > {log} 2>&1"
