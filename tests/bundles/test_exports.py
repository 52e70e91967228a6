"""Inference with an exported network in place of the bundle's own."""

import json

import nibabel
import numpy as np
import torch
from tiny_bundle import tried_on

from ci.release.export import main as export
from shared.handlers import with_model_settings


@tried_on("vnet")
def test_inference_with_an_exported_file_writes_what_the_network_does(painted, tmp_path):
    torch.manual_seed(0)
    own = painted.workflow("inference").parser
    weights, exported = tmp_path / "model.pt", tmp_path / "model.pt2"
    state = own.get_parsed_content("network_def").state_dict()
    torch.save(with_model_settings(state, own.get_parsed_content("model_settings")), weights)
    export(bundle=str(painted.root), form="pt2", out=str(exported), ckpt_path=str(weights), overlays="inference_tiny")

    options = {"datalist": own.get_parsed_content("datalist")[:1], "patch_size": [32, 32, 32]}  # the smallest exported
    runs = {"own": (["inference"], weights), "exported": (["inference", "exported"], exported)}
    labels = {}
    for name, (files, path) in runs.items():
        painted.run(*files, **options, ckpt_path=str(path), output_dir=str(tmp_path / name))
        (record,) = (tmp_path / name).glob("*/*.json")
        assert json.loads(record.read_text())["weights"]["file"] == str(path)
        (label,) = (tmp_path / name).glob("*/*_seg.nii.gz")
        labels[name] = np.asarray(nibabel.load(label).dataobj)
    assert len(np.unique(labels["own"])) > 1
    assert (labels["own"] == labels["exported"]).mean() > 0.999
