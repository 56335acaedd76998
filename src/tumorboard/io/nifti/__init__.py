"""NIfTI volumes (version 1 and 2, single file, plain or gzip), checked before they are believed.

The format is that of nifti1.h and nifti2.h (R. W. Cox and others, NIfTI Data Format Working Group).
"""

from tumorboard.io.nifti.read import inspect_nifti, read_nifti, read_nifti_geometry
from tumorboard.io.nifti.write import write_nifti

__all__ = ["inspect_nifti", "read_nifti", "read_nifti_geometry", "write_nifti"]
