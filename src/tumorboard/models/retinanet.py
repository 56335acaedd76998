"""RetinaNet for lesions (Lin et al. 2017), in two or three dimensions, out of MONAI's parts.

MONAI's detector imports two helpers of torchvision, which this program does not use: the backbone's layers are taken
from MONAI's ResNet directly, and anchors are matched by MONAI's own ATSS (Zhang et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from monai.networks.nets.resnet import ResNet
from torch import Tensor, nn

__all__ = ["SIZES", "LesionRetinaNet", "RetinaNetSize", "build_retinanet"]

Size = Literal["S", "M"]


@dataclass(frozen=True)
class RetinaNetSize:
    """Backbone blocks and channels per level, channels of the pyramid, and how many levels carry anchors."""

    block: str
    layers: tuple[int, ...]
    channels: tuple[int, ...]
    pyramid: int
    levels: int


SIZES: dict[Size, RetinaNetSize] = {
    "S": RetinaNetSize("basic", (1, 1, 1, 1), (16, 24, 32, 48), pyramid=24, levels=3),
    "M": RetinaNetSize("bottleneck", (3, 4, 6, 3), (64, 128, 256, 512), pyramid=256, levels=3),
}


class _Pyramid(nn.Module):
    """Feature maps at half, a quarter, an eighth ... of the input, each with the same channels (Lin et al. 2017)."""

    def __init__(self, size: RetinaNetSize, *, dimensions: int, inputs: int) -> None:
        super().__init__()
        backbone = ResNet(
            block=size.block,
            layers=list(size.layers),
            block_inplanes=list(size.channels),
            spatial_dims=dimensions,
            n_input_channels=inputs,
            conv1_t_size=5,
            conv1_t_stride=2,
            no_max_pool=True,
            feed_forward=False,
        )
        self.stem = nn.Sequential(backbone.conv1, backbone.bn1, nn.ReLU())
        self.stages = nn.ModuleList([backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4][: size.levels])
        expansion = 4 if size.block == "bottleneck" else 1
        widths = [channels * expansion for channels in size.channels[: size.levels]]
        self.neck = FeaturePyramidNetwork(spatial_dims=dimensions, in_channels_list=widths, out_channels=size.pyramid)
        self.out_channels = size.pyramid

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: dict[str, Tensor] = {}
        x = self.stem(x)
        for level, stage in enumerate(self.stages):
            x = stage(x)
            maps[str(level)] = x
        return list(self.neck(maps).values())


class LesionRetinaNet(RetinaNetDetector):
    """MONAI's detector of one class, with a loss that does not depend on the module's mode."""

    def losses(self, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """Classification plus box loss of a batch: `images` (n, channels, ...) whose edges the network divides, `boxes`
        one tensor (k, 2d) of low and high corners in voxels per image."""
        outputs: dict[str, Any] = self.network(images)
        self.generate_anchors(images, outputs)
        per_level = [level.shape[2:].numel() for level in outputs[self.cls_key]]
        flat = {key: self._reshape_maps(maps) for key, maps in outputs.items()}
        targets = [
            {self.target_box_key: b, self.target_label_key: torch.zeros(len(b), dtype=torch.long, device=images.device)}
            for b in boxes
        ]
        assert self.anchors is not None
        found = self.compute_loss(flat, targets, self.anchors, per_level)
        total: Tensor = found[self.cls_key] + found[self.box_reg_key]
        return total

    def compute_anchor_matched_idxs(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]], num_anchor_locs_per_level: Sequence[int]
    ) -> list[Tensor]:
        """Index of the box each anchor answers for, negative where it answers for none (as MONAI, ATSS alone)."""
        matched = []
        for mine, target in zip(anchors, targets, strict=True):
            boxes = target[self.target_box_key]
            if not len(boxes):
                matched.append(torch.full((len(mine),), -1, dtype=torch.int64, device=mine.device))
                continue
            answer = self.proposal_matcher(boxes, mine, num_anchor_locs_per_level, self.num_anchors_per_loc)
            matched.append(answer[1])
        return matched


def build_retinanet(
    size: Size,
    *,
    dimensions: int,
    inputs: int,
    anchors: Sequence[Sequence[float]],
    score_floor: float = 0.02,
    boxes_per_image: int = 50,
) -> LesionRetinaNet:
    """A network for images (n, inputs, ...) of two or three dimensions, whose edges are multiples of 2 ** levels.

    `anchors`: edges in voxels along every axis, of the boxes of the finest level; they double from level to level.
    """
    chosen = SIZES[size]
    generator = AnchorGeneratorWithAnchorShape(
        feature_map_scales=tuple(2**level for level in range(chosen.levels)),
        base_anchor_shapes=[[float(edge) for edge in anchor] for anchor in anchors],
    )
    network = RetinaNet(
        spatial_dims=dimensions,
        num_classes=1,
        num_anchors=generator.num_anchors_per_location()[0],
        feature_extractor=_Pyramid(chosen, dimensions=dimensions, inputs=inputs),
        size_divisible=2**chosen.levels,
    )
    detector = LesionRetinaNet(network, generator)
    detector.set_atss_matcher(num_candidates=4, center_in_gt=False)
    detector.set_hard_negative_sampler(batch_size_per_image=64, positive_fraction=0.33, min_neg=16, pool_size=20)
    detector.set_box_selector_parameters(
        score_thresh=score_floor, topk_candidates_per_level=200, nms_thresh=0.3, detections_per_img=boxes_per_image
    )
    return detector
