# Unit tests of keeper; see ../../Makefile.am.
