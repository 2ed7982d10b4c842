/* JSON may hold credentials: memory of jansson is cleared before it is freed.  Keeper. */
#ifndef JSON_WIPE_H
#define JSON_WIPE_H

/* Once a process, before the first use of jansson. */
void json_wipe_setup(void);

#endif
