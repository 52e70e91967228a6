"""Sizes for the networks of overlays that their bundle's tiny.json does not make small."""

__all__ = ["SMALL_NETWORKS"]

SMALL_NETWORKS = {
    "network_transunet": {
        "width": 32,
        "layers": [1, 1, 1],
        "hidden_size": 64,
        "num_layers": 1,
        "channels": [8, 8, 8, 4, 4],
    },
    "network_swin_unet": {"embed_dim": 8, "heads": [1, 2, 2, 4], "window_size": 4},
    "network_missformer": {"channels": [4, 8, 12, 16], "heads": [1, 2, 3, 4], "bridge_layers": 1},
    "network_mtan": {"channels": [4, 6, 8]},
    "network_mtanet": {"pvt_encoder": "pvt-v2-b0", "mtanet_channels": 8},
    "network_mtl_oca": {"channels": [8, 8, 16]},
    "network_shaspec": {"blocks": [1, 1, 1, 1]},
}
