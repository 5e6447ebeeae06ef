"""Figures of a sweep: what each shows is a plain value that one function finds; another draws it.

The page draws the same values in a browser.
"""
