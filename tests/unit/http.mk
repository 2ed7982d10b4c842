# Unit tests of http; see ../../Makefile.am.
