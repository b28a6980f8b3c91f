"""What PyTorch sees of us: the only registrations with torch.library, autograd, and shapes for tracing."""
