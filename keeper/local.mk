noinst_LIBRARIES += keeper/librrkeeper.a
keeper_librrkeeper_a_CPPFLAGS = $(AM_CPPFLAGS) $(KEEPER_INC)
keeper_librrkeeper_a_CFLAGS = $(AM_CFLAGS) $(CARES_CFLAGS)
keeper_librrkeeper_a_SOURCES = \
	keeper/admin.c keeper/admin.h \
	keeper/admin_client.c keeper/admin_client.h keeper/admin_states.def \
	keeper/cp_tokens.c keeper/cp_tokens.h \
	keeper/keeper_confine.c keeper/keeper_confine.h \
	keeper/keeper.h keeper/keeper_main.c \
	keeper/known.c keeper/known.h \
	keeper/lookup.c keeper/lookup.h \
	keeper/names.c keeper/names.h \
	keeper/pages.c keeper/pages.h \
	keeper/post.c keeper/post.h keeper/post_states.def \
	keeper/probe.c keeper/probe.h
