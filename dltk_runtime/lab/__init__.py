"""What JupyterLab and papermill need, so that a notebook means the same there as in the service."""
