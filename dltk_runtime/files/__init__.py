"""Write files safely, and notice when they change.

* ``atomic``   replace a file in one step, durably; hashes, JSON; errors of a full disk
* ``state``    detect by stat calls whether a file has changed since it was read
* ``clock``    the time of the volume, by which ages of its files are measured
* ``memory``   files in memory, passed between processes without a copy
"""
