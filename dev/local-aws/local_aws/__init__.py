"""A local AWS for development and tests: the emulator ministack behind a small overlay.

The overlay answers what ministack leaves out (old dates, CloudTrail history, Insights answers,
costs) from one scenario file, injects faults, and keeps a journal. See ../README.md.
"""
