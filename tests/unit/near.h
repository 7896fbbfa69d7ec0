/* SPDX-License-Identifier: MIT */
/* cmocka's assert_float_equal() is for floats, which do not hold a date in seconds. */
#ifndef TESTS_NEAR_H
#define TESTS_NEAR_H

#include <math.h>

#define assert_near(value, expected, epsilon)                                                      \
	do {                                                                                       \
		double near_value = (value), near_expected = (expected);                           \
                                                                                                   \
		if (!(fabs(near_value - near_expected) <= (epsilon)))                              \
			fail_msg("%s is %.12g, expected %.12g", #value, near_value,                \
				 near_expected);                                                   \
	} while (0)

#endif
