# Unit tests of worker; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_worker_path
tests_unit_test_worker_path_SOURCES = tests/unit/test_worker_path.c
tests_unit_test_worker_path_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_worker_path_LDADD = $(WORKER_LIBS) $(CMOCKA_LIBS)
