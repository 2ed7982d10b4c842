# Unit tests of master; see ../../Makefile.am.
check_PROGRAMS += tests/unit/test_book
tests_unit_test_book_SOURCES = tests/unit/test_book.c
tests_unit_test_book_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_book_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_slot_table
tests_unit_test_slot_table_SOURCES = tests/unit/test_slot_table.c
tests_unit_test_slot_table_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_slot_table_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_inherit
tests_unit_test_inherit_SOURCES = tests/unit/test_inherit.c
tests_unit_test_inherit_CPPFLAGS = $(AM_CPPFLAGS) $(UNIT_INC)
tests_unit_test_inherit_LDADD = $(MASTER_LIBS) $(CMOCKA_LIBS)
