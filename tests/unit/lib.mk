# Unit tests of lib; see ../../Makefile.am.
