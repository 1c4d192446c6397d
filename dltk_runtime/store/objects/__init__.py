"""Keep versions in an object store (S3, Google Cloud Storage, Azure), without a volume in common.

* ``address``      the address of ``DLTK_STORE``, and the client for it
* ``bucket``       gets, puts and lists; a put whose answer was lost is looked up
* ``keys``         where what lies; ``identity``: which store it is
* ``pointer``      the object ``current``: the current number and the last promotion, moved together
* ``versions``     `ObjectVersion`; ``fetched``: its files on this machine
* ``reservation``  `ObjectReservation`: files first, the manifest last
* ``probe``        proves that a store keeps its conditions
* ``object_store`` `ObjectStore`, the implementation of `store.interface.Store`
* ``backup``       copies it in the layout of a volume; ``restoring`` puts such a copy back
* ``forgetting``   all of one model but its numbers and history

Nothing is locked. Two conditions of the store keep what the rules promise: a put that fails when the
key exists, and a put that fails when the object has changed since it was read.
"""
