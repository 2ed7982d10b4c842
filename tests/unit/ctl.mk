# Unit tests of ctl and of the control API; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_control
tests_unit_test_control_SOURCES = tests/unit/test_control.c tests/unit/control_double.c tests/unit/control_double.h
tests_unit_test_control_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_control_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_control_socket
tests_unit_test_control_socket_SOURCES = tests/unit/test_control_socket.c
tests_unit_test_control_socket_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_control_socket_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_ctl_options
tests_unit_test_ctl_options_SOURCES = tests/unit/test_ctl_options.c
tests_unit_test_ctl_options_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_ctl_options_LDADD = $(CTL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_ctl_pages
tests_unit_test_ctl_pages_SOURCES = tests/unit/test_ctl_pages.c
tests_unit_test_ctl_pages_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_ctl_pages_LDADD = $(CTL_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_ctl
tests_unit_test_ctl_SOURCES = tests/unit/test_ctl.c tests/unit/control_double.c tests/unit/control_double.h
tests_unit_test_ctl_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_ctl_LDADD = ctl/librrctl.a $(MASTER_LIBS) $(CMOCKA_LIBS)
