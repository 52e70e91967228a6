"""A tiny repository: `shared/` with a network and a transform, and one bundle that trains and infers with them."""

import json
import shutil
from pathlib import Path

SHARED = {
    "__init__.py": "",
    "networks/__init__.py": '"""Networks."""\n\nfrom .toy_net import ToyNet\n',
    "networks/toy_net.py": """
import torch

from ..errors import InputError


class ToyNet(torch.nn.Conv2d):
    def __init__(self, width=WIDTH):
        if width < 1:
            raise InputError("width: must be positive.")
        super().__init__(1, width, 1)
""",
    "transforms/__init__.py": "from .double import Doubled\n",
    "transforms/double.py": """
from monai.transforms import MapTransform


class Doubled(MapTransform):
    def __call__(self, data):
        from ..data import twice

        return dict(data) | {key: twice(data[key]) for key in self.keys}
""",
    "data/__init__.py": "from .arithmetic import twice\n",
    "data/arithmetic.py": "def twice(number):\n    return 2 * number\n",
    "metrics/__init__.py": "from .heavy import Heavy\n",
    "metrics/heavy.py": "import a_package_that_nobody_has\n\n\nclass Heavy:\n    pass\n",
}
METADATA = {
    "version": "0.1.0",
    "monai_version": "1.6.1",
    "pytorch_version": "2.13.0",
    "numpy_version": "2.4.6",
    "network_data_format": {
        "inputs": {"image": {"num_channels": 1, "spatial_shape": ["8*n", "8*n"], "dtype": "float32"}},
        "outputs": {"pred": {"num_channels": 3, "dtype": "float32"}},
    },
}
PREPROCESSING = {"_target_": "Compose", "transforms": [{"_target_": "shared.transforms.Doubled", "keys": "image"}]}
HEAD = {
    "bundle_root": ".",
    "dataset_dir": "",
    "device": "cpu",
    "network_def": {"_target_": "shared.networks.ToyNet"},
}
INFERENCE = {
    "imports": ["$import torch"],
    **HEAD,
    "preprocessing": PREPROCESSING,
    "dataset": {
        "_target_": "Dataset",
        "data": "$[{'image': torch.ones(1, 8, 8)}]",
        "transform": "@preprocessing",
    },
    "inferer": {"_target_": "SimpleInferer"},
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": {"_target_": "DataLoader", "dataset": "@dataset"},
        "network": "@network_def",
        "inferer": "@inferer",
    },
    "run": ["$@evaluator.run()"],
}
TRAIN = {
    **HEAD,
    "train": {
        "preprocessing": PREPROCESSING,
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': torch.ones(1, 8, 8), 'label': torch.ones(3, 8, 8)}]",
            "transform": "@train::preprocessing",
        },
        "inferer": {"_target_": "SimpleInferer"},
        "trainer": {
            "_target_": "SupervisedTrainer",
            "device": "@device",
            "max_epochs": 1,
            "train_data_loader": {"_target_": "DataLoader", "dataset": "@train::dataset"},
            "network": "@network_def",
            "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network_def.parameters()"},
            "loss_function": {"_target_": "torch.nn.MSELoss"},
            "inferer": "@train::inferer",
        },
    },
    "run": ["$@train::trainer.run()"],
}


def make_toy_repository(root: Path, name: str = "toy_segmentation", width: int = 3) -> Path:
    """Write the repository below `root` and return the bundle's folder."""
    for path, text in SHARED.items():
        (root / "shared" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "shared" / path).write_text(text.replace("WIDTH", str(width)))
    shutil.copytree("shared/errors", root / "shared" / "errors", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy("shared/atomic_write.py", root / "shared")
    bundle = root / "bundles" / name
    for folder in ("configs", "docs"):
        (bundle / folder).mkdir(parents=True)
    (bundle / "LICENSE").write_text("Apache-2.0\n")
    (bundle / "docs" / "README.md").write_text("Uses [the network](../../../shared/networks/toy_net.py).\n")
    for file, config in {"metadata": METADATA, "inference": INFERENCE, "train": TRAIN}.items():
        (bundle / "configs" / f"{file}.json").write_text(json.dumps(config))
    return bundle
