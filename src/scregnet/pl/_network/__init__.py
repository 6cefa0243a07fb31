"""Parts of a drawn network: layout, arrows, labels, legend."""
