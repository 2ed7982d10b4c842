# Unit tests of upstream; see ../../Makefile.am.
check_PROGRAMS += \
	tests/unit/test_upstream_ask \
	tests/unit/test_upstream_classify \
	tests/unit/test_upstream_fetch \
	tests/unit/test_upstream_pool \
	tests/unit/test_upstream_range \
	tests/unit/test_upstream_resume \
	tests/unit/test_upstream_retry \
	tests/unit/test_upstream_socks

tests_unit_test_upstream_ask_SOURCES = tests/unit/test_upstream_ask.c
tests_unit_test_upstream_ask_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_ask_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_classify_SOURCES = tests/unit/test_upstream_classify.c
tests_unit_test_upstream_classify_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_classify_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_fetch_SOURCES = tests/unit/test_upstream_fetch.c \
	tests/unit/upstream_fixture.c tests/unit/upstream_fixture.h
tests_unit_test_upstream_fetch_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_fetch_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_pool_SOURCES = tests/unit/test_upstream_pool.c \
	tests/unit/upstream_fixture.c tests/unit/upstream_fixture.h
tests_unit_test_upstream_pool_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_pool_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_range_SOURCES = tests/unit/test_upstream_range.c
tests_unit_test_upstream_range_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_range_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_resume_SOURCES = tests/unit/test_upstream_resume.c \
	tests/unit/upstream_fixture.c tests/unit/upstream_fixture.h
tests_unit_test_upstream_resume_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_resume_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_retry_SOURCES = tests/unit/test_upstream_retry.c
tests_unit_test_upstream_retry_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_retry_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_upstream_copy
tests_unit_test_upstream_copy_SOURCES = tests/unit/test_upstream_copy.c \
	tests/unit/upstream_fixture.c tests/unit/upstream_fixture.h
tests_unit_test_upstream_copy_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_copy_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_upstream_splice
tests_unit_test_upstream_splice_SOURCES = tests/unit/test_upstream_splice.c \
	tests/unit/upstream_fixture.c tests/unit/upstream_fixture.h
tests_unit_test_upstream_splice_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_splice_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_upstream_breaker
tests_unit_test_upstream_breaker_SOURCES = tests/unit/test_upstream_breaker.c
tests_unit_test_upstream_breaker_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_breaker_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_upstream_path
tests_unit_test_upstream_path_SOURCES = tests/unit/test_upstream_path.c
tests_unit_test_upstream_path_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_path_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_upstream_route
tests_unit_test_upstream_route_SOURCES = tests/unit/test_upstream_route.c
tests_unit_test_upstream_route_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_route_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_upstream_socks_SOURCES = tests/unit/test_upstream_socks.c
tests_unit_test_upstream_socks_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_upstream_socks_LDADD = $(UPSTREAM_LIBS) $(CMOCKA_LIBS)
