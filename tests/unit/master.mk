# Unit tests of master; see ../../Makefile.am.
