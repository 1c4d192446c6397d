"""What is done to a whole volume: it is backed up and restored, and an old container's is examined.

* ``record``    what a backup holds, in the file that is written last
* ``backup``    copy a home and its notebooks while servers use them
* ``restore``   check a backup, and put it in place
* ``forget``    find and remove all that a home keeps of one model
* ``old``       the models of an old container's volume, by the names of files
* ``examine``   load each of them; ``mirror`` is what the workers see
* ``stubs``     Splunk's entries of them in another form; ``since`` is for the way back
* ``verdict``   what becomes of a model, by ``formats`` of files and releases of ``libraries``
"""
