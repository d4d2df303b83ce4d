"""The archive of recordings: coded, sealed, and put on a shelf.

`form` codes the sound (FLAC or Opus), `sealing` encrypts it, `shelf` and `object_shelf` keep it (folders or an object
store), `keys` are the keys; `archive` does all of it for one recording and gives it back byte by byte.
"""
