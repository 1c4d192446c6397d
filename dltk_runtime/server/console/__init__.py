"""The console under ``/ui``: what the container does, in a browser.

::

    routes ──┬── session   who is signed in, by a signed cookie; wrong tokens slow down
             ├── pages     one function for each page, over the operations of `/v1`
             │     ├── algorithms  the contract, and a form that writes the search
             │     ├── trying    a door: rows of a form through a model, as table and plots
             │     ├── health    one badge for each model
             │     └── pictures  bars, squares, lines as SVG
             ├── render    Jinja2 over templates/, everything escaped
             └── assets    htmx, its SSE extension, Pico, uPlot, by hash and compressed

The pages have no way of their own to the data: they call the operations of `v1_routes.Api`. No
page, script or style comes from another host, and no text is evaluated (Content-Security-Policy).
"""
