"""The command line: `amiloop`, its subcommands of the head-end, and what an operator sees when something fails."""
