# Unit tests of conf; see ../../Makefile.am.
