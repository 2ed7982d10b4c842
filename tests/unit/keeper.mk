# Unit tests of keeper; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_keeper_known
tests_unit_test_keeper_known_SOURCES = tests/unit/test_keeper_known.c
tests_unit_test_keeper_known_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_known_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_keeper_names
tests_unit_test_keeper_names_SOURCES = tests/unit/test_keeper_names.c
tests_unit_test_keeper_names_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_names_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_keeper_pages
tests_unit_test_keeper_pages_SOURCES = tests/unit/test_keeper_pages.c
tests_unit_test_keeper_pages_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_pages_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_keeper_admin
tests_unit_test_keeper_admin_SOURCES = tests/unit/test_keeper_admin.c
tests_unit_test_keeper_admin_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_admin_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_keeper_main
tests_unit_test_keeper_main_SOURCES = tests/unit/test_keeper_main.c
tests_unit_test_keeper_main_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_main_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_keeper_tokens
tests_unit_test_keeper_tokens_SOURCES = tests/unit/test_keeper_tokens.c
tests_unit_test_keeper_tokens_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_tokens_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_keeper_doctor
tests_unit_test_keeper_doctor_SOURCES = tests/unit/test_keeper_doctor.c
tests_unit_test_keeper_doctor_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_keeper_doctor_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_post_answer
tests_unit_test_post_answer_SOURCES = tests/unit/test_post_answer.c
tests_unit_test_post_answer_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_post_answer_LDADD = $(KEEPER_LIBS) $(CMOCKA_LIBS)
