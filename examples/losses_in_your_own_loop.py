"""The three terms of SSC in a training loop of one's own, here on four drawn images: python examples/<this file>."""

import torch

from tagseg.data.augment import normalize_image
from tagseg.data.drawn_pictures import SYNTHETIC_CLASSES, generate_image
from tagseg.data.superpixels import compute_regions
from tagseg.losses.classification import classification_loss
from tagseg.losses.reconstruction import perceptual_loss
from tagseg.losses.self_modulation import SelfModulationSettings, self_modulation_loss
from tagseg.models.backbone import build_backbone
from tagseg.models.classifier import TagClassifier, tag_logits
from tagseg.models.perceptual import timm_pyramid
from tagseg.models.reconstructor import Reconstructor, reconstruction_target

torch.manual_seed(0)
num_classes = SYNTHETIC_CLASSES.num_classes
backbone = build_backbone("test_resnet", weights=None, batch_norm="train")  # any timm name; weights: a file
classifier = TagClassifier(backbone, num_classes=num_classes)
decoder = Reconstructor(num_classes, width=16, target_stride=4)
pyramid = timm_pyramid("test_resnet", None, (0, 1))
optimizer = torch.optim.AdamW([*classifier.parameters(), *decoder.parameters()], lr=1e-3)

drawn = [generate_image(0, index, size=(96, 96)) for index in range(4)]
images = torch.stack([normalize_image(image, mean=backbone.mean, std=backbone.std) for image, _, _ in drawn])
regions = torch.stack([torch.from_numpy(compute_regions(image, max_regions=32)).long() for image, _, _ in drawn])
tags = torch.tensor([[float(c + 1 in labels) for c in range(num_classes)] for _, _, labels in drawn])
target = pyramid(reconstruction_target(images, target_stride=4))

for step in range(5):
    class_maps = classifier(images)
    loss = classification_loss(tag_logits(class_maps), tags)
    rebuilt = pyramid(decoder(class_maps, size=(24, 24)))
    loss = loss + 0.1 * perceptual_loss(rebuilt, target, weights=(0.5, 1.0), normalize=True)
    loss = loss + self_modulation_loss(class_maps, tags, regions, settings=SelfModulationSettings())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: loss {loss.item():.4f}")
