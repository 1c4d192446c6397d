"""Claims about Splunk that none of us has seen there, as a Splunk app that tests each of them.

::

    verify ──┐                  run the installed app over REST, and export what came out
    app ─────┼── claims ──┬── table        all claims, and the searches that prepare them
             │            ├── entries, requests, rows, storage, search_head    their chapters
             │            └── claim        `Claim`, and how a search becomes a result
             └── notebook   the algorithm that the app's searches fit and apply

The facts that this project rests on were read in public documentation and code. Where one is wrong,
a claim fails in your Splunk, and its result names no data: send it to us.
"""
