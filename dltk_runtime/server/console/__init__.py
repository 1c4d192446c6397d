"""The console under ``/ui``: what the container does, in a browser.

::

    routes ──┬── entrance      who sees a page, and who may change something
             │     └── session   who is signed in, by a signed cookie; wrong tokens slow down
             ├── pages         one function for each page, over the operations of `/v1`
             │     ├── model_changes  what a session may do to a model, each with a reason
             │     ├── job_page, jobs_page, cluster_page, compare_page, drift_page
             │     ├── algorithms  the contract, and a form that writes the search
             │     ├── trying    a door: rows of a form through a model, as table and plots
             │     ├── streams   live parts of pages, made once for all browsers that watch
             │     └── pictures  bars, squares, lines, histograms as SVG
             ├── render        Jinja2 over templates/, everything escaped
             └── assets        htmx, its SSE extension, Pico, uPlot, by hash and compressed

The pages have no way of their own to the data: they call the operations of `v1_routes.V1Api` and
`v1_views.Views`. No page, script or style comes from another host, and no text is evaluated
(Content-Security-Policy).
"""
