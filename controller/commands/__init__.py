"""One module per command of `hotline`; each has `main(arguments) -> exit status`."""
