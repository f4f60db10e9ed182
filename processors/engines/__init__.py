"""What runs a network that is ready: in which precision, compiled, or by ONNX Runtime."""
