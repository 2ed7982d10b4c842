# Unit tests of upstream; see ../../Makefile.am.
