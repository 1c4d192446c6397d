"""What is done to a whole volume: it is backed up and restored, and an old container's is examined.

* ``record``   what a backup holds, in the file that is written last
* ``backup``   copy a home and its notebooks while servers use them
* ``restore``  check a backup, and put it in place
"""
