"""The steps of :func:`scregnet.tl.transfer_grn`."""
