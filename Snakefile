# From DICOM to a table of scores. The includes are the method, in its order;
# params.yaml is the configuration, data/cases.csv the cohort.
import shlex
import shutil
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from lacaf import cases as case_table, digests, layout
from lacaf.params import section, whole as parameters

min_version("9.10")


configfile: "params.yaml"


try:
    PARAMS = parameters.load()
    CASES = case_table.read(codings=PARAMS.all_codings())
    case_table.present(case for case in CASES.values() if not layout.is_phantom(case))
    layout.check_raw(CASES.values())
    parameters.unchanged(config)
except (section.ParamsError, case_table.CasesError) as fault:
    raise WorkflowError(str(fault)) from None

STUDY = PARAMS.of_study()
RUNS = [*PARAMS.runs(), *PARAMS.infer.models]
LEARNT = [case.case for case in CASES.values() if case.split in ("train", "val")]
TEST = [case.case for case in CASES.values() if case.split == "test"]
SEGMENTED = [case.case for case in CASES.values() if case.split in ("test", "predict")]

# Jobs share a GPU where there is one; without, they run side by side on the cores.
GPU = 1 if shutil.which("nvidia-smi") else 0

# The commands of the environment that Snakemake runs in come first.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)


wildcard_constraints:
    case="[A-Za-z0-9][A-Za-z0-9_-]*",
    run="[A-Za-z0-9][A-Za-z0-9_-]*",
    experiment="[A-Za-z0-9][A-Za-z0-9_]*",
    seed=r"\d+",
    encoder="[a-z]+",
    prompts="[A-Za-z0-9][A-Za-z0-9_]*",


rule all:
    default_target: True
    input:
        "reports/index.html",
        "data/evaluate/scores.csv" if TEST and RUNS else [],


include: "workflow/rules/phantom.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/crop.smk"
include: "workflow/rules/harmonize.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/embed.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/study.smk"


localrules:
    all,
    phantom,
    convert,
    crop,
    harmonize,
    prepare,
    embed,
    train,
    infer,
    evaluate,
    study,
