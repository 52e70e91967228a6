import logging
import warnings

import nibabel
import numpy as np

from shared.transforms.image_loader import PLUGIN, image_loader


def test_nothing_is_said_of_a_decoder_that_is_not_there(tmp_path, caplog):
    nibabel.save(nibabel.Nifti1Image(np.ones((3, 4, 5), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    with warnings.catch_warnings(action="error"), caplog.at_level(logging.WARNING):
        assert image_loader()(tmp_path / "a.nii.gz").shape == (1, 3, 4, 5)
    assert not caplog.records
    assert logging.getLogger(PLUGIN).level == logging.NOTSET
