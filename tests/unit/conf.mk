# Unit tests of conf; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_conf_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_sha256
tests_unit_test_sha256_SOURCES = tests/unit/test_sha256.c
tests_unit_test_sha256_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_sha256_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_url
tests_unit_test_url_SOURCES = tests/unit/test_url.c
tests_unit_test_url_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_url_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_binding
tests_unit_test_binding_SOURCES = tests/unit/test_binding.c
tests_unit_test_binding_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_binding_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
