# Unit tests of lib; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_stats_series
tests_unit_test_stats_series_SOURCES = tests/unit/test_stats_series.c
tests_unit_test_stats_series_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_stats_series_LDADD = $(LIB_LIBS) $(CMOCKA_LIBS)
