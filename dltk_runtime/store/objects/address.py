"""The address of ``DLTK_STORE``: ``s3://bucket/folder``, ``gs://bucket/folder``, ``az://account/container/folder``.

Credentials come from the places that the vendors' own tools look at: variables of the environment,
the machine's or the pod's identity. The address holds none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dltk_runtime.store.errors import StoreUnusable
from dltk_runtime.store.objects.bucket import Bucket, reason

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

AZURE = "az://"
REQUEST_SECONDS = 30  # of one request
CONNECT_SECONDS = 5
RETRY_SECONDS = 20  # after the first try of a request, in which it is tried again
MAX_RETRIES = 5


def connected(address: str) -> Bucket:
    """Return the objects below an address; asks the store nothing.

    Raises:
        StoreUnusable: the address or the configuration in the environment cannot be used.
    """
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, from_url

    options: ClientConfig = {"timeout": timedelta(seconds=REQUEST_SECONDS), "allow_http": True}
    options["connect_timeout"] = timedelta(seconds=CONNECT_SECONDS)
    retries: RetryConfig = {"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    try:
        if address.startswith(AZURE):  # in the client's own addresses the container comes first
            account, container, *folders = address.removeprefix(AZURE).rstrip("/").split("/")
            prefix = "/".join(folders) or None
            client: ObjectStore = AzureStore(
                container, prefix=prefix, account_name=account, client_options=options, retry_config=retries
            )
        else:
            client = from_url(address, client_options=options, retry_config=retries)
        return Bucket(client, address.rstrip("/"))
    except (BaseError, OSError, ValueError) as error:
        raise StoreUnusable(address, reason(error)) from error
