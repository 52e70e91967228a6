"""Networks and the blocks they are built from."""

from .class_head import WithClassHead
from .distribute import distribute
from .dual_attention import DualAttention
from .gland_unet import GlandUNet
from .hierarchical_multi_scale_fusion import HierarchicalMultiScaleFusion, SeparableConv2d
from .instance_norm import with_instance_norm
from .multi_scale_block import MultiScaleBlock
from .task_interaction import TaskInteractionModule
from .task_interaction_unet import TaskInteractionUNet
from .uncertainty_proxy_attention import UncertaintyProxyAttention

__all__ = [
    "DualAttention",
    "GlandUNet",
    "HierarchicalMultiScaleFusion",
    "MultiScaleBlock",
    "SeparableConv2d",
    "TaskInteractionModule",
    "TaskInteractionUNet",
    "UncertaintyProxyAttention",
    "WithClassHead",
    "distribute",
    "with_instance_norm",
]
