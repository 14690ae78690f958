/* SPDX-License-Identifier: MIT */
/* For cppcheck to find: a loop that goes one too far. */
unsigned planted(unsigned first);

unsigned
planted(unsigned first)
{
	unsigned value[4] = {first}, sum = 0;

	for (unsigned i = 0; i <= 4; i++)
		sum += value[i];
	return sum;
}
