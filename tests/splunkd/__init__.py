"""A stand-in for splunkd: a real HTTP server, which the real splunk-sdk talks to, over `splunk.standin`'s storage.

::

    server ── Splunkd: two ports (management and HTTP Event Collector), tokens, faults
      ├── searches    search/jobs, search/v2/jobs, export, saved searches and their dispatch
      ├── kv          storage/collections
      ├── people      users, roles and what a search head says of itself: limits, statistics of collections
      ├── objects     apps/local, configs/conf-…, saved/searches, data/ui/views, data/ui/nav, and the acl of each
      ├── data        server/info, auth/login, indexes, receivers/simple, lookup files
      └── collector   the HTTP Event Collector with all its codes, acknowledgement and health
    answers           requests, answers, refusals; Atom, XML and JSON
    faults            what goes wrong on purpose

It is held to what is known of splunkd's wire; what it cannot do is answered with HTTP 501 and a sentence. How
searches run is the business of the `run_search` it is given.
"""

from tests.splunkd.faults import Faults
from tests.splunkd.server import HecToken, Splunkd

__all__ = ["Faults", "HecToken", "Splunkd"]
