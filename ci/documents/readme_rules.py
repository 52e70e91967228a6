"""What it takes to run the commands of the READMEs in minutes: small data, small settings, and what is left out.

A command is run as it is printed, but for `SHORTER` and `FIRST`. The names that READMEs use for a reader's own data
(`DATA`, `NEW`, `one.nii.gz` ...) are painted in the copy in which a README is run, and every bundle there has the
settings of its tiny.json.
"""

from __future__ import annotations

__all__ = ["FIRST", "FIRST_IN_PYTHON", "FULL_SIZE", "LINKS", "OVERLAYS", "SHORTER", "SKIPPED"]

MMFORMER = "bundles/brats_mri_segmentation_pareto_mmformer"
VNET = "bundles/brats_mri_segmentation_pareto_vnet"

# What a document says in a sentence, not in a block.
FIRST = {
    "README.md": f"source .venv/bin/activate; B={MMFORMER}",
    "bundles/README.md": f"source .venv/bin/activate; B={MMFORMER}",
    "ci/README.md": "source .venv/bin/activate",
    "": "source .venv/bin/activate",
}
FIRST_IN_PYTHON = {
    "README.md": "import nibabel; t1ce = nibabel.load('t1ce.nii.gz'); array, affine = t1ce.get_fdata(), t1ce.affine",
}

# Patterns in commands, and what takes their place.
SHORTER = {
    r"--max_epochs \d+": "--max_epochs 1",
    r"--val_interval \d+": "--val_interval 1",
    r"--num_cases \d+": "--num_cases 2",
    r"--num_(normal|benign|malignant) \d+": r"--num_\1 3",
    r"--seeds [\d,]+": "--seeds 0",
    r"--nproc_per_node=\d+": "--nproc_per_node=2",
    r"paint-phantoms --out": 'paint-phantoms --spacing_mm "[4,4,4]" --out',
    r"--kind gland": "--kind gland --num_train 3 --num_test_a 1 --num_test_b 1",
    r"--kind prostate": '--kind prostate --num_cases 6 --size "[24,26,14]" --spacing_mm "[4,4,5]"',
    r"dist/NAME_v": "dist/breast_ultrasound_segmentation_interaction_v",
    r"entry_points\.py": "entry_points.py bundles/breast_ultrasound_segmentation_interaction",
    # Another network or loss: its weights must not take the place of those that the next commands read.
    r"'\S*/(network_\w+|baseline)\.json'\]\"": r"\g<0> --ckpt_dir alternative --output_dir alternative",
}

# Patterns in blocks that are not run, and why.
SKIPPED = {
    r"^--\w+": "options, no command",
    r"ci/test\.sh": "the tests: run on their own",
    r"ci/quickstart\.sh": "the quick start: run on its own, with the sizes of the included weights",
    r"ci/orthanc\.sh|serve-archive": "needs other software: Orthanc",
    r"ci/label\.sh|/infer/": "needs other software: MONAI Label",
    r"organisers-scores": "needs other software: the organisers' programs",
    r"ci/deploy\.sh|monai-deploy": "needs other software: MONAI Deploy",
    r"brainles_preprocessing": "needs other software and the network",
}

# Bundles that keep their size in a document: its commands use the weights that the repository ships.
FULL_SIZE = {
    "README.md": ["breast_ultrasound_segmentation_interaction"],
    "ci/README.md": ["brats_mri_segmentation_pareto_mmformer"],
}

# Settings of overlays that are large although tiny.json is not.
OVERLAYS = {
    "pretrain.json": {"painted_per_epoch": 2, "painted_validation_cases": 1, "painted_test_cases": 1},
}

# Weights that a document calls by another name than the command that trains them: {document: {name: file}}.
LINKS = {
    "README.md": {"model.pt": f"{MMFORMER}/models/model.pt"},
    "ci/README.md": {
        "model.pt": "study/ours/seed0/models/model.pt",
        f"{VNET}/models/model.pt": "study/ours/seed0/models/model.pt",
    },
}
