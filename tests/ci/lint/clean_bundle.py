"""A small bundle without faults, and how to change it."""

import copy
import json

from ci.lint.lint_configs import lint

GONE = object()
IN_BOTH = "train::preprocessing::transforms::1"  # a transform of image and label
HEAD = {
    "imports": ["$import math"],
    "bundle_root": ".",
    "dataset_dir": "",
    "output_dir": "$@bundle_root + '/eval'",
    "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "modalities": ["t1", "t2"],
    "spacing_mm": [1.0, 1.0, 1.0],
    "num_workers": 0,
    "network_def": {"_target_": "VNet", "in_channels": "$len(@modalities)", "out_channels": 2},
    "network": "$@network_def.to(@device)",
}
LOADED = {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True, "reader": "NibabelReader"}
SPACED = {"_target_": "shared.transforms.SafeSpacingd", "keys": "image", "pixdim": "@spacing_mm"}
INFERENCE = HEAD | {
    "datalist": "$[{'image': @dataset_dir + '/t1.nii.gz'}]",
    "preprocessing": {"_target_": "Compose", "transforms": [LOADED, SPACED]},
    "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
    "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": "@num_workers"},
    "inferer": {"_target_": "SimpleInferer"},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [{"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"}],
    },
    "checkpointloader": {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    },
    "handlers": ["@checkpointloader"],
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@dataloader",
        "network": "@network",
        "inferer": "@inferer",
        "postprocessing": "@postprocessing",
        "val_handlers": "@handlers",
    },
    "initialize": ["$monai.utils.set_determinism(math.ceil(0.5))"],
    "run": ["$@evaluator.run()"],
}
DICE = {"dice": {"_target_": "MeanDice", "output_transform": "$monai.handlers.from_engine(['pred', 'label'])"}}
TRAIN = HEAD | {
    "max_epochs": 1,
    "val_interval": 1,
    "train": {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {**LOADED, "keys": ["image", "label"]},
                {"_target_": "RandFlipd", "keys": ["image", "label"], "prob": 0.5},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "$[@dataset_dir]", "transform": "@train::preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@train::dataset", "num_workers": "@num_workers"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": []},
        "key_metric": DICE,
        "handlers": [
            {"_target_": "ValidationHandler", "validator": "@validate::evaluator", "interval": "@val_interval"},
            {"_target_": "StatsHandler", "output_transform": "$lambda x: [y for y in x]"},
            {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir"},
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "device": "@device",
            "max_epochs": "@max_epochs",
            "train_data_loader": "@train::dataloader",
            "network": "@network",
            "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()"},
            "loss_function": {"_target_": "monai.losses.DiceLoss"},
            "inferer": "@train::inferer",
            "postprocessing": "@train::postprocessing",
            "key_train_metric": "@train::key_metric",
            "train_handlers": "@train::handlers",
        },
    },
    "validate": {
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                LOADED,
                {**LOADED, "keys": ["label"]},
                {**SPACED, "keys": ["image", "label"], "mode": ["bilinear", "nearest"]},
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "$[@dataset_dir]", "transform": "@validate::preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@validate::dataset"},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {"_target_": "Compose", "transforms": []},
        "key_metric": DICE,
        "handlers": [{"_target_": "StatsHandler", "_disabled_": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate::dataloader",
            "network": "@network",
            "inferer": "@validate::inferer",
            "postprocessing": "@validate::postprocessing",
            "key_val_metric": "@validate::key_metric",
            "val_handlers": "@validate::handlers",
        },
    },
    "initialize": ["$monai.utils.set_determinism(math.ceil(0.5))"],
    "run": ["$@train::trainer.run()"],
}
EVALUATE = {"+validate::handlers": [{"_target_": "StatsHandler"}], "run": ["$@validate::evaluator.run()"]}
LOGGING = """[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=
[logger_root]
handlers=console
[handler_console]
class=StreamHandler
args=(sys.stdout,)
"""


class Bundle:
    """The clean bundle, with changes."""

    def __init__(self, folder):
        self.folder = folder
        files = {"train": TRAIN, "inference": INFERENCE, "evaluate": EVALUATE}
        self.configs = {name: copy.deepcopy(config) for name, config in files.items()}
        self.logging = LOGGING
        self.metadata = {"spacing": [1.0, 1.0, 1.0]}

    def change(self, name, at, value):
        *above, last = at.split("::")
        item = self.configs[name]
        for key in above:
            item = item[int(key) if isinstance(item, list) else key]
        last = int(last) if isinstance(item, list) else last
        if value is GONE:
            del item[last]
        else:
            item[last] = value

    def lint(self):
        (self.folder / "configs").mkdir(parents=True)
        for name, config in self.configs.items():
            text = config if isinstance(config, str) else json.dumps(config)
            (self.folder / "configs" / f"{name}.json").write_text(text)
        (self.folder / "configs" / "metadata.json").write_text(json.dumps(self.metadata))
        (self.folder / "configs" / "logging.conf").write_text(self.logging)
        return [line.removeprefix(f"{self.folder}/configs/") for line in lint(self.folder)]
