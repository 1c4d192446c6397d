"""Start JupyterLab's kernels without the server's secrets, and with the notebooks' access to Splunk."""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import Int

from dltk_runtime.lab import kernelspec

NONE = -1


class NotebookKernelManager(ServerKernelManager):
    """Jupyter's own manager of one kernel, but for what the kernel's process inherits."""

    access_descriptor = Int(NONE, help="The memory file of `splunk.access.sealed`.").tag(config=True)

    async def _async_pre_start_kernel(self, **given: Any) -> tuple[list[str], dict[str, Any]]:
        descriptor = None if self.access_descriptor == NONE else self.access_descriptor
        given |= kernelspec.inherited(given.get("env", os.environ), descriptor)
        command, launch = await super()._async_pre_start_kernel(**given)
        return list(command), dict(launch)
