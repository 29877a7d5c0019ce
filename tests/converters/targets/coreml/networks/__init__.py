"""Networks as their papers describe them, with random weights; no one fitted them to the interpreter.

Each module has `network()`, which gives the module with weights drawn from torch's generator, and
`inputs(batch, generator)`, which gives its positional inputs.
"""
