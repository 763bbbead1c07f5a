# One model an experiment and seed, from the cases of train and val alone.
LEARNT = [case.case for case in CASES.values() if case.split in ("train", "val")]


rule train:
    input:
        expand("data/train/{run}/model.json", run=PARAMS.runs()),


rule train_model:
    input:
        images=expand("data/crop/{case}/box.json", case=LEARNT),
        labels=expand("data/harmonize/{case}/coverage.json", case=LEARNT),
        embedding=lambda wildcards: expand(
            "data/embed/{encoder}/embedding.json",
            encoder=PARAMS.train.experiments[wildcards.experiment].encoder or [],
        ),
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
        section=parameters.training_digest(PARAMS),
        experiment=lambda wildcards: PARAMS.train.experiments[
            wildcards.experiment
        ].model_dump(),
        code=records.digest_code("train", "model"),
    shell:
        "lacaf train {wildcards.experiment} --seed {wildcards.seed} > {log} 2>&1"
