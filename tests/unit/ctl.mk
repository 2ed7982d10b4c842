# Unit tests of ctl; see ../../Makefile.am.
