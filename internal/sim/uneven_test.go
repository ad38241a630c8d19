//go:build !even

package sim_test

// evenSeed can do nothing with the runtime as it is: a seed then decides what happens to a world, but not in which order goroutines run.
func evenSeed(uint64) {}
