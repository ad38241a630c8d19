//go:build even

package sim_test

import "runtime"

// evenSeed begins the lots of the runtime anew.
func evenSeed(seed uint64) { runtime.EvenSeed(seed) }
