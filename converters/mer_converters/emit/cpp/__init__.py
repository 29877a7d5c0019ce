"""C++20: LiteRT, ONNX Runtime or ExecuTorch."""

from mer_converters.emit.cpp.language import Cpp

__all__ = ["Cpp"]
