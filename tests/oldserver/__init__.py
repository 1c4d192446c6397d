"""A stand-in for the container that people move away from: a process, spoken to over HTTP.

`server` is the process, `facts` the table of what it does and where that is written, `old` starts it.
"""

from tests.oldserver.old import OldContainer, write_module

__all__ = ["OldContainer", "write_module"]
