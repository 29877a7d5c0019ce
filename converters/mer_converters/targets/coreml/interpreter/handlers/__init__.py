"""Handlers of ML Program operations, grouped as in Core ML's own documentation; importing a group registers them."""

from mer_converters.targets.coreml.interpreter.handlers import activation as activation
from mer_converters.targets.coreml.interpreter.handlers import conv as conv
from mer_converters.targets.coreml.interpreter.handlers import elementwise_binary as elementwise_binary
from mer_converters.targets.coreml.interpreter.handlers import elementwise_unary as elementwise_unary
from mer_converters.targets.coreml.interpreter.handlers import image_resizing as image_resizing
from mer_converters.targets.coreml.interpreter.handlers import linear as linear
from mer_converters.targets.coreml.interpreter.handlers import lists as lists
from mer_converters.targets.coreml.interpreter.handlers import non_maximum_suppression as non_maximum_suppression
from mer_converters.targets.coreml.interpreter.handlers import normalization as normalization
from mer_converters.targets.coreml.interpreter.handlers import pool as pool
from mer_converters.targets.coreml.interpreter.handlers import quantization as quantization
from mer_converters.targets.coreml.interpreter.handlers import random as random
from mer_converters.targets.coreml.interpreter.handlers import recurrent as recurrent
from mer_converters.targets.coreml.interpreter.handlers import reduction as reduction
from mer_converters.targets.coreml.interpreter.handlers import scatter_gather as scatter_gather
from mer_converters.targets.coreml.interpreter.handlers import tensor_operation as tensor_operation
from mer_converters.targets.coreml.interpreter.handlers import tensor_transformation as tensor_transformation
from mer_converters.targets.coreml.interpreter.handlers import transformers as transformers
from mer_converters.targets.coreml.interpreter.handlers.registry import flag, handler, handler_for, handler_names, ints

__all__ = ["flag", "handler", "handler_for", "handler_names", "ints"]
