"""The network as a page: template, style, script, and the library that draws."""
