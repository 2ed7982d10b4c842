noinst_LIBRARIES += keeper/librrkeeper.a
keeper_librrkeeper_a_CPPFLAGS = $(AM_CPPFLAGS) $(KEEPER_INC)
keeper_librrkeeper_a_CFLAGS = $(AM_CFLAGS)
keeper_librrkeeper_a_SOURCES = keeper/keeper.h
