/** The words of the page, one meaning each, for the bubbles under dotted words and for the list under "?". */

export const WORDS = {
  channel:
    "One map of a layer's input. A colour picture has three: red, green and blue. Deeper layers read the maps that the layer before made.",
  kernel: "A small matrix of weights, one for each channel that a filter reads. Training found its numbers.",
  filter: "All the kernels that together make one feature map: one kernel per channel, and one bias.",
  "partial map":
    "What one filter makes of one channel: its kernel slides over the channel, and at every place the products of patch and kernel are added.",
  aggregation:
    "How the partial maps of a filter become one map. Nearly always their sum; here you can see what another way would give.",
  cancellation:
    "Partial maps of opposite sign take away from each other in a sum. Cancellation is the share that is lost: 0 % where all channels pull the same way, 100 % where nothing is left.",
  bias: "One number per filter, added to every pixel of its map.",
  activation: "A function applied to each pixel alone. ReLU keeps what is positive and makes the rest 0.",
  "feature map":
    "What a filter hands on: the aggregated map plus bias, after the activation. One filter, one feature map.",
  "aggregated map": "All partial maps of the filter combined into one, pixel by pixel; the bias is not added yet.",
  pooling: "Makes the map smaller: of every window only the largest value (max) or the average goes on.",
  switches: "Which pixel of each pooling window won. Marked with a ring and dots on the feature map.",
  patch: "The pixels of a channel that lie under the kernel right now.",
  product: "One pixel of the patch times the weight at the same place of the kernel.",
  normalization: "BatchNorm: each map is shifted and scaled by numbers found in training, before the activation.",
  padding: "Zeros around the image, so that the kernel can also stand at its edge. Hatched in the patch.",
  stride: "How far the kernel moves from one place to the next. With 2, every second place is skipped and the map is half as large.",
  dilation: "How far apart the numbers of the kernel stand on the picture. With 2, every second pixel is read.",
  "receptive field": "All pixels of the picture that one pixel of a map can see.",
  MAC: "One multiplication and one addition: what a weight costs at one place. The price of a layer is counted in MACs.",
  epoch: "One pass of the training over all its pictures.",
  loss: "How wrong the network is: small where it gives the right class a large share. Training makes it smaller, step by step.",
  "held out": "Pictures that the training never learns from: they tell whether it understands, or only remembers.",
  "learning rate": "How large the steps are by which training changes the weights.",
  score:
    "What the network gives each class before softmax (also called logit): any number, and only the differences between them count.",
  prediction:
    "The network's answer: its scores turned into shares that add up to 100 % (softmax). That fits a network trained to name one thing; of one trained to find several at once only the scores hold, unless its own sigmoid makes shares of them.",
  "share of its own":
    "This network ends in a sigmoid: each class has a share between 0 and 100 %, whatever the others have. They need not add up to 100 %.",
};
