# Unit tests of worker; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_worker_acceptor
tests_unit_test_worker_acceptor_SOURCES = tests/unit/test_worker_acceptor.c
tests_unit_test_worker_acceptor_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_worker_acceptor_LDADD = $(WORKER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_worker_client_body
tests_unit_test_worker_client_body_SOURCES = tests/unit/test_worker_client_body.c
tests_unit_test_worker_client_body_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_worker_client_body_LDADD = $(WORKER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_worker_path
tests_unit_test_worker_path_SOURCES = tests/unit/test_worker_path.c
tests_unit_test_worker_path_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_worker_path_LDADD = $(WORKER_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_worker_reply
tests_unit_test_worker_reply_SOURCES = tests/unit/test_worker_reply.c
tests_unit_test_worker_reply_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_worker_reply_LDADD = $(WORKER_LIBS) $(CMOCKA_LIBS)
