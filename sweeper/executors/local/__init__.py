"""Workers on the cores of this machine, forked from a server that has loaded the problem."""
