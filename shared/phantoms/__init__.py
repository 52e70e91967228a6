"""Painted data sets in the layouts of real ones: brains, breast ultrasound, glands, prostates, DICOM studies."""

from .brain_painter import BrainPainter
from .brain_phantom_scan import paint_case, upright_affine
from .brain_phantoms import paint_brats_phantoms
from .breast_phantom_tissue import paint_breast
from .breast_phantoms import paint_breast_phantoms
from .dicom_phantoms import paint_dicom_phantoms
from .gland_phantom_stain import paint_glands
from .gland_phantoms import paint_gland_phantoms
from .mr_contrasts import BRAIN_MODALITIES
from .painted_brain import paint_brain
from .painted_brains import paint_brain_phantoms
from .prostate_phantom_scan import PROSTATE_MODALITIES, paint_prostate, prostate_affine
from .prostate_phantoms import paint_prostate_phantoms

__all__ = [
    "BRAIN_MODALITIES",
    "PROSTATE_MODALITIES",
    "BrainPainter",
    "paint_brain",
    "paint_brain_phantoms",
    "paint_brats_phantoms",
    "paint_breast",
    "paint_breast_phantoms",
    "paint_case",
    "paint_dicom_phantoms",
    "paint_gland_phantoms",
    "paint_glands",
    "paint_prostate",
    "paint_prostate_phantoms",
    "prostate_affine",
    "upright_affine",
]
