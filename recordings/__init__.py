"""Recordings: who may be recorded and when, where the file lies, what was said in it.

Pure files are `policy`, `naming` and `transcript`. Doors, each named for what it touches: `files` (the
disk), `models` (the speech models on disk and Vosk's published list), `recogniser` (Vosk itself, only ever
imported by the worker process) and `transcriber` (that worker process, seen from the event loop).
"""
