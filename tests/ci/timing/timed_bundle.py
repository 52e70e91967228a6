"""The bundle whose steps are timed, and its setting for a computer without a GPU."""

from pathlib import Path

BUNDLE = Path("bundles/colon_gland_segmentation_multiloss")
ON_CPU = {"device": "$torch.device('cpu')"}
