"""The three terms of SSC in a training loop of one's own, here on four drawn images: python examples/<this file>."""

import torch

from tagseg.data.augment import normalize_image
from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES, generate_image
from tagseg.data.superpixels import compute_regions
from tagseg.losses.classification import ClassificationTerm
from tagseg.losses.reconstruction import ReconstructionTerm
from tagseg.losses.self_modulation import SelfModulationSettings, SelfModulationTerm
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier
from tagseg.models.perceptual import timm_pyramid
from tagseg.models.reconstructor import Reconstructor

torch.manual_seed(0)
num_classes = SYNTHETIC_CLASSES.num_classes
backbone = build_backbone("test_resnet", weights=None, batch_norm="train")  # any timm name; weights: a file
classifier = TagClassifier(backbone, num_classes=num_classes)
decoder, pyramid = Reconstructor(num_classes, width=16, target_stride=4), timm_pyramid("test_resnet", None, (0, 1))
terms = (
    ClassificationTerm(),
    SelfModulationTerm(SelfModulationSettings(), beta=1.0, balance=False, first_epoch=0),
    ReconstructionTerm(decoder, pyramid, (0.5, 1.0), 4, normalize=True, maps="raw", beta=0.1, balance=False),
)
optimizer = torch.optim.AdamW([*classifier.parameters(), *decoder.parameters()], lr=1e-3)

drawn = [generate_image(0, index, size=(96, 96)) for index in range(4)]
images = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image, _, _ in drawn])
regions = torch.stack([torch.from_numpy(compute_regions(image, max_regions=32)).long() for image, _, _ in drawn])
tags = torch.tensor([[float(c + 1 in labels) for c in range(num_classes)] for _, _, labels in drawn])
batch = {"image": images, "tags": tags, "regions": regions}

for step in range(5):
    class_maps = classifier(images)
    loss = torch.stack([term.beta * term(class_maps, batch) for term in terms]).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.4f}")
