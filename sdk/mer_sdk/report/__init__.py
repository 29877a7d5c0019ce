"""One HTML page over several bundles: what they cost, how far they can be trusted, and on what that was measured.

The page is self-contained: inline SVG drawn by `charts`, no script, no font and no file from elsewhere, so that it can
be mailed, archived and opened on a phone. The SVG is written here and not by matplotlib, because the page's charts
follow the reader's light or dark scheme through CSS, carry their numbers as tooltips and as text that can be searched,
and need nothing but numpy on the device that measures.
"""
