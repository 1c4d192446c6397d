"""How fast the service is, beside a server as people build it by hand and beside the bare work. See `make bench`."""
