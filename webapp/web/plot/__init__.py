"""Charts as the server draws them: complete pictures with axes, marks and events, in SVG that fits any width.

Paths lie in a box of WIDTH units that stretches; whatever must not stretch (text, marks, bands) is placed by
percentages. A script only adds a crosshair and zooming: what is drawn, and with which numbers, is decided here.
"""
