"""What the ONNX target does to a graph: names, weights in integers, calibrated activations, compact files, proof."""
