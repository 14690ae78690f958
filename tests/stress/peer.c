/* SPDX-License-Identifier: MIT */
/*
 * One end of a transfer in a program of its own: peer produce|consume ADDRESS MSG_MAX COUNT
 * BLOCKING SEED
 */
#include <stdlib.h>
#include <string.h>

#include "stress/transfer.h"

int
main(int argc, char **argv)
{
	struct transfer transfer;

	if (argc != 7)
		return 2;
	transfer = (struct transfer){
		.address = argv[2],
		.msg_max = strtoul(argv[3], NULL, 10),
		.count = strtoul(argv[4], NULL, 10),
		.blocking = strtoul(argv[5], NULL, 10),
		.seed = strtoul(argv[6], NULL, 10),
	};
	if (strcmp(argv[1], "produce") == 0)
		transfer_produce(&transfer);
	else
		transfer_consume(&transfer);
	return 0;
}
