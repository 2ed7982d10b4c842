# Unit tests of http; see ../../Makefile.am.

# No test by itself: the corpora are fed through it (tests/tools/corpora.py).
noinst_PROGRAMS += tests/unit/wirecheck
tests_unit_wirecheck_SOURCES = tests/unit/wirecheck.c
tests_unit_wirecheck_CPPFLAGS = $(AM_CPPFLAGS) $(LIB_INC)
tests_unit_wirecheck_LDADD = $(LIB_LIBS)

check_PROGRAMS += tests/unit/test_http
tests_unit_test_http_SOURCES = tests/unit/test_http.c
tests_unit_test_http_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_http_LDADD = $(LIB_LIBS) $(CMOCKA_LIBS)
