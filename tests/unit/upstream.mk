# Unit tests of upstream; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_upstream_retry
tests_unit_test_upstream_retry_SOURCES = tests/unit/test_upstream_retry.c
tests_unit_test_upstream_retry_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_retry_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
