"""What does a layer do with its channels? A picture of 1, 100 and 10000 shows it: 4 + 400 + 40000."""

import torch

import convitro

picture = (
    torch.tensor([1.0, 100.0, 10000.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 3)
)  # 3x3 pixels of one colour

layer = convitro.Conv2d(in_channels=3, out_channels=1, kernel_size=2)
layer.load_state_dict({"weight": torch.ones(1, 3, 2, 2), "bias": torch.zeros(1)})

anatomy = convitro.dissect(layer, picture)
print(anatomy["conv2d"].pixel(filter=0, y=0, x=0))
print(convitro.summary(layer, (3, 3, 3), verbose=0))
