"""Programs that `torch.export.save` wrote, read without running anything that lies in the file."""

from convitro.sources.exported.program import from_exported

__all__ = ["from_exported"]
