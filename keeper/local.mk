noinst_LIBRARIES += keeper/librrkeeper.a
keeper_librrkeeper_a_CPPFLAGS = $(AM_CPPFLAGS) $(KEEPER_INC)
keeper_librrkeeper_a_CFLAGS = $(AM_CFLAGS) $(CARES_CFLAGS)
keeper_librrkeeper_a_SOURCES = \
	keeper/admin.c keeper/admin.h \
	keeper/admin_client.c keeper/admin_client.h keeper/admin_states.def \
	keeper/cp_tokens.c keeper/cp_tokens.h \
	keeper/keeper_confine.c keeper/keeper_confine.h \
	keeper/doctor.c keeper/doctor.h \
	keeper/doctor_client.c keeper/doctor_client.h keeper/doctor_states.def \
	keeper/doctor_exchange.c keeper/doctor_exchange.h \
	keeper/doctor_image.c keeper/doctor_image.h \
	keeper/doctor_manifest.c keeper/doctor_manifest.h \
	keeper/doctor_order.c keeper/doctor_order.h \
	keeper/doctor_out.c keeper/doctor_out.h \
	keeper/doctor_pull.c \
	keeper/doctor_report.c keeper/doctor_report.h \
	keeper/doctor_secret.c \
	keeper/doctor_snippets.c keeper/doctor_snippets.h \
	keeper/doctor_walk.c keeper/doctor_walk.h keeper/doctor_walk_impl.h keeper/doctor_steps.def \
	keeper/doctor_way.c \
	keeper/keeper.h keeper/keeper_main.c \
	keeper/known.c keeper/known.h \
	keeper/lookup.c keeper/lookup.h \
	keeper/names.c keeper/names.h \
	keeper/pages.c keeper/pages.h \
	keeper/post.c keeper/post.h keeper/post_states.def \
	keeper/post_answer.c keeper/post_answer.h \
	keeper/probe.c keeper/probe.h
