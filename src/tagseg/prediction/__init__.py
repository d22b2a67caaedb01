"""From a trained segmentation network and photographs to label maps."""
