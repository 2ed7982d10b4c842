# Unit tests of worker; see ../../Makefile.am.
