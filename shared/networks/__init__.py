"""Networks and the blocks they are built from."""

from .append_class_logits import append_class_logits
from .class_head import WithClassHead
from .cloe import CLoE
from .dcseg import DCSeg
from .disentangling import DisentanglingBranches
from .distribute import distribute
from .dual_attention import DualAttention
from .early_fusion import EarlyFusion
from .efficientnet_lite import EfficientNetLiteEncoder
from .expert_agreement import agreement_scores, expert_similarities
from .expert_gate import ExpertGate, gate_strength_setter
from .exported_network import ExportedNetwork
from .flexible_unet import flexible_unet_with_class_head
from .gated_fusion import GatedFusion
from .gaussian_edges import GaussianEdges
from .gland_unet import GlandUNet
from .hierarchical_multi_scale_fusion import HierarchicalMultiScaleFusion, SeparableConv2d
from .instance_norm import with_instance_norm
from .learned_image import LearnedImage
from .m3ae import M3AE
from .masked_modalities import MaskedModalities
from .missformer import MISSFormer
from .mmformer import MMFormer
from .modality_encoders import ModalityEncoders
from .mtan import MTAN
from .mtanet import MTANet
from .mtl_oca import MTLOCA
from .multi_scale_block import MultiScaleBlock
from .object_context import ObjectContextAttention
from .partial_decoder import PartialDecoder, ReceptiveFieldBlock
from .present_modalities import available_modalities, present_modalities
from .pyramid_vision_transformer import PyramidVisionTransformer
from .region_aware_fusion import RegionAwareFusion
from .reverse_addition_attention import ReverseAdditionAttention
from .rfnet import RFNet
from .robustseg import RobustSeg
from .segnet import SegNet
from .shaspec import ShaSpec
from .swin_unet import SwinUNet
from .task_attention import TaskAttention
from .task_interaction import TaskInteractionModule
from .task_interaction_unet import TaskInteractionUNet
from .transunet import TransUNet
from .uhemis import UHeMIS
from .uhved import UHVED, product_of_gaussians
from .uncertainty_proxy_attention import UncertaintyProxyAttention

__all__ = [
    "M3AE",
    "MTAN",
    "MTLOCA",
    "UHVED",
    "CLoE",
    "DCSeg",
    "DisentanglingBranches",
    "DualAttention",
    "EarlyFusion",
    "EfficientNetLiteEncoder",
    "ExpertGate",
    "ExportedNetwork",
    "GatedFusion",
    "GaussianEdges",
    "GlandUNet",
    "HierarchicalMultiScaleFusion",
    "LearnedImage",
    "MISSFormer",
    "MMFormer",
    "MTANet",
    "MaskedModalities",
    "ModalityEncoders",
    "MultiScaleBlock",
    "ObjectContextAttention",
    "PartialDecoder",
    "PyramidVisionTransformer",
    "RFNet",
    "ReceptiveFieldBlock",
    "RegionAwareFusion",
    "ReverseAdditionAttention",
    "RobustSeg",
    "SegNet",
    "SeparableConv2d",
    "ShaSpec",
    "SwinUNet",
    "TaskAttention",
    "TaskInteractionModule",
    "TaskInteractionUNet",
    "TransUNet",
    "UHeMIS",
    "UncertaintyProxyAttention",
    "WithClassHead",
    "agreement_scores",
    "append_class_logits",
    "available_modalities",
    "distribute",
    "expert_similarities",
    "flexible_unet_with_class_head",
    "gate_strength_setter",
    "present_modalities",
    "product_of_gaussians",
    "with_instance_norm",
]
