/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "pdns-distribute/program.h"

int main(int argc, char **argv)
{
	return program_run(argc, argv);
}
