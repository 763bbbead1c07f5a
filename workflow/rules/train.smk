# One model an experiment and seed, from the cases of train and val alone.
LEARNT = [case.case for case in CASES.values() if case.split in ("train", "val")]


rule train:
    input:
        expand("data/train/{run}/model.json", run=PARAMS.runs()),


rule train_model:
    input:
        images=expand("data/crop/{case}/box.json", case=LEARNT),
        labels=expand("data/harmonize/{case}/coverage.json", case=LEARNT),
        embedding=lambda wildcards: layout.embedding(wildcards.experiment, PARAMS),
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
    params:
        section=lambda wildcards: digests.digest(
            layout.recipe(wildcards.experiment, PARAMS)
        ),
        code=digests.of_code("train"),
    shell:
        "lacaf train {wildcards.experiment} --seed {wildcards.seed} > {log} 2>&1"
