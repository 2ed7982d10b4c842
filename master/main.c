/* regrelayd: the one file that knows the main functions of all processes. */
#include <stdio.h>

#include "exitcode.h"

int main(void)
{
	fprintf(stderr, "regrelayd: no process is built yet\n");
	return EXITCODE_SOFTWARE;
}
