"""The terminal device: bytes in and out.

What is painted and what a key does is decided elsewhere.

- keyboard: decode bytes to keys
- screen: paint lines, read bytes, restore the terminal
"""
