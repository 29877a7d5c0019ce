"""What small changes of the input or the activations do."""
